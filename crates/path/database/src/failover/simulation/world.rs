//! Servers, the network between them, clients, a controller and its record; and what must always hold.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use terrace_site::model::Ack;

use super::Random;
use super::cluster::Server;
use crate::failover::{
    Action, Answer, Command, Event, Machine, Order, Phase, Record, Report, Settings, Token,
};

/// One step of time, in milliseconds.
const STEP: u64 = 50;
/// Until here there are faults.
const TROUBLE: u64 = 30_000;
/// By here all must be well.
const END: u64 = 75_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scenario {
    Operator,
    Automatic,
    Loss,
}

/// What happened in all runs, so that a simulation in which nothing happens is noticed.
#[derive(Debug, Default)]
pub(super) struct Totals {
    acknowledged: u64,
    promotions: u64,
    switchovers: u64,
    failovers: u64,
    refused: u64,
    controllers: u64,
    clones: u64,
    alone: u64,
    lost: u64,
}

impl Totals {
    pub fn add(&mut self, other: &Self) {
        self.acknowledged += other.acknowledged;
        self.promotions += other.promotions;
        self.switchovers += other.switchovers;
        self.failovers += other.failovers;
        self.refused += other.refused;
        self.controllers += other.controllers;
        self.clones += other.clones;
        self.alone += other.alone;
        self.lost += other.lost;
    }

    pub fn assert_all_happened(&self, scenario: Scenario) {
        let counts = [
            self.acknowledged,
            self.promotions,
            self.switchovers,
            self.failovers,
            self.refused,
            self.controllers,
            self.clones,
            self.alone,
        ];
        assert!(counts.iter().all(|count| *count > 100), "{self:?}");
        assert_eq!(self.lost > 0, scenario == Scenario::Loss, "{self:?}");
    }
}

enum Letter {
    Command(String, Token, Command),
    Event(Event),
    Store(Box<Record>),
}

pub(super) struct World {
    scenario: Scenario,
    trace: bool,
    random: Random,
    birth: Instant,
    now: u64,
    servers: BTreeMap<String, Server>,
    names: Vec<String>,
    /// No packet between these; the controller is `""`.
    cut: BTreeMap<(String, String), u64>,
    machine: Option<Machine>,
    controller_back: u64,
    settings: Settings,
    stored: Record,
    letters: BTreeMap<(u64, u64), Letter>,
    /// The last time at which something of this member arrives at the controller: order is kept.
    last: BTreeMap<String, u64>,
    sent: u64,
    written: u64,
    acknowledged: Vec<u64>,
    totals: Totals,
    /// The operator has accepted loss once: what is lost is no fault.
    loss: bool,
}

impl World {
    pub fn run(scenario: Scenario, seed: u64, trace: bool) -> Totals {
        let mut world = Self::new(scenario, seed, trace);
        let told = Told { scenario, seed };
        while world.now < END {
            world.step();
        }
        world.assert_healed();
        std::mem::forget(told);
        world.totals
    }

    fn new(scenario: Scenario, seed: u64, trace: bool) -> Self {
        let mut random = Random::new(seed);
        let count = u32::try_from(2 + random.below(2)).unwrap();
        let names: Vec<String> = (1..=count).map(|number| format!("db-0{number}")).collect();
        let ack = match random.below(4) {
            0 => Ack::Always,
            _ => Ack::Replica,
        };
        let members = names.iter().cloned().collect();
        let settings = Settings {
            rebuild_within: Duration::from_secs(8),
            ..Settings::new(members, ack, scenario == Scenario::Automatic)
        };
        let servers = (1..=count).map(|number| (format!("db-0{number}"), Server::new(number)));
        Self {
            scenario,
            trace,
            random,
            birth: Instant::now(),
            now: 0,
            servers: servers.collect(),
            cut: BTreeMap::new(),
            machine: None,
            controller_back: 0,
            settings,
            stored: Record::birth(&names[0]),
            names,
            letters: BTreeMap::new(),
            last: BTreeMap::new(),
            sent: 0,
            written: 0,
            acknowledged: Vec::new(),
            totals: Totals::default(),
            loss: false,
        }
    }

    fn instant(&self) -> Instant {
        self.birth + Duration::from_millis(self.now)
    }

    fn say(&self, what: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{:>6} {}", self.now, what());
        }
    }

    fn step(&mut self) {
        self.now += STEP;
        if self.now < TROUBLE {
            self.trouble();
        } else if self.now < TROUBLE + STEP {
            self.heal();
        }
        self.cut.retain(|_, until| *until > self.now);
        if self.machine.is_none() && self.controller_back <= self.now {
            self.totals.controllers += 1;
            let machine = Machine::new(self.settings.clone(), self.stored.clone(), self.instant());
            self.machine = Some(machine);
        }
        self.run_servers();
        self.replicate();
        self.write();
        if self.now.is_multiple_of(250) {
            self.probe();
        }
        self.deliver();
        self.assert_one_acknowledges();
    }

    fn linked(&self, one: &str, other: &str) -> bool {
        let cut = |a: &str, b: &str| self.cut.contains_key(&(a.to_owned(), b.to_owned()));
        !cut(one, other) && !cut(other, one)
    }

    fn run_servers(&mut self) {
        let now = self.now;
        for server in self.servers.values_mut() {
            if !server.up && !server.fenced && server.starts_at <= now {
                server.start(false);
            }
            if server.up && !server.frozen {
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
    fn replicate(&mut self) {
        for name in self.names.clone() {
            let replica = &self.servers[&name];
            let Some((source_name, acks)) = replica.source.clone() else {
                continue;
            };
            let source = &self.servers[&source_name];
            if !self.connects(&name, &source_name) || self.random.chance(100) {
                continue;
            }
            let mut known = replica.log.clone();
            known.extend(&replica.relay);
            if !source.log.starts_with(&known) {
                self.servers.get_mut(&name).unwrap().diverged = true;
                continue;
            }
            let count = usize::try_from(self.random.below(30)).unwrap();
            let fresh: Vec<u64> = source
                .log
                .iter()
                .skip(known.len())
                .take(count)
                .copied()
                .collect();
            let replica = self.servers.get_mut(&name).unwrap();
            replica.relay.extend(fresh);
            let received = replica.received();
            let source = self.servers.get_mut(&source_name).unwrap();
            if acks && source.semi_sync {
                let split = source
                    .waiting
                    .iter()
                    .take_while(|(place, _)| *place < received);
                let count = split.count();
                for (_, write) in source.waiting.drain(..count) {
                    self.acknowledged.push(write);
                }
            }
        }
    }

    /// The replica has a connection to its source over which it receives.
    fn connects(&self, name: &str, source: &str) -> bool {
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
    fn write(&mut self) {
        for server in self.servers.values_mut() {
            let takes = server.up && !server.frozen && server.writable;
            if !takes || server.waiting.len() > 8 || !self.random.chance(700) {
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

    fn probe(&mut self) {
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
                server.report(connected, source.map(|one| &self.servers[&one]))
            } else {
                Report::Silent
            };
            self.to_controller(&name, Event::Report(name.clone(), report));
        }
    }

    /// What comes from one member keeps its order.
    fn to_controller(&mut self, name: &str, event: Event) {
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

    fn post(&mut self, at: u64, letter: Letter) {
        self.sent += 1;
        self.letters.insert((at, self.sent), letter);
    }

    fn deliver(&mut self) {
        while let Some(entry) = self.letters.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            match entry.remove() {
                Letter::Event(event) => self.hear(event),
                Letter::Store(record) => self.keep_record(*record),
                Letter::Command(name, token, command) => self.arrive(&name, token, command),
            }
        }
    }

    fn hear(&mut self, event: Event) {
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

    fn act(&mut self, action: Action) {
        self.say(|| format!("{action:?}"));
        match action {
            Action::StoreRecord(record) => {
                let at = self.now + self.random.below(100);
                self.post(at, Letter::Store(record));
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
            Action::Reply(_, answer) => match answer {
                Ok(_) => {}
                Err(_) => self.totals.refused += 1,
            },
            Action::StandDown => {
                self.machine = None;
                self.controller_back = self.now + 100;
            }
            Action::Hold | Action::Release => {}
            Action::Publish { epoch, .. } => assert!(epoch <= self.stored.epoch),
        }
    }

    fn keep_record(&mut self, record: Record) {
        let event = if self.stored.revision + 1 == record.revision {
            self.note_change(&record);
            self.stored = record;
            Event::Stored
        } else {
            Event::Superseded(Box::new(self.stored.clone()))
        };
        let unknown = self.now < TROUBLE && self.random.chance(20);
        self.hear(if unknown { Event::StoreFailed } else { event });
    }

    fn note_change(&mut self, record: &Record) {
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

    fn arrive(&mut self, name: &str, token: Token, command: Command) {
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
        server.busy = None;
        if command == Command::SemiSync(false) && server.up {
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

    fn finish_busy(&mut self, name: &str) {
        let server = self.servers.get_mut(name).unwrap();
        let ready = |busy: &mut (u64, Token, Command)| busy.0 <= self.now;
        if server.frozen {
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

    fn try_attach(
        &mut self,
        name: &str,
        source: &str,
        acks: bool,
        run: &crate::failover::Run,
    ) -> Option<Answer> {
        let from = &self.servers[source];
        if !from.up || from.frozen || !self.linked(name, source) {
            return Some(Answer::Failed("the source cannot be reached".into()));
        }
        let log = from.log.clone();
        self.servers
            .get_mut(name)
            .unwrap()
            .attach(source, &log, acks, run)
    }

    fn reclone(&mut self, name: &str, donor: &str) -> Answer {
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

    fn answer(&mut self, name: &str, token: Token, answer: Answer) {
        self.say(|| format!("{name} answers {token:?} {answer:?}"));
        if self.now < TROUBLE && self.random.chance(30) {
            return;
        }
        self.to_controller(name, Event::Answered(name.to_owned(), token, answer));
    }

    fn trouble(&mut self) {
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
    fn drop_letters(&mut self, name: &str) {
        self.letters.retain(|_, letter| match letter {
            Letter::Command(to, _, _) => to != name,
            _ => true,
        });
    }

    fn heal(&mut self) {
        self.cut.clear();
        for server in self.servers.values_mut() {
            server.frozen = false;
            server.speed = 20;
            server.starts_at = server.starts_at.min(self.now + 500);
            server.off_until = server.off_until.min(self.now);
        }
    }

    /// At no moment can two servers acknowledge a write.
    fn assert_one_acknowledges(&self) {
        if self.loss {
            return;
        }
        let can = |name: &&String| {
            let server = &self.servers[*name];
            let replica = |one: &Server| {
                let acks = |(source, acks): &(String, bool)| *acks && source == *name;
                one.receives && one.source.as_ref().is_some_and(acks) && !server.diverged
            };
            let acknowledged = !server.semi_sync || self.servers.values().any(replica);
            server.up && server.writable && acknowledged
        };
        let able: Vec<&String> = self.names.iter().filter(can).collect();
        assert!(able.len() <= 1, "{able:?} can acknowledge at {}", self.now);
    }

    fn assert_healed(&mut self) {
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

/// Prints the seed when a run panics.
struct Told {
    scenario: Scenario,
    seed: u64,
}

impl Drop for Told {
    fn drop(&mut self) {
        eprintln!(
            "{:?} failed with FAILOVER_SEED={}",
            self.scenario, self.seed
        );
    }
}
