//! `terrace records`: what the zone must say, for whoever runs its name servers.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::output::Output;
use super::site_file::SiteFile;
use super::{Outcome, WRONG_CALL};

/// Prints the DNS records of the site, as a zone file would hold them.
#[derive(Args)]
#[command(after_help = "Example:\n  terrace records stacks/0-simple_web_stack.kdl")]
pub(crate) struct Records {
    /// The site's file.
    file: Option<PathBuf>,
    /// Print facts for a program.
    #[arg(long)]
    json: bool,
}

impl Records {
    pub(super) fn run(self, out: &mut Output) -> Outcome {
        let file = SiteFile::read_or_last_good(out, self.file.as_deref())?;
        let Some(site) = file.site(out) else {
            return Ok(ExitCode::from(WRONG_CALL));
        };
        let records = terrace_site::records(&site);
        if self.json {
            out.json(&records)?;
        } else {
            out.print(records);
        }
        Ok(ExitCode::SUCCESS)
    }
}
