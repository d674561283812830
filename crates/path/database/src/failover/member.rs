//! What the machine knows of one member.

use std::time::Instant;

use super::record::Run;
use super::words::{Command, Link, Report, Standing, Token};
use crate::gtid::Position;

/// What is known of a member; all of it is found again after a restart.
pub(super) struct Member {
    pub report: Report,
    /// What it held at the report before, in the same run.
    pub earlier: Option<Position>,
    /// Since when it does not answer.
    pub down_since: Option<Instant>,
    pub inflight: Option<InFlight>,
    pub rest_until: Option<Instant>,
    /// A link that was confirmed by an answer in this term.
    pub attached: Option<Attached>,
    pub diverged: bool,
    /// The run that was started as a replica after the kill.
    pub reborn: Option<Run>,
    /// It is locked out at the primary, which had this then.
    pub barred: Option<Position>,
    /// Since when its link stands and does not run.
    pub stalled_since: Option<Instant>,
    /// Since when it is not connected to the primary, as the primary says.
    pub away_since: Option<Instant>,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Attached {
    pub source: String,
    pub acks: bool,
    pub run: Run,
}

pub(super) struct InFlight {
    pub token: Token,
    pub command: Command,
    pub until: Instant,
}

impl Member {
    pub fn new() -> Self {
        Self {
            report: Report::Silent,
            earlier: None,
            down_since: None,
            inflight: None,
            rest_until: None,
            attached: None,
            diverged: false,
            reborn: None,
            barred: None,
            stalled_since: None,
            away_since: None,
        }
    }

    pub fn standing(&self) -> Option<&Standing> {
        match &self.report {
            Report::Up(standing) => Some(standing),
            Report::Full(_) | Report::Down | Report::Silent => None,
        }
    }

    /// The run of its process, as far as it answers.
    pub fn run(&self) -> Option<&Run> {
        match &self.report {
            Report::Up(standing) => Some(&standing.run),
            Report::Full(run) => Some(run),
            Report::Down | Report::Silent => None,
        }
    }

    /// Its disk is full.
    pub fn is_full(&self) -> bool {
        matches!(self.report, Report::Full(_))
    }

    pub fn link(&self) -> Option<&Link> {
        self.standing()?.link.as_ref()
    }

    pub fn reported(&mut self, report: Report, now: Instant) {
        let before = self.standing().filter(|one| match &report {
            Report::Up(standing) => one.run == standing.run,
            Report::Full(_) | Report::Down | Report::Silent => false,
        });
        self.earlier = before.map(|one| one.position.clone());
        if let Report::Up(standing) = &report {
            self.down_since = None;
            let linked = |one: &Attached| {
                let link = standing.link.as_ref();
                one.run == standing.run && link.is_some_and(|link| link.source == one.source)
            };
            self.attached.take_if(|one| !linked(one));
            let stalls = standing.link.as_ref().is_some_and(|link| !link.running);
            self.stalled_since = stalls.then(|| self.stalled_since.unwrap_or(now));
            self.diverged |= standing.link.as_ref().is_some_and(|link| link.diverged);
        } else {
            self.down_since.get_or_insert(now);
        }
        self.report = report;
    }
}
