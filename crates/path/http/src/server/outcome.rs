//! What came of a request: for the log, the counters, and the connection's next step.

use std::sync::Arc;

use crate::log::End;
use crate::upstream::Instance;

/// What came of a request.
pub(super) struct Outcome {
    pub(super) status: u16,
    pub(super) bytes: u64,
    pub(super) instance: Option<Arc<Instance>>,
    pub(super) waited: u64,
    pub(super) tries: u32,
    pub(super) end: End,
    /// The connection is good for another request.
    pub(super) keep: bool,
}

impl Outcome {
    pub(super) fn answered(status: u16, bytes: u64, end: End, keep: bool) -> Self {
        Self {
            status,
            bytes,
            instance: None,
            waited: 0,
            tries: 0,
            end,
            keep,
        }
    }
}
