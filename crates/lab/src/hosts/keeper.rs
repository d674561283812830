//! Starting a host's keeper: pid 1 of a pid namespace of its own.
//!
//! It dies with us. A pipe tells the keeper of our end, should that not be enough.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};

use nix::sched::{CloneFlags, setns, unshare};
use terrace_service::descriptors::{VARIABLE, listing};
use tokio::sync::oneshot;

use super::Host;
use super::first::{self, Handle};

/// A keeper whose end has not been heard.
pub(crate) struct Keeper {
    /// Its process number, as the machine sees it.
    pub(crate) pid: u32,
    /// Comes when it has ended.
    pub(crate) ended: oneshot::Receiver<io::Result<ExitStatus>>,
    handle: Handle,
    /// It was killed: what is still heard from its host is of the past.
    pub(crate) killed: bool,
    /// Closed with us: the keeper's lifeline.
    _lifeline: OwnedFd,
}

impl Keeper {
    /// Ends the host at once: everything in it dies with its pid 1.
    pub(crate) fn kill(&mut self) {
        self.killed = true;
        self.handle.kill();
    }
}

/// Starts the keeper of this host in its network.
pub(crate) async fn start(
    host: &Host,
    network: OwnedFd,
    log: Option<std::fs::File>,
) -> io::Result<Keeper> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("terrace")
        .args(["internal", "host"])
        .arg(serde_json::to_string(host)?);
    command.env(VARIABLE, listing([("lifeline", read.as_raw_fd())]));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log.map_or_else(Stdio::null, Stdio::from))
        .current_dir("/");
    prepare(&mut command, network, read);
    let first = first::start(format!("host {}", host.name), command).await?;
    Ok(Keeper {
        pid: first.pid,
        ended: first.ended,
        handle: first.handle,
        killed: false,
        _lifeline: write,
    })
}

#[allow(
    unsafe_code,
    reason = "namespaces are entered between fork and exec, for which there is no safe form"
)]
fn prepare(command: &mut Command, network: OwnedFd, lifeline: OwnedFd) {
    // SAFETY: only system calls on values that were made before the fork; nothing is allocated.
    unsafe {
        command.pre_exec(move || {
            rustix::io::fcntl_setfd(&lifeline, rustix::io::FdFlags::empty())?;
            setns(&network, CloneFlags::CLONE_NEWNET)?;
            unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS)?;
            // The coordinator's session and its interrupts are not the host's.
            rustix::process::setsid()?;
            Ok(())
        });
    }
}
