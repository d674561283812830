//! After the trouble: within bounded time all is well again, and what an operator asks for in such times is
//! done, or refused for the one reason there is.

use terrace_site::model::Ack;

use super::{STEP, World};
use crate::failover::{Epoch, Order, Refusal};

/// The longest way back: a copy that is refused once, and everything after it.
const WELL_WITHIN: u64 = 40_000;

/// Some writes take no longer, also where some that wait are let go first.
const WRITES_WITHIN: u64 = 6000;

/// Well for this long is well.
const CALM: u64 = 1000;

/// A planned or unplanned change of the primary, with a controller that stays.
const CHANGED_WITHIN: u64 = 12_000;

/// Longer than an automatic failover ever waits.
const LONG: u64 = 12_000;

/// A replica that came back receives nothing for so long.
const DEAF: u64 = 10_000;

/// Within so long a write is acknowledged while the site goes on alone.
const GOES_ON: u64 = 1000;

/// An operator asks again after this.
const ASK_AGAIN: u64 = 500;

impl World {
    /// One of the things that happen to a site that is well.
    pub(super) fn quiet_days(&mut self, seed: u64) {
        match (seed % 3, self.settings.ack) {
            (0, _) => self.planned(),
            (_, Ack::None) => self.unvouched(),
            (1, Ack::Replica) => self.alone(),
            _ => self.replaced(),
        }
        self.until_well();
    }

    /// Well, also for those who write, and nothing under way that was begun before.
    pub(super) fn until_well(&mut self) {
        self.until(WELL_WITHIN, |world| world.complaint());
        let acknowledged = self.acknowledged.len();
        self.until(WRITES_WITHIN, |world| {
            let goes_on = world.acknowledged.len() > acknowledged + 20;
            (!goes_on).then(|| "no write is acknowledged".into())
        });
        let mut since = self.now;
        self.until(WELL_WITHIN, |world| {
            let complaint = world.complaint();
            if complaint.is_some() {
                since = world.now;
            }
            complaint.or_else(|| (world.now < since + CALM).then(|| "calm".into()))
        });
    }

    /// Goes on until nothing is missing.
    fn until(&mut self, within: u64, mut missing: impl FnMut(&Self) -> Option<String>) {
        let deadline = self.now + within;
        while let Some(missing) = missing(self) {
            assert!(self.now < deadline, "after {within} ms still: {missing}");
            self.step();
        }
    }

    fn pass(&mut self, time: u64) {
        let end = self.now + time;
        while self.now < end {
            self.step();
        }
    }

    fn replicas(&self) -> Vec<String> {
        let names = self.names.iter();
        names
            .filter(|name| **name != self.stored.primary)
            .cloned()
            .collect()
    }

    fn planned(&mut self) {
        let to = self.random.pick(&self.replicas()).clone();
        let before = self.stored.epoch;
        let answer = self.ask(Order::Switchover { to: to.clone() });
        assert_eq!(answer.map(|epoch| epoch.0), Ok(before.0 + 1));
        assert_eq!(self.stored.primary, to);
    }

    /// The primary's server goes off for long: the furthest replica takes its place, by itself or by order.
    fn replaced(&mut self) {
        let (old, before) = (self.stored.primary.clone(), self.stored.epoch);
        self.go_off(&old);
        if self.settings.automatic {
            self.until(CHANGED_WITHIN, |world| {
                let changed = world.stored.epoch > before && world.machine.as_ref()?.is_open();
                (!changed).then(|| format!("no failover: {:?}", world.stored))
            });
        } else {
            let set = self.stored.sync_set.keys();
            let furthest = set.max_by_key(|name| self.servers[*name].received());
            let to = furthest.unwrap().clone();
            let accept_data_loss = false;
            let answer = self.ask(Order::Failover {
                to,
                accept_data_loss,
            });
            assert_eq!(answer.map(|epoch| epoch.0), Ok(before.0 + 1));
        }
        assert_ne!(self.stored.primary, old);
        self.come_back(&old);
    }

    /// The primary works alone for a while, then is gone: no replica can stand in for it.
    fn alone(&mut self) {
        let (old, before) = (self.stored.primary.clone(), self.stored.epoch);
        let replicas = self.replicas();
        for name in &replicas {
            self.go_off(name);
        }
        let acknowledged = self.acknowledged.len();
        self.until(CHANGED_WITHIN, |world| {
            let goes_on =
                world.stored.sync_set.is_empty() && world.acknowledged.len() > acknowledged + 20;
            (!goes_on).then(|| format!("it does not go on alone: {:?}", world.stored))
        });
        self.comes_back_deaf(&replicas[0]);
        self.go_off(&old);
        for name in &replicas {
            self.come_back(name);
        }
        self.nobody_replaces(&old, before);
    }

    /// A replica is connected again and receives nothing: no write waits for it.
    fn comes_back_deaf(&mut self, name: &str) {
        self.server(name).deaf_until = u64::MAX;
        self.come_back(name);
        for _ in 0..DEAF / GOES_ON {
            let acknowledged = self.acknowledged.len();
            self.pass(GOES_ON);
            assert!(
                self.acknowledged.len() > acknowledged,
                "writes wait for {name}, which receives nothing: {:?}",
                self.stored
            );
        }
        assert!(self.stored.sync_set.is_empty(), "{:?}", self.stored);
        self.go_off(name);
        self.server(name).deaf_until = 0;
    }

    /// No write waits for a replica, so none can stand in for a primary that is gone.
    fn unvouched(&mut self) {
        let (old, before) = (self.stored.primary.clone(), self.stored.epoch);
        self.go_off(&old);
        self.nobody_replaces(&old, before);
    }

    fn nobody_replaces(&mut self, old: &str, before: Epoch) {
        let accept_data_loss = false;
        let to = self.replicas()[0].clone();
        let answer = self.ask(Order::Failover {
            to,
            accept_data_loss,
        });
        assert_eq!(answer, Err(Refusal::Alone(old.to_owned())));
        self.pass(LONG);
        assert_eq!(self.stored.epoch, before, "{:?}", self.stored);
        self.come_back(old);
    }

    fn go_off(&mut self, name: &str) {
        self.drop_letters(name);
        self.server(name).crash(u64::MAX);
    }

    fn come_back(&mut self, name: &str) {
        let now = self.now;
        let server = self.server(name);
        server.off_until = now;
        server.starts_at = now + 500;
    }

    /// Asks until the answer is more than that it is too early.
    fn ask(&mut self, order: Order) -> Result<Epoch, Refusal> {
        let deadline = self.now + CHANGED_WITHIN;
        loop {
            let number = self.order(order.clone());
            let answer = loop {
                match self.reply.take() {
                    Some((to, answer)) if to == number => break answer,
                    _ => {}
                }
                assert!(
                    self.now < deadline,
                    "no answer to {order:?}: {:?}",
                    self.stored
                );
                self.step();
            };
            let too_early = matches!(
                &answer,
                Err(Refusal::Busy
                    | Refusal::PrimaryWorks(_)
                    | Refusal::PrimaryAway(_)
                    | Refusal::NotAttached(_)
                    | Refusal::Lagging(_))
            );
            if !too_early || self.now >= deadline {
                return answer;
            }
            self.pass(ASK_AGAIN.max(STEP));
        }
    }
}
