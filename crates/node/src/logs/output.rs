//! What one program prints: read from its pipe, remembered for a while, written as its log admits.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use terrace_service::log::{self, Lines, Log, OUTPUT};
use tokio::net::unix::pipe;

/// So much of the newest is kept in memory.
const REMEMBERED: usize = 16 << 10;
/// So much is read at once,
const PIECE: usize = 64 << 10;
/// and so often, before others have their turn.
const TURNS: usize = 16;

/// A piece of what a program printed, on its way to the disk.
pub(super) struct Piece {
    pub(super) output: Arc<Output>,
    pub(super) text: Vec<u8>,
}

pub(super) struct Output {
    pipe: OwnedFd,
    read: Mutex<Read>,
    /// Lines that did not come through to the thread that writes.
    missed: AtomicU64,
    closed: AtomicBool,
    log: Mutex<Log>,
    write: SyncSender<Piece>,
}

struct Read {
    newest: VecDeque<u8>,
    total: u64,
    lines: Lines,
}

/// What is behind a lock stays whole in a panic: texts and counts.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Output {
    pub(super) fn new(path: &Path, pipe: OwnedFd, write: SyncSender<Piece>) -> Self {
        let read = Read {
            newest: VecDeque::with_capacity(REMEMBERED),
            total: 0,
            lines: Lines::new(OUTPUT.line),
        };
        Self {
            pipe,
            read: Mutex::new(read),
            missed: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            log: Mutex::new(Log::named(path, OUTPUT)),
            write,
        }
    }

    /// Reads until nobody can write into the pipe any more.
    pub(super) async fn read(self: Arc<Self>) -> io::Result<()> {
        let pipe = pipe::Receiver::from_owned_fd(self.pipe.try_clone()?)?;
        while !self.closed.load(Ordering::Relaxed) {
            pipe.readable().await?;
            self.drain(|piece| pipe.try_read(piece))?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Reads what is there, or a good part of it.
    fn drain(
        self: &Arc<Self>,
        mut take: impl FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        let mut read = lock(&self.read);
        let mut piece = vec![0; PIECE];
        for _ in 0..TURNS {
            match take(&mut piece) {
                Ok(0) => {
                    self.closed.store(true, Ordering::Relaxed);
                    return Ok(());
                }
                Ok(length) => {
                    let text = read.take(&piece[..length]);
                    self.pass_on(text);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what is there now, beside the thread that reads.
    fn drain_now(self: &Arc<Self>) {
        let drained = self.drain(|piece| Ok(rustix::io::read(&self.pipe, piece)?));
        if let Err(error) = drained {
            tracing::warn!(%error, "what a program prints cannot be read");
        }
    }

    /// The disk may be slow: then what comes meanwhile is dropped.
    fn pass_on(self: &Arc<Self>, text: Vec<u8>) {
        let lines = log::count(&text);
        let piece = Piece {
            output: Arc::clone(self),
            text,
        };
        if self.write.try_send(piece).is_err() {
            self.missed.fetch_add(lines, Ordering::Relaxed);
        }
    }

    /// Has its log made, before anything is printed.
    pub(super) fn begin(self: &Arc<Self>) {
        self.pass_on(Vec::new());
    }

    pub(super) fn write(&self, text: &[u8]) {
        let mut log = lock(&self.log);
        if text.is_empty() {
            return log.begin();
        }
        log.miss(self.missed.swap(0, Ordering::Relaxed));
        log.write(text);
    }

    pub(super) fn catch_up(&self) {
        let mut log = lock(&self.log);
        log.miss(self.missed.swap(0, Ordering::Relaxed));
        log.catch_up();
    }

    pub(super) fn is_read(&self) -> bool {
        !self.closed.load(Ordering::Relaxed)
    }

    pub(super) fn mark(self: &Arc<Self>) -> u64 {
        self.drain_now();
        lock(&self.read).total
    }

    pub(super) fn since(self: &Arc<Self>, mark: u64) -> String {
        self.drain_now();
        let read = lock(&self.read);
        let fresh = usize::try_from(read.total.saturating_sub(mark)).unwrap_or(usize::MAX);
        let from = read.newest.len().saturating_sub(fresh);
        let text: Vec<u8> = read.newest.iter().skip(from).copied().collect();
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Read {
    fn take(&mut self, piece: &[u8]) -> Vec<u8> {
        self.total += u64::try_from(piece.len()).unwrap_or(0);
        let newest = &piece[piece.len().saturating_sub(REMEMBERED)..];
        let over = (self.newest.len() + newest.len()).saturating_sub(REMEMBERED);
        self.newest.drain(..over.min(self.newest.len()));
        self.newest.extend(newest);
        self.lines.cut(piece)
    }
}
