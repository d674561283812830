//! The `terrace` binary: the command line, and every process that it runs as.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
