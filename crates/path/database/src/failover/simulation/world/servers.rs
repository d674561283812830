//! What servers and clients do by themselves: receive, apply, acknowledge, write, and finish what takes time.

use super::World;
use crate::failover::simulation::cluster::Server;
use crate::failover::{Answer, Command, Run, Token};

impl World {
    pub(super) fn run_servers(&mut self) {
        let now = self.now;
        for server in self.servers.values_mut() {
            if !server.up && !server.fenced && server.starts_at <= now {
                server.start(false);
            }
            if server.up && !server.frozen && !server.stopped && !server.is_full(now) {
                let count = server
                    .relay
                    .len()
                    .min(usize::try_from(server.speed).unwrap());
                server.log.extend(server.relay.drain(..count));
            }
        }
        for name in self.names.clone() {
            self.finish_busy(&name);
        }
    }

    /// Replicas receive; what waited for one of them is acknowledged.
    pub(super) fn replicate(&mut self) {
        for name in self.names.clone() {
            let replica = &self.servers[&name];
            let Some((source_name, acks)) = replica.source.clone() else {
                continue;
            };
            if !self.connects(&name, &source_name) {
                self.server(&name).asked_from = None;
                continue;
            }
            let hears = self.servers[&name].deaf_until <= self.now;
            if self.random.chance(100) || self.servers[&name].is_full(self.now) || !hears {
                continue;
            }
            let (replica, source) = (&self.servers[&name], &self.servers[&source_name]);
            let known = replica.received();
            if !replica.is_prefix_of(&source.log) {
                self.server(&name).diverged = true;
                continue;
            }
            let count = usize::try_from(self.random.below(30)).unwrap();
            let source = &self.servers[&source_name];
            let fresh: Vec<u64> = source.log.iter().skip(known).take(count).copied().collect();
            let replica = self.server(&name);
            let asked_from = *replica.asked_from.get_or_insert(known);
            replica.relay.extend(fresh);
            let received = replica.received();
            if acks && received > asked_from {
                self.acknowledge(&source_name, received);
            }
        }
    }

    /// An acknowledgement lets go all that waits before it.
    fn acknowledge(&mut self, source: &str, received: usize) {
        let source = self.servers.get_mut(source).unwrap();
        if !source.semi_sync {
            return;
        }
        let waiting = source.waiting.iter();
        let count = waiting.take_while(|(place, _)| *place < received).count();
        let let_go = source.waiting.drain(..count).map(|(_, write)| write);
        self.acknowledged.extend(let_go);
    }

    /// The replica has a connection to its source over which it receives.
    pub(super) fn connects(&self, name: &str, source: &str) -> bool {
        let (replica, from) = (&self.servers[name], &self.servers[source]);
        let works = |one: &Server| one.up && !one.frozen;
        works(replica)
            && works(from)
            && replica.receives
            && !replica.diverged
            && !from.barred.contains(name)
            && self.linked(name, source)
    }

    /// Clients write to everything that takes writes: whom they should write to is not their knowledge.
    pub(super) fn write(&mut self) {
        for server in self.servers.values_mut() {
            let takes = server.up && !server.frozen && server.writable && !server.is_full(self.now);
            let closing = matches!(server.busy, Some((_, _, Command::Close)));
            if !takes || closing || server.waiting.len() > 8 || !self.random.chance(700) {
                continue;
            }
            self.written += 1;
            server.log.push(self.written);
            if server.semi_sync {
                server.waiting.push((server.log.len() - 1, self.written));
            } else {
                self.acknowledged.push(self.written);
            }
        }
    }

    pub(super) fn finish_busy(&mut self, name: &str) {
        let server = self.servers.get_mut(name).unwrap();
        let ready = |busy: &mut (u64, Token, Command)| busy.0 <= self.now;
        if server.frozen || server.is_full(self.now) {
            return;
        }
        let Some((since, token, command)) = server.busy.take_if(ready) else {
            return;
        };
        let answer = match &command {
            Command::Apply(position) => {
                let server = &self.servers[name];
                server.has(position).then(|| Answer::At {
                    run: server.run(),
                    position: server.position(),
                })
            }
            Command::Close => self.servers.get_mut(name).unwrap().close(),
            Command::Attach { source, acks, run } => self.try_attach(name, source, *acks, run),
            Command::Reclone { donor, .. } => Some(self.reclone(name, donor)),
            other => panic!("{other:?} is done at once"),
        };
        match answer {
            Some(answer) => self.answer(name, token, answer),
            None if self.now - since > 4000 => {
                self.answer(name, token, Answer::Failed("it takes too long".into()));
            }
            None => self.servers.get_mut(name).unwrap().busy = Some((since, token, command)),
        }
    }

    pub(super) fn try_attach(
        &mut self,
        name: &str,
        source: &str,
        acks: bool,
        run: &Run,
    ) -> Option<Answer> {
        let from = &self.servers[source];
        if !from.up || from.frozen || !self.linked(name, source) {
            return Some(Answer::Failed("the source cannot be reached".into()));
        }
        // MariaDB looks over the link itself; MySQL over an account of its own that is never locked.
        let sees = self.looks_first || !from.barred.contains(name);
        let log = sees.then(|| from.log.clone());
        self.servers
            .get_mut(name)
            .unwrap()
            .attach(source, log.as_deref(), acks, run)
    }

    pub(super) fn reclone(&mut self, name: &str, donor: &str) -> Answer {
        let from = &self.servers[donor];
        if !from.up || from.frozen || !self.linked(name, donor) {
            return Answer::Failed("the donor cannot be reached".into());
        }
        self.totals.clones += 1;
        // A copy holds what is committed, not what waits for a replica.
        let committed = from
            .waiting
            .first()
            .map_or(from.log.len(), |(first, _)| *first);
        let (log, barred) = (from.log[..committed].to_vec(), from.barred.clone());
        self.servers
            .get_mut(name)
            .unwrap()
            .clone_from_donor(&log, &barred)
    }
}
