use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// A machine and a clock that moves only when it is told to.
struct Copy {
    machine: Machine,
    now: Instant,
    checks: u64,
}

fn settings() -> Settings {
    Settings {
        start_within: Duration::from_secs(30),
        stop_within: Duration::from_secs(10),
        every: Duration::from_secs(1),
        rise: 2,
        fall: 2,
    }
}

fn wanted(revision: &str) -> Wanted {
    Wanted {
        release: "4f2c19a0123456789abcdef0".into(),
        revision: revision.into(),
    }
}

fn copy() -> Copy {
    let now = Instant::now();
    Copy {
        machine: Machine::new(settings(), now),
        now,
        checks: 0,
    }
}

impl Copy {
    fn hear(&mut self, event: Event) -> Vec<Action> {
        let actions = self.machine.handle(event, self.now);
        for action in &actions {
            if let Action::Check { number } = action {
                self.checks = *number;
            }
        }
        actions
    }

    fn pass(&mut self, time: Duration) -> Vec<Action> {
        self.now += time;
        self.hear(Event::Tick)
    }

    fn answer(&mut self, verdict: Verdict) -> Vec<Action> {
        let number = self.checks;
        self.hear(Event::Checked { number, verdict })
    }

    fn good(&mut self) {
        self.answer(Verdict::Good("200 in 1 ms".into()));
    }

    fn refused(&mut self) -> Vec<Action> {
        self.answer(Verdict::Refused("connection refused".into()))
    }

    fn exit(&mut self, exit: Exit, lines: &str) -> Vec<Action> {
        let lines = lines.lines().map(str::to_owned);
        self.hear(Event::Exited {
            exit,
            lines: lines.chain([String::new()]).collect(),
        })
    }

    fn serve(&mut self) {
        self.hear(Event::Run(wanted("a")));
        self.hear(Event::Started { pid: 7 });
        self.good();
        assert_eq!(self.state(), State::Serving);
    }

    fn state(&self) -> State {
        self.machine.report("web-01/app/1", self.now, 0).state
    }

    fn reason(&self) -> String {
        self.machine.report("web-01/app/1", self.now, 0).reason
    }
}

#[test]
fn a_copy_serves_when_its_check_says_so() {
    let mut copy = copy();
    assert_eq!(copy.state(), State::Waiting);
    assert_eq!(
        copy.hear(Event::Run(wanted("a"))),
        [Action::Spawn(wanted("a"))]
    );
    assert_eq!(
        copy.hear(Event::Run(wanted("a"))),
        [],
        "the same again changes nothing"
    );
    assert_eq!(
        copy.hear(Event::Started { pid: 7 }),
        [Action::Check { number: 1 }]
    );
    assert_eq!((copy.refused(), copy.state()), (vec![], State::Starting));
    assert_eq!(copy.pass(MS(20)), [Action::Check { number: 2 }]);
    copy.good();
    assert!(copy.machine.is_serving());
    let report = copy.machine.report("web-01/app/1", copy.now, 1_000_000);
    assert_eq!(
        (report.what.as_str(), report.reason.as_str(), report.pid),
        ("release 4f2c19a", "200 in 1 ms", 7)
    );
    copy.now += MS(1_500);
    let report = copy.machine.report("web-01/app/1", copy.now, 1_001_500);
    assert_eq!((report.since, report.restarts), (1_000_000, 0));
}

#[test]
fn one_that_is_killed_is_asked_for_again_after_a_tenth_of_a_second() {
    let mut copy = copy();
    copy.serve();
    copy.now += MS(5_000);
    assert_eq!(copy.exit(Exit::Signal(9), ""), [Action::Sweep]);
    assert_eq!(copy.state(), State::Restarting);
    assert_eq!(copy.reason(), "SIGKILL; again in 0.1 s");
    assert_eq!(copy.machine.wake(), Some(copy.now + MS(100)));
    assert_eq!(copy.pass(MS(99)), []);
    assert_eq!(copy.pass(MS(1)), [Action::Spawn(wanted("a"))]);
}

#[test]
fn a_crash_loop_pauses_longer_and_longer_and_says_why() {
    let mut copy = copy();
    copy.hear(Event::Run(wanted("a")));
    let mut pauses = Vec::new();
    for pid in 0..12 {
        copy.hear(Event::Started { pid });
        copy.exit(Exit::Code(1), "No module named 'stripe'");
        let until = copy.machine.wake().unwrap();
        pauses.push((until - copy.now).as_millis());
        let due = until - copy.now;
        assert_eq!(copy.pass(due), [Action::Spawn(wanted("a"))]);
    }
    assert_eq!(
        pauses,
        [
            100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000, 30_000
        ]
    );
    assert_eq!(copy.state(), State::Failing);
    assert_eq!(
        copy.reason(),
        "exit code 1, 12 times: No module named 'stripe'; is being started"
    );
    assert_eq!(copy.machine.last_lines()[0], "No module named 'stripe'");

    // New code does not wait for the pause of the old.
    copy.hear(Event::Started { pid: 99 });
    copy.exit(Exit::Code(1), "No module named 'stripe'");
    assert_eq!(
        copy.hear(Event::Run(wanted("b"))),
        [Action::Spawn(wanted("b"))]
    );
    copy.hear(Event::Started { pid: 100 });
    copy.good();
    assert!(copy.machine.is_serving());
}

#[test]
fn after_calm_pauses_start_anew() {
    let mut copy = copy();
    copy.serve();
    for _ in 0..3 {
        copy.exit(Exit::Signal(9), "");
        copy.pass(MS(30_000));
        copy.hear(Event::Started { pid: 8 });
        copy.good();
    }
    copy.now += CALM;
    copy.exit(Exit::Signal(9), "");
    assert_eq!(copy.reason(), "SIGKILL; again in 0.1 s");
}

#[test]
fn one_that_never_listens_has_failed_to_start() {
    let mut copy = copy();
    copy.hear(Event::Run(wanted("a")));
    copy.hear(Event::Started { pid: 7 });
    copy.refused();
    assert_eq!(copy.pass(MS(30_000)), [Action::Terminate]);
    assert_eq!(copy.reason(), "not ready within 30 s (connection refused)");
    assert_eq!(copy.pass(MS(10_000)), [Action::Kill]);
    assert_eq!(
        copy.exit(Exit::Signal(9), "listening on 8000"),
        [Action::Sweep]
    );
    assert_eq!(
        copy.reason(),
        "not ready within 30 s (connection refused): listening on 8000; again in 0.1 s"
    );
}

#[test]
fn one_that_answers_wrongly_stays_and_one_that_hangs_is_replaced() {
    let mut copy = copy();
    copy.serve();
    for _ in 0..100 {
        copy.pass(MS(1_000));
        let actions = copy.answer(Verdict::Wrong("500 in 2 ms".into()));
        assert_eq!(actions, []);
    }
    assert_eq!(copy.state(), State::Failing);
    assert_eq!(copy.reason(), "500 in 2 ms, 100 times in a row");
    for expected in [State::Failing, State::Serving] {
        copy.pass(MS(1_000));
        copy.good();
        assert_eq!(copy.state(), expected, "two good checks bring it in again");
    }
    let mut silent = 0;
    loop {
        let actions = copy.pass(MS(1_000));
        if actions == [Action::Terminate] {
            break;
        }
        silent += 1;
        assert!(silent < 40 && copy.refused().is_empty());
    }
    assert_eq!(silent, 30);
    assert!(copy.reason().starts_with("it answered nothing for 30 s"));
}

#[test]
fn stopping_is_terminate_then_kill_then_stopped() {
    let mut copy = copy();
    copy.serve();
    assert_eq!(copy.hear(Event::Stop), [Action::Terminate]);
    assert_eq!(copy.state(), State::Draining);
    assert_eq!(copy.pass(MS(9_999)), []);
    assert_eq!(copy.pass(MS(1)), [Action::Kill]);
    assert_eq!(copy.pass(MS(1)), [], "once is enough");
    assert_eq!(copy.exit(Exit::Signal(9), ""), [Action::Sweep]);
    assert!(copy.machine.is_stopped());
    assert_eq!(copy.machine.wake(), None);
}

#[test]
fn a_stop_is_not_overtaken_by_a_process_that_is_just_starting() {
    let mut copy = copy();
    copy.hear(Event::Run(wanted("a")));
    assert_eq!(copy.hear(Event::Stop), []);
    assert!(!copy.machine.is_stopped());
    assert_eq!(copy.hear(Event::Started { pid: 7 }), [Action::Terminate]);
    copy.exit(Exit::Signal(15), "");
    assert!(copy.machine.is_stopped());
}

#[test]
fn a_new_release_replaces_the_process_and_an_old_answer_does_not_count_for_it() {
    let mut copy = copy();
    copy.serve();
    copy.pass(MS(1_000));
    let late = copy.checks;
    assert_eq!(copy.hear(Event::Run(wanted("b"))), [Action::Terminate]);
    assert!(!copy.machine.is_serving());
    assert_eq!(
        copy.exit(Exit::Code(0), ""),
        [Action::Sweep, Action::Spawn(wanted("b"))],
        "no pause: nothing failed"
    );
    copy.hear(Event::Started { pid: 8 });
    copy.hear(Event::Checked {
        number: late,
        verdict: Verdict::Good("200 in 1 ms".into()),
    });
    assert_eq!(copy.state(), State::Starting);
    copy.good();
    assert!(copy.machine.is_serving());
}

#[test]
fn a_process_that_runs_already_is_taken_over_and_checked() {
    let mut copy = copy();
    let adopted = Event::Adopted {
        pid: 7,
        running: wanted("a"),
    };
    assert_eq!(copy.hear(adopted.clone()), [Action::Check { number: 1 }]);
    copy.good();
    assert_eq!(copy.state(), State::Serving);
    assert_eq!(copy.hear(Event::Run(wanted("a"))), []);
    assert_eq!(copy.hear(adopted), [], "it is known");
    assert_eq!(copy.hear(Event::Run(wanted("b"))), [Action::Terminate]);
}

#[test]
fn a_restart_is_one_that_nobody_asked_for() {
    let mut copy = copy();
    copy.serve();
    let restarts = |copy: &Copy| copy.machine.report("web-01/app/1", copy.now, 0).restarts;
    let start = |copy: &mut Copy| {
        copy.hear(Event::Started { pid: 8 });
        copy.good();
        assert_eq!(copy.state(), State::Serving);
    };
    // Another release, or other settings: the plan asked for it.
    copy.hear(Event::Run(wanted("b")));
    copy.exit(Exit::Signal(15), "");
    start(&mut copy);
    assert_eq!(restarts(&copy), 0);
    // It crashes.
    copy.exit(Exit::Code(1), "");
    copy.pass(MS(100));
    start(&mut copy);
    assert_eq!(restarts(&copy), 1);
    // It crashes, and before it is started again the plan has another release.
    copy.exit(Exit::Code(1), "");
    copy.hear(Event::Run(wanted("c")));
    start(&mut copy);
    assert_eq!(restarts(&copy), 1);
    // It is stopped, and used again.
    copy.hear(Event::Stop);
    copy.exit(Exit::Signal(15), "");
    copy.hear(Event::Run(wanted("c")));
    start(&mut copy);
    assert_eq!(restarts(&copy), 1);
}

#[test]
fn the_reason_is_the_last_line_that_says_something() {
    let mut copy = copy();
    copy.hear(Event::Run(wanted("a")));
    copy.hear(Event::Started { pid: 1 });
    copy.exit(
        Exit::Code(124),
        "No module named 'stripe'\n-----------\n~~~^^^\n",
    );
    assert!(
        copy.reason()
            .starts_with("exit code 124: No module named 'stripe'"),
        "{}",
        copy.reason()
    );
}
