//! Servers of which nothing is known now: switched off, cut off, frozen, silent. What they said last is of the past.

use std::time::Duration;

use terrace_protocol::control::{Broken, Lasting, ServerStatus};

use super::span;

/// A report that is older than this says nothing of the present: milliseconds.
const STALE: u64 = 3_000;

/// Why nothing is known of a server now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absence {
    /// Something was done to it, which lasts until it is mended: for this many milliseconds.
    Broken(Lasting, u64),
    /// Its host has ended; another is made.
    Down,
    /// It has not reported yet.
    Starting,
    /// It has not reported for this many milliseconds.
    Silent(u64),
}

impl Absence {
    /// That of a server; `None`: it is there.
    pub(crate) fn of(server: &ServerStatus, now: u64) -> Option<Self> {
        match server.broken {
            Some(Broken { how, since }) => Some(Self::Broken(how, now.saturating_sub(since))),
            None if !server.up => Some(Self::Down),
            None if server.report.is_none() => Some(Self::Starting),
            None if server.age > STALE => Some(Self::Silent(server.age)),
            None => None,
        }
    }

    /// What has become of the server, to follow its name.
    pub(crate) fn words(self) -> String {
        let ago = |millis| span(Duration::from_millis(millis));
        match self {
            Self::Broken(Lasting::Off, age) => format!("has been switched off for {}", ago(age)),
            Self::Broken(Lasting::Cut, age) => format!("has been cut off for {}", ago(age)),
            Self::Broken(Lasting::Frozen, age) => format!("has been frozen for {}", ago(age)),
            Self::Down => "is down, and is started again".to_owned(),
            Self::Starting => "has not reported yet".to_owned(),
            Self::Silent(age) => format!("has not reported for {}", ago(age)),
        }
    }

    /// The command that helps, or shows more.
    pub(crate) fn command(self, server: &str) -> Option<String> {
        match self {
            Self::Broken(..) => Some("terrace fault mend".to_owned()),
            Self::Silent(_) => Some(format!("terrace logs {server}/keeper")),
            Self::Down | Self::Starting => None,
        }
    }

    /// It does not end by itself.
    pub(crate) fn lasts(self) -> bool {
        matches!(self, Self::Broken(..) | Self::Silent(_))
    }
}
