//! `terrace draw`: the design as a picture.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use terrace_insight::{Design, draw};

use super::output::{Output, say};
use super::site_file::SiteFile;
use super::{Outcome, WRONG_CALL};

/// Draws the design: tier by tier from the visitor down, single points of failure ringed.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  terrace draw\n  terrace draw stacks/3-scale_up.kdl --svg picture.svg"
)]
pub(crate) struct Draw {
    /// The site's file.
    file: Option<PathBuf>,
    /// Write an SVG file instead of text; `-` is standard output.
    #[arg(long, value_name = "PATH")]
    svg: Option<PathBuf>,
}

impl Draw {
    pub(super) fn run(self, out: &mut Output) -> Outcome {
        let file = SiteFile::read_or_last_good(out, self.file.as_deref())?;
        let Some(site) = file.site(out) else {
            return Ok(ExitCode::from(WRONG_CALL));
        };
        let design = Design::excerpt(&site, None);
        match self.svg {
            None => out.print(draw::text(&design)),
            Some(path) if path.as_os_str() == "-" => out.print(draw::svg(&design)),
            Some(path) => {
                let written = std::fs::write(&path, draw::svg(&design));
                written.with_context(|| format!("cannot write {}", path.display()))?;
                say!(out, "{} is written", path.display());
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
