//! What goes wrong, how it heals, and what must hold.

use std::collections::BTreeSet;

use super::{Letter, Scenario, World};
use crate::failover::simulation::cluster::Server;
use crate::failover::{Event, Order, Phase};

impl World {
    pub(super) fn trouble(&mut self) {
        if !self.random.chance(35) {
            return;
        }
        let name = self.random.pick(&self.names.clone()).clone();
        let other = self.random.pick(&self.names.clone()).clone();
        let long = self.now + 300 + self.random.below(8000);
        let kind = self.random.below(9);
        self.say(|| format!("trouble {kind} {name} {other} until {long}"));
        match kind {
            0 => {
                self.drop_letters(&name);
                self.servers.get_mut(&name).unwrap().crash(long);
            }
            1 => {
                let soon = self.now + 100 + self.random.below(500);
                let server = self.servers.get_mut(&name).unwrap();
                if server.up {
                    server.kill(soon);
                }
            }
            2 => {
                let server = self.servers.get_mut(&name).unwrap();
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
                self.servers.get_mut(&name).unwrap().speed = speed;
            }
            6 => {
                for other in self.names.clone() {
                    self.cut.insert((name.clone(), other), long);
                }
                self.cut.insert((String::new(), name), long);
            }
            7 => self.hear(Event::Order(self.sent, Order::Switchover { to: name })),
            _ => {
                let accept_data_loss = self.scenario == Scenario::Loss && self.random.chance(500);
                let order = Order::Failover {
                    to: name,
                    accept_data_loss,
                };
                self.hear(Event::Order(self.sent, order));
            }
        }
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

    pub(super) fn assert_healed(&mut self) {
        let primary = self.stored.primary.clone();
        let log: BTreeSet<u64> = self.servers[&primary].log.iter().copied().collect();
        self.totals.acknowledged = self.acknowledged.len() as u64;
        let lost = self.acknowledged.iter().filter(|one| !log.contains(one));
        self.totals.lost = lost.count() as u64;
        assert!(
            self.loss || self.totals.lost == 0,
            "{} lost",
            self.totals.lost
        );
        assert_eq!(self.stored.phase, Phase::Stable, "{:?}", self.stored);
        for (name, server) in &self.servers {
            let is_primary = *name == primary;
            assert!(server.up, "{name} is down");
            assert_eq!(server.writable, is_primary, "{name} of {:?}", self.stored);
            if !is_primary {
                assert!(self.connects(name, &primary), "{name} is no replica");
                assert_eq!(server.source, Some((primary.clone(), true)), "{name}");
                assert!(self.stored.sync_set.contains_key(name), "{:?}", self.stored);
            }
        }
        assert!(self.servers[&primary].semi_sync && self.stored.is_safe());
        assert!(self.stored.fenced.is_empty(), "{:?}", self.stored);
    }
}
