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
mod init;
mod internal;
mod logs;
mod output;
mod primary;
mod prove;
mod records;
mod secret;
mod site_file;
mod status;
mod up;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
`terrace COMMAND --help` shows an example.
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
    let Some(command) = Cli::parse().command else {
        print!("{OVERVIEW}");
        return ExitCode::SUCCESS;
    };
    let outcome = match command {
        Command::Init(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Up(command) => command.run(),
        Command::Status(command) => command.run(),
        Command::Explain(command) => command.run(),
        Command::Apply(command) => command.run(),
        Command::Drain(command) => command.run(),
        Command::Undrain(command) => command.run(),
        Command::Switchover(command) => command.run(),
        Command::Failover(command) => command.run(),
        Command::Down(command) => command.run(),
        Command::Prove(command) => command.run(),
        Command::Fault(command) => command.run(),
        Command::Secret(command) => command.run(),
        Command::Logs(command) => command.run(),
        Command::Exec(command) => command.run(),
        Command::Draw(command) => command.run(),
        Command::Records(command) => command.run(),
        Command::Fmt(command) => command.run(),
        Command::Internal(command) => command.run(),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("terrace: {error:#}");
        ExitCode::from(if error.is::<WrongCall>() {
            WRONG_CALL
        } else {
            FELL_SHORT
        })
    })
}
