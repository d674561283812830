//! The builder: makes a release, in a process of its own, and says how it goes.
//!
//! The words that it is asked and answers with are in [`terrace_protocol::build`]; [`prepare`] is what it
//! does. Who starts it sees to it that the release's directory can be written at the path that it will
//! run from.

mod command;
mod prepare;
mod store;

use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use rustix::fs::Mode;
use rustix::process::{Signal, kill_current_process_group, setpgid, umask};
use terrace_protocol::build::{Failure, Order, Progress};

pub use prepare::{Error, prepare};

/// The whole life of a builder: an order on standard input, progress on standard output. `clear` ends what a command has left
/// running.
pub fn main(clear: &dyn Fn()) -> ExitCode {
    // Its own group, so that all that the build has started goes with it. A leader of a session is one already.
    let _ = setpgid(None, None);
    // What is built is run by another user.
    umask(Mode::WGRP | Mode::WOTH);
    match read_order().map(|order| prepare(&order, clear, &mut say)) {
        Ok(Ok(built)) => {
            say(Progress::Done(built));
            ExitCode::SUCCESS
        }
        Ok(Err(error)) => {
            say(Progress::Failed(error.failure()));
            ExitCode::FAILURE
        }
        Err(error) => {
            say(Progress::Failed(Failure {
                cause: format!("the order to build cannot be read: {error}"),
                ..Failure::default()
            }));
            ExitCode::from(2)
        }
    }
}

/// Reads the order, and from then on watches for the end of standard input.
fn read_order() -> io::Result<Order> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let order = serde_json::from_str(&line)?;
    std::thread::spawn(|| {
        // Nothing else is ever written to us: this returns when the caller is gone.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        end_with_all();
    });
    Ok(order)
}

fn say(progress: Progress) {
    let mut line = serde_json::to_vec(&progress).unwrap_or_default();
    line.push(b'\n');
    let mut out = io::stdout().lock();
    if out.write_all(&line).and_then(|()| out.flush()).is_err() {
        end_with_all();
    }
}

/// A half-built release is recognised and made anew, so there is nothing to clean up.
fn end_with_all() -> ! {
    let _ = kill_current_process_group(Signal::KILL);
    // The first process of a namespace cannot kill itself. Its end is everybody's.
    std::process::exit(1)
}

#[cfg(test)]
mod tests;
