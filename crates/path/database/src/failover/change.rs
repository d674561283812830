//! Changing the primary: planned, with the help of both, and unplanned, without the old one. Both end in
//! one store of the next epoch. Before it everything is undone by going back to `Stable`; after it there
//! is no way back.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use terrace_site::model::Ack;

use super::Order;
use super::machine::Machine;
use super::record::{Phase, Record, Run};
use super::words::{Command, Refusal, Report};
use crate::gtid::Position;

/// How long a failover waits for the old primary's end before it relies on the stopped replicas alone,
/// and with accepted loss for replicas that do not answer.
const GRACE: Duration = Duration::from_secs(2);

/// Under full load a replica is a second behind now and then: a switchover waits so long for it.
const CATCHES_UP: Duration = Duration::from_secs(5);

/// A switchover that waits for its replica to catch up. Nothing is held meanwhile, and nothing recorded.
pub(super) struct Waiting {
    number: u64,
    order: Order,
    since: Instant,
}

impl Waiting {
    pub(super) fn number(&self) -> u64 {
        self.number
    }
}

/// How far a change has come; all of it is done again after a restart.
pub(super) struct Change {
    since: Instant,
    pub killed: bool,
    pub closed: Option<(Run, Position)>,
    pub collected: BTreeMap<String, (Run, Position)>,
    pub applied: Option<(String, Position)>,
    pub failed: Option<String>,
}

impl Change {
    pub(super) fn begin(now: Instant) -> Self {
        Self {
            since: now,
            killed: false,
            closed: None,
            collected: BTreeMap::new(),
            applied: None,
            failed: None,
        }
    }
}

impl Machine {
    pub(super) fn ordered(&mut self, number: u64, order: Order, now: Instant) {
        let stable = self.record.phase == Phase::Stable;
        if !stable || self.order.is_some() || self.waiting.is_some() || self.is_storing() {
            return self.refuse(number, Refusal::Busy);
        }
        let since = now;
        self.begin(
            Waiting {
                number,
                order,
                since,
            },
            now,
        );
    }

    /// Begins what waited, if it may by now. True: that came first.
    pub(super) fn goes_on(&mut self, now: Instant) -> bool {
        if let Some(waiting) = self.waiting.take() {
            self.begin(waiting, now);
        }
        self.is_storing()
    }

    fn begin(&mut self, waiting: Waiting, now: Instant) {
        let possible = self.may_begin(&waiting.order, now);
        match possible {
            Err(Refusal::Lagging(_)) if now - waiting.since < CATCHES_UP => {
                self.waiting = Some(waiting);
            }
            Err(refusal) => self.refuse(waiting.number, refusal),
            Ok(()) => {
                self.order = Some(waiting.number);
                self.store(|record| {
                    record.phase = match waiting.order {
                        Order::Switchover { to } => Phase::Switch { target: to },
                        Order::Failover {
                            to,
                            accept_data_loss,
                        } => Phase::Fence {
                            wish: Some(to),
                            accept_data_loss,
                        },
                    };
                });
            }
        }
    }

    fn may_begin(&self, order: &Order, now: Instant) -> Result<(), Refusal> {
        let (Order::Switchover { to } | Order::Failover { to, .. }) = order;
        if !self.settings.members.contains(to) {
            return Err(Refusal::NoMember(to.clone()));
        }
        if *to == self.record.primary {
            return Err(Refusal::Already(to.clone()));
        }
        match order {
            Order::Switchover { to } => self.may_switch(to, now),
            Order::Failover {
                to,
                accept_data_loss,
            } => self.may_fail_over(to, *accept_data_loss),
        }
    }

    fn may_switch(&self, target: &str, now: Instant) -> Result<(), Refusal> {
        let primary = &self.record.primary;
        if self.is_full() {
            return Err(Refusal::PrimaryFull(primary.clone()));
        }
        if self.opened.is_none() || self.standing(primary).is_none() {
            return Err(Refusal::PrimaryAway(primary.clone()));
        }
        if self.is_full_on(target) {
            return Err(Refusal::TargetFull(target.to_owned()));
        }
        let member = self.members.get(target);
        let attached = member.and_then(|one| one.attached.as_ref());
        let usable = attached.is_some_and(|one| one.source == *primary)
            && member.is_some_and(|one| !one.diverged)
            && !self.record.fenced.contains(target)
            && !self.is_kept_out(target, now);
        if !usable {
            return Err(Refusal::NotAttached(target.to_owned()));
        }
        // Where commits wait for an acknowledgement the primary cannot be closed: they are let go first.
        if !self.follows_closely(target) || self.is_stuck() {
            return Err(Refusal::Lagging(target.to_owned()));
        }
        Ok(())
    }

    fn may_fail_over(&self, to: &str, accept_data_loss: bool) -> Result<(), Refusal> {
        let primary = &self.record.primary;
        let works = self.opened.is_some() && self.standing(primary).is_some();
        if works {
            return Err(Refusal::PrimaryWorks(primary.clone()));
        }
        if self.is_full_on(to) {
            return Err(Refusal::TargetFull(to.to_owned()));
        }
        if accept_data_loss {
            return Ok(());
        }
        if self.mark().is_none() {
            return Err(Refusal::Alone(primary.clone()));
        }
        let mut vouchers = self.record.sync_set.keys();
        match vouchers.find(|name| self.is_full_on(name)) {
            Some(full) => Err(Refusal::VoucherFull(full.clone())),
            None => Ok(()),
        }
    }

    /// Goes back to the old primary.
    fn undo(&mut self, refusal: Refusal) {
        self.opened = None;
        self.reply(Err(refusal));
        self.store(|record| record.phase = Phase::Stable);
    }

    pub(super) fn switch(&mut self, target: &str, now: Instant) {
        self.hold();
        self.opened = None;
        let failed = self.change.failed.take();
        let late = now - self.change.since >= self.settings.change_within;
        if let Some(reason) = failed {
            return self.undo(Refusal::Undone(reason));
        }
        if late {
            let reason = format!("{target} did not catch up in time");
            return self.undo(Refusal::Undone(reason));
        }
        let primary = self.record.primary.clone();
        let Some((run, position)) = self.change.closed.clone() else {
            return self.command(&primary, Command::Close, now);
        };
        let caught_up = Some((target.to_owned(), position.clone()));
        if self.change.applied != caught_up {
            return self.command(target, Command::Apply(position), now);
        }
        let synced = self.settings.ack != Ack::None;
        self.store(|record| {
            if synced {
                // The old primary is closed and holds exactly what the new one has.
                record.sync_set.insert(primary, run);
            }
            become_primary(record, target, position);
        });
    }

    pub(super) fn fail_over(&mut self, wish: Option<&str>, accept_data_loss: bool, now: Instant) {
        self.hold();
        self.opened = None;
        let old = self.record.primary.clone();
        if !self.change.killed {
            self.command(&old, Command::Fence, now);
        }
        let asked = self.to_collect(accept_data_loss);
        for name in &asked {
            if !self.change.collected.contains_key(name) {
                self.command(name, Command::Collect, now);
            }
        }
        let waited = now - self.change.since;
        let answers = matches!(
            self.members.get(&old).map(|one| &one.report),
            Some(Report::Up(_) | Report::Full(_))
        );
        let fenced = self.change.killed || !answers || waited >= GRACE;
        let missing = asked
            .iter()
            .find(|one| !self.change.collected.contains_key(*one));
        let enough = missing.is_none() || (accept_data_loss && waited >= GRACE);
        let late = waited >= self.settings.change_within;
        if !fenced || (!enough && !late) {
            return;
        }
        let elected = match missing.filter(|_| !enough) {
            Some(name) => Err(Refusal::Unreached(name.clone())),
            None => self.elect(wish, accept_data_loss),
        };
        match elected {
            Err(refusal) => self.undo(refusal),
            Ok((name, position)) => self.take_over(&name, position, accept_data_loss, late, now),
        }
    }

    /// Everyone whose acknowledgement counted; with accepted loss everyone who may help.
    fn to_collect(&self, accept_data_loss: bool) -> Vec<String> {
        if !accept_data_loss {
            return self.record.sync_set.keys().cloned().collect();
        }
        let usable = |name: &&String| {
            let diverged = self.members.get(*name).is_none_or(|one| one.diverged);
            **name != self.record.primary && !diverged
        };
        self.settings
            .members
            .iter()
            .filter(usable)
            .cloned()
            .collect()
    }

    fn elect(
        &self,
        wish: Option<&str>,
        accept_data_loss: bool,
    ) -> Result<(String, Position), Refusal> {
        let old = self.record.primary.clone();
        let collected = &self.change.collected;
        let nobody = || match wish.filter(|_| accept_data_loss) {
            Some(wish) => Refusal::NoAnswer(wish.to_owned()),
            None => Refusal::Alone(old.clone()),
        };
        let best = furthest(collected).ok_or_else(nobody)?;
        let position = |name: &String| collected[name].1.clone();
        if accept_data_loss {
            let name = wish.map_or_else(|| best.clone(), str::to_owned);
            if !collected.contains_key(&name) {
                return Err(Refusal::NoAnswer(name));
            }
            let position = position(&name);
            return Ok((name, position));
        }
        let Some(mark) = self.mark() else {
            return Err(Refusal::Alone(old));
        };
        for (name, run) in &self.record.sync_set {
            if collected[name].0 != *run {
                return Err(Refusal::Restarted(name.clone(), old));
            }
        }
        if !collected[best].1.holds(mark) {
            return Err(Refusal::Behind(old));
        }
        let Some(wish) = wish.filter(|wish| wish != best) else {
            return Ok((best.clone(), position(best)));
        };
        match collected.get(wish) {
            Some((_, held)) if held.holds(&collected[best].1) => {
                Ok((wish.to_owned(), held.clone()))
            }
            _ => Err(Refusal::NotFurthest {
                wish: wish.to_owned(),
                furthest: best.clone(),
            }),
        }
    }

    fn take_over(&mut self, name: &str, position: Position, loss: bool, late: bool, now: Instant) {
        let failed = self.change.failed.take();
        if self.change.applied != Some((name.to_owned(), position.clone())) {
            if late || failed.is_some() {
                let reason = failed
                    .unwrap_or_else(|| format!("{name} did not apply what it received in time"));
                return self.undo(Refusal::Undone(reason));
            }
            return self.command(name, Command::Apply(position), now);
        }
        let old = self.record.primary.clone();
        self.store(|record| {
            record.fenced.insert(old);
            record.fenced.remove(name);
            if loss {
                record.sync_set.clear();
            }
            become_primary(record, name, position);
        });
    }
}

/// The point of no return. Who is left in the sync set counts again once it holds what the new primary
/// begins with.
fn become_primary(record: &mut Record, name: &str, position: Position) {
    record.epoch.0 += 1;
    name.clone_into(&mut record.primary);
    record.phase = Phase::Promote;
    record.sync_set.remove(name);
    record.mark = (!record.sync_set.is_empty()).then_some(position);
}

/// The furthest of what was collected: the one that holds all that the others have.
fn furthest(collected: &BTreeMap<String, (Run, Position)>) -> Option<&String> {
    collected
        .iter()
        .reduce(
            |best, one| {
                if best.1.1.holds(&one.1.1) { best } else { one }
            },
        )
        .map(|(name, _)| name)
}

#[cfg(test)]
mod tests;
