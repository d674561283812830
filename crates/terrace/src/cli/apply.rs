//! `terrace apply`: a site that runs takes over what its file says now.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use terrace_protocol::control::{Reply, Request};

use super::client::{ask, runtime, unexpected};
use super::on_disk;
use super::output::{Output, note, say};
use super::site_file::{SiteFile, running};
use super::up::is_refused;
use super::{Outcome, WRONG_CALL};

/// Prints what has changed in the file, and has the running site take it over at once: weights, timeouts, checks,
/// limits. Health and drain state stay; a file with mistakes changes nothing.
#[derive(Args)]
#[command(after_help = "Examples:\n  terrace apply\n  terrace apply site.kdl --json")]
pub(crate) struct Apply {
    /// The site's file.
    file: Option<PathBuf>,
    /// Print facts for a program.
    #[arg(long)]
    json: bool,
}

impl Apply {
    pub(super) fn run(self, out: &mut Output) -> Outcome {
        let file = SiteFile::read_or_running(self.file.as_deref())?;
        let name = file.path.display().to_string();
        let Some(site) = file.site(out) else {
            note!(
                out,
                "Nothing was changed; a running site keeps its last good file."
            );
            return Ok(ExitCode::from(WRONG_CALL));
        };
        if is_refused(out, &file, &site) {
            return Ok(ExitCode::from(WRONG_CALL));
        }
        file.warn(out, &on_disk::warnings(&file));
        let location = running(out, Some(&file.path))?;
        let request = Request::Apply {
            file: location.file().to_owned(),
        };
        match runtime()?.block_on(ask(&location, request))? {
            Reply::Applied { changes } if self.json => out.json(&changes)?,
            Reply::Applied { changes } if changes.is_empty() => {
                say!(
                    out,
                    "{} runs what {name} says: nothing to change",
                    site.name()
                );
            }
            Reply::Applied { changes } => {
                for change in &changes {
                    say!(out, "{change}");
                }
                say!(out, "{} runs it now", site.name());
            }
            other => return unexpected(out, other),
        }
        Ok(ExitCode::SUCCESS)
    }
}
