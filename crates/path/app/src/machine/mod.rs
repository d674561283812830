//! The life of one copy of an app: when it is started, checked, stopped and started again. Pure.
//!
//! The machine hears [`Event`]s with the time and answers with [`Action`]s, which the node carries out; it
//! wants to be asked again at [`Machine::wake`] at the latest. What it holds to:
//!
//! - One process at a time: the next is asked for after the last one's end was heard.
//! - A copy is ready when its check says so, not when its process exists. One that is not ready within
//!   `start_within` has failed to start.
//! - What ends unasked is started again after a pause that grows from 0.1 to 30 s, and starts anew once a copy
//!   has served for 30 s. From the third end in a row it counts as failing.
//! - A copy that serves and then answers wrongly stays: it may be the fault of what it depends on. One that
//!   does not answer at all for `start_within` hangs, and is replaced.
//! - To stop is SIGTERM, and SIGKILL after `stop_within`, to the whole process group.

mod checks;
mod report;
mod words;

use std::time::{Duration, Instant};

use terrace_protocol::keeper::Exit;
use terrace_protocol::report::State;
use terrace_service::Backoff;

use crate::health::Verdict;
use checks::{Checks, Fitness};
pub use words::{Action, Event, Settings, Wanted};

const FIRST_PAUSE: Duration = terrace_site::times::APP_PAUSE;
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A copy that has served for this long is sound: what happened before is forgotten.
const CALM: Duration = Duration::from_secs(30);
/// So many ends in a row are no accident.
const LOOP: u32 = 3;

/// How a process ended, or failed to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ending {
    /// `exit code 1`, `not ready within 30 s: connection refused`.
    cause: String,
    /// The last lines of its log.
    lines: Vec<String>,
}

/// Where the copy is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Life {
    /// There is no process, and none is due.
    Down,
    /// A process was asked for.
    Spawning(Wanted),
    /// A process runs.
    Running(Process, Fitness),
    /// It was asked to end; what for, if the machine found fault with it.
    Stopping {
        process: Process,
        kill_at: Instant,
        killed: bool,
        fault: Option<String>,
    },
    /// It ended, and is started again then.
    Pausing { until: Instant },
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Process {
    pid: u32,
    running: Wanted,
    since: Instant,
    /// Since when it has been ready, the first time.
    ready: Option<Instant>,
}

/// The life of one copy.
#[derive(Clone, Debug)]
pub struct Machine {
    settings: Settings,
    wanted: Option<Wanted>,
    /// It was told to stop: down on purpose, not for want of a release.
    stopped: bool,
    life: Life,
    checks: Checks,
    backoff: Backoff,
    /// Ends in a row that nobody asked for.
    failures: u32,
    ending: Option<Ending>,
    /// The next start follows an end that nobody asked for.
    again: bool,
    /// Starts that followed such an end.
    restarts: u32,
    /// The state that is shown, and since when.
    shown: (State, Instant),
}

impl Machine {
    /// A copy that waits to be told what to run.
    pub fn new(settings: Settings, now: Instant) -> Self {
        Self {
            settings,
            wanted: None,
            stopped: false,
            life: Life::Down,
            checks: Checks::default(),
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, CALM),
            failures: 0,
            ending: None,
            again: false,
            restarts: 0,
            shown: (State::Waiting, now),
        }
    }

    /// The plan has other settings now. What is under way goes on.
    pub fn configure(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Hears an event, and says what is to be done, in this order.
    pub fn handle(&mut self, event: Event, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Run(wanted) => self.run(wanted),
            Event::Stop => {
                self.wanted = None;
                self.stopped = true;
                self.again = false;
            }
            Event::Started { pid } => {
                if let Life::Spawning(running) = &self.life {
                    let running = running.clone();
                    self.begin(pid, running, now);
                }
            }
            Event::Adopted { pid, running } => {
                if self.life == Life::Down {
                    // Until the plan says otherwise, what runs is what is wanted.
                    self.wanted.get_or_insert_with(|| running.clone());
                    self.begin(pid, running, now);
                }
            }
            Event::NotStarted(why) => {
                if matches!(self.life, Life::Spawning(_)) {
                    self.fail(format!("it cannot be started: {why}"), Vec::new(), now);
                }
            }
            Event::Exited { exit, lines } => self.exited(exit, lines, now, &mut actions),
            Event::Checked { number, verdict } => self.checked(number, verdict, now),
            Event::Retry => {
                if let Life::Pausing { until } = &mut self.life {
                    *until = now;
                }
            }
            Event::Tick => {}
        }
        self.advance(now, &mut actions);
        if self.state() != self.shown.0 {
            self.shown = (self.state(), now);
        }
        actions
    }

    /// When it wants to hear [`Event::Tick`] at the latest; `None`: it waits for another event.
    pub fn wake(&self) -> Option<Instant> {
        match &self.life {
            Life::Down | Life::Spawning(_) => None,
            Life::Pausing { until } => Some(*until),
            Life::Stopping {
                kill_at, killed, ..
            } => (!killed).then_some(*kill_at),
            Life::Running(process, fitness) => {
                let limit = self.limit(process, *fitness);
                let check = self
                    .checks
                    .due(*fitness, process.since, self.settings.every);
                limit.into_iter().chain(check).min()
            }
        }
    }

    /// It runs what is wanted, and is ready for requests.
    pub fn is_serving(&self) -> bool {
        matches!(&self.life, Life::Running(process, Fitness::Serving) if Some(&process.running) == self.wanted.as_ref())
    }

    /// It was told last to run this.
    pub fn is_told(&self, wanted: &Wanted) -> bool {
        self.wanted.as_ref() == Some(wanted)
    }

    /// Something of it is ready for requests, wanted or not.
    pub fn answers(&self) -> bool {
        matches!(self.life, Life::Running(_, Fitness::Serving))
    }

    /// It was told to stop, and there is no process any more.
    pub fn is_stopped(&self) -> bool {
        self.stopped && self.life == Life::Down
    }

    fn run(&mut self, wanted: Wanted) {
        self.stopped = false;
        if self.wanted.as_ref() != Some(&wanted) {
            // What is new may be better: it does not wait for the pause of what was before.
            self.backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, CALM);
            self.failures = 0;
            self.again = false;
            if matches!(self.life, Life::Pausing { .. }) {
                self.life = Life::Down;
            }
        }
        self.wanted = Some(wanted);
    }

    fn begin(&mut self, pid: u32, running: Wanted, now: Instant) {
        let process = Process {
            pid,
            running,
            since: now,
            ready: None,
        };
        self.life = Life::Running(process, Fitness::Starting);
        self.checks = self.checks.afresh();
    }

    fn exited(&mut self, exit: Exit, lines: Vec<String>, now: Instant, actions: &mut Vec<Action>) {
        match std::mem::replace(&mut self.life, Life::Down) {
            Life::Stopping { fault: None, .. } => {
                actions.push(Action::Sweep);
                self.ending = None;
            }
            Life::Stopping {
                process,
                fault: Some(fault),
                ..
            } => {
                actions.push(Action::Sweep);
                self.fail_after(&process, fault, lines, now);
            }
            Life::Running(process, _) => {
                actions.push(Action::Sweep);
                self.fail_after(&process, exit.to_string(), lines, now);
            }
            Life::Spawning(_) => {
                actions.push(Action::Sweep);
                self.fail(exit.to_string(), lines, now);
            }
            life @ (Life::Down | Life::Pausing { .. }) => self.life = life,
        }
    }

    fn fail_after(&mut self, process: &Process, cause: String, lines: Vec<String>, now: Instant) {
        let served = process
            .ready
            .map_or(Duration::ZERO, |ready| now.saturating_duration_since(ready));
        if served >= CALM {
            self.failures = 0;
        }
        self.pause(served, cause, lines, now);
    }

    fn fail(&mut self, cause: String, lines: Vec<String>, now: Instant) {
        self.pause(Duration::ZERO, cause, lines, now);
    }

    fn pause(&mut self, served: Duration, cause: String, lines: Vec<String>, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.again = true;
        self.ending = Some(Ending { cause, lines });
        self.life = Life::Pausing {
            until: now + self.backoff.pause(served),
        };
    }

    fn checked(&mut self, number: u64, verdict: Verdict, now: Instant) {
        let Life::Running(process, fitness) = &mut self.life else {
            return;
        };
        if number != self.checks.number || !self.checks.in_flight {
            return;
        }
        self.checks.note(verdict, now);
        match fitness {
            Fitness::Starting if self.checks.good > 0 => {
                process.ready = Some(now);
                *fitness = Fitness::Serving;
            }
            Fitness::Serving if self.checks.bad >= self.settings.fall.max(1) => {
                *fitness = Fitness::Out {
                    silent: self.checks.silent,
                };
            }
            Fitness::Out { .. } if self.checks.good >= self.settings.rise.max(1) => {
                *fitness = Fitness::Serving;
            }
            Fitness::Out { silent } => *silent = self.checks.silent,
            Fitness::Starting | Fitness::Serving => {}
        }
    }

    /// Does what is due, whatever was heard.
    fn advance(&mut self, now: Instant, actions: &mut Vec<Action>) {
        if let Life::Pausing { until } = self.life
            && (now >= until || self.wanted.is_none())
        {
            self.life = Life::Down;
        }
        match &mut self.life {
            Life::Down => {
                if let Some(wanted) = &self.wanted {
                    let again = std::mem::take(&mut self.again);
                    self.restarts = self.restarts.saturating_add(u32::from(again));
                    actions.push(Action::Spawn(wanted.clone()));
                    self.life = Life::Spawning(wanted.clone());
                }
            }
            Life::Stopping {
                kill_at, killed, ..
            } => {
                if now >= *kill_at && !*killed {
                    *killed = true;
                    actions.push(Action::Kill);
                }
            }
            Life::Running(process, fitness) => {
                let (process, fitness) = (process.clone(), *fitness);
                self.oversee(process, fitness, now, actions);
            }
            Life::Spawning(_) | Life::Pausing { .. } => {}
        }
    }

    /// A process that runs: is it the right one, is it in time, is a check due?
    fn oversee(
        &mut self,
        process: Process,
        fitness: Fitness,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let due = |at: Option<Instant>| at.is_some_and(|at| now >= at);
        if self.wanted.as_ref() != Some(&process.running) {
            self.terminate(process, None, now, actions);
        } else if due(self.limit(&process, fitness)) {
            let fault = self.fault(fitness);
            self.terminate(process, Some(fault), now, actions);
        } else if due(self.checks.due(fitness, process.since, self.settings.every)) {
            let number = self.checks.begin(now);
            actions.push(Action::Check { number });
        }
    }

    fn terminate(
        &mut self,
        process: Process,
        fault: Option<String>,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        actions.push(Action::Terminate);
        self.life = Life::Stopping {
            process,
            kill_at: now + self.settings.stop_within,
            killed: false,
            fault,
        };
    }

    /// Until when it must be ready, or answer again.
    fn limit(&self, process: &Process, fitness: Fitness) -> Option<Instant> {
        match fitness {
            Fitness::Starting => Some(process.since + self.settings.start_within),
            Fitness::Serving => None,
            Fitness::Out { silent } => silent.map(|since| since + self.settings.start_within),
        }
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
