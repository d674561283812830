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
}

fn run_of(name: &str) -> Run {
    Run(format!("{name}, first"))
}

fn position() -> Position {
    Position::parse(Engine::Mariadb, "0-1-7").unwrap()
}

impl Pair {
    fn well() -> Self {
        let now = Instant::now();
        let members = ["a", "b"].map(str::to_owned).into();
        let record = Record {
            phase: Phase::Stable,
            sync_set: [("b".to_owned(), run_of("b"))].into(),
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
                    Action::Command(name, token, _) => {
                        let (run, position) = (run_of(&name), position());
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

    fn report(&self, name: &str) -> Report {
        let primary = self.machine.record().primary.clone();
        let link = (name != primary).then(|| Link {
            source: primary.clone(),
            acks: true,
            running: true,
            diverged: false,
            trouble: None,
            lag: Some(self.lag),
        });
        let replicas: BTreeSet<String> = ["a", "b"].map(str::to_owned).into();
        Report::Up(Standing {
            run: run_of(name),
            writable: name == primary,
            semi_sync: name == primary,
            waits: false,
            position: position(),
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
                self.hears(Event::Report(name.to_owned(), self.report(name)));
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
