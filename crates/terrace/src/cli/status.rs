//! `terrace status`: how the site stands.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use terrace_lab::Location;
use terrace_protocol::control::{Reply, Request};
use terrace_protocol::report::RoleReport;
use terrace_service::clock::unix_millis;

use super::client::{ask, runtime, unexpected};
use super::output::arrival::program;
use super::output::shell::quoted_path;
use super::output::{Output, standing};
use super::site_file::running;
use super::{FELL_SHORT, Outcome, logs};

/// Shows how the site stands: a summary in a line, then a row per role with the reason of its state.
#[derive(Args)]
#[command(after_help = "Example:\n  terrace status")]
pub(crate) struct Status {
    /// The site's file.
    file: Option<PathBuf>,
    /// Print facts for a program.
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(super) fn run(self, out: &mut Output) -> Outcome {
        let site = running(out, self.file.as_deref())?;
        let status = match runtime()?.block_on(ask(&site, Request::Status))? {
            Reply::Status(status) => *status,
            other => return unexpected(out, other),
        };
        let now = unix_millis();
        if self.json {
            out.json(&status)?;
        } else {
            let hint = |role: &RoleReport| self.hint(&site, role);
            out.print(standing::page(&status, now, hint));
        }
        Ok(if standing::is_well(&status, now) {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(FELL_SHORT)
        })
    }

    /// The command that shows a role's log, as it can be typed here; `None`: it has written nothing yet.
    fn hint(&self, site: &Location, role: &RoleReport) -> Option<String> {
        let what = role.log_words();
        if !logs::is_there(site, &what) {
            return None;
        }
        let file = match &self.file {
            Some(file) => format!(" --file {}", quoted_path(file)),
            None => String::new(),
        };
        Some(format!("{} logs {what}{file}", program()))
    }
}
