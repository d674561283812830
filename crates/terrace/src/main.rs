//! The `terrace` binary: the command line, and every process that it runs as.

#![deny(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a reader that is gone, or a full disk, makes these panic: `cli::output` writes"
)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
