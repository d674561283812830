//! Starting the first process of a pid namespace: whatever it starts, in sessions of their own too, ends with it.
//!
//! Each has a thread of ours as its parent, because the kernel binds both "whose children begin a new pid namespace" and
//! "whose death kills the child" to the thread. The thread waits for its end, and tells. The kernel lets it wait until every
//! other process of the namespace has ended.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus};

use nix::sched::{CloneFlags, unshare};
use rustix::process::{
    Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal, set_parent_process_death_signal,
};
use tokio::sync::oneshot;

/// The first process of a namespace.
pub(crate) struct First {
    /// Its number, as the machine sees it.
    pub(crate) pid: u32,
    pub(crate) handle: Handle,
    /// Comes when it has ended, and all others of its namespace.
    pub(crate) ended: oneshot::Receiver<io::Result<ExitStatus>>,
    /// Where the command has them piped.
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) stdout: Option<ChildStdout>,
}

/// What a first process is killed by: never another one that has got its number.
pub(crate) struct Handle(OwnedFd);

impl Handle {
    /// Ends the process at once, and with it its namespace. One that has ended already is no error.
    pub(crate) fn kill(&self) {
        let _ = pidfd_send_signal(&self.0, Signal::KILL);
    }
}

/// Starts it. It dies with us.
pub(crate) async fn start(thread: String, mut command: Command) -> io::Result<First> {
    die_with_parent(&mut command);
    let (tell_start, started) = oneshot::channel();
    let (tell_end, ended) = oneshot::channel();
    std::thread::Builder::new().name(thread).spawn(move || {
        let spawned = unshare(CloneFlags::CLONE_NEWPID)
            .map_err(io::Error::from)
            .and_then(|()| command.spawn())
            .and_then(handled);
        drop(command);
        match spawned {
            Ok((mut child, handle)) => {
                let pipes = (child.stdin.take(), child.stdout.take());
                let _ = tell_start.send(Ok((child.id(), handle, pipes)));
                let _ = tell_end.send(child.wait());
            }
            Err(error) => drop(tell_start.send(Err(error))),
        }
    })?;
    let (pid, handle, (stdin, stdout)) = started.await.map_err(io::Error::other)??;
    Ok(First {
        pid,
        handle,
        ended,
        stdin,
        stdout,
    })
}

/// Its number is not another's before it has been waited for.
fn handled(mut child: Child) -> io::Result<(Child, Handle)> {
    match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
        Ok(handle) => Ok((child, Handle(handle))),
        Err(error) => {
            child.kill()?;
            child.wait()?;
            Err(error.into())
        }
    }
}

#[allow(
    unsafe_code,
    reason = "the wish is made between fork and exec, for which there is no safe form"
)]
fn die_with_parent(command: &mut Command) {
    // SAFETY: one system call; nothing is allocated.
    unsafe {
        command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?));
    }
}
