//! An order, and the replica that it waits for.

use std::collections::BTreeSet;

use terrace_site::plan::Engine;

use super::super::words::{Action, Answer, Event, Link, Settings, Standing};
use super::*;

/// A primary `a` and its replica `b`, both well, under a controller whose every command succeeds.
struct Pair {
    machine: Machine,
    now: Instant,
    /// How far `b` is behind.
    lag: Duration,
    /// What became of commands: told at the next tick.
    answers: Vec<Event>,
    replies: Vec<Result<u64, Refusal>>,
    /// Who says nothing.
    silent: BTreeSet<&'static str>,
    /// `b` is not connected to `a`.
    cut: bool,
    /// So many transactions of `a` `b` has not received.
    missing: u64,
    /// How often `a` was started again.
    lives: u32,
    /// Whose disk is full.
    full: BTreeSet<&'static str>,
    /// What it was last told to do that `Debug` shows.
    commands: Vec<String>,
}

fn run_of(name: &str) -> Run {
    Run(format!("{name}, first"))
}

fn position() -> Position {
    position_after(0)
}

fn position_after(more: u64) -> Position {
    Position::parse(Engine::Mariadb, &format!("0-1-{}", 7 + more)).unwrap()
}

impl Pair {
    fn well() -> Self {
        Self::of(&["a", "b"], &["b"])
    }

    /// Servers of the file, and who may acknowledge: `c` never says anything.
    fn of(members: &[&str], named: &[&str]) -> Self {
        let now = Instant::now();
        let members = members.iter().map(|name| (*name).to_owned()).collect();
        let named = named.iter().map(|name| ((*name).to_owned(), run_of(name)));
        let record = Record {
            phase: Phase::Stable,
            sync_set: named.collect(),
            mark: Some(position()),
            ..Record::birth("a")
        };
        let settings = Settings::new(members, Ack::Replica, false);
        let mut pair = Self {
            machine: Machine::new(settings, record, now),
            now,
            lag: Duration::ZERO,
            answers: Vec::new(),
            replies: Vec::new(),
            silent: BTreeSet::new(),
            cut: false,
            missing: 0,
            lives: 0,
            full: BTreeSet::new(),
            commands: Vec::new(),
        };
        pair.pass(Duration::from_secs(2));
        assert!(pair.machine.is_open());
        pair
    }

    fn hears(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for action in self.machine.handle(event, self.now) {
                match action {
                    Action::StoreRecord(_) => events.push(Event::Stored),
                    Action::Command(name, token, command) => {
                        self.commands.push(format!("{name}: {command:?}"));
                        let (run, position) = (self.run(&name), position());
                        let answer = Answer::At { run, position };
                        self.answers.push(Event::Answered(name, token, answer));
                    }
                    Action::Reply(_, answer) => {
                        self.replies.push(answer.map(|epoch| epoch.0));
                    }
                    _ => {}
                }
            }
        }
    }

    fn run(&self, name: &str) -> Run {
        match (name, self.lives) {
            ("a", 1..) => Run(format!("a, {}", self.lives)),
            _ => run_of(name),
        }
    }

    fn report(&self, name: &str) -> Report {
        let primary = self.machine.record().primary.clone();
        let link = (name != primary).then(|| Link {
            source: primary.clone(),
            acks: true,
            running: !self.cut,
            diverged: false,
            trouble: None,
            lag: Some(self.lag),
            unapplied: 0,
        });
        let mut replicas: BTreeSet<String> = ["a", "b"].map(str::to_owned).into();
        if self.cut {
            replicas.remove("b");
        }
        Report::Up(Standing {
            run: self.run(name),
            writable: name == primary,
            semi_sync: name == primary,
            waits: false,
            position: if name == primary {
                position_after(self.missing)
            } else {
                position()
            },
            link,
            replicas: if name == primary {
                replicas
            } else {
                BTreeSet::new()
            },
            barred: BTreeSet::new(),
        })
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += Duration::from_millis(250);
            for answer in std::mem::take(&mut self.answers) {
                self.hears(answer);
            }
            for name in ["a", "b"] {
                let report = if self.silent.contains(name) {
                    Report::Silent
                } else if self.full.contains(name) {
                    Report::Full(run_of(name))
                } else {
                    self.report(name)
                };
                self.hears(Event::Report(name.to_owned(), report));
            }
        }
    }

    fn asked_to_switch(&mut self) {
        let to = "b".to_owned();
        self.hears(Event::Order(1, Order::Switchover { to }));
    }
}

#[test]
fn a_switchover_waits_for_a_replica_that_is_behind() {
    let mut pair = Pair::well();
    pair.lag = Duration::from_secs(2);
    pair.pass(Duration::from_secs(1));
    pair.asked_to_switch();
    pair.pass(Duration::from_secs(2));
    assert_eq!(
        (&pair.replies, pair.machine.record().phase.clone()),
        (&vec![], Phase::Stable)
    );
    let to = "b".to_owned();
    pair.hears(Event::Order(2, Order::Switchover { to }));
    assert_eq!(pair.replies, [Err(Refusal::Busy)]);
    pair.lag = Duration::ZERO;
    pair.pass(Duration::from_secs(2));
    assert_eq!(pair.replies, [Err(Refusal::Busy), Ok(2)]);
    assert_eq!(pair.machine.record().primary, "b");
}

#[test]
fn a_switchover_to_a_replica_that_stays_behind_is_refused() {
    let mut pair = Pair::well();
    pair.lag = Duration::from_secs(2);
    pair.pass(Duration::from_secs(1));
    pair.asked_to_switch();
    pair.pass(CATCHES_UP + Duration::from_secs(1));
    assert_eq!(pair.replies, [Err(Refusal::Lagging("b".to_owned()))]);
    assert_eq!(pair.machine.record().primary, "a");
}

#[test]
fn a_failover_with_loss_takes_whom_it_names_or_nobody() {
    let mut pair = Pair::of(&["a", "b", "c"], &["b"]);
    pair.silent.insert("a");
    pair.pass(Duration::from_secs(1));
    let order = |to: &str| Order::Failover {
        to: to.to_owned(),
        accept_data_loss: true,
    };
    pair.hears(Event::Order(1, order("c")));
    pair.pass(Duration::from_secs(3));
    assert_eq!(pair.replies, [Err(Refusal::NoAnswer("c".to_owned()))]);
    assert_eq!(pair.machine.record().primary, "a");
    pair.hears(Event::Order(2, order("b")));
    pair.pass(Duration::from_secs(5));
    assert_eq!(pair.replies.last(), Some(&Ok(2)));
    assert_eq!(pair.machine.record().primary, "b");
}

#[test]
fn whom_the_file_no_longer_names_is_locked_out_and_vouches_no_longer() {
    let mut pair = Pair::of(&["a", "b"], &["b", "c"]);
    pair.pass(Duration::from_secs(5));
    assert!(pair.commands.contains(&r#"a: Bar("c")"#.to_owned()));
    let record = pair.machine.record();
    assert_eq!(record.sync_set.keys().collect::<Vec<_>>(), ["b"]);
    assert!(record.is_safe());
    pair.silent.insert("a");
    pair.pass(Duration::from_secs(2));
    let order = Order::Failover {
        to: "b".to_owned(),
        accept_data_loss: false,
    };
    pair.hears(Event::Order(1, order));
    pair.pass(Duration::from_secs(5));
    assert_eq!(pair.replies, [Ok(2)]);
}

#[test]
fn a_machine_that_ends_answers_whoever_waits() {
    let mut pair = Pair::well();
    pair.lag = Duration::from_secs(2);
    pair.pass(Duration::from_secs(1));
    pair.asked_to_switch();
    let undone = |action: &Action| matches!(action, Action::Reply(1, Err(Refusal::Undone(_))));
    assert!(matches!(&pair.machine.end()[..], [one] if undone(one)));

    let mut pair = Pair::well();
    pair.asked_to_switch();
    assert_eq!(
        pair.machine.record().phase,
        Phase::Switch {
            target: "b".to_owned()
        }
    );
    assert_eq!(pair.machine.end(), [Action::Reply(1, Err(Refusal::Busy))]);
}

#[test]
fn what_was_acknowledged_to_nobody_is_vouched_for_by_nobody() {
    let mut pair = Pair::well();
    let record = pair.machine.record().clone();
    let settings = Settings::new(["a", "b"].map(str::to_owned).into(), Ack::None, false);
    pair.machine = Machine::new(settings, record, pair.now);
    pair.commands.clear();
    pair.pass(Duration::from_millis(250));
    assert!(!pair.machine.record().is_safe());
    let promoted = "a: Promote { epoch: Epoch(1), semi_sync: false }";
    assert_eq!(pair.commands, [promoted]);
}

#[test]
fn a_primary_whose_disk_is_full_is_replaced_without_loss_and_said_to_be_full() {
    let mut pair = Pair::well();
    pair.full.insert("a");
    pair.pass(Duration::from_secs(5));
    assert!(pair.machine.is_full() && pair.machine.record().is_safe());
    pair.asked_to_switch();
    assert_eq!(
        pair.replies,
        [Err(Refusal::PrimaryFull("a".to_owned()))],
        "what hangs cannot be closed"
    );
    pair.commands.clear();
    let order = Order::Failover {
        to: "b".to_owned(),
        accept_data_loss: false,
    };
    pair.hears(Event::Order(2, order));
    pair.pass(Duration::from_secs(5));
    assert_eq!(pair.replies.last(), Some(&Ok(2)));
    assert_eq!(
        pair.commands.first().map(String::as_str),
        Some("a: Fence"),
        "it is killed first"
    );
}

#[test]
fn a_primary_that_has_room_again_goes_on_as_it_was() {
    let mut pair = Pair::well();
    pair.full.insert("a");
    pair.pass(Duration::from_secs(20));
    pair.full.clear();
    pair.commands.clear();
    pair.pass(Duration::from_secs(1));
    assert!(pair.machine.is_open() && !pair.machine.is_full());
    assert_eq!(pair.machine.record().epoch.0, 1);
}

#[test]
fn a_replica_whose_disk_is_full_is_no_heir() {
    let mut pair = Pair::well();
    pair.full.insert("b");
    pair.pass(Duration::from_secs(1));
    pair.asked_to_switch();
    assert_eq!(pair.replies, [Err(Refusal::TargetFull("b".to_owned()))]);
    pair.silent.insert("a");
    pair.pass(Duration::from_secs(1));
    for accept_data_loss in [false, true] {
        let to = "b".to_owned();
        pair.hears(Event::Order(
            2,
            Order::Failover {
                to,
                accept_data_loss,
            },
        ));
        assert_eq!(
            pair.replies.last(),
            Some(&Err(Refusal::TargetFull("b".to_owned())))
        );
    }
}

#[test]
fn a_replica_is_not_given_up_for_the_time_that_the_primary_is_down() {
    let mut pair = Pair::well();
    pair.cut = true;
    for life in 1..=4 {
        pair.silent.insert("a");
        pair.pass(Duration::from_secs(2));
        pair.silent.remove("a");
        pair.lives = life;
        pair.pass(Duration::from_secs(1));
        assert!(pair.machine.record().is_safe(), "life {life}");
    }
    pair.pass(Duration::from_secs(4));
    assert!(!pair.machine.record().is_safe(), "it goes on alone");
}

#[test]
fn a_replica_that_is_connected_and_receives_nothing_is_waited_for_by_nobody() {
    let mut pair = Pair::well();
    pair.cut = true;
    pair.pass(Duration::from_secs(6));
    assert!(!pair.machine.record().is_safe(), "it goes on alone");
    pair.missing = 454;
    pair.pass(Duration::from_secs(1));
    pair.cut = false;
    pair.pass(Duration::from_secs(12));
    assert!(pair.machine.record().sync_set.is_empty());
    pair.asked_to_switch();
    pair.pass(Duration::from_secs(6));
    assert_eq!(pair.replies, [Err(Refusal::Lagging("b".to_owned()))]);
    pair.missing = 0;
    pair.pass(Duration::from_secs(2));
    assert!(pair.machine.record().is_safe(), "it has received all");
}
