//! Predictions in words: a cell of the table, and a sentence about a row.

use std::time::Duration;

use super::{Act, Fate, Fault, Function, Outlook, Prediction, Recovery, predictions};
use crate::design::{Design, Tier};
use crate::explain::and;

/// Fault by function, aligned for a terminal.
pub fn table(design: &Design) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let functions = Function::of(design);
    let titles = functions.iter().map(|function| function.title().to_owned());
    rows.push(std::iter::once("fault".to_owned()).chain(titles).collect());
    for Prediction { fault, outlooks } in predictions(design) {
        let cells = outlooks.iter().map(ToString::to_string);
        rows.push(std::iter::once(fault.to_string()).chain(cells).collect());
    }
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..=functions.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells.map(|(cell, wide)| format!("{cell:wide$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// As short as it can be said: `delayed: restart`.
pub(super) fn cell(fate: &Fate) -> String {
    let by = |recovery: &Recovery| match recovery {
        Recovery::Restart | Recovery::AppRestart | Recovery::DatabaseRestart => "restart",
        Recovery::Return => "return",
        Recovery::Others => "others",
        Recovery::TimeOut => "time-out",
        Recovery::Takeover => "takeover",
        Recovery::Failover => "failover",
        Recovery::Alone => "alone",
    };
    match fate {
        Fate::Unaffected => "unaffected".to_owned(),
        Fate::Delayed(recovery) => format!("delayed: {}", by(recovery)),
        Fate::FailsUntilRecovered(recovery) => format!("fails: {}", by(recovery)),
        Fate::FailsUntilOperator(Act::BringBack(what) | Act::Mend(what)) => {
            format!("operator: {what}")
        }
        Fate::FailsUntilOperator(Act::Failover(to)) => format!("operator: failover {to}"),
    }
}

/// The same with its bound, where there is one to tell: `delayed: restart, 1 s`.
pub(super) fn bounded(outlook: &Outlook) -> String {
    let cell = cell(&outlook.fate);
    match (&outlook.fate, outlook.within) {
        (Fate::Delayed(_) | Fate::FailsUntilRecovered(_), Some(time)) => {
            format!("{cell}, {}", seconds(time))
        }
        _ => cell,
    }
}

/// What is lost, in a sentence without its full stop: `writing fails until …; the rest is unaffected`.
pub fn lose(design: &Design, prediction: &Prediction) -> String {
    let mut kinds: Vec<&Outlook> = Vec::new();
    for outlook in &prediction.outlooks {
        if !kinds.iter().any(|one| alike(one, outlook)) {
            kinds.push(outlook);
        }
    }
    kinds.sort_by_key(|one| match one.fate {
        Fate::FailsUntilOperator(_) => 0,
        Fate::FailsUntilRecovered(_) => 1,
        Fate::Delayed(_) => 2,
        Fate::Unaffected => 3,
    });
    if kinds.iter().all(|one| one.fate == Fate::Unaffected) {
        return "nobody notices".to_owned();
    }
    let part = |kind: &&Outlook| {
        let having = prediction.outlooks.iter().filter(|one| alike(one, kind));
        let having: Vec<&str> = having.map(|one| one.function.title()).collect();
        let some = concerns_some(design, &prediction.fault, &kind.fate);
        let who = Who::of(&having, prediction.outlooks.len(), some);
        clause(kind, &who)
    };
    kinds.iter().map(part).collect::<Vec<_>>().join("; ")
}

/// They fare the same.
fn alike(one: &Outlook, other: &Outlook) -> bool {
    one.fate == other.fate && one.within == other.within
}

/// Only the requests whose turn it was meet it; the others go elsewhere.
fn concerns_some(design: &Design, fault: &Fault, fate: &Fate) -> bool {
    match (fate, fault) {
        (Fate::Delayed(recovery) | Fate::FailsUntilRecovered(recovery), Fault::Kill(id)) => {
            let tier = design.element(id).map(|element| element.tier);
            let turns = [Tier::Dns, Tier::Web, Tier::App, Tier::Router];
            let taken = turns
                .into_iter()
                .find(|turn| Some(*turn) == tier)
                .is_some_and(|tier| design.tier(tier).count() > 1);
            taken || is_of_others(*recovery)
        }
        (Fate::Delayed(recovery) | Fate::FailsUntilRecovered(recovery), _) => {
            is_of_others(*recovery)
        }
        _ => false,
    }
}

fn is_of_others(recovery: Recovery) -> bool {
    matches!(recovery, Recovery::Others | Recovery::TimeOut)
}

/// The subject of a clause.
struct Who {
    name: String,
    many: bool,
}

impl Who {
    fn of(having: &[&str], of: usize, some: bool) -> Self {
        let all = having.len() == of;
        let (name, many) = match (some, all) {
            (true, true) => ("some requests".to_owned(), true),
            (true, false) => (format!("some requests ({})", and(having)), true),
            (false, true) => ("the whole site".to_owned(), false),
            (false, false) => (and(having), !matches!(having, ["reading" | "writing"])),
        };
        Self { name, many }
    }

    fn does(&self, one: &str, many: &str) -> String {
        format!("{} {}", self.name, if self.many { many } else { one })
    }
}

fn clause(outlook: &Outlook, who: &Who) -> String {
    let waits = || who.does("waits", "wait");
    let fails = || who.does("fails", "fail");
    match (&outlook.fate, outlook.within.map(seconds)) {
        (Fate::Unaffected, _) => who.does("stays up", "stay up"),
        (Fate::Delayed(recovery @ (Recovery::Others | Recovery::Alone)), Some(time)) => {
            format!("{} up to {time}, then {}", waits(), then(*recovery))
        }
        (Fate::Delayed(recovery), Some(time)) => {
            format!("{} up to {time}, until {}", waits(), until(*recovery))
        }
        (Fate::Delayed(recovery), None) => format!("{} until {}", waits(), until(*recovery)),
        (Fate::FailsUntilRecovered(recovery), Some(time)) => {
            format!("{} for up to {time}, until {}", fails(), until(*recovery))
        }
        (Fate::FailsUntilRecovered(recovery), None) => {
            format!("{} until {}", fails(), until(*recovery))
        }
        (Fate::FailsUntilOperator(act), _) => format!("{} until {}", fails(), done(act)),
    }
}

fn then(recovery: Recovery) -> &'static str {
    match recovery {
        Recovery::Alone => "the primary goes on without a replica",
        _ => "another server answers",
    }
}

fn until(recovery: Recovery) -> &'static str {
    match recovery {
        Recovery::Restart | Recovery::AppRestart | Recovery::DatabaseRestart => {
            "it is started again, at once and by itself"
        }
        Recovery::Return => "the server has come back by itself",
        Recovery::Others => "its silence is noticed and the others get everything",
        Recovery::TimeOut => {
            "its silence is noticed and what it had been asked has run out of its time"
        }
        Recovery::Takeover => "another balancer has taken the address over, by itself",
        Recovery::Failover => "a replica has become the primary, by itself",
        Recovery::Alone => "the primary goes on without a replica",
    }
}

fn done(act: &Act) -> String {
    match act {
        Act::BringBack(server) => format!("somebody brings {server} back"),
        Act::Failover(to) => format!("somebody runs `terrace failover {to}`"),
        Act::Mend(role) => format!("somebody sees to it that {role} stays up"),
    }
}

/// `3 s`.
pub(crate) fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    format!("{seconds} s")
}
