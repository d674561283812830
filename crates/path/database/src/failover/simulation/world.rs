//! Servers, the network between them, clients, a controller and its record; and what must always hold.

mod letters;
mod quiet;
mod servers;
mod trouble;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use terrace_site::model::Ack;

use super::Random;
use super::cluster::Server;
use crate::failover::{Command, Epoch, Event, Machine, Record, Refusal, Settings, Token};

/// One step of time, in milliseconds.
const STEP: u64 = 50;
/// Until here there are faults.
const TROUBLE: u64 = 20_000;

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

    /// Each of it at least once in fifty runs.
    pub fn assert_all_happened(&self, scenario: Scenario, runs: u64) {
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
        assert!(counts.iter().all(|count| *count * 50 > runs), "{self:?}");
        assert_eq!(self.lost > 0, scenario == Scenario::Loss, "{self:?}");
    }
}

enum Letter {
    Command(String, Token, Command),
    Event(Event),
    /// Of the controller with this number: no other hears what became of it.
    Store(u64, Box<Record>),
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
    /// A replica is seen to have writes of its own also where it is locked out: so on MySQL.
    looks_first: bool,
    /// Faults in a thousand steps.
    faults: u64,
    orders: u64,
    /// What the operator was answered last, and to which order.
    reply: Option<(u64, Result<Epoch, Refusal>)>,
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
        while world.now < TROUBLE {
            world.step();
        }
        world.heal();
        world.until_well();
        world.quiet_days(seed);
        world.count_lost();
        std::mem::forget(told);
        world.totals
    }

    fn new(scenario: Scenario, seed: u64, trace: bool) -> Self {
        let mut random = Random::new(seed);
        let count = u32::try_from(2 + random.below(2)).unwrap();
        let names: Vec<String> = (1..=count).map(|number| format!("db-0{number}")).collect();
        let ack = Self::any_ack(&mut random);
        let faults = *random.pick(&[8, 16, 32]);
        let looks_first = random.chance(500);
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
            looks_first,
            faults,
            orders: 0,
            reply: None,
            written: 0,
            acknowledged: Vec::new(),
            totals: Totals::default(),
            loss: false,
        }
    }

    fn any_ack(random: &mut Random) -> Ack {
        match random.below(8) {
            0 => Ack::None,
            1 | 2 => Ack::Always,
            _ => Ack::Replica,
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
        let between =
            |(a, b): &(String, String)| (a == one && b == other) || (a == other && b == one);
        !self.cut.keys().any(between)
    }
}

/// Prints the seed when a run panics.
struct Told {
    scenario: Scenario,
    seed: u64,
}

impl Drop for Told {
    fn drop(&mut self) {
        eprintln!("{:?} failed with TERRACE_SEED={}", self.scenario, self.seed);
    }
}
