//! The proof: every fault that `insight` predicts is injected under load, and what visitors had of it stands
//! beside the prediction.
//!
//! Here are the cases and the verdicts, which are pure. [`round`] carries one case out: it asks the coordinator to
//! break something, and counts what the load says.

pub mod round;
mod verdict;

use std::collections::BTreeSet;

use serde::Serialize;
use terrace_insight::Design;
use terrace_insight::failures::{
    Effect, Fate, Fault as Predicted, Function, Outlook, Prediction, predictions,
};
use terrace_protocol::control::{Fault, Status};

use crate::load::outage::Outage;

pub use verdict::{Verdict, row, settle, summary, unseen};

/// A fault to inject, and what it should do.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is injected.
    pub fault: Fault,
    /// It is injected again and again, for as long as it lasts.
    pub again: bool,
    /// Every function of the site, and how it should fare.
    pub expected: Vec<Outlook>,
}

impl Case {
    /// `kill web-01/web`.
    pub fn title(&self) -> String {
        match &self.fault {
            Fault::Kill { role } if self.again => format!("crash-loop {role}"),
            Fault::Kill { role } => format!("kill {role}"),
            Fault::Crash { server } => format!("crash {server}"),
            Fault::PowerOff { server } => format!("power-off {server}"),
            Fault::Partition { server } => format!("partition {server}"),
            Fault::Freeze { server } => format!("freeze {server}"),
        }
    }

    /// What predicts it: the same is said of all ways in which a server becomes silent.
    fn rule(&self) -> String {
        match &self.fault {
            Fault::PowerOff { server } | Fault::Partition { server } | Fault::Freeze { server } => {
                format!("silent {server}")
            }
            _ => self.title(),
        }
    }

    /// It stays broken until it is mended.
    pub fn lasts(&self) -> bool {
        self.again || !matches!(self.fault, Fault::Kill { .. } | Fault::Crash { .. })
    }

    /// Something stays up meanwhile, or comes back by itself.
    pub fn promises(&self) -> bool {
        let lost = |one: &Outlook| one.fate.effect() == Effect::Lost;
        !self.expected.iter().all(lost)
    }
}

/// Every single fault of a site that runs.
pub fn cases(design: &Design, status: &Status) -> Vec<Case> {
    let mut found = Vec::new();
    for prediction in predictions(design) {
        let fault = match &prediction.fault {
            Predicted::Kill(id) => {
                found.extend(of_role(design, &prediction, id, status));
                continue;
            }
            Predicted::Loop(id) => Fault::Kill { role: id.clone() },
            Predicted::Crash(server) => Fault::Crash {
                server: server.clone(),
            },
            Predicted::PowerOff(server) => Fault::PowerOff {
                server: server.clone(),
            },
            Predicted::Partition(server) => Fault::Partition {
                server: server.clone(),
            },
            Predicted::Freeze(server) => Fault::Freeze {
                server: server.clone(),
            },
        };
        found.push(Case {
            fault,
            again: matches!(prediction.fault, Predicted::Loop(_)),
            expected: prediction.outlooks,
        });
    }
    found
}

/// A kill of each process of a role: an app has one for each copy, and the others stand in for it.
fn of_role(design: &Design, prediction: &Prediction, id: &str, status: &Status) -> Vec<Case> {
    let reports = status
        .servers
        .iter()
        .filter_map(|server| server.report.as_ref());
    let roles = reports.flat_map(|report| &report.roles);
    let copy_of = |role: &str| {
        role == id
            || role
                .strip_prefix(id)
                .is_some_and(|rest| rest.starts_with('/'))
    };
    let processes: Vec<&str> = roles
        .map(|role| role.id.as_str())
        .filter(|role| copy_of(role))
        .collect();
    let outlook = |predicted: &Outlook| match processes.len() {
        ..=1 => predicted.clone(),
        _ => Outlook::of(design, predicted.function, Fate::Unaffected),
    };
    let expected: Vec<_> = prediction.outlooks.iter().map(outlook).collect();
    let case = |process: &&str| Case {
        fault: Fault::Kill {
            role: (*process).to_owned(),
        },
        again: false,
        expected: expected.clone(),
    };
    processes.iter().map(case).collect()
}

/// What visitors of one function had of a fault.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The case's title.
    pub fault: String,
    /// What it is predicted by.
    #[serde(skip)]
    pub rule: String,
    /// What was predicted has shown, in one round at least.
    pub shown: bool,
    /// So many rounds there were.
    pub rounds: usize,
    /// The function.
    pub function: Function,
    /// What was predicted.
    pub predicted: Outlook,
    /// What was seen.
    pub seen: Effect,
    /// In numbers.
    pub outage: Outage,
    /// Of writes: what became of those that were acknowledged.
    pub written: Option<Written>,
    /// What becomes of the prediction.
    pub verdict: Verdict,
}

/// Writes that were acknowledged during a fault, compared with what the database holds afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Written {
    /// They were acknowledged.
    pub acknowledged: u64,
    /// Of those: they are not there.
    pub lost: u64,
}

/// Compares, row by row, the numbers that were acknowledged with the texts that were found.
pub fn written(acknowledged: impl Iterator<Item = u64>, found: &[String]) -> Written {
    let digits = |text: &String| -> Vec<u64> {
        let numbers = text.split(|c: char| !c.is_ascii_digit());
        numbers.filter_map(|number| number.parse().ok()).collect()
    };
    let there: BTreeSet<u64> = found.iter().flat_map(digits).collect();
    let mut written = Written {
        acknowledged: 0,
        lost: 0,
    };
    for number in acknowledged {
        written.acknowledged += 1;
        written.lost += u64::from(!there.contains(&number));
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_acknowledged_and_is_not_there_is_lost() {
        let found = ["entry 17000001 by Ann".to_owned(), "17000002".to_owned()];
        let acknowledged = [17_000_001, 17_000_002, 17_000_003];
        let written = written(acknowledged.into_iter(), &found);
        assert_eq!((written.acknowledged, written.lost), (3, 1));
    }
}
