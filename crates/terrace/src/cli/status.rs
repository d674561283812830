//! `terrace status`: how the site stands.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use terrace_protocol::control::{Reply, Request};

use super::client::{ask, runtime, unexpected};
use super::output::{Output, standing};
use super::site_file::running;
use super::{FELL_SHORT, Outcome};

/// Shows how the site stands: one true sentence, then a row per role with the reason of its state.
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
            Reply::Status(status) => status,
            other => return unexpected(out, other),
        };
        if self.json {
            out.json(&status)?;
        } else {
            out.print(standing::page(
                &status,
                terrace_service::clock::unix_millis(),
            ));
        }
        Ok(if standing::is_well(&status) {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(FELL_SHORT)
        })
    }
}
