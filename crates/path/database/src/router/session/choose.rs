//! Which of a session's two connections a command goes to.

use super::{Backend, Session};
use crate::router::classify::Route;
use crate::router::wire::status;

/// A side of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The primary.
    Primary,
    /// The replica.
    Replica,
}

impl Backend {
    /// No transaction is open, each statement commits, and strings read as usual.
    pub(super) fn is_free(&self) -> bool {
        let bits = status::IN_TRANSACTION | status::AUTOCOMMIT | status::NO_BACKSLASH_ESCAPES;
        self.status & bits == status::AUTOCOMMIT
    }
}

impl Session {
    /// The side for this command and its route, if a replica is to be had.
    pub(super) fn choose(&self, command: u8, route: Route) -> Side {
        if self.reads_in_transaction() {
            let executes = matches!(command, 0x03 | 0x17);
            return if executes {
                Side::Replica
            } else {
                Side::Primary
            };
        }
        match route {
            _ if !self.is_free() || self.pinned.is_some() || self.no_replica => Side::Primary,
            Route::Replica | Route::ReadOnlyTransaction => Side::Replica,
            Route::Last => self.last,
            _ => Side::Primary,
        }
    }

    /// Each statement of the session commits, no transaction is open at the primary, and strings read as usual.
    pub(super) fn is_free(&self) -> bool {
        !self.held.autocommit_off && self.primary.as_ref().is_none_or(Backend::is_free)
    }

    /// A READ ONLY transaction is open on the replica.
    pub(super) fn reads_in_transaction(&self) -> bool {
        self.replica.as_ref().is_some_and(Backend::in_transaction)
    }
}
