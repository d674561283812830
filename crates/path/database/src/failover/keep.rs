//! Keeping what is recorded: the primary open and published, every other member its replica. One path for
//! birth, for a restart and for the return of an old primary.

use std::time::{Duration, Instant};

use terrace_site::model::Ack;

use super::machine::Machine;
use super::member::Attached;
use super::record::{Phase, Record};
use super::words::{Command, Report};

/// Silent for this long, writes are held.
const SUSPECT: Duration = Duration::from_secs(1);

/// A link that has not run for this long is made anew: an applier that met a full disk does not go on by
/// itself.
const STALLED: Duration = Duration::from_secs(3);

impl Machine {
    pub(super) fn keep(&mut self, now: Instant) {
        self.keep_primary(now);
        let names: Vec<String> = self.members.keys().cloned().collect();
        for name in names {
            if self.is_storing() {
                return;
            }
            if name != self.record.primary {
                self.keep_replica(&name, now);
            }
        }
        if !self.is_storing() {
            self.keep_sync_set(now);
        }
    }

    /// Writes wait for a replica from the moment a primary opens.
    fn opens_with_semi_sync(&self) -> bool {
        match self.settings.ack {
            Ack::Always => true,
            Ack::Replica => self.record.is_safe(),
            Ack::None => false,
        }
    }

    fn keep_primary(&mut self, now: Instant) {
        let primary = self.record.primary.clone();
        let Some(member) = self.members.get(&primary) else {
            return;
        };
        let silent_for = member.down_since.map(|since| now - since);
        match &member.report {
            Report::Up(standing) => {
                let open = standing.writable && self.opened.as_ref() == Some(&standing.run);
                if !standing.writable {
                    self.hold();
                }
                if open {
                    self.publish();
                    self.reply(Ok(self.record.epoch));
                    if self.record.phase == Phase::Promote {
                        self.store(|record| record.phase = Phase::Stable);
                    }
                } else if self.settings.ack == Ack::None && self.record.names_anyone() {
                    // What it acknowledges from here on is vouched for by nobody.
                    self.store(Record::vouch_no_more);
                } else if !self.record.is_safe() || self.strangers_are_out(now) {
                    // It sets semi-sync by the record, whatever was set before.
                    self.enabled = None;
                    let command = Command::Promote {
                        epoch: self.record.epoch,
                        semi_sync: self.opens_with_semi_sync(),
                    };
                    self.command(&primary, command, now);
                }
            }
            Report::Full(_) => {
                // What is not sent there yet need not wait for room: another one may take it.
                self.hold();
                self.suspect(silent_for.unwrap_or_default());
            }
            Report::Down => {
                self.hold();
                self.command(&primary, Command::Start { replica: false }, now);
                self.suspect(silent_for.unwrap_or_default());
            }
            Report::Silent => {
                let silent_for = silent_for.unwrap_or_default();
                if silent_for >= SUSPECT {
                    self.hold();
                    self.suspect(silent_for);
                }
            }
        }
    }

    /// Begins a failover by itself, where that is allowed and can lose nothing.
    fn suspect(&mut self, silent_for: Duration) {
        if !self.settings.automatic || !self.could_succeed() {
            return;
        }
        let broken = self.record.sync_set.keys().all(|name| {
            let link = self.members.get(name).and_then(|member| member.link());
            link.is_some_and(|link| !link.running)
        });
        if silent_for >= self.settings.dead_after || (broken && silent_for >= SUSPECT) {
            self.store(|record| {
                record.phase = Phase::Fence {
                    wish: None,
                    accept_data_loss: false,
                };
            });
        }
    }

    /// As far as is known: every voucher can be asked, and one of them has caught up. Where not, a primary
    /// that is on its way back is better left alone than killed in vain.
    fn could_succeed(&self) -> bool {
        let Some(mark) = self.mark() else {
            return false;
        };
        let mut caught_up = false;
        let all_there = self.record.sync_set.iter().all(|(name, run)| {
            let standing = self.standing(name).filter(|one| one.run == *run);
            caught_up |= standing.is_some_and(|one| one.position.holds(mark));
            standing.is_some()
        });
        all_there && caught_up
    }

    fn keep_replica(&mut self, name: &str, now: Instant) {
        let Some(member) = self.members.get(name) else {
            return;
        };
        let standing = match &member.report {
            Report::Silent | Report::Full(_) => return,
            Report::Down => {
                return self.command(name, Command::Start { replica: true }, now);
            }
            Report::Up(standing) => standing,
        };
        let fenced = self.record.fenced.contains(name);
        if fenced && member.reborn.as_ref() == Some(&standing.run) {
            return self.store(|record| {
                record.fenced.remove(name);
            });
        }
        if fenced || standing.writable {
            return self.command(name, Command::Fence, now);
        }
        let source = self.record.primary.clone();
        if member.diverged {
            let epoch = self.record.epoch;
            // What it acknowledged counts until it has left the sync set.
            if !self.record.sync_set.contains_key(name) && self.opened.is_some() {
                let donor = source;
                self.command(name, Command::Reclone { donor, epoch }, now);
            }
            return;
        }
        let wanted = Attached {
            // One that was started again acknowledges at once: what waits for it is sent to it anew now, and never
            // again. It vouches for nothing until it is named in this run.
            acks: self.record.sync_set.contains_key(name),
            run: standing.run.clone(),
            source,
        };
        let attached = member.attached.as_ref() == Some(&wanted);
        let stalls = |since| now - since >= STALLED;
        let again = member.stalled_since.is_some_and(stalls);
        if attached && self.is_locked_out(name) {
            self.let_in(name, now);
        } else if self.opened.is_some() && (again || !attached) {
            let Attached { source, acks, run } = wanted;
            self.command(name, Command::Attach { source, acks, run }, now);
        }
    }

    fn is_locked_out(&self, name: &str) -> bool {
        let primary = self.standing(&self.record.primary);
        primary.is_some_and(|one| one.barred.contains(name))
    }

    /// It is locked out, or about to be: it will receive nothing more.
    pub(super) fn is_kept_out(&self, name: &str, now: Instant) -> bool {
        let primary = self.members.get(&self.record.primary);
        let flight = primary.and_then(|one| one.inflight.as_ref());
        let barring = flight
            .is_some_and(|flight| matches!(&flight.command, Command::Bar(who) if who == name));
        let barred = self
            .members
            .get(name)
            .is_some_and(|one| one.barred.is_some());
        barring || barred || self.is_locked_out(name) || self.leaves(name, now)
    }

    /// Only once its link is known to acknowledge no more than the record allows, and not while it is on
    /// its way out of the sync set. From the moment of the order it does not count as barred.
    fn let_in(&mut self, name: &str, now: Instant) {
        if self.leaves(name, now) {
            return;
        }
        if let Some(member) = self.members.get_mut(name) {
            member.barred = None;
        }
        let primary = self.record.primary.clone();
        self.command(&primary, Command::Admit(name.to_owned()), now);
    }
}
