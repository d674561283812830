//! `terrace check`: every mistake of the file at once.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use terrace_insight::Design;
use terrace_site::problem::{Lines, Report};

use super::on_disk;
use super::output::{Output, say};
use super::site_file::SiteFile;
use super::{Outcome, WRONG_CALL};

/// Finds every mistake in the file, each with its line and what to write instead, and warns of what it names and is not there.
#[derive(Args)]
#[command(after_help = "Example:\n  terrace check stacks/0-simple_web_stack.kdl")]
pub(crate) struct Check {
    /// The site's file.
    file: Option<PathBuf>,
    /// Print facts for a program.
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn run(self, out: &mut Output) -> Outcome {
        let file = SiteFile::read(self.file.as_deref())?;
        if self.json {
            return json(out, &file);
        }
        let Some(site) = file.site(out) else {
            return Ok(ExitCode::from(WRONG_CALL));
        };
        file.warn(out, &on_disk::warnings(&file));
        say!(
            out,
            "{}: {}",
            file.path.display(),
            terrace_insight::sentence(&Design::without_flows(&site))
        );
        let lines = Lines::of(&file.source);
        for refused in terrace_site::not_yet(&site) {
            say!(
                out,
                "  not yet runnable: {} (line {})",
                refused.message,
                refused.line_in(&lines)
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Facts<P: Serialize, N: Serialize> {
    file: String,
    fine: bool,
    problems: P,
    /// What passes, and cannot run yet.
    not_yet: N,
    /// The design in a line; none where the file has mistakes.
    design: Option<String>,
}

fn json(out: &mut Output, file: &SiteFile) -> Outcome {
    let name = file.path.display().to_string();
    let loaded = terrace_site::load(&file.source);
    let mut problems = loaded.problems;
    problems.extend(on_disk::warnings(file));
    let refused = loaded
        .site
        .as_ref()
        .map(terrace_site::not_yet)
        .unwrap_or_default();
    out.json(&Facts {
        fine: loaded.site.is_some(),
        problems: Report::new(&name, &file.source, &problems).facts(),
        not_yet: Report::new(&name, &file.source, &refused).facts(),
        design: loaded
            .site
            .as_ref()
            .map(|site| terrace_insight::sentence(&Design::without_flows(site))),
        file: name.clone(),
    })?;
    Ok(if loaded.site.is_some() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(WRONG_CALL)
    })
}
