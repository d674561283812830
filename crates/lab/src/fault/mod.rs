//! Faults, as machines and cables have them.
//!
//! A machine that is switched off says nothing more; one whose processes were merely killed refuses connections,
//! which is a kindness that no dead machine shows. So power-off takes the cable out first. The coordinator remembers for each
//! server what lasts until `terrace fault mend`, as [`Broken`](terrace_protocol::control::Broken). This module injects faults; the
//! coordinator's callers, `terrace fault` and `prove`, choose them.

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
