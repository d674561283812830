//! The processes that run, and those whose end nobody has heard of yet.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use anyhow::{Context, bail};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use terrace_protocol::keeper::{Exit, Kept, Spawn};

use super::store::Store;
use super::{Ended, spawn};

/// All of them, by id.
pub(super) struct Children {
    /// This binary, opened at the start: an upgrade on disk does not mix versions.
    own: OwnedFd,
    by_id: BTreeMap<String, Kept>,
}

impl Children {
    pub(super) fn new() -> anyhow::Result<Self> {
        let own = std::fs::File::open("/proc/self/exe").context("this binary cannot be opened")?;
        Ok(Self {
            own: own.into(),
            by_id: BTreeMap::new(),
        })
    }

    /// Starts a process and returns its number.
    pub(super) fn spawn(&mut self, spawn: &Spawn, store: &Store) -> anyhow::Result<u32> {
        if self.runs(&spawn.id) {
            bail!("{} runs already", spawn.id);
        }
        let pid = spawn::spawn(spawn, &self.own, store)?;
        let since = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let since = since.tv_sec.unsigned_abs() * 1_000 + since.tv_nsec.unsigned_abs() / 1_000_000;
        self.by_id.insert(
            spawn.id.clone(),
            Kept {
                id: spawn.id.clone(),
                pid,
                exit: None,
                since,
            },
        );
        Ok(pid)
    }

    pub(super) fn runs(&self, id: &str) -> bool {
        self.by_id.get(id).is_some_and(|kept| kept.exit.is_none())
    }

    /// Sends a signal; to one that has ended already is no error.
    pub(super) fn signal(&self, id: &str, signal: i32, group: bool) -> Result<(), String> {
        let kept = self
            .by_id
            .get(id)
            .ok_or_else(|| format!("no process is called `{id}`"))?;
        let signal = Signal::try_from(signal).map_err(|_| format!("{signal} is no signal"))?;
        if kept.exit.is_some() {
            return Ok(());
        }
        let pid = Pid::from_raw(kept.pid.cast_signed());
        let sent = if group {
            killpg(pid, signal)
        } else {
            kill(pid, signal)
        };
        match sent {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(format!("{signal} cannot be sent to {id}: {error}")),
        }
    }

    /// Takes all that have ended. What is left of their process groups ends with them: workers outlive their
    /// parent otherwise, and hold its port. Orphans of others are reaped too, and are nobody's news.
    pub(super) fn reap(&mut self) -> Vec<Ended> {
        let mut ended = Vec::new();
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        while let Ok(status) = waitid(Id::All, look) {
            let (pid, exit) = match status {
                WaitStatus::Exited(pid, code) => (pid, Exit::Code(code)),
                WaitStatus::Signaled(pid, signal, _) => (pid, Exit::Signal(signal as i32)),
                _ => break,
            };
            let known = self
                .by_id
                .values_mut()
                .find(|kept| kept.exit.is_none() && kept.pid.cast_signed() == pid.as_raw());
            if let Some(kept) = known {
                // Until it is reaped its number cannot be another's.
                let _ = killpg(pid, Signal::SIGKILL);
                kept.exit = Some(exit);
                ended.push((kept.id.clone(), kept.pid, exit));
            }
            if waitpid(pid, None).is_err() {
                break;
            }
        }
        ended
    }

    /// Ends whose news has not been acknowledged.
    pub(super) fn ended(&self) -> Vec<Ended> {
        self.by_id
            .values()
            .filter_map(|kept| Some((kept.id.clone(), kept.pid, kept.exit?)))
            .collect()
    }

    /// Its end is known; one that runs stays.
    pub(super) fn forget(&mut self, id: &str) {
        if self.by_id.get(id).is_some_and(|kept| kept.exit.is_some()) {
            self.by_id.remove(id);
        }
    }

    pub(super) fn list(&self) -> Vec<Kept> {
        self.by_id.values().cloned().collect()
    }

    /// Ends everything at once.
    pub(super) fn kill_all(&self) {
        for kept in self.by_id.values().filter(|kept| kept.exit.is_none()) {
            let _ = killpg(Pid::from_raw(kept.pid.cast_signed()), Signal::SIGKILL);
        }
    }
}
