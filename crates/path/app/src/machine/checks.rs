//! How a process that runs is doing, by its checks.

use std::time::{Duration, Instant};

use crate::health::Verdict;

/// Between checks of a copy that starts: someone waits for it. Later, when it takes long, less often.
const EAGER: Duration = Duration::from_millis(20);
const PATIENT: Duration = Duration::from_millis(200);
/// For how long checks are eager.
const EAGER_FOR: Duration = terrace_site::times::APP_EAGER;

/// How a process that runs does its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fitness {
    /// It has not been ready yet.
    Starting,
    Serving,
    /// It was ready, and is out; since when it has not answered at all.
    Out {
        silent: Option<Instant>,
    },
}

/// The checks of one process.
#[derive(Clone, Debug, Default)]
pub(super) struct Checks {
    /// Counts all checks, so that a late answer is known as one.
    pub number: u64,
    pub in_flight: bool,
    pub last: Option<Instant>,
    pub good: u32,
    pub bad: u32,
    /// Since when every check has gone without an answer.
    pub silent: Option<Instant>,
    pub reason: String,
}

impl Checks {
    /// Those of the next process. The number goes on: an answer about the process before must not count for
    /// this one.
    pub fn afresh(&self) -> Self {
        Self {
            number: self.number,
            ..Self::default()
        }
    }

    /// Another check begins. Its number.
    pub fn begin(&mut self, now: Instant) -> u64 {
        self.number += 1;
        self.in_flight = true;
        self.last = Some(now);
        self.number
    }

    /// When the next check of a process is due that was started at `since`, and is to be checked this often
    /// once it has been ready; `None` while one is in flight.
    pub fn due(&self, fitness: Fitness, since: Instant, every: Duration) -> Option<Instant> {
        if self.in_flight {
            return None;
        }
        let Some(last) = self.last else {
            return Some(since);
        };
        let pause = match fitness {
            Fitness::Starting if last < since + EAGER_FOR => EAGER,
            Fitness::Starting => PATIENT,
            Fitness::Serving | Fitness::Out { .. } => every,
        };
        Some(last + pause)
    }

    /// Counts what came of the check in flight.
    pub fn note(&mut self, verdict: Verdict, now: Instant) {
        self.in_flight = false;
        self.reason = verdict.reason().to_owned();
        match verdict {
            Verdict::Good(_) => {
                self.good = self.good.saturating_add(1);
                self.bad = 0;
                self.silent = None;
            }
            Verdict::Wrong(_) => {
                self.good = 0;
                self.bad = self.bad.saturating_add(1);
                self.silent = None;
            }
            Verdict::Silent(_) | Verdict::Refused(_) | Verdict::Elsewhere(_) => {
                self.good = 0;
                self.bad = self.bad.saturating_add(1);
                self.silent.get_or_insert(now);
            }
        }
    }
}
