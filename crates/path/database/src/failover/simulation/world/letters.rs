//! What travels between the controller, its record and the servers: late, lost, or refused as too old.

use std::collections::BTreeSet;

use super::{Letter, STEP, TROUBLE, World};
use crate::failover::{Action, Answer, Command, Event, Phase, Record, Report, Token};

impl World {
    pub(super) fn probe(&mut self) {
        for name in self.names.clone() {
            let server = &self.servers[&name];
            let reached = server.listens(self.now) && self.linked("", &name);
            let report = if reached {
                let connected = |other: &&String| {
                    let source = self.servers[*other].source.as_ref();
                    source.is_some_and(|(source, _)| *source == name) && self.connects(other, &name)
                };
                let connected: BTreeSet<String> =
                    self.names.iter().filter(connected).cloned().collect();
                let source = server.source.as_ref().map(|(source, _)| source.clone());
                let source = source.filter(|source| self.connects(&name, source));
                server.report(self.now, connected, source.map(|one| &self.servers[&one]))
            } else {
                Report::Silent
            };
            self.tell_controller(&name, Event::Report(name.clone(), report));
        }
    }

    /// What comes from one member keeps its order.
    pub(super) fn tell_controller(&mut self, name: &str, event: Event) {
        let delay = if self.random.chance(100) {
            self.random.below(900)
        } else {
            self.random.below(60)
        };
        let last = self.last.entry(name.to_owned()).or_default();
        *last = (*last).max(self.now + delay);
        let at = *last;
        self.post(at, Letter::Event(event));
    }

    pub(super) fn post(&mut self, at: u64, letter: Letter) {
        self.sent += 1;
        self.letters.insert((at, self.sent), letter);
    }

    pub(super) fn deliver(&mut self) {
        while let Some(entry) = self.letters.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            match entry.remove() {
                Letter::Event(event) => self.hear(event),
                Letter::Store(from, record) => self.keep_record(from, *record),
                Letter::Command(name, token, command) => self.arrive(&name, token, command),
            }
        }
    }

    pub(super) fn hear(&mut self, event: Event) {
        let now = self.instant();
        let Some(machine) = &mut self.machine else {
            return;
        };
        let actions = machine.handle(event, now);
        let dies = self.now < TROUBLE && !actions.is_empty() && self.random.chance(12);
        let until = if dies {
            usize::try_from(self.random.below(actions.len() as u64 + 1)).unwrap()
        } else {
            actions.len()
        };
        for action in actions.into_iter().take(until) {
            self.act(action);
        }
        if dies {
            self.say(|| "controller killed".into());
            self.machine = None;
            self.controller_back = self.now + self.random.below(3000);
            // Its connections end with it; what is on its way to a member still arrives.
            self.letters
                .retain(|_, letter| !matches!(letter, Letter::Event(_)));
        }
    }

    pub(super) fn act(&mut self, action: Action) {
        self.say(|| format!("{action:?}"));
        match action {
            Action::StoreRecord(record) => {
                let at = self.now + self.random.below(100);
                self.post(at, Letter::Store(self.totals.controllers, record));
            }
            Action::Command(name, token, command) => {
                if self.now < TROUBLE && self.random.chance(30) {
                    return;
                }
                let late = self.now < TROUBLE && self.random.chance(60);
                let delay = if late {
                    self.random.below(9000)
                } else {
                    self.random.below(60)
                };
                self.post(self.now + delay, Letter::Command(name, token, command));
            }
            Action::Reply(order, answer) => {
                self.totals.refused += u64::from(answer.is_err());
                self.reply = Some((order, answer));
            }
            Action::StandDown => {
                self.machine = None;
                self.controller_back = self.now + 100;
            }
            Action::Hold | Action::Release => {}
            Action::Publish { epoch, .. } => assert!(epoch <= self.stored.epoch),
        }
    }

    pub(super) fn keep_record(&mut self, from: u64, record: Record) {
        let event = if self.stored.revision + 1 == record.revision {
            self.note_change(&record);
            self.stored = record;
            Event::Stored
        } else {
            Event::Superseded(Box::new(self.stored.clone()))
        };
        if from != self.totals.controllers {
            return;
        }
        let unknown = self.now < TROUBLE && self.random.chance(20);
        self.hear(if unknown { Event::StoreFailed } else { event });
    }

    pub(super) fn note_change(&mut self, record: &Record) {
        self.say(|| format!("stored {record:?}"));
        if record.epoch > self.stored.epoch {
            self.totals.promotions += 1;
            match &self.stored.phase {
                Phase::Switch { .. } => self.totals.switchovers += 1,
                Phase::Fence {
                    accept_data_loss, ..
                } => {
                    self.totals.failovers += 1;
                    self.loss |= accept_data_loss;
                }
                other => panic!("a new epoch out of {other:?}"),
            }
        }
        if record.sync_set.is_empty() && !self.stored.sync_set.is_empty() {
            self.totals.alone += 1;
        }
    }

    pub(super) fn arrive(&mut self, name: &str, token: Token, command: Command) {
        if !self.linked("", name) || !self.servers[name].listens(self.now) {
            // Delivered when it can be, or never.
            if self.random.chance(700) {
                self.post(
                    self.now + STEP * 4,
                    Letter::Command(name.to_owned(), token, command),
                );
            }
            return;
        }
        let server = self.servers.get_mut(name).unwrap();
        if server.is_stale(token) {
            return;
        }
        if server.is_full(self.now) && command != Command::Fence {
            // It hangs, and is given up.
            return;
        }
        server.busy = None;
        let releases = matches!(
            command,
            Command::SemiSync(false)
                | Command::Release
                | Command::Promote {
                    semi_sync: false,
                    ..
                }
        );
        if releases && server.up {
            let released = server.waiting.drain(..).map(|(_, write)| write);
            self.acknowledged.extend(released);
        }
        let answer = server.obey(&command, self.now);
        match answer {
            Some(answer) => self.answer(name, token, answer),
            None => {
                let takes = match command {
                    Command::Reclone { .. } => 1000 + self.random.below(3000),
                    _ => 0,
                };
                let server = self.servers.get_mut(name).unwrap();
                server.busy = Some((self.now + takes, token, command));
            }
        }
    }

    pub(super) fn answer(&mut self, name: &str, token: Token, answer: Answer) {
        self.say(|| format!("{name} answers {token:?} {answer:?}"));
        if self.now < TROUBLE && self.random.chance(30) {
            return;
        }
        self.tell_controller(name, Event::Answered(name.to_owned(), token, answer));
    }
}
