//! Faults, as machines and cables have them.
//!
//! A machine that is switched off says nothing more; one whose processes were merely killed refuses connections,
//! which is a kindness that no dead machine shows. So power-off takes the cable out first. What lasts until
//! somebody mends it is remembered per server as [`Broken`](terrace_protocol::control::Broken). Here are the hands; whose turn it is decides
//! whoever asks the coordinator.

mod processes;

use std::io;

use nix::sys::signal::Signal;

pub(crate) use processes::named;
use processes::send_all;

/// Has every process of a host stand still, or go on.
pub(crate) fn freeze(keeper: u32, frozen: bool) -> io::Result<()> {
    send_all(
        keeper,
        if frozen {
            Signal::SIGSTOP
        } else {
            Signal::SIGCONT
        },
    )
}
