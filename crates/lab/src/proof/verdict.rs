//! What a prediction is worth: round by round, and over all rounds. Pure.

use std::time::Duration;

use serde::Serialize;
use terrace_insight::failures::{Effect, Fate, Function, NOTICED, Outlook};

use super::{Case, Row, Written};
use crate::load::outage::Outage;

/// A wait that shows: longer than any request of a site that is well.
const SHOWS: Duration = Duration::from_millis(100);

/// A wait ends with an answer, fine or not, which takes its own time.
const ANSWER: Duration = Duration::from_millis(250);

/// What becomes of a prediction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It was seen, within its bound.
    Agrees,
    /// Something else was seen.
    Otherwise,
    /// Somebody failed, or waited, for longer than the bound.
    Longer,
    /// A failure or a wait is predicted, and none was seen in this many rounds.
    Unseen(usize),
    /// Writes that were acknowledged are not there.
    Lost,
}

/// Judges one function in one round. `mended`: when the fault was mended, in µs after it.
pub fn row(
    case: &Case,
    predicted: Outlook,
    outage: Outage,
    mended: Option<u64>,
    written: Option<Written>,
) -> Row {
    let seen = seen(predicted.function, &outage, mended);
    let verdict = match written {
        Some(written) if written.lost > 0 => Verdict::Lost,
        _ if !agree(predicted.fate.effect(), seen) => Verdict::Otherwise,
        _ if is_longer(&predicted, &outage) => Verdict::Longer,
        _ => Verdict::Agrees,
    };
    Row {
        fault: case.title(),
        rule: case.rule(),
        shown: has_shown(&predicted, seen, &outage),
        rounds: 1,
        function: predicted.function,
        predicted,
        seen,
        outage,
        written,
        verdict,
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

/// What is said to be kept must be kept, and what is said to be lost must be seen to be. In one round a pause may be too
/// short for any visitor to fail.
fn agree(predicted: Effect, seen: Effect) -> bool {
    predicted == seen || (predicted == Effect::Pause && seen == Effect::Kept)
}

/// A request that was sent after the fault failed later than the predicted bound, or waited for longer than it.
fn is_longer(predicted: &Outlook, outage: &Outage) -> bool {
    let failing = Duration::from_micros(outage.failing);
    let waiting = Duration::from_micros(outage.longest);
    let longer = |within| failing.max(waiting) > within + ANSWER;
    predicted.within.is_some_and(longer)
}

/// What was predicted has shown. What nobody notices need not.
fn has_shown(predicted: &Outlook, seen: Effect, outage: &Outage) -> bool {
    match predicted.fate {
        Fate::FailsUntilRecovered(_) => seen != Effect::Kept,
        Fate::Delayed(_) if predicted.within.is_none_or(|within| within > NOTICED) => {
            Duration::from_micros(outage.longest) >= SHOWS
        }
        _ => true,
    }
}

/// Something that is predicted has not shown in any of these rounds of a case.
pub fn unseen(rounds: &[Vec<Row>]) -> bool {
    let all = || rounds.iter().flatten();
    let seen = |row: &Row| all().any(|other| row.shares(other) && other.shown);
    rounds.is_empty() || !all().all(seen)
}

/// The rounds of a case as one: of each function the round that says most against its prediction.
pub fn summary(rounds: Vec<Vec<Row>>) -> Vec<Row> {
    let mut all: Vec<Row> = Vec::new();
    for row in rounds.into_iter().flatten() {
        let of = |one: &&mut Row| one.function == row.function;
        let Some(one) = all.iter_mut().find(of) else {
            all.push(row);
            continue;
        };
        let (shown, rounds) = (one.shown || row.shown, one.rounds + row.rounds);
        if weight(&row) > weight(one) {
            *one = row;
        }
        (one.shown, one.rounds) = (shown, rounds);
    }
    all
}

/// Once all rounds are over: what was predicted by a rule has shown somewhere, or the rule is wrong.
pub fn settle(rows: &mut [Row]) {
    let shown: Vec<bool> = rows
        .iter()
        .map(|row| rows.iter().any(|other| row.shares(other) && other.shown))
        .collect();
    for (row, shown) in rows.iter_mut().zip(shown) {
        if row.verdict == Verdict::Agrees && !shown {
            row.verdict = Verdict::Unseen(row.rounds);
        }
    }
}

impl Row {
    /// Both are predicted by one rule: a server that becomes silent does so in three ways, and what is said of one of them
    /// is said of all.
    fn shares(&self, other: &Row) -> bool {
        self.rule == other.rule && self.predicted.fate == other.predicted.fate
    }
}

/// How much a round says against its prediction, and of two that say the same how much it cost.
fn weight(row: &Row) -> (bool, u64, u64) {
    let Outage {
        failed, longest, ..
    } = row.outage;
    (row.verdict != Verdict::Agrees, failed, longest)
}

#[cfg(test)]
mod tests {
    use terrace_insight::failures::Recovery;
    use terrace_protocol::control::Fault;

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
    fn a_wrong_safe_is_never_agreed_to() {
        assert!(!agree(Effect::Kept, Effect::Pause));
        assert!(!agree(Effect::Pause, Effect::Lost));
        assert!(!agree(Effect::Lost, Effect::Kept));
        assert!(agree(Effect::Pause, Effect::Kept));
    }

    fn judged(fate: Fate, within: u64, outage: Outage) -> Row {
        let case = Case {
            fault: Fault::Kill {
                role: "web-01/database".into(),
            },
            again: false,
            expected: Vec::new(),
        };
        let predicted = Outlook {
            function: Function::Reads,
            fate,
            within: Some(Duration::from_millis(within)),
        };
        row(&case, predicted, outage, None, None)
    }

    fn waited(millis: u64) -> Outage {
        Outage {
            longest: millis * 1_000,
            ..outage(0, 0, Some(900))
        }
    }

    fn verdict(rounds: &[&Row]) -> Verdict {
        let rounds = rounds.iter().map(|row| vec![(*row).clone()]);
        let mut rows = summary(rounds.collect());
        settle(&mut rows);
        rows[0].verdict
    }

    #[test]
    fn a_failure_that_no_round_shows_is_a_wrong_prediction() {
        let fails = Fate::FailsUntilRecovered(Recovery::DatabaseRestart);
        let kept = judged(fails.clone(), 2_000, waited(200));
        assert_eq!(
            kept.verdict,
            Verdict::Agrees,
            "in one round it may not show"
        );
        assert!(unseen(&[vec![kept.clone()]]));
        assert_eq!(verdict(&[&kept, &kept, &kept]), Verdict::Unseen(3));
        let failed = judged(fails, 2_000, outage(3, 0, Some(900)));
        assert_eq!(verdict(&[&kept, &failed, &kept]), Verdict::Agrees);
        assert!(!unseen(&[vec![kept], vec![failed]]));
    }

    #[test]
    fn a_wait_that_no_round_shows_is_one_too_unless_nobody_would_notice_it() {
        let waits = Fate::Delayed(Recovery::Others);
        let none = judged(waits.clone(), 3_000, waited(20));
        assert_eq!(verdict(&[&none, &none]), Verdict::Unseen(2));
        assert_eq!(
            verdict(&[&none, &judged(waits.clone(), 3_000, waited(900))]),
            Verdict::Agrees
        );
        assert_eq!(
            verdict(&[&judged(waits, 1_000, waited(20))]),
            Verdict::Agrees
        );
    }

    #[test]
    fn what_one_rule_says_of_several_has_to_show_once() {
        let waits = Fate::Delayed(Recovery::Others);
        let (none, some) = (
            judged(waits.clone(), 3_000, waited(20)),
            judged(waits, 3_000, waited(900)),
        );
        let other = Row {
            fault: "partition web-01".into(),
            ..some.clone()
        };
        let mut rows = vec![none.clone(), other];
        settle(&mut rows);
        assert_eq!(rows[0].verdict, Verdict::Agrees);
        let stranger = Row {
            rule: "kill web-02/database".into(),
            ..some
        };
        let mut rows = vec![none, stranger];
        settle(&mut rows);
        assert_eq!(rows[0].verdict, Verdict::Unseen(1));
    }

    #[test]
    fn a_pause_is_held_to_its_bound() {
        let fails = Fate::FailsUntilRecovered(Recovery::AppRestart);
        let failing = |micros| Outage {
            failing: micros,
            ..outage(3, 0, Some(900))
        };
        let long = judged(fails.clone(), 3_000, failing(3_300_000));
        assert_eq!(long.verdict, Verdict::Longer);
        let short = judged(fails, 3_000, failing(2_900_000));
        assert_eq!(short.verdict, Verdict::Agrees);
        assert_eq!(verdict(&[&short, &long, &short]), Verdict::Longer);
        let noticed = judged(Fate::Unaffected, 1_000, waited(1_300));
        assert_eq!(noticed.verdict, Verdict::Longer);
    }
}
