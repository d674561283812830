//! `terrace fmt`: one way to lay a file out.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::output::{Output, say};
use super::site_file::SiteFile;
use super::{FELL_SHORT, Outcome, WRONG_CALL};

/// Lays the file out in the one common way; no comment is lost.
#[derive(Args)]
#[command(after_help = "Example:\n  terrace fmt --check site.kdl")]
pub(crate) struct Fmt {
    /// The site's file.
    file: Option<PathBuf>,
    /// Change nothing; exit with 1 when the file would change.
    #[arg(long)]
    check: bool,
}

impl Fmt {
    pub(super) fn run(self, out: &mut Output) -> Outcome {
        let file = SiteFile::read(self.file.as_deref())?;
        let Ok(formatted) = terrace_site::read::fmt(&file.source) else {
            file.site(out);
            return Ok(ExitCode::from(WRONG_CALL));
        };
        if formatted == file.source {
            return Ok(ExitCode::SUCCESS);
        }
        if self.check {
            say!(
                out,
                "{} would change: terrace fmt {}",
                file.path.display(),
                file.path.display()
            );
            return Ok(ExitCode::from(FELL_SHORT));
        }
        replace(&file.path, &formatted)
            .with_context(|| format!("cannot write {}", file.path.display()))?;
        say!(out, "{} is laid out anew", file.path.display());
        Ok(ExitCode::SUCCESS)
    }
}

/// Whole or not at all, with the permissions that the file had.
fn replace(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    let target = std::fs::canonicalize(path)?;
    let mut beside = target.clone().into_os_string();
    beside.push(".new");
    std::fs::write(&beside, text)?;
    std::fs::set_permissions(&beside, std::fs::metadata(&target)?.permissions())?;
    std::fs::rename(&beside, &target)
}
