//! Signals that end a process unless it says otherwise, and must not end ours.

use nix::libc::c_int;
use nix::sys::signal::{SigHandler, Signal, signal};

/// Has a write past the limit of a file's length (`ulimit -f`) fail, as one on a full disk does, instead of ending this process.
/// The signal is handled, not ignored: programs that are started would inherit that.
#[allow(unsafe_code, reason = "a signal handler has no safe form")]
pub fn outlive_long_files() {
    extern "C" fn nothing(_: c_int) {}
    // SAFETY: the handler does nothing, so it does nothing that a handler may not do.
    let set = unsafe { signal(Signal::SIGXFSZ, SigHandler::Handler(nothing)) };
    // Every kernel that we run on has this signal.
    debug_assert!(set.is_ok());
}
