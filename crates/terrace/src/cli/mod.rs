//! The command line: one file per command, and what they share.
//!
//! Exit codes: 0 fine; 1 the site or the run fell short; 2 the call or the file was wrong.

mod apply;
mod check;
mod client;
mod down;
mod drain;
mod draw;
mod exec;
mod explain;
mod fault;
mod fmt;
mod help;
mod init;
mod internal;
mod logs;
mod on_disk;
mod output;
mod primary;
#[cfg(test)]
mod promises;
mod prove;
mod records;
mod secret;
mod site_file;
mod status;
mod up;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use output::{Output, note};

/// What `terrace` alone prints.
const OVERVIEW: &str = "\
Terrace runs a website's whole infrastructure from one file and one binary.

  init      write a site.kdl to start from
  check     find every mistake in the file
  up        rehearse the site here: every server a host of its own
  status    how it stands
  explain   why each part is there, and what fails when it fails

Change    apply, drain, undrain, switchover, failover, down, secret
Look      logs, exec, draw, records, fmt
Prove     prove, fault

FILE is site.kdl, sought upward from here, or the site that runs.
`terrace COMMAND --help` shows an example, `terrace help` the words of the file.
";

#[derive(Parser)]
#[command(name = "terrace", version, about = None, override_help = OVERVIEW, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    Init(init::Init),
    Check(check::Check),
    Up(up::Up),
    Status(status::Status),
    Explain(explain::Explain),
    Apply(apply::Apply),
    Drain(drain::Drain),
    Undrain(drain::Undrain),
    Switchover(primary::Switchover),
    Failover(primary::Failover),
    Down(down::Down),
    Prove(prove::Prove),
    Fault(fault::Fault),
    Secret(secret::Secret),
    Logs(logs::Logs),
    Exec(exec::Exec),
    Draw(draw::Draw),
    Records(records::Records),
    Fmt(fmt::Fmt),
    Help(help::Help),
    #[command(hide = true)]
    Internal(internal::Internal),
}

/// How a command ended, when nothing went wrong on the way.
pub(crate) type Outcome = anyhow::Result<ExitCode>;

/// The site or the run fell short.
pub(crate) const FELL_SHORT: u8 = 1;
/// The call or the file was wrong.
pub(crate) const WRONG_CALL: u8 = 2;

/// What a person wrote is wrong: exit code 2.
#[derive(Debug)]
pub(crate) struct WrongCall(pub(crate) String);

impl std::error::Error for WrongCall {}

impl std::fmt::Display for WrongCall {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

/// Reads the arguments, and does what they say.
pub(crate) fn run() -> ExitCode {
    terrace_service::signals::outlive_long_files();
    let mut out = Output::of_process();
    let outcome = match Cli::try_parse() {
        Ok(Cli {
            command: Some(command),
        }) => command.run(&mut out),
        Ok(Cli { command: None }) => {
            out.print(OVERVIEW);
            Ok(ExitCode::SUCCESS)
        }
        Err(refused) => Ok(help(&mut out, &refused)),
    };
    let code = outcome.unwrap_or_else(|error| {
        note!(out, "terrace: {error:#}");
        ExitCode::from(if error.is::<WrongCall>() {
            WRONG_CALL
        } else {
            FELL_SHORT
        })
    });
    let Some(failure) = out.failure().map(ToString::to_string) else {
        return code;
    };
    note!(out, "terrace: cannot write to standard output: {failure}");
    ExitCode::from(FELL_SHORT)
}

/// What was asked for (`--help`, `--version`), or what is wrong with the arguments.
fn help(out: &mut Output, refused: &clap::Error) -> ExitCode {
    let text = refused.render();
    if !refused.use_stderr() {
        if output::coloured() {
            out.print(text.ansi());
        } else {
            out.print(text);
        }
        return ExitCode::SUCCESS;
    }
    if output::errors_coloured() {
        out.warn(text.ansi());
    } else {
        out.warn(text);
    }
    ExitCode::from(WRONG_CALL)
}

impl Command {
    fn run(self, out: &mut Output) -> Outcome {
        match self {
            Self::Init(command) => command.run(out),
            Self::Check(command) => command.run(out),
            Self::Up(command) => command.run(out),
            Self::Status(command) => command.run(out),
            Self::Explain(command) => command.run(out),
            Self::Apply(command) => command.run(out),
            Self::Drain(command) => command.run(out),
            Self::Undrain(command) => command.run(out),
            Self::Switchover(command) => command.run(out),
            Self::Failover(command) => command.run(out),
            Self::Down(command) => command.run(out),
            Self::Prove(command) => command.run(out),
            Self::Fault(command) => command.run(out),
            Self::Secret(command) => command.run(out),
            Self::Logs(command) => command.run(out),
            Self::Exec(command) => command.run(out),
            Self::Draw(command) => command.run(out),
            Self::Records(command) => command.run(out),
            Self::Fmt(command) => command.run(out),
            Self::Help(command) => command.run(out),
            Self::Internal(process) => Ok(process.run()),
        }
    }
}
