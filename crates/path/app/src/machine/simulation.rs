//! The machine against processes that do as they please, under virtual time. What must hold is checked after
//! each step; proptest prints the seed of what fails, shrunk.

use proptest::prelude::*;

use super::*;

/// How one process behaves, from its start on.
#[derive(Clone, Debug)]
struct Behaviour {
    /// The keeper takes this long to start it; `None`: it cannot.
    spawn: Option<u16>,
    /// It answers well from here on, if it lives.
    ready_after: u16,
    /// It ends by itself after this long.
    dies_after: Option<u16>,
    /// It leaves this long after SIGTERM; `None`: it ignores it.
    leaves_after: Option<u16>,
}

fn behaviour() -> impl Strategy<Value = Behaviour> {
    let spawn = proptest::option::weighted(0.9, 0..200_u16);
    let dies = proptest::option::weighted(0.6, 0..40_000_u16);
    let leaves = proptest::option::weighted(0.8, 0..12_000_u16);
    (spawn, 0..6_000_u16, dies, leaves).prop_map(
        |(spawn, ready_after, dies_after, leaves_after)| Behaviour {
            spawn,
            ready_after,
            dies_after,
            leaves_after,
        },
    )
}

#[derive(Clone, Debug)]
enum Order {
    Run(u8),
    Stop,
}

fn orders() -> impl Strategy<Value = Vec<(u16, Order)>> {
    let order = prop_oneof![3 => (0..3_u8).prop_map(Order::Run), 1 => Just(Order::Stop)];
    prop::collection::vec((0..20_000_u16, order), 1..8)
}

/// A process, as the world knows it.
struct Alive {
    behaviour: Behaviour,
    running: Wanted,
    started: Duration,
    ends: Option<(Duration, Exit)>,
    terminated: Option<Duration>,
}

/// What will reach the machine, and when.
struct World {
    machine: Machine,
    birth: Instant,
    now: Duration,
    settings: Settings,
    behaviours: Vec<Behaviour>,
    spawned: usize,
    asked: Option<(Duration, Wanted)>,
    alive: Option<Alive>,
    check: Option<(Duration, u64)>,
}

const SOUND: Behaviour = Behaviour {
    spawn: Some(5),
    ready_after: 300,
    dies_after: None,
    leaves_after: Some(50),
};

fn millis(value: u16) -> Duration {
    Duration::from_millis(value.into())
}

impl World {
    fn new(behaviours: Vec<Behaviour>) -> Self {
        let settings = Settings {
            start_within: Duration::from_secs(5),
            stop_within: Duration::from_secs(3),
            every: Duration::from_secs(1),
            rise: 2,
            fall: 2,
        };
        let birth = Instant::now();
        Self {
            machine: Machine::new(settings.clone(), birth),
            birth,
            now: Duration::ZERO,
            settings,
            behaviours,
            spawned: 0,
            asked: None,
            alive: None,
            check: None,
        }
    }

    fn hear(&mut self, event: Event) {
        for action in self.machine.handle(event, self.birth + self.now) {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Spawn(wanted) => {
                assert!(self.alive.is_none(), "a second process beside the first");
                assert!(self.asked.is_none(), "asked for twice");
                let delay = self.behaviour().spawn.unwrap_or(10);
                self.asked = Some((self.now + millis(delay), wanted));
            }
            Action::Terminate => {
                let now = self.now;
                let alive = self.alive.as_mut().expect("a process to terminate");
                assert!(alive.terminated.is_none(), "terminated twice");
                alive.terminated = Some(now);
                if let Some(after) = alive.behaviour.leaves_after {
                    let leaves = (now + millis(after), Exit::Signal(15));
                    let sooner = alive.ends.filter(|(at, _)| *at < leaves.0);
                    alive.ends = Some(sooner.unwrap_or(leaves));
                }
            }
            Action::Kill => {
                let now = self.now;
                let alive = self.alive.as_mut().expect("a process to kill");
                let terminated = alive.terminated.expect("asked to leave first");
                assert!(
                    now - terminated >= self.settings.stop_within,
                    "killed early"
                );
                alive.ends = Some((now, Exit::Signal(9)));
            }
            Action::Sweep => assert!(self.alive.is_none(), "swept while it lives"),
            Action::Check { number } => {
                assert!(self.alive.is_some(), "nothing to check");
                assert!(
                    self.check.is_none_or(|(_, before)| before < number),
                    "numbers grow"
                );
                self.check = Some((self.now + Duration::from_millis(2), number));
            }
        }
    }

    fn behaviour(&self) -> Behaviour {
        self.behaviours.get(self.spawned).cloned().unwrap_or(SOUND)
    }

    /// The next thing that happens until `limit`, and its effect. False: nothing does.
    fn step(&mut self, limit: Duration) -> bool {
        let wake = self
            .machine
            .wake()
            .map(|at| at.saturating_duration_since(self.birth));
        let asked = self.asked.as_ref().map(|(at, _)| *at);
        let ends = self
            .alive
            .as_ref()
            .and_then(|alive| alive.ends)
            .map(|(at, _)| at);
        let check = self.check.map(|(at, _)| at);
        let Some(next) = [wake, asked, ends, check].into_iter().flatten().min() else {
            return false;
        };
        if next > limit {
            return false;
        }
        self.now = self.now.max(next);
        if asked == Some(next) {
            self.start();
        } else if ends == Some(next) {
            let alive = self.alive.take().expect("what ends was alive");
            let (_, exit) = alive.ends.expect("it ends");
            self.hear(Event::Exited {
                exit,
                lines: vec!["last words".into()],
            });
        } else if check == Some(next) {
            self.answer();
        } else {
            self.hear(Event::Tick);
        }
        true
    }

    fn start(&mut self) {
        let (_, running) = self.asked.take().expect("one was asked for");
        let behaviour = self.behaviour();
        self.spawned += 1;
        if behaviour.spawn.is_none() {
            return self.hear(Event::NotStarted("no memory".into()));
        }
        let ends = behaviour
            .dies_after
            .map(|after| (self.now + millis(after), Exit::Code(1)));
        self.alive = Some(Alive {
            behaviour,
            running,
            started: self.now,
            ends,
            terminated: None,
        });
        let pid = u32::try_from(self.spawned).unwrap_or(u32::MAX);
        self.hear(Event::Started { pid });
    }

    fn answer(&mut self) {
        let (_, number) = self.check.take().expect("a check was in flight");
        let ready = self
            .alive
            .as_ref()
            .is_some_and(|alive| self.now >= alive.started + millis(alive.behaviour.ready_after));
        let verdict = if ready {
            Verdict::Good("200 in 1 ms".into())
        } else {
            Verdict::Refused("connection refused".into())
        };
        self.hear(Event::Checked { number, verdict });
    }

    fn until(&mut self, limit: Duration) {
        let mut steps = 0;
        while self.step(limit) {
            steps += 1;
            assert!(steps < 200_000, "it turns on the spot at {:?}", self.now);
        }
        self.now = limit;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_processes_do_the_machine_ends_where_it_was_told_to(
        behaviours in prop::collection::vec(behaviour(), 0..12),
        orders in orders(),
    ) {
        let mut world = World::new(behaviours);
        for (after, order) in &orders {
            world.until(world.now + millis(*after));
            world.hear(match order {
                Order::Run(revision) => Event::Run(revision_of(*revision)),
                Order::Stop => Event::Stop,
            });
        }
        // All bad behaviours are used up after this, and pauses are at most 30 s each.
        world.until(world.now + Duration::from_secs(12 * (66 + 30) + 60));
        match orders.last() {
            Some((_, Order::Run(revision))) => {
                prop_assert!(world.machine.is_serving());
                let running = world.alive.map(|alive| alive.running);
                prop_assert_eq!(running, Some(revision_of(*revision)));
            }
            _ => {
                prop_assert!(world.machine.is_stopped() && world.alive.is_none());
            }
        }
    }

    #[test]
    fn a_sound_copy_that_is_killed_serves_again_within_a_second(served in 0..60_000_u16) {
        let mut world = World::new(Vec::new());
        world.hear(Event::Run(revision_of(0)));
        world.until(Duration::from_secs(1));
        prop_assert!(world.machine.is_serving());
        world.until(world.now + millis(served));
        let killed = world.now;
        world.alive.as_mut().expect("it serves").ends = Some((killed, Exit::Signal(9)));
        while world.step(killed) {}
        prop_assert!(!world.machine.is_serving());
        while !world.machine.is_serving() {
            prop_assert!(world.step(killed + Duration::from_secs(1)));
        }
    }
}

fn revision_of(number: u8) -> Wanted {
    Wanted {
        release: format!("release {number}"),
        revision: format!("revision {number}"),
    }
}
