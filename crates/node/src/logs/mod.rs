//! What the programs of a server print, and its access log.
//!
//! Every program writes into a pipe of its own, whose both ends the keeper holds, so that no file is in its way: it neither
//! fills the disk nor waits for it, nor ends with its node. [`Outputs`] reads the pipes and writes what the bounds of a log
//! admit. The newest is kept in memory too: why a program ended must be known where nothing can be written. The [`access`]
//! log is written by web servers and balancers themselves, into descriptors that they are handed.

pub(crate) mod access;
mod output;

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::sync::mpsc;

use crate::node::Keeper;
use output::{Output, Piece};

/// So many pieces of text may wait for the disk.
const WAITING: usize = 64;
/// What a pipe holds while no node reads it, where the system allows it.
const PIPE: usize = 1 << 20;
/// How often it is said how much was dropped, while nothing is printed.
const CATCH_UP: Duration = Duration::from_secs(1);
/// The names of a pipe's ends in the keeper's hands, behind the program's id.
const WRITE: &str = " log";
const READ: &str = " log read";

/// Everything that the programs of a server print.
#[derive(Clone)]
pub(crate) struct Outputs {
    server: String,
    directory: PathBuf,
    by_id: Arc<Mutex<HashMap<String, Arc<Output>>>>,
    /// To the thread that reads.
    read: mpsc::UnboundedSender<Arc<Output>>,
    /// To the thread that writes.
    write: SyncSender<Piece>,
}

/// Who writes into a pipe.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writer {
    /// A role of ours, which drops what does not fit.
    Own,
    /// A program that does not know what to do with a pipe that takes nothing: it waits.
    Foreign,
}

impl Outputs {
    /// Outputs of this server's programs, with files in this directory.
    pub(crate) fn begin(server: &str, directory: PathBuf) -> std::io::Result<Self> {
        let (read, to_read) = mpsc::unbounded_channel();
        let (write, to_write) = sync_channel(WAITING);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let name = |what: &str| std::thread::Builder::new().name(what.to_owned());
        name("outputs").spawn(move || read_all(&runtime, to_read))?;
        name("logs").spawn(move || write_all(&to_write))?;
        Ok(Self {
            server: server.to_owned(),
            directory,
            by_id: Arc::default(),
            read,
            write,
        })
    }

    /// Reads on what the programs print that run already.
    pub(crate) async fn adopt(&self, keeper: &Keeper) -> anyhow::Result<()> {
        let (_, held) = keeper.list().await?;
        for id in held.iter().filter_map(|name| name.strip_suffix(READ)) {
            self.attend(id, keeper.fetch(&format!("{id}{READ}")).await?);
        }
        Ok(())
    }

    /// Has the keeper hold a pipe for a program, and returns the name of the end that it writes into.
    pub(crate) async fn keep(
        &self,
        keeper: &Keeper,
        id: &str,
        writer: Writer,
    ) -> anyhow::Result<String> {
        let [write, read] = [WRITE, READ].map(|end| format!("{id}{end}"));
        let (_, held) = keeper.list().await?;
        if !held.contains(&write) || self.of(id).is_none() {
            let (theirs, ours) = pipe(writer)?;
            keeper.store(&read, theirs.try_clone()?).await?;
            keeper.store(&write, ours).await?;
            self.attend(id, theirs);
        }
        Ok(write)
    }

    fn attend(&self, id: &str, pipe: OwnedFd) {
        let local = id.strip_prefix(&format!("{}/", self.server)).unwrap_or(id);
        let name = format!("{}.log", local.replace('/', "."));
        let path = self.directory.join(name);
        let output = Arc::new(Output::new(&path, pipe, self.write.clone()));
        output.begin();
        self.all().insert(id.to_owned(), Arc::clone(&output));
        // The thread lives as long as the process.
        let _ = self.read.send(output);
    }

    /// How much a program has printed so far: what comes later is found behind this.
    pub(crate) fn mark(&self, id: &str) -> u64 {
        self.of(id).map_or(0, |output| output.mark())
    }

    /// The end of what a program has printed since: some kilobytes at the most.
    pub(crate) fn since(&self, id: &str, mark: u64) -> String {
        self.of(id)
            .map_or_else(String::new, |output| output.since(mark))
    }

    fn of(&self, id: &str) -> Option<Arc<Output>> {
        self.all().get(id).cloned()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<Output>>> {
        // A panic elsewhere leaves the map whole: each use is a single look or insertion.
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end that is read, and the one that is written.
fn pipe(writer: Writer) -> anyhow::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    rustix::fs::fcntl_setfl(&read, OFlags::NONBLOCK)?;
    if writer == Writer::Own {
        rustix::fs::fcntl_setfl(&write, OFlags::NONBLOCK)?;
    }
    // A smaller one does as well, for a shorter time.
    let _ = rustix::pipe::fcntl_setpipe_size(&read, PIPE);
    Ok((read, write))
}

fn read_all(runtime: &tokio::runtime::Runtime, mut outputs: mpsc::UnboundedReceiver<Arc<Output>>) {
    runtime.block_on(async {
        while let Some(output) = outputs.recv().await {
            tokio::spawn(async move {
                if let Err(error) = output.read().await {
                    tracing::warn!(%error, "what a program prints cannot be read");
                }
            });
        }
    });
}

fn write_all(pieces: &Receiver<Piece>) {
    let mut written: Vec<Arc<Output>> = Vec::new();
    loop {
        match pieces.recv_timeout(CATCH_UP) {
            Ok(Piece { output, text }) => {
                output.write(&text);
                if !written.iter().any(|known| Arc::ptr_eq(known, &output)) {
                    written.push(output);
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                written.iter().for_each(|output| output.catch_up());
                written.retain(|output| output.is_read());
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

#[cfg(test)]
mod tests;
