//! How a copy stands, in words for a person.

use std::time::{Duration, Instant};

use terrace_protocol::build::short;
use terrace_protocol::report::{RoleReport, State};

use super::{Ending, Fitness, LOOP, Life, Machine};

impl Machine {
    /// The report of the copy called `id`; `clock` is the time of day in milliseconds since 1970. The
    /// generation is the node's to fill in.
    pub fn report(&self, id: &str, now: Instant, clock: u64) -> RoleReport {
        let lasted = now.saturating_duration_since(self.shown.1);
        RoleReport {
            id: id.to_owned(),
            role: "app".to_owned(),
            state: self.shown.0,
            reason: self.reason(now),
            since: clock.saturating_sub(u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX)),
            what: self.what(),
            pid: self.pid().unwrap_or(0),
            restarts: self.restarts,
            ..RoleReport::default()
        }
    }

    /// The process that runs, if one does.
    pub fn pid(&self) -> Option<u32> {
        match &self.life {
            Life::Running(process, _) | Life::Stopping { process, .. } => Some(process.pid),
            _ => None,
        }
    }

    /// The last lines that the copy wrote before it last ended by itself.
    pub fn last_lines(&self) -> &[String] {
        self.ending.as_ref().map_or(&[], |ending| &ending.lines)
    }

    pub(super) fn state(&self) -> State {
        let fallen = if self.failures >= LOOP {
            State::Failing
        } else {
            State::Restarting
        };
        match &self.life {
            Life::Down if self.stopped => State::Stopped,
            Life::Down => State::Waiting,
            Life::Spawning(_) | Life::Running(_, Fitness::Starting) => match self.failures {
                0 => State::Starting,
                _ => fallen,
            },
            Life::Running(_, Fitness::Serving) => State::Serving,
            Life::Running(_, Fitness::Out { .. }) => State::Failing,
            Life::Stopping { fault: None, .. } => State::Draining,
            Life::Stopping { fault: Some(_), .. } | Life::Pausing { .. } => fallen,
        }
    }

    /// What is wrong with a process whose limit has passed.
    pub(super) fn fault(&self, fitness: Fitness) -> String {
        let within = words(self.settings.start_within);
        let why = match self.checks.reason.as_str() {
            "" => "no check has ended",
            reason => reason,
        };
        match fitness {
            Fitness::Starting => format!("not ready within {within} ({why})"),
            Fitness::Serving | Fitness::Out { .. } => {
                format!("it answered nothing for {within} ({why})")
            }
        }
    }

    fn reason(&self, now: Instant) -> String {
        match &self.life {
            Life::Down if self.stopped => "was told to stop".to_owned(),
            Life::Down => "waits for its release".to_owned(),
            Life::Running(_, Fitness::Serving) => self.checks.reason.clone(),
            Life::Running(_, Fitness::Out { .. }) => {
                format!("{}, {} times in a row", self.checks.reason, self.checks.bad)
            }
            Life::Stopping { fault: None, .. } => "finishes what it does".to_owned(),
            Life::Stopping {
                fault: Some(fault), ..
            } => fault.clone(),
            Life::Pausing { until } => {
                let left = words(until.saturating_duration_since(now));
                self.history(&format!("again in {left}"))
            }
            Life::Spawning(_) => self.history("is being started"),
            Life::Running(process, Fitness::Starting) => match self.checks.reason.as_str() {
                "" => self.history("is being started"),
                reason => {
                    let age = now.saturating_duration_since(process.since).as_secs();
                    let within = words(self.settings.start_within);
                    self.history(&format!("{reason}, {age} s of {within}"))
                }
            },
        }
    }

    /// What happened last, then what is now: `exit code 1, 3 times: No module named 'stripe'; again in 0.4 s`.
    fn history(&self, now: &str) -> String {
        match &self.ending {
            Some(ending) if self.failures > 0 => format!("{}; {now}", self.past(ending)),
            _ => now.to_owned(),
        }
    }

    fn past(&self, ending: &Ending) -> String {
        let times = match self.failures {
            0 | 1 => String::new(),
            times => format!(", {times} times"),
        };
        let last_line = ending
            .lines
            .iter()
            .rev()
            .find(|line| line.chars().any(char::is_alphanumeric));
        match last_line {
            Some(line) => format!("{}{times}: {}", ending.cause, line.trim()),
            None => format!("{}{times}", ending.cause),
        }
    }

    fn what(&self) -> String {
        let running = match &self.life {
            Life::Spawning(running) => Some(running),
            Life::Running(process, _) | Life::Stopping { process, .. } => Some(&process.running),
            Life::Down | Life::Pausing { .. } => self.wanted.as_ref(),
        };
        running.map_or(String::new(), |running| {
            format!("release {}", short(&running.release))
        })
    }
}

/// `0.4 s`, `30 s`.
fn words(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 10.0 && time.subsec_millis() != 0 {
        format!("{seconds:.1} s")
    } else {
        format!("{seconds:.0} s")
    }
}
