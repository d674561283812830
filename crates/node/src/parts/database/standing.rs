//! How one of several databases stands, in words for a person.

use std::time::{Duration, Instant};

use terrace_database::Health;
use terrace_database::failover::{Link, Report, Run, Standing};
use terrace_database::replication;
use terrace_protocol::report::{DatabaseReport, Level, State};

use super::Database;

/// What is unwell for longer than this is said to fail.
const MOMENT: Duration = Duration::from_secs(10);

/// Why a server does not say how it stands.
pub(super) enum Unsaid {
    /// It has no place for another connection, and says so: it is there.
    Busy(String),
    /// Nothing is known of it.
    Silent(String),
}

impl Unsaid {
    /// What is told of it. One that is busy stands as it did, as long as its process is the same: nothing was waited for
    /// that can be told.
    pub(super) fn report(&self, last: Option<&Standing>, run: Option<Run>) -> Report {
        let same = last.filter(|last| Some(&last.run) == run.as_ref());
        match (self, same) {
            (Unsaid::Busy(_), Some(last)) => Report::Up(Standing {
                waits: false,
                ..last.clone()
            }),
            _ => Report::Silent,
        }
    }
}

impl From<Unsaid> for String {
    fn from(unsaid: Unsaid) -> Self {
        let (Unsaid::Busy(why) | Unsaid::Silent(why)) = unsaid;
        why
    }
}

impl Database {
    /// Shows how one that stands alone is.
    pub(super) fn judge(&mut self, health: &Health) {
        let state = match health {
            Health::Answers { .. } if self.part.context.room.borrow().level == Level::Full => {
                return self.show(State::Failing, replication::FULL.to_owned());
            }
            Health::Answers { writes, .. } => {
                self.failures = 0;
                self.report.database = Some(Box::new(DatabaseReport {
                    writable: *writes,
                    ..DatabaseReport::default()
                }));
                State::Serving
            }
            // It says itself that it is there.
            Health::Busy(_) => State::Serving,
            Health::Silent { .. } | Health::Unreachable(_) => State::Failing,
        };
        self.show(state, health.to_string());
    }

    /// Shows what is told of one of several.
    pub(super) fn show_member(&mut self, report: &Report, silent: String) {
        let (state, reason) = match report {
            Report::Up(standing) => {
                self.failures = 0;
                self.report.database = Some(Box::new(place(standing)));
                let (state, reason) = said(standing);
                match &self.not_done {
                    Some(why) if state != State::Serving => (state, format!("{reason}: {why}")),
                    _ => (state, reason),
                }
            }
            Report::Full(_) => {
                // That is no moment between two runs.
                self.unwell_since.get_or_insert_with(Instant::now);
                return self.show(State::Failing, replication::FULL.to_owned());
            }
            Report::Down | Report::Silent => (State::Failing, silent),
        };
        let since = *self.unwell_since.get_or_insert_with(Instant::now);
        if state == State::Serving {
            self.unwell_since = None;
        }
        // Between two runs, or two sources, a server is unwell for a moment.
        let lasts = state == State::Failing && since.elapsed() >= MOMENT;
        let passes = state == State::Failing && !lasts;
        self.show(if passes { State::Starting } else { state }, reason);
    }
}

fn place(standing: &Standing) -> DatabaseReport {
    let link = standing.link.as_ref();
    let lag = link.and_then(|link| link.lag);
    DatabaseReport {
        writable: standing.writable,
        source: link.map(|link| link.source.clone()),
        lag: lag.map(|lag| u64::try_from(lag.as_millis()).unwrap_or(u64::MAX)),
        replicas: standing.replicas.iter().cloned().collect(),
    }
}

fn said(standing: &Standing) -> (State, String) {
    if standing.writable {
        let replicas: Vec<&str> = standing.replicas.iter().map(String::as_str).collect();
        let followed = if replicas.is_empty() {
            "nobody replicates from it".to_owned()
        } else {
            format!("{} replicates from it", replicas.join(" and "))
        };
        return (State::Serving, format!("takes writes; {followed}"));
    }
    let Some(link) = &standing.link else {
        let closed = "read-only until the controller says what it is".to_owned();
        return (State::Starting, closed);
    };
    follows(link)
}

fn follows(link: &Link) -> (State, String) {
    let source = &link.source;
    if link.diverged {
        let text = format!("holds writes that {source} has not: it is cloned anew");
        return (State::Failing, text);
    }
    if !link.running {
        let text = link.trouble.as_ref().map_or_else(
            || format!("does not receive from {source}"),
            |trouble| format!("does not follow {source}: {trouble}"),
        );
        return (State::Failing, text);
    }
    match link.lag {
        Some(lag) if lag < Duration::from_secs(1) => {
            (State::Serving, format!("replica of {source}, up to date"))
        }
        Some(lag) => {
            let (seconds, count) = (lag.as_secs(), link.unapplied);
            let text =
                format!("replica of {source}, {seconds} s behind ({count} transactions to apply)");
            (State::Serving, text)
        }
        None => (State::Starting, format!("replica of {source}, catching up")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_says_from_whom_and_how_far() {
        let link = |running, lag: Option<u64>| Link {
            source: "web-01".into(),
            acks: true,
            running,
            diverged: false,
            trouble: None,
            lag: lag.map(Duration::from_secs),
            unapplied: 120,
        };
        let words = |link| follows(&link).1;
        assert_eq!(words(link(true, Some(0))), "replica of web-01, up to date");
        assert_eq!(
            words(link(true, Some(7))),
            "replica of web-01, 7 s behind (120 transactions to apply)"
        );
        assert_eq!(follows(&link(false, None)).0, State::Failing);
    }
}
