//! A network for the bench alone: loopback, without the machine's neighbours and its tuning.

use std::fs;
use std::io;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};

/// Sends without pacing, and every kernel has it. Where the machine's default paces (BBR), timers would be most of
/// what is measured between two processes of one machine.
pub(crate) const CONGESTION_CONTROL: &str = "reno";

/// Moves this process, and with it all that it starts, into a network of its own. To be called while it has a single
/// thread.
///
/// # Errors
/// When it may not: that takes root.
pub(crate) fn enter() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNET)
        .map_err(|error| io::Error::other(format!("a network of its own takes root: {error}")))?;
    let up = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status()?;
    if !up.success() {
        return Err(io::Error::other("loopback cannot be brought up"));
    }
    fs::write(
        "/proc/sys/net/ipv4/tcp_congestion_control",
        CONGESTION_CONTROL,
    )
}
