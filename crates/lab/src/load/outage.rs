//! What a fault cost visitors: counted from the records of the load, and nothing else.

use serde::{Deserialize, Serialize};

use super::{Outcome, Record};

/// What a fault cost, in requests and time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outage {
    /// Requests that ended after the fault.
    pub requests: u64,
    /// Of those: without a fine answer.
    pub failed: u64,
    /// Of those that failed: under way when it happened.
    pub in_flight: u64,
    /// Of those that failed: nobody listened.
    pub refused: u64,
    /// Of those that failed: their answer had begun.
    pub broken: u64,
    /// From the fault until a visitor who came after it, and after whom none failed, had an answer; in µs.
    /// `None`: that did not come about.
    pub back: Option<u64>,
    /// From the fault until the last failed request that was sent after it ended, with an error or without an answer; in µs.
    pub failing: u64,
    /// The longest wait for a fine answer of whoever came after the fault, in µs.
    pub longest: u64,
}

/// Counts what came of requests after a fault at `fault` (µs since 1970). `kind`: of these only.
pub fn since(records: &[Record], fault: u64, kind: Option<usize>) -> Outage {
    let mut outage = Outage::default();
    let ended_after =
        |record: &&Record| record.end >= fault && kind.is_none_or(|kind| record.kind == kind);
    let mut last_failure = fault;
    for record in records.iter().filter(ended_after) {
        outage.requests += 1;
        let came_before = record.due < fault;
        if record.outcome.is_fine() {
            if !came_before {
                outage.longest = outage.longest.max(record.end - record.due);
            }
            continue;
        }
        outage.failed += 1;
        outage.in_flight += u64::from(came_before);
        outage.refused += u64::from(record.outcome == Outcome::Refused);
        outage.broken += u64::from(record.outcome == Outcome::Broken);
        if !came_before {
            last_failure = last_failure.max(record.due + 1);
            outage.failing = outage.failing.max(record.end - fault);
        }
    }
    outage.back = records
        .iter()
        .filter(ended_after)
        .filter(|record| record.due >= last_failure && record.outcome.is_fine())
        .map(|record| record.end - fault)
        .min();
    outage
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(due: u64, end: u64, outcome: Outcome) -> Record {
        Record {
            kind: 0,
            number: 0,
            due,
            end,
            outcome,
            again: false,
        }
    }

    const FINE: Outcome = Outcome::Answered(200);

    #[test]
    fn what_ended_before_does_not_count() {
        let records = [record(10, 20, Outcome::Cut), record(100, 130, FINE)];
        let outage = since(&records, 50, None);
        assert_eq!((outage.requests, outage.failed), (1, 0));
        assert_eq!((outage.back, outage.longest), (Some(80), 30));
    }

    #[test]
    fn what_was_under_way_is_told_apart() {
        let records = [
            record(40, 55, Outcome::Cut),
            record(60, 61, Outcome::Refused),
            record(70, 90, Outcome::Answered(502)),
            record(80, 95, FINE),
        ];
        let outage = since(&records, 50, None);
        assert_eq!((outage.failed, outage.in_flight, outage.refused), (3, 1, 1));
        assert_eq!(outage.back, Some(45));
    }

    #[test]
    fn who_waits_to_be_told_of_a_failure_fails_until_then() {
        let records = [
            record(40, 500, Outcome::Answered(504)),
            record(60, 300, Outcome::Answered(504)),
            record(70, 75, Outcome::Cut),
            record(80, 95, FINE),
        ];
        let outage = since(&records, 50, None);
        assert_eq!((outage.failing, outage.back), (250, Some(45)));
    }

    #[test]
    fn a_success_before_the_last_failure_is_no_return() {
        let records = [
            record(60, 65, FINE),
            record(70, 75, Outcome::Late),
            record(90, 95, FINE),
        ];
        assert_eq!(since(&records, 50, None).back, Some(45));
    }

    #[test]
    fn a_site_that_stays_away_is_not_back() {
        let records = [record(60, 65, FINE), record(70, 75, Outcome::Refused)];
        assert_eq!(since(&records, 50, None).back, None);
    }

    #[test]
    fn kinds_are_counted_apart() {
        let other = Record {
            kind: 1,
            ..record(60, 65, Outcome::Refused)
        };
        let records = [other, record(70, 75, FINE)];
        assert_eq!(since(&records, 50, Some(0)).failed, 0);
        assert_eq!(since(&records, 50, Some(1)).failed, 1);
    }
}
