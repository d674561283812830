//! A program on a host: the calling process enters its namespaces and starts it there.

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Command;

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{SigHandler, Signal, signal};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use terrace_protocol::control::Enter;

/// Why a program did not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host is not there, or not ours.
    #[error("the server cannot be entered: {0}")]
    Enter(io::Error),
    /// The program.
    #[error("`{0}` cannot be run: {1}")]
    Program(String, io::Error),
}

/// Runs a program on a host and returns its exit code: 128 and the signal's number when a signal ended it.
///
/// To be called while this process has a single thread: user namespaces want that.
///
/// # Errors
/// When the host cannot be entered, or the program cannot be started.
pub fn run(enter: &Enter, command: &[String]) -> Result<u8, Error> {
    namespaces(enter).map_err(Error::Enter)?;
    let (program, arguments) = command
        .split_first()
        .ok_or_else(|| Error::Enter(io::Error::other("no program is named")))?;
    let failed = |error| Error::Program(program.clone(), error);
    let mut command = Command::new(program);
    command.args(arguments);
    if std::env::current_dir().is_err() {
        command.current_dir("/");
    }
    hear_interrupts(&mut command);
    let mut child = command.spawn().map_err(failed)?;
    // The terminal sends interrupts to both of us; they are for the program.
    for ignored in [Signal::SIGINT, Signal::SIGQUIT] {
        handle(ignored, SigHandler::SigIgn).map_err(failed)?;
    }
    let status = child.wait().map_err(failed)?;
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    Ok(u8::try_from(code.unwrap_or(1)).unwrap_or(u8::MAX))
}

fn namespaces(enter: &Enter) -> io::Result<()> {
    let keeper = i32::try_from(enter.keeper).ok().and_then(Pid::from_raw);
    let keeper = keeper.ok_or_else(|| io::Error::other("there is no such process"))?;
    let host = pidfd_open(keeper, PidfdFlags::empty())?;
    if enter.user_namespace {
        setns(&host, CloneFlags::CLONE_NEWUSER)?;
    }
    let all = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWPID;
    setns(&host, all)?;
    Ok(())
}

#[allow(
    unsafe_code,
    reason = "signals are set between fork and exec, for which there is no safe form"
)]
fn hear_interrupts(command: &mut Command) {
    // SAFETY: sigaction(2) is async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            for heard in [Signal::SIGINT, Signal::SIGQUIT] {
                signal(heard, SigHandler::SigDfl)?;
            }
            Ok(())
        });
    }
}

#[allow(
    unsafe_code,
    reason = "setting a handler is unsafe in general; ignoring is not"
)]
fn handle(heard: Signal, handler: SigHandler) -> io::Result<()> {
    // SAFETY: no code of ours is made a handler.
    unsafe { signal(heard, handler) }
        .map(drop)
        .map_err(Into::into)
}
