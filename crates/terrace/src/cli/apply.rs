//! `terrace apply`: a site that runs takes over what its file says now.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use terrace_protocol::control::{Reply, Request, Trouble};

use super::client::{ask, runtime, unexpected};
use super::on_disk;
use super::output::{Output, note, say};
use super::site_file::{SiteFile, running};
use super::up::{is_refused, tell};
use super::{FELL_SHORT, Outcome, WRONG_CALL};

/// Prints what has changed in the file, and has the running site take it over: weights, timeouts, checks, limits at once.
/// Health and drain state stay; a file with mistakes changes nothing.
///
/// A changed `run`, `env` or `secret` starts the copies of the app anew, one after the other and one server after the other: the
/// next once the one before is ready and used. While others serve that costs no request; the only copy of an app is away until it
/// is ready again. What does not get ready stops there: the servers after it keep what they ran, and the exit code is 1. Applying
/// the file before brings all back.
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
            Reply::Applied { changes, troubles } if self.json => {
                out.json(&changes)?;
                return Ok(outcome(out, &troubles));
            }
            Reply::Applied { changes, troubles } if changes.is_empty() && troubles.is_empty() => {
                say!(
                    out,
                    "{} runs what {name} says: nothing to change",
                    site.name()
                );
            }
            Reply::Applied { changes, troubles } => {
                for change in &changes {
                    say!(out, "{change}");
                }
                if troubles.is_empty() {
                    say!(out, "{} runs it now", site.name());
                }
                return Ok(outcome(out, &troubles));
            }
            other => return unexpected(out, other),
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Says what does not run as the file says.
fn outcome(out: &mut Output, troubles: &[Trouble]) -> ExitCode {
    tell(out, troubles);
    match troubles.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(FELL_SHORT),
    }
}
