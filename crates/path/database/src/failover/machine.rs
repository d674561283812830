//! The machine itself: what it knows of each member, one command at a time for each, one store at a time
//! for all. While a record is being stored nothing is commanded, so a command always rests on a record
//! that stands.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::change::{Change, Waiting};
use super::member::{Attached, InFlight, Member};
use super::record::{Epoch, Phase, Record, Run};
use super::words::{Action, Answer, Command, Event, Refusal, Report, Settings, Standing, Token};
use crate::gtid::Position;

/// After a command failed, before the next one to the same member.
const REST: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Routers {
    Unknown,
    Held,
    Open(Epoch),
}

/// Commits wait on the primary and none gets through.
pub(super) struct Stuck {
    since: Instant,
    /// From the first of its reports that said so to the last.
    pub lasts: Duration,
    /// What it holds meanwhile.
    pub position: Position,
}

/// The controller of one site's database.
pub struct Machine {
    pub(super) settings: Settings,
    pub(super) record: Record,
    pub(super) members: BTreeMap<String, Member>,
    /// The run in which the primary was opened in this term.
    pub(super) opened: Option<Run>,
    /// Semi-sync is on in this run, and everything before it is in this position.
    pub(super) enabled: Option<(Run, Position)>,
    pub(super) stuck: Option<Stuck>,
    pub(super) change: Change,
    pub(super) order: Option<u64>,
    /// An order that waits for its replica.
    pub(super) waiting: Option<Waiting>,
    storing: Option<Record>,
    store_again: bool,
    entered: bool,
    retired: bool,
    number: u64,
    routers: Routers,
    out: Vec<Action>,
}

impl Machine {
    /// A controller that goes on from this record. Its first event makes it take over: it stores a term
    /// of its own before it commands anything.
    pub fn new(settings: Settings, record: Record, now: Instant) -> Self {
        // Who may acknowledge and is no longer in the file is never heard, and so locked out and let go.
        let named = settings.members.iter().chain(record.sync_set.keys());
        let members = named.map(|name| (name.clone(), Member::new())).collect();
        Self {
            change: Change::begin(now),
            settings,
            record,
            members,
            opened: None,
            enabled: None,
            stuck: None,
            order: None,
            waiting: None,
            storing: None,
            store_again: false,
            entered: false,
            retired: false,
            number: 0,
            routers: Routers::Unknown,
            out: Vec::new(),
        }
    }

    /// The record that stands.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The primary takes writes, and this controller has opened it.
    pub fn is_open(&self) -> bool {
        self.opened.is_some()
    }

    /// Nothing is written, because the disk of the primary is full.
    pub fn is_full(&self) -> bool {
        self.is_full_on(&self.record.primary)
    }

    pub(super) fn is_full_on(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(Member::is_full)
    }

    /// It comes to its end: whoever waits for an order is answered. What is recorded goes on without.
    pub fn end(&mut self) -> Vec<Action> {
        self.retired = true;
        if let Some(waiting) = self.waiting.take() {
            let reason =
                "the controller ended, or was given another plan, before it began".to_owned();
            self.refuse(waiting.number(), Refusal::Undone(reason));
        }
        let recorded = self.record.phase != Phase::Stable;
        self.reply(Err(if recorded {
            Refusal::Busy
        } else {
            Refusal::Undone("the record of it could not be kept".to_owned())
        }));
        std::mem::take(&mut self.out)
    }

    /// Takes one event and says what is to be done, in this order.
    pub fn handle(&mut self, event: Event, now: Instant) -> Vec<Action> {
        if self.retired {
            return Vec::new();
        }
        self.digest(event, now);
        for member in self.members.values_mut() {
            member.inflight.take_if(|flight| flight.until <= now);
        }
        if self.storing.is_none() && !self.retired {
            self.advance(now);
        }
        std::mem::take(&mut self.out)
    }

    fn advance(&mut self, now: Instant) {
        if !self.entered {
            self.entered = true;
            self.store(|record| record.term += 1);
            return;
        }
        match self.record.phase.clone() {
            Phase::Stable if self.goes_on(now) => {}
            Phase::Stable | Phase::Promote => self.keep(now),
            Phase::Switch { target } => self.switch(&target, now),
            Phase::Fence {
                wish,
                accept_data_loss,
            } => self.fail_over(wish.as_deref(), accept_data_loss, now),
        }
    }

    fn digest(&mut self, event: Event, now: Instant) {
        match event {
            Event::Report(name, report) => self.reported(&name, report, now),
            Event::Answered(name, token, answer) => self.answered(&name, token, answer, now),
            Event::Stored => self.stored(now),
            Event::Superseded(record) => {
                if self.storing.as_ref() == Some(&*record) {
                    self.stored(now);
                } else {
                    self.retired = true;
                    self.out.push(Action::StandDown);
                }
            }
            Event::StoreFailed => self.store_again = true,
            Event::Order(number, order) => self.ordered(number, order, now),
        }
    }

    fn reported(&mut self, name: &str, report: Report, now: Instant) {
        if std::mem::take(&mut self.store_again)
            && let Some(record) = &self.storing
        {
            self.out.push(Action::StoreRecord(Box::new(record.clone())));
        }
        let Some(member) = self.members.get_mut(name) else {
            return;
        };
        member.reported(report, now);
        if name == self.record.primary {
            if member.run().is_none() || member.run() != self.opened.as_ref() {
                self.opened = None;
            }
            let waits = member.standing().filter(|standing| standing.waits);
            let position = waits.map(|standing| standing.position.clone());
            let before = self.stuck.take();
            self.stuck = position.map(|position| {
                let same = before.filter(|before| before.position == position);
                let since = same.map_or(now, |before| before.since);
                Stuck {
                    lasts: now - since,
                    since,
                    position,
                }
            });
            self.note_absence(now);
        }
    }

    fn answered(&mut self, name: &str, token: Token, answer: Answer, now: Instant) {
        let Some(member) = self.members.get_mut(name) else {
            return;
        };
        let matching = |flight: &mut InFlight| flight.token == token;
        let Some(flight) = member.inflight.take_if(matching) else {
            return;
        };
        match answer {
            Answer::At { run, position } => self.done(name, flight.command, run, position),
            Answer::Ended => {
                member.reported(Report::Down, now);
                self.change.killed |= name == self.record.primary;
            }
            Answer::Diverged => {
                member.diverged = true;
                member.attached = None;
            }
            Answer::Failed(reason) => {
                member.rest_until = Some(now + REST);
                let decisive = matches!(flight.command, Command::Close | Command::Apply(_));
                if decisive {
                    self.change.failed = Some(format!("{name}: {reason}"));
                }
            }
        }
    }

    fn done(&mut self, name: &str, command: Command, run: Run, position: Position) {
        let is_primary = name == self.record.primary;
        let Some(member) = self.members.get_mut(name) else {
            return;
        };
        match command {
            Command::Promote { epoch, .. } => {
                let serving = matches!(self.record.phase, Phase::Stable | Phase::Promote);
                if is_primary && serving && epoch == self.record.epoch {
                    if self.opened.as_ref() != Some(&run) {
                        self.forget_absence();
                    }
                    self.opened = Some(run);
                }
            }
            // A record on its way may change what this answer would mean.
            Command::SemiSync(true) if self.storing.is_none() => {
                self.enabled = Some((run, position));
            }
            Command::SemiSync(_) | Command::Release => {}
            Command::Close => self.change.closed = Some((run, position)),
            Command::Collect => {
                self.change
                    .collected
                    .insert(name.to_owned(), (run, position));
            }
            Command::Apply(wanted) => self.change.applied = Some((name.to_owned(), wanted)),
            Command::Attach { source, acks, run } => {
                member.diverged = false;
                member.attached = Some(Attached { source, acks, run });
            }
            Command::Reclone { .. } => member.diverged = false,
            Command::Start { replica } => member.reborn = replica.then_some(run),
            Command::Bar(replica) => {
                if let Some(replica) = self.members.get_mut(&replica) {
                    replica.barred = Some(position);
                }
            }
            Command::Admit(replica) => {
                if let Some(replica) = self.members.get_mut(&replica) {
                    replica.barred = None;
                }
            }
            Command::Fence => {}
        }
    }

    /// Stores the record with this change. Nothing else happens until the answer.
    pub(super) fn store(&mut self, change: impl FnOnce(&mut Record)) {
        let mut record = self.record.clone();
        change(&mut record);
        record.revision += 1;
        self.out.push(Action::StoreRecord(Box::new(record.clone())));
        self.storing = Some(record);
    }

    pub(super) fn is_storing(&self) -> bool {
        self.storing.is_some()
    }

    fn stored(&mut self, now: Instant) {
        let Some(record) = self.storing.take() else {
            return;
        };
        self.store_again = false;
        let before = std::mem::replace(&mut self.record, record);
        if before.sync_set != self.record.sync_set {
            self.enabled = None;
            for (name, run) in &self.record.sync_set {
                let member = self.members.get_mut(name);
                if let Some(member) = member
                    && before.sync_set.get(name) != Some(run)
                {
                    member.away_since = None;
                }
            }
        }
        if before.phase != self.record.phase {
            self.change = Change::begin(now);
        }
        if before.epoch != self.record.epoch {
            self.opened = None;
            self.enabled = None;
            for member in self.members.values_mut() {
                member.barred = None;
                member.away_since = None;
            }
        }
    }

    /// Sends a command, unless the member still owes an answer, rests or does not answer at all.
    pub(super) fn command(&mut self, name: &str, command: Command, now: Instant) {
        let token = Token {
            term: self.record.term,
            number: self.number + 1,
        };
        let long = matches!(command, Command::Start { .. } | Command::Reclone { .. });
        let within = if long {
            self.settings.rebuild_within
        } else {
            self.settings.command_within
        };
        let Some(member) = self.members.get_mut(name) else {
            return;
        };
        let rests = member.rest_until.is_some_and(|until| until > now);
        // On a full disk all waits for room; only the end does not.
        let hears = match member.report {
            Report::Up(_) | Report::Down => true,
            Report::Full(_) => command == Command::Fence,
            Report::Silent => false,
        };
        if member.inflight.is_some() || rests || !hears {
            return;
        }
        if !matches!(
            command,
            Command::Apply(_)
                | Command::Bar(_)
                | Command::Admit(_)
                | Command::SemiSync(_)
                | Command::Release
        ) {
            member.attached = None;
            member.stalled_since = None;
        }
        self.number += 1;
        member.inflight = Some(InFlight {
            token,
            command: command.clone(),
            until: now + within,
        });
        self.out
            .push(Action::Command(name.to_owned(), token, command));
    }

    pub(super) fn hold(&mut self) {
        if self.routers != Routers::Held {
            self.routers = Routers::Held;
            self.out.push(Action::Hold);
        }
    }

    pub(super) fn publish(&mut self) {
        let open = Routers::Open(self.record.epoch);
        if self.routers != open {
            self.routers = open;
            self.out.push(Action::Publish {
                epoch: self.record.epoch,
                primary: self.record.primary.clone(),
            });
            self.out.push(Action::Release);
        }
    }

    /// Answers the operator, if one waits.
    pub(super) fn reply(&mut self, answer: Result<Epoch, Refusal>) {
        if let Some(number) = self.order.take() {
            self.out.push(Action::Reply(number, answer));
        }
    }

    pub(super) fn refuse(&mut self, number: u64, refusal: Refusal) {
        self.out.push(Action::Reply(number, Err(refusal)));
    }

    pub(super) fn standing(&self, name: &str) -> Option<&Standing> {
        self.members.get(name)?.standing()
    }
}
