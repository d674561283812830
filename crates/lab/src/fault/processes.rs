//! The processes of a host, as the machine sees them: those in the pid namespace of its keeper.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Rounds until no process that was born meanwhile is missed.
const ROUNDS: usize = 10;

/// The machine's number of the process that has this number on its host.
pub(crate) fn named(keeper: u32, number: u32) -> Option<u32> {
    of_host(keeper)
        .into_iter()
        .find(|pid| inside(*pid) == Some(number))
}

/// Signals every process of a host, also those that are born while it is done.
pub(super) fn send_all(keeper: u32, signal: Signal) -> io::Result<()> {
    let mut reached = BTreeSet::new();
    for _ in 0..ROUNDS {
        let fresh: Vec<u32> = of_host(keeper)
            .into_iter()
            .filter(|pid| !reached.contains(pid))
            .collect();
        if fresh.is_empty() {
            return Ok(());
        }
        for pid in fresh {
            // One that has ended meanwhile needs no signal.
            let _ = kill(Pid::from_raw(pid.cast_signed()), signal);
            reached.insert(pid);
        }
    }
    Err(io::Error::other(
        "its processes multiply faster than they can be signalled",
    ))
}

fn of_host(keeper: u32) -> Vec<u32> {
    let space = |pid: u32| -> Option<PathBuf> { fs::read_link(format!("/proc/{pid}/ns/pid")).ok() };
    let Some(own) = space(keeper) else {
        return Vec::new();
    };
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    numbers
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| space(*pid).is_some_and(|space| space == own))
        .collect()
}

/// The number that a process has within its innermost namespace.
fn inside(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("NSpid:"))?;
    line.split_whitespace().last()?.parse().ok()
}
