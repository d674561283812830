//! The keeper, as a database wants its processes.

use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use terrace_database::{Finished, ProcessError, Processes};
use terrace_protocol::keeper::{Exit, Spawn};

use crate::logs::Writer;
use crate::node::Context;

/// The keeper, as the database wants processes.
pub(super) struct Held {
    context: Context,
    /// How much it had printed when it was last started.
    log_from: Mutex<u64>,
}

impl Held {
    pub(super) fn new(context: Context) -> Self {
        Self {
            context,
            log_from: Mutex::new(0),
        }
    }
}

fn failed(error: anyhow::Error) -> ProcessError {
    ProcessError(format!("{error:#}"))
}

#[async_trait]
impl Processes for Held {
    async fn run(&self, spawn: Spawn, input: Option<OwnedFd>) -> Result<Finished, ProcessError> {
        let (exit, output) = self
            .context
            .keeper
            .run(spawn, input)
            .await
            .map_err(failed)?;
        Ok(Finished { exit, output })
    }

    async fn start(&self, mut spawn: Spawn) -> Result<u32, ProcessError> {
        let output = self.context.keep_log(&spawn.id, Writer::Foreign).await;
        spawn.output = Some(output.map_err(failed)?);
        *self.log_from.lock().unwrap_or_else(PoisonError::into_inner) =
            self.context.outputs.mark(&spawn.id);
        self.context.keeper.spawn(spawn).await.map_err(failed)
    }

    async fn signal(&self, id: &str, signal: i32) -> Result<(), ProcessError> {
        self.context
            .keeper
            .signal(id, signal, false)
            .await
            .map_err(failed)
    }

    async fn exited(&self, id: &str) -> Result<Exit, ProcessError> {
        Ok(self.context.keeper.exited(id).await)
    }

    async fn output(&self, id: &str) -> String {
        let from = *self.log_from.lock().unwrap_or_else(PoisonError::into_inner);
        self.context.outputs.since(id, from)
    }
}
