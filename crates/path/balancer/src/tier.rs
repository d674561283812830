//! One tier of servers: the engine's policy for it. Decides and touches no connection; time is an argument.
//!
//! Whom a request goes to, in this order: an active server that is well; a backup that is; while there is none, any
//! whose checks are good though it was taken out for its answers; at last any at all: checks may be behind the
//! truth. One that is being emptied is never among them, nor one that the request has been brought to before.

mod waiting;

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use terrace_http::upstream::policy::{Again, Ended, Failed, Next, Policy, Turn, Why};
use terrace_http::upstream::{Instance, Transport, known_or_new};
use terrace_protocol::report::UpstreamReport;
use terrace_site::plan::{Algorithm, TierPlan};
use tokio::sync::oneshot;

use crate::balance::Turns;
use crate::health::Server;
use crate::limit::Line;
use crate::retry::{Budget, is_safe};
use waiting::{Waiter, Waiting};

/// All servers of a tier.
pub struct Tier {
    plan: TierPlan,
    members: Vec<Member>,
    /// The turns of active ones, of backups, of all.
    turns: [Turns; 3],
    budget: Arc<Budget>,
    line: Mutex<Line<Waiter>>,
    /// The length of the line.
    waiting: AtomicUsize,
    me: Weak<Tier>,
    /// The tier as it was under the plan before: some may still wait there.
    before: Weak<Tier>,
}

/// A server under this plan.
struct Member {
    server: Arc<Server>,
    weight: u32,
    backup: bool,
}

/// How good is good enough.
#[derive(Clone, Copy)]
enum Level {
    Active,
    Backup,
    Checked,
    Any,
}

const LEVELS: [Level; 4] = [Level::Active, Level::Backup, Level::Checked, Level::Any];

/// Whether there is room.
enum Room {
    /// Here, and it is taken.
    At(usize),
    /// Everyone who could be asked has as much as it may.
    Full,
    /// There is nobody to ask.
    Nobody,
}

impl Tier {
    /// The tier of this plan. Servers that `before` knows keep their health, their counts, and whether they are being
    /// emptied.
    pub fn new(plan: TierPlan, before: Option<&Arc<Tier>>, now: Instant) -> Arc<Self> {
        let known = before.map(|tier| &tier.members[..]).unwrap_or_default();
        let instances: Vec<Arc<Instance>> = known
            .iter()
            .map(|member| Arc::clone(&member.server.instance))
            .collect();
        let member = |member: &terrace_site::plan::MemberPlan| {
            let transport = Transport::Tcp(member.address);
            let (rise, fall) = (plan.health.rise, plan.health.fall);
            let instance = known_or_new(&instances, &member.instance, transport, rise, fall);
            let same = known
                .iter()
                .find(|known| Arc::ptr_eq(&known.server.instance, &instance));
            Member {
                server: same.map_or_else(
                    || Arc::new(Server::new(instance, now)),
                    |same| Arc::clone(&same.server),
                ),
                weight: member.weight.max(1),
                backup: member.backup,
            }
        };
        let members: Vec<Member> = plan.members.iter().map(member).collect();
        let turns = |which: usize, part: fn(&Member) -> bool| {
            let numbered = members.iter().enumerate();
            let taking: Vec<_> = numbered
                .filter(|(_, member)| part(member))
                .map(|(index, member)| (index, member.weight))
                .collect();
            Turns::new(&taking, before.map(|tier| &tier.turns[which]))
        };
        let turns = [
            turns(0, |member| !member.backup),
            turns(1, |member| member.backup),
            turns(2, |_| true),
        ];
        Arc::new_cyclic(|me| Self {
            turns,
            members,
            plan,
            budget: before.map_or_else(Arc::default, |tier| Arc::clone(&tier.budget)),
            line: Mutex::default(),
            waiting: AtomicUsize::new(0),
            me: Weak::clone(me),
            before: before.map(Arc::downgrade).unwrap_or_default(),
        })
    }

    /// Its plan.
    pub fn plan(&self) -> &TierPlan {
        &self.plan
    }

    /// The servers, each in its place.
    pub fn instances(&self) -> impl Iterator<Item = &Arc<Instance>> {
        self.members.iter().map(|member| &member.server.instance)
    }

    /// How each server stands.
    pub fn reports(&self, now: Instant) -> impl Iterator<Item = UpstreamReport> {
        self.members
            .iter()
            .map(move |member| member.server.report(member.weight, member.backup, now))
    }

    /// Gives room that has been found elsewhere than at an ended request: a server has come back, or has more.
    pub fn look_after_line(&self, now: Instant) {
        self.hand_on(now);
        if let Some(before) = self.before.upgrade() {
            before.look_after_line(now);
        }
    }

    fn fits(&self, index: usize, level: Level, now: Instant) -> bool {
        let Member { server, backup, .. } = &self.members[index];
        !server.instance.is_leaving()
            && match level {
                Level::Active => !backup && server.is_well(now),
                Level::Backup => *backup && server.is_well(now),
                Level::Checked => server.instance.is_healthy(),
                Level::Any => true,
            }
    }

    fn is_full(&self, index: usize) -> bool {
        let most = self.plan.queue.in_flight;
        most.is_some_and(|most| self.members[index].server.instance.in_flight() >= most)
    }

    fn enter(&self, index: usize) -> bool {
        let instance = &self.members[index].server.instance;
        match self.plan.queue.in_flight {
            Some(most) => instance.try_enter(most),
            None => {
                instance.enter();
                true
            }
        }
    }

    /// Takes room at the best server that has some.
    fn room(&self, tried: &[usize], now: Instant) -> Room {
        for level in LEVELS {
            let fits = |index: usize| !tried.contains(&index) && self.fits(index, level, now);
            let open = |index: usize| fits(index) && !self.is_full(index);
            // Another thread may be quicker.
            while let Some(index) = self.choose(level, tried.is_empty(), open, now) {
                if self.enter(index) {
                    return Room::At(index);
                }
            }
            if self.plan.queue.in_flight.is_some() && (0..self.members.len()).any(fits) {
                return Room::Full;
            }
        }
        Room::Nobody
    }

    fn choose(
        &self,
        level: Level,
        first: bool,
        open: impl Fn(usize) -> bool,
        now: Instant,
    ) -> Option<usize> {
        let turns = &self.turns[(level as usize).min(2)];
        let over = self.plan.slow_start;
        match self.plan.algorithm {
            Algorithm::LeastConnections => turns.least(open, |index| {
                let Member { server, weight, .. } = &self.members[index];
                (
                    server.instance.in_flight(),
                    weight * server.share(over, now),
                )
            }),
            Algorithm::RoundRobin if !first => turns.peek(open),
            Algorithm::RoundRobin => {
                let takes = |index: usize| self.members[index].server.takes_turn(over, now);
                // Where all have just come back somebody takes it all the same.
                turns
                    .next(|index| open(index) && takes(index))
                    .or_else(|| turns.peek(open))
            }
        }
    }

    fn line(&self) -> MutexGuard<'_, Line<Waiter>> {
        // Every use leaves it whole.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stand_in_line(&self, tried: &[usize], now: Instant) -> Next {
        let (place, turn) = oneshot::channel();
        let waiter = Waiter {
            tried: tried.to_vec(),
            place,
        };
        let Some(tier) = self.me.upgrade() else {
            return Next::Nobody;
        };
        let mut line = self.line();
        let Ok(ticket) = line.join(waiter, self.plan.queue.waiting) else {
            return Next::Full;
        };
        self.waiting.store(line.len(), Ordering::SeqCst);
        drop(line);
        let waiting = Waiting::new(tier, ticket, turn);
        // Room may have been made before the line was seen to be there.
        self.hand_on(now);
        let turn: Turn = Box::pin(waiting);
        Next::Wait(turn, self.plan.queue.within)
    }

    /// Gives what room there is to those that wait, the first first.
    fn hand_on(&self, now: Instant) {
        if self.waiting.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut line = self.line();
        // Where one that could go anywhere finds no room, nobody behind it does who could go to fewer.
        let none_left = Cell::new(false);
        loop {
            let placed = line.take(|waiter| {
                if none_left.get() {
                    return None;
                }
                let room = self.room(&waiter.tried, now);
                none_left.set(waiter.tried.is_empty() && !matches!(room, Room::At(_)));
                match room {
                    Room::At(index) => Some(index),
                    Room::Full | Room::Nobody => None,
                }
            });
            let Some((waiter, index)) = placed else {
                break;
            };
            // One that has just left makes room at once.
            if waiter.place.send(index).is_err() {
                self.members[index].server.instance.leave();
            }
        }
        self.waiting.store(line.len(), Ordering::SeqCst);
    }

    fn release(&self, index: usize, now: Instant) {
        self.members[index].server.instance.leave();
        self.hand_on(now);
    }
}

impl Policy for Tier {
    fn next(&self, tried: &[usize], now: Instant) -> Next {
        if tried.is_empty() {
            self.budget.pay();
        }
        // Nobody overtakes those that wait.
        if self.waiting.load(Ordering::SeqCst) > 0 {
            return self.stand_in_line(tried, now);
        }
        match self.room(tried, now) {
            Room::At(index) => Next::Go(index),
            Room::Full => self.stand_in_line(tried, now),
            Room::Nobody => Next::Nobody,
        }
    }

    fn again(&self, failed: &Failed, tried: &[usize], now: Instant) -> Again {
        let other = |index: usize| index != failed.index && !tried.contains(&index);
        let left = |level| {
            let fits = |index: usize| other(index) && self.fits(index, level, now);
            (0..self.members.len()).any(fits)
        };
        // A connection that had been kept for long may close at any time: that is no failure of the server, so it may
        // be asked again before others whose checks are bad.
        let stale = failed.why == Why::Stale;
        let fresh = stale && !self.members[failed.index].server.instance.is_leaving();
        let good = |level: &Level| !fresh || !matches!(level, Level::Any);
        let elsewhere = LEVELS.into_iter().filter(good).any(left);
        if !is_safe(failed) || !(elsewhere || fresh) || !self.budget.take() {
            return Again::No;
        }
        if elsewhere {
            Again::Elsewhere
        } else {
            Again::Fresh
        }
    }

    fn ended(&self, index: usize, how: Ended, now: Instant) {
        let server = &self.members[index].server;
        let plan = &self.plan.ejection;
        match how {
            Ended::Answered(status @ (500 | 502 | 503 | 504)) => {
                server.failed(plan, &format!("an answer of {status}"), now);
            }
            Ended::Answered(_) => server.succeeded(now),
            Ended::Unreachable => server.failed(plan, "no connection", now),
            Ended::Broken => server.failed(plan, "no whole answer", now),
            Ended::Aside => {}
        }
        self.release(index, now);
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
