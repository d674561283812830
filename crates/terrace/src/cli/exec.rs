//! `terrace exec`: a program on one of the site's servers.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use terrace_protocol::control::{Reply, Request};

use super::Outcome;
use super::client::{ask, runtime};
use super::output::Output;
use super::site_file::running;

/// Runs a program on a server of the site; `internet` is the visitor's.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  terrace exec internet -- curl http://www.foobar.com/\n  terrace exec web-01 -- sh"
)]
pub(crate) struct Exec {
    /// The server: `web-01`, `internet`.
    server: String,
    /// The site's file.
    #[arg(long)]
    file: Option<PathBuf>,
    /// The program and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

impl Exec {
    pub(super) fn run(self, out: &mut Output) -> Outcome {
        let site = running(out, self.file.as_deref())?;
        let server = self.server;
        // The runtime and its threads are gone before the namespaces are entered: that takes a single thread.
        let enter = match runtime()?.block_on(ask(&site, Request::Enter { server }))? {
            Reply::Enter(enter) => enter,
            other => return super::client::unexpected(out, other),
        };
        Ok(terrace_lab::enter::run(&enter, &self.command).map(ExitCode::from)?)
    }
}
