//! Who may acknowledge: joining and leaving the sync set, and what a failover may rely on.

use std::time::{Duration, Instant};

use terrace_site::model::Ack;

use super::machine::Machine;
use super::record::{Record, Run};
use super::words::Command;
use crate::gtid::Position;

/// Commits that wait for longer, though a replica holds them, wait in vain.
const STUCK: Duration = Duration::from_secs(1);

impl Machine {
    /// After a report of the primary: who of the sync set is not connected in a way that acknowledges.
    pub(super) fn note_absence(&mut self, now: Instant) {
        let Some(primary) = self.standing(&self.record.primary) else {
            return;
        };
        let connected = primary.replicas.clone();
        for (name, member) in &mut self.members {
            // A connection outlives a cable for minutes, so who says nothing of itself is away, too.
            let acks = member
                .link()
                .is_some_and(|link| link.acks && !link.diverged);
            if connected.contains(name) && acks {
                member.away_since = None;
            } else {
                member.away_since.get_or_insert(now);
            }
        }
    }

    /// Who was away while the primary was down may come back now that it is there: nobody is given up for that time.
    pub(super) fn forget_absence(&mut self) {
        for member in self.members.values_mut() {
            member.away_since = None;
        }
    }

    pub(super) fn keep_sync_set(&mut self, now: Instant) {
        if self.opened.is_none() || self.settings.ack == Ack::None {
            return;
        }
        if self.take_mark() || self.leave(now) || self.join() {
            return;
        }
        self.keep_semi_sync(now);
    }

    /// Records what a replica must hold to be elected, once semi-sync is known to be on.
    fn take_mark(&mut self) -> bool {
        let Some((run, position)) = self.enabled.take() else {
            return false;
        };
        let current = self.opened.as_ref() == Some(&run);
        let wanted = self.record.mark.is_none() && !self.record.sync_set.is_empty();
        if current && wanted {
            self.store(|record| record.mark = Some(position));
        }
        self.is_storing()
    }

    /// Those of the sync set that are away for too long.
    fn gone(&self, now: Instant) -> Vec<String> {
        let patience = self.settings.alone_after;
        let is_gone = |name: &&String| match self.members.get(*name) {
            Some(member) => member
                .away_since
                .is_some_and(|since| now - since >= patience),
            None => true,
        };
        let set = &self.record.sync_set;
        set.keys().filter(is_gone).cloned().collect()
    }

    /// It is let go while others stay.
    pub(super) fn leaves(&self, name: &str, now: Instant) -> bool {
        let gone = self.gone(now);
        gone.len() < self.record.sync_set.len() && gone.iter().any(|one| one == name)
    }

    /// Lets those go that are away for too long: the last one only where the site may go on alone.
    fn leave(&mut self, now: Instant) -> bool {
        let gone = self.gone(now);
        if gone.is_empty() {
            return false;
        }
        if gone.len() == self.record.sync_set.len() {
            let never_back = |name: &String| {
                let diverged = self.members.get(name).is_none_or(|one| one.diverged);
                diverged || !self.settings.members.contains(name)
            };
            if self.settings.ack == Ack::Replica || gone.iter().any(never_back) {
                self.store(Record::vouch_no_more);
            }
            return self.is_storing();
        }
        gone.into_iter().any(|name| self.leave_others(&name, now))
    }

    /// One leaves while others stay: barred first, then gone once another holds what the primary had.
    fn leave_others(&mut self, name: &str, now: Instant) -> bool {
        let barred = self.members.get(name).and_then(|one| one.barred.clone());
        let Some(position) = barred else {
            let primary = self.record.primary.clone();
            self.command(&primary, Command::Bar(name.to_owned()), now);
            return false;
        };
        let held = self.record.sync_set.iter().any(|(other, run)| {
            let standing = self.standing(other);
            other != name
                && standing.is_some_and(|one| one.run == *run && one.position.holds(&position))
        });
        if held {
            self.store(|record| {
                record.sync_set.remove(name);
                record.mark = record.mark.take().map(|mark| mark.union(position));
            });
        }
        held
    }

    /// A replica that follows closely is named. One that was started again since it was named is named
    /// anew, and vouches for nothing until the mark is taken again.
    fn join(&mut self) -> bool {
        let ready = self.members.iter().find_map(|(name, member)| {
            let standing = member.standing()?;
            let attached = member.attached.as_ref()?;
            let named = self.record.sync_set.get(name) == Some(&standing.run);
            let close = self.follows_closely(name) && attached.source == self.record.primary;
            (!named && close && !member.diverged && !self.record.fenced.contains(name))
                .then(|| (name.clone(), standing.run.clone()))
        });
        let Some((name, run)) = ready else {
            return false;
        };
        self.name_replica(name, run);
        true
    }

    fn name_replica(&mut self, name: String, run: Run) {
        self.store(|record| {
            if record.sync_set.contains_key(&name) || record.sync_set.is_empty() {
                record.mark = None;
            }
            record.sync_set.insert(name, run);
        });
    }

    /// It applies what it receives, and receives what the primary has. Its lag alone does not say that: an applier
    /// that is sent nothing is not behind.
    pub(super) fn follows_closely(&self, name: &str) -> bool {
        let link = self.members.get(name).and_then(|member| member.link());
        link.is_some_and(|link| {
            link.running
                && !link.diverged
                && link.source == self.record.primary
                && link.lag.is_some_and(|lag| lag < self.settings.lag)
        }) && self.receives(name)
    }

    /// It holds what the primary had one report ago: what has come since may be on its way.
    fn receives(&self, name: &str) -> bool {
        let primary = self.members.get(&self.record.primary);
        let earlier = primary.and_then(|one| one.earlier.as_ref());
        let held = self.standing(name).map(|one| &one.position);
        earlier
            .zip(held)
            .is_some_and(|(earlier, held)| held.holds(earlier))
    }

    fn keep_semi_sync(&mut self, now: Instant) {
        let primary = self.record.primary.clone();
        let Some(standing) = self.standing(&primary) else {
            return;
        };
        let is_on = standing.semi_sync;
        if self.record.sync_set.is_empty() {
            if is_on && self.settings.ack == Ack::Replica {
                self.command(&primary, Command::SemiSync(false), now);
            }
            return;
        }
        if self.relieve(now) {
            return;
        }
        let acknowledging = self.acknowledging().next().is_some();
        let wanted = self.record.mark.is_none() || !is_on;
        if acknowledging && wanted && self.strangers_are_out(now) {
            self.command(&primary, Command::SemiSync(true), now);
        }
    }

    /// Those of the sync set that are known to acknowledge, in the run in which they are named.
    fn acknowledging(&self) -> impl Iterator<Item = &String> {
        let primary = &self.record.primary;
        let acks = move |(name, run): &(&String, &Run)| {
            let attached = self
                .members
                .get(*name)
                .and_then(|one| one.attached.as_ref());
            attached.is_some_and(|one| one.acks && one.run == **run && one.source == *primary)
        };
        self.record
            .sync_set
            .iter()
            .filter(acks)
            .map(|(name, _)| name)
    }

    /// Commits wait for long, and none gets through.
    pub(super) fn is_stuck(&self) -> bool {
        self.stuck
            .as_ref()
            .is_some_and(|stuck| stuck.lasts >= STUCK)
    }

    /// Commits wait, though a replica that acknowledges holds them: it will not be asked again. The record stops
    /// vouching first, because for a moment commits wait for nobody.
    fn relieve(&mut self, now: Instant) -> bool {
        let Some(stuck) = self.stuck.as_ref().filter(|stuck| stuck.lasts >= STUCK) else {
            return false;
        };
        let holds = |name: &String| {
            let standing = self.standing(name);
            standing.is_some_and(|one| one.position.holds(&stuck.position))
        };
        if !self.acknowledging().any(holds) {
            return false;
        }
        if self.record.mark.is_some() {
            self.store(|record| record.mark = None);
        } else {
            let primary = self.record.primary.clone();
            self.command(&primary, Command::Release, now);
        }
        true
    }

    /// Nobody outside the sync set can acknowledge: whoever is not known to be linked without is locked
    /// out. A replica that was named once may still try to come back over the link of that time.
    pub(super) fn strangers_are_out(&mut self, now: Instant) -> bool {
        let primary = self.record.primary.clone();
        let stranger = self.members.iter().find(|(name, member)| {
            let attached = member.attached.as_ref();
            let harmless = attached.is_some_and(|one| !one.acks && one.source == primary);
            let named = self.record.sync_set.contains_key(*name);
            **name != primary && !named && !harmless && member.barred.is_none()
        });
        let Some(name) = stranger.map(|(name, _)| name.clone()) else {
            return true;
        };
        self.command(&primary, Command::Bar(name), now);
        false
    }

    /// What the sync set must hold, if it vouches for anything.
    pub(super) fn mark(&self) -> Option<&Position> {
        self.record.mark.as_ref().filter(|_| self.record.is_safe())
    }
}
