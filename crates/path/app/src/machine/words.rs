//! What is said to a machine, and what it answers.

use std::time::Duration;

use terrace_protocol::keeper::Exit;
use terrace_site::plan::AppPlan;

use crate::health::Verdict;

/// What the plan says of a copy's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Not ready within this: failed to start. Silent for this: hangs.
    pub start_within: Duration,
    /// From SIGTERM to SIGKILL.
    pub stop_within: Duration,
    /// Between two checks.
    pub every: Duration,
    /// Good checks in a row that bring a copy in again that was out. The first time one is enough.
    pub rise: u32,
    /// Bad checks in a row that take it out.
    pub fall: u32,
}

impl Settings {
    /// The settings of an app's copies.
    pub fn of(plan: &AppPlan) -> Self {
        Self {
            start_within: plan.start_within,
            stop_within: plan.stop_within,
            every: plan.health.every,
            rise: plan.health.rise,
            fall: plan.health.fall,
        }
    }
}

/// What is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The release's content hash.
    pub release: String,
    /// Differs whenever the copy must be started anew: [`crate::launch::revision`].
    pub revision: String,
}

/// What the machine hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Run this from now on. The same again changes nothing.
    Run(Wanted),
    /// Stop, and stay so.
    Stop,
    /// The process that was asked for runs.
    Started {
        /// Its process number.
        pid: u32,
    },
    /// The process that was asked for could not be started, and why.
    NotStarted(String),
    /// A process runs already: a node that was restarted tells it first of all.
    Adopted {
        /// Its process number.
        pid: u32,
        /// What it was started as.
        running: Wanted,
    },
    /// The process ended.
    Exited {
        /// How.
        exit: Exit,
        /// The last lines of its log, the newest last.
        lines: Vec<String>,
    },
    /// A check ended.
    Checked {
        /// The number of the [`Action::Check`].
        number: u64,
        /// What came of it.
        verdict: Verdict,
    },
    /// What kept it from starting is gone, as far as is known: it does not wait any longer.
    Retry,
    /// Time has passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start the process. Answered by [`Event::Started`] or [`Event::NotStarted`].
    Spawn(Wanted),
    /// Ask its process group to end: SIGTERM.
    Terminate,
    /// End its process group: SIGKILL.
    Kill,
    /// End what is left of the process group of one that has ended: workers outlive their parent, and hold its
    /// port.
    Sweep,
    /// Check it. Answered by [`Event::Checked`].
    Check {
        /// Repeated in the answer.
        number: u64,
    },
}
