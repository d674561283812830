//! Starting a host's keeper: pid 1 of a pid namespace of its own.
//!
//! Each keeper has a thread of ours as its parent, because the kernel binds both "whose children begin a new
//! pid namespace" and "whose death kills the child" to the thread. The thread waits for the keeper's end, and
//! tells. A pipe tells the keeper of ours, should that not be enough.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};

use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::Signal;
use terrace_service::descriptors::{VARIABLE, listing};
use tokio::sync::oneshot;

use super::Host;

/// A keeper whose end has not been heard.
pub(crate) struct Keeper {
    /// Its process number, as the machine sees it.
    pub(crate) pid: u32,
    /// Comes when it has ended.
    pub(crate) ended: oneshot::Receiver<io::Result<ExitStatus>>,
    /// It was killed: what is still heard from its host is of the past.
    pub(crate) killed: bool,
    /// Closed with us: the keeper's lifeline.
    _lifeline: OwnedFd,
}

impl Keeper {
    /// Ends the host at once: everything in it dies with its pid 1.
    pub(crate) fn kill(&mut self) {
        self.killed = true;
        let pid = nix::unistd::Pid::from_raw(self.pid.cast_signed());
        // It may have ended already; its number is not another's before its parent has waited.
        let _ = nix::sys::signal::kill(pid, Signal::SIGKILL);
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
    let (tell_pid, told_pid) = oneshot::channel();
    let (tell_end, ended) = oneshot::channel();
    std::thread::Builder::new()
        .name(format!("host {}", host.name))
        .spawn(move || {
            let spawned = unshare(CloneFlags::CLONE_NEWPID)
                .map_err(io::Error::from)
                .and_then(|()| command.spawn());
            drop(command);
            match spawned {
                Ok(mut child) => {
                    let _ = tell_pid.send(Ok(child.id()));
                    let _ = tell_end.send(child.wait());
                }
                Err(error) => drop(tell_pid.send(Err(error))),
            }
        })?;
    let pid = told_pid.await.map_err(io::Error::other)??;
    Ok(Keeper {
        pid,
        ended,
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
            nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
            rustix::io::fcntl_setfd(&lifeline, rustix::io::FdFlags::empty())?;
            setns(&network, CloneFlags::CLONE_NEWNET)?;
            unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS)?;
            // The coordinator's session and its interrupts are not the host's.
            rustix::process::setsid()?;
            Ok(())
        });
    }
}
