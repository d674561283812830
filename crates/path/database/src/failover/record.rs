//! What a controller must find again when it starts: one record, replaced whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::gtid::Position;

/// Counts the primaries. Whoever carries an older one is refused.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

/// One run of a server process, from its start to its end. A replica that was started again has thrown
/// away what it had received and not yet applied, so it no longer vouches for what it acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Run(pub String);

/// What is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// The primary is published, or being opened again after a crash.
    Stable,
    /// The primary is being replaced without its help: fenced, replicas stopped, the furthest elected.
    Fence {
        /// Whom the operator named; `None`: the furthest.
        wish: Option<String>,
        /// The operator has accepted that acknowledged writes are lost.
        accept_data_loss: bool,
    },
    /// The new primary is recorded: there is no way back.
    Promote,
    /// A planned switchover to this server is under way.
    Switch {
        /// Who becomes primary.
        target: String,
    },
}

/// The whole of what is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Counts the stores: the next one replaces exactly this.
    pub revision: u64,
    /// Counts the controllers. The commands of an older one are refused.
    pub term: u64,
    /// Counts the primaries.
    pub epoch: Epoch,
    /// Who is primary, open or not.
    pub primary: String,
    /// What is under way.
    pub phase: Phase,
    /// The replicas that may acknowledge, with the run in which they do.
    pub sync_set: BTreeMap<String, Run>,
    /// A replica that has all of this, and all that the sync set has, holds every acknowledged write.
    /// `None`: writes may have been acknowledged that no replica holds.
    pub mark: Option<Position>,
    /// Former primaries that are to be killed and started as replicas before they are let in again.
    pub fenced: BTreeSet<String>,
}

impl Record {
    /// The record of a site that is being born: a primary alone.
    pub fn birth(primary: impl Into<String>) -> Self {
        Self {
            revision: 0,
            term: 0,
            epoch: Epoch(1),
            primary: primary.into(),
            phase: Phase::Promote,
            sync_set: BTreeMap::new(),
            mark: None,
            fenced: BTreeSet::new(),
        }
    }

    /// Somebody counts, or may count again.
    pub(super) fn names_anyone(&self) -> bool {
        self.mark.is_some() || !self.sync_set.is_empty()
    }

    /// From now on writes may be acknowledged that no replica holds.
    pub(super) fn vouch_no_more(&mut self) {
        self.sync_set.clear();
        self.mark = None;
    }

    /// A failover would lose no acknowledged write, once its replicas are reached.
    pub fn is_safe(&self) -> bool {
        self.mark.is_some() && !self.sync_set.is_empty()
    }
}
