//! How this crate starts processes: a trait, filled in by the node through its keeper.

use std::os::fd::OwnedFd;

use async_trait::async_trait;
use terrace_protocol::keeper::{Exit, Spawn};

/// A process could not be started, signalled or waited for.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ProcessError(pub String);

/// How a process that runs to its end came out.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How it ended.
    pub exit: Exit,
    /// What it said on standard output and error, mixed; a long text may be cut, but neither at its beginning nor at
    /// its end.
    pub output: String,
}

impl Finished {
    /// It ended with status 0.
    pub fn succeeded(&self) -> bool {
        self.exit == Exit::Code(0)
    }
}

/// The processes of a server. Every method may be cancelled by dropping its future.
///
/// [`Spawn::input`], [`Spawn::output`] and [`Spawn::descriptors`] come empty: where output goes is the
/// implementor's choice.
#[async_trait]
pub trait Processes: Send + Sync {
    /// Runs a process to its end, with this as its standard input (none: empty).
    async fn run(&self, spawn: Spawn, input: Option<OwnedFd>) -> Result<Finished, ProcessError>;

    /// Starts a process that stays, and returns its number. An earlier one of the same id has ended.
    async fn start(&self, spawn: Spawn) -> Result<u32, ProcessError>;

    /// Sends a signal to a process that was started. One that has ended already is no error.
    async fn signal(&self, id: &str, signal: i32) -> Result<(), ProcessError>;

    /// Waits until a started process has ended, all its threads included; at once when it has.
    async fn exited(&self, id: &str) -> Result<Exit, ProcessError>;

    /// The last of what a started process has said since its start: some kilobytes are enough.
    async fn output(&self, id: &str) -> String;
}
