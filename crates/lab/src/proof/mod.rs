//! The proof: every fault that `insight` predicts is injected under load, and what visitors had of it stands
//! beside the prediction.
//!
//! Here are the cases and the verdicts, which are pure. [`round`] carries one case out: it asks the coordinator to
//! break something, and counts what the load says.

pub mod round;

use std::collections::BTreeSet;

use serde::Serialize;
use terrace_insight::Design;
use terrace_insight::failures::{
    Effect, Fate, Fault as Predicted, Function, Prediction, predictions,
};
use terrace_protocol::control::{Fault, Status};

use crate::load::outage::Outage;

/// A fault to inject, and what it should do.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is injected.
    pub fault: Fault,
    /// Every function of the site, and how it should fare.
    pub expected: Vec<(Function, Fate)>,
}

impl Case {
    /// `kill web-01/web`.
    pub fn title(&self) -> String {
        match &self.fault {
            Fault::Kill { role } => format!("kill {role}"),
            Fault::Crash { server } => format!("crash {server}"),
            Fault::PowerOff { server } => format!("power-off {server}"),
            Fault::Partition { server } => format!("partition {server}"),
            Fault::Freeze { server } => format!("freeze {server}"),
        }
    }

    /// It stays broken until it is mended.
    pub fn lasts(&self) -> bool {
        !matches!(self.fault, Fault::Kill { .. } | Fault::Crash { .. })
    }
}

/// Every single fault of a site that runs.
pub fn cases(design: &Design, status: &Status) -> Vec<Case> {
    let mut found = Vec::new();
    for prediction in predictions(design) {
        let fault = match &prediction.fault {
            Predicted::Kill(id) => {
                found.extend(of_role(&prediction, id, status));
                continue;
            }
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
        let expected = prediction.fates;
        found.push(Case { fault, expected });
    }
    found
}

/// A kill of each process of a role: an app has one for each copy, and the others stand in for it.
fn of_role(prediction: &Prediction, id: &str, status: &Status) -> Vec<Case> {
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
    let fate = |fate: &Fate| {
        if processes.len() > 1 {
            Fate::Unaffected
        } else {
            fate.clone()
        }
    };
    let expected: Vec<_> = prediction
        .fates
        .iter()
        .map(|(function, predicted)| (*function, fate(predicted)))
        .collect();
    let case = |process: &&str| Case {
        fault: Fault::Kill {
            role: (*process).to_owned(),
        },
        expected: expected.clone(),
    };
    processes.iter().map(case).collect()
}

/// What visitors of one function had of a fault.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The case's title.
    pub fault: String,
    /// The function.
    pub function: Function,
    /// What was predicted.
    pub predicted: Fate,
    /// What was seen.
    pub seen: Effect,
    /// In numbers.
    pub outage: Outage,
    /// Of writes: what became of those that were acknowledged.
    pub written: Option<Written>,
    /// The two agree, and nothing that was acknowledged is lost.
    pub agree: bool,
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

/// Judges one function. `mended`: when the fault was mended, in µs after it.
pub fn row(
    case: &Case,
    function: Function,
    predicted: Fate,
    outage: Outage,
    mended: Option<u64>,
    written: Option<Written>,
) -> Row {
    let seen = seen(function, &outage, mended);
    Row {
        fault: case.title(),
        function,
        agree: agree(predicted.effect(), seen) && written.is_none_or(|written| written.lost == 0),
        predicted,
        seen,
        outage,
        written,
    }
}

/// How a function fared. Answers that had begun are no failure here: nobody could take them over. Nor is a write
/// that was under way: it may have been done, so nobody may repeat it.
fn seen(function: Function, outage: &Outage, mended: Option<u64>) -> Effect {
    let under_way = if function == Function::Writes {
        outage.in_flight
    } else {
        0
    };
    let failed = outage.failed.saturating_sub(outage.broken.max(under_way));
    match (failed, outage.back, mended) {
        (0, Some(_), _) => Effect::Kept,
        (_, None, _) => Effect::Lost,
        (_, Some(back), Some(mended)) if back >= mended => Effect::Lost,
        (_, Some(_), _) => Effect::Pause,
    }
}

/// What is said to be kept must be kept, and what is said to be lost must be seen to be. A pause may be too short
/// for any visitor to fail.
fn agree(predicted: Effect, seen: Effect) -> bool {
    predicted == seen || (predicted == Effect::Pause && seen == Effect::Kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outage(failed: u64, in_flight: u64, back: Option<u64>) -> Outage {
        Outage {
            requests: 100,
            failed,
            in_flight,
            back,
            ..Outage::default()
        }
    }

    #[test]
    fn what_comes_back_by_itself_has_paused_and_what_must_be_mended_was_lost() {
        let mended = Some(5_000_000);
        let files = |outage: &Outage, mended| seen(Function::Files, outage, mended);
        assert_eq!(files(&outage(0, 0, Some(900)), mended), Effect::Kept);
        assert_eq!(files(&outage(9, 1, Some(900)), mended), Effect::Pause);
        assert_eq!(files(&outage(9, 1, Some(5_100_000)), mended), Effect::Lost);
        assert_eq!(files(&outage(9, 1, None), None), Effect::Lost);
        assert_eq!(files(&outage(0, 0, None), None), Effect::Lost);
    }

    #[test]
    fn a_write_that_was_under_way_is_not_counted_but_a_read_is() {
        let cut = outage(1, 1, Some(900));
        assert_eq!(seen(Function::Writes, &cut, None), Effect::Kept);
        assert_eq!(seen(Function::Reads, &cut, None), Effect::Pause);
    }

    #[test]
    fn what_was_acknowledged_and_is_not_there_is_lost() {
        let found = ["entry 17000001 by Ann".to_owned(), "17000002".to_owned()];
        let acknowledged = [17_000_001, 17_000_002, 17_000_003];
        let written = written(acknowledged.into_iter(), &found);
        assert_eq!((written.acknowledged, written.lost), (3, 1));
    }

    #[test]
    fn a_wrong_safe_is_never_agreed_to() {
        assert!(!agree(Effect::Kept, Effect::Pause));
        assert!(!agree(Effect::Pause, Effect::Lost));
        assert!(!agree(Effect::Lost, Effect::Kept));
        assert!(agree(Effect::Pause, Effect::Kept));
    }
}
