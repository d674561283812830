//! What goes wrong, what an operator asks for meanwhile, and what must hold.

use std::collections::BTreeSet;

use terrace_site::model::Ack;

use super::{Letter, Scenario, World};
use crate::failover::simulation::cluster::Server;
use crate::failover::{Event, Order, Phase};

impl World {
    pub(super) fn trouble(&mut self) {
        if self.random.chance(25) {
            self.operate();
        }
        if !self.random.chance(self.faults) {
            return;
        }
        let name = self.random.pick(&self.names.clone()).clone();
        let other = self.random.pick(&self.names.clone()).clone();
        let long = self.now + 300 + self.random.below(8000);
        let kind = self.random.below(11);
        self.say(|| format!("trouble {kind} {name} {other} until {long}"));
        match kind {
            0 => {
                self.drop_letters(&name);
                self.server(&name).crash(long);
            }
            1 => {
                let soon = self.now + 100 + self.random.below(500);
                let server = self.server(&name);
                if server.up {
                    server.kill(soon);
                }
            }
            2 => {
                let server = self.server(&name);
                server.frozen = !server.frozen;
            }
            3 => {
                self.cut.insert((String::new(), name), long);
            }
            4 => {
                self.cut.insert((name, other), long);
            }
            5 => {
                let speed = self.random.below(3);
                self.server(&name).speed = speed;
            }
            6 => {
                let server = self.server(&name);
                server.stopped = server.up && server.source.is_some();
            }
            7 => {
                // The file says something else: a machine that knows it goes on from the record.
                self.settings.ack = Self::any_ack(&mut self.random);
                self.machine = None;
                self.controller_back = self.now;
            }
            8 => self.server(&name).full_until = long,
            9 => self.server(&name).deaf_until = long,
            _ => {
                for other in self.names.clone() {
                    self.cut.insert((name.clone(), other), long);
                }
                self.cut.insert((String::new(), name), long);
            }
        }
    }

    /// An operator who mostly asks for what fits, and does not know who is how far.
    fn operate(&mut self) {
        let to = self.random.pick(&self.names.clone()).clone();
        let primary = &self.servers[&self.stored.primary];
        let works = primary.up && !primary.frozen && !primary.is_full(self.now);
        let order = if works == self.random.chance(900) {
            Order::Switchover { to }
        } else {
            Order::Failover {
                to,
                accept_data_loss: self.scenario == Scenario::Loss && self.random.chance(500),
            }
        };
        self.order(order);
    }

    /// Gives an order, and says under which number.
    pub(super) fn order(&mut self, order: Order) -> u64 {
        self.orders += 1;
        self.hear(Event::Order(self.orders, order));
        self.orders
    }

    pub(super) fn server(&mut self, name: &str) -> &mut Server {
        self.servers.get_mut(name).unwrap()
    }

    /// A connection ends with its server.
    pub(super) fn drop_letters(&mut self, name: &str) {
        self.letters.retain(|_, letter| match letter {
            Letter::Command(to, _, _) => to != name,
            _ => true,
        });
    }

    pub(super) fn heal(&mut self) {
        self.cut.clear();
        for server in self.servers.values_mut() {
            server.frozen = false;
            server.full_until = server.full_until.min(self.now);
            server.deaf_until = server.deaf_until.min(self.now);
            server.speed = 20;
            server.starts_at = server.starts_at.min(self.now + 500);
            server.off_until = server.off_until.min(self.now);
        }
    }

    /// At no moment can two servers acknowledge a write.
    pub(super) fn assert_one_acknowledges(&self) {
        if self.loss {
            return;
        }
        let can = |name: &&String| {
            let server = &self.servers[*name];
            let replica = |(other, one): (&String, &Server)| {
                let acks = |(source, acks): &(String, bool)| *acks && source == *name;
                let welcome = !one.diverged && !server.barred.contains(other);
                one.receives && one.source.as_ref().is_some_and(acks) && welcome
            };
            let acknowledged = !server.semi_sync || self.servers.iter().any(replica);
            server.up && server.writable && acknowledged
        };
        let able: Vec<&String> = self.names.iter().filter(can).collect();
        assert!(able.len() <= 1, "{able:?} can acknowledge at {}", self.now);
    }

    /// Why the site is not as it should be without faults; `None`: it is.
    pub(super) fn complaint(&self) -> Option<String> {
        if self.machine.as_ref().is_none_or(|one| !one.is_open()) {
            return Some("no controller has opened the primary".into());
        }
        let record = &self.stored;
        let primary = &record.primary;
        let synced = self.settings.ack != Ack::None;
        let vouches = record.mark.is_some() || !record.sync_set.is_empty();
        let safe = if synced { record.is_safe() } else { !vouches };
        if record.phase != Phase::Stable || !safe || !record.fenced.is_empty() {
            return Some(format!("{record:?}"));
        }
        let one = &self.servers[primary];
        if !one.up || !one.writable || one.semi_sync != synced {
            return Some(format!(
                "{primary} is not open with the semi-sync it is to have"
            ));
        }
        let replica_of_it = |(name, server): (&String, &Server)| {
            let named = record.sync_set.get(name) == Some(&server.run());
            let mark = record.mark.as_ref();
            server.source == Some((primary.clone(), synced))
                && self.connects(name, primary)
                && named == synced
                && mark.is_none_or(|mark| server.position().holds(mark))
                && !server.writable
                && !server.stopped
        };
        let replicas = self.servers.iter().filter(|(name, _)| *name != primary);
        let (name, _) = replicas.into_iter().find(|one| !replica_of_it(*one))?;
        Some(format!("{name} is no replica as it is to be: {record:?}"))
    }

    pub(super) fn count_lost(&mut self) {
        let log: BTreeSet<u64> = self.servers[&self.stored.primary]
            .log
            .iter()
            .copied()
            .collect();
        self.totals.acknowledged = self.acknowledged.len() as u64;
        let lost = self.acknowledged.iter().filter(|one| !log.contains(one));
        self.totals.lost = lost.count() as u64;
        let lost = self.totals.lost;
        assert!(self.loss || lost == 0, "{lost} acknowledged writes lost");
    }
}
