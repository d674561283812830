//! `terrace up`: rehearse the site here, every server a host of its own.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use terrace_insight::Design;
use terrace_lab::Location;
use terrace_lab::client::{self, Start};
use terrace_protocol::control::{Reply, Request, Status, Trouble};
use terrace_service::clock::unix_millis;
use terrace_service::{SecretStore, secret};
use terrace_site::model::Site;
use terrace_site::problem::{Problem, Severity};

use super::client::{runtime, unexpected};
use super::on_disk;
use super::output::shell::quoted_path;
use super::output::{Output, arrival, note, say};
use super::secret::names;
use super::site_file::SiteFile;
use super::{FELL_SHORT, Outcome, WRONG_CALL};

/// Rehearses the site on this machine: every server a host of its own, with its real address, in a network
/// that has no way out.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  terrace up\n  terrace up stacks/0-simple_web_stack.kdl --detach\n\n\
                  TERRACE_RUN=DIRECTORY  where sites that run are listed, instead of /run/terrace: commands without a FILE find\n\
                  \x20                      those that are listed there, and no others"
)]
pub(crate) struct Up {
    /// The site's file.
    file: Option<PathBuf>,
    /// Return when the site is up; `terrace down` stops it.
    #[arg(long, short)]
    detach: bool,
    /// The port of this machine (127.0.0.1 and ::1) where a browser finds the site, by its name with .localhost, or as localhost;
    /// the next free one when it is taken.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Print facts for a program, one a line.
    #[arg(long)]
    json: bool,
}

impl Up {
    pub(super) fn run(self, out: &mut Output) -> Outcome {
        let file = SiteFile::read(self.file.as_deref())?;
        let Some(site) = file.site(out) else {
            return Ok(ExitCode::from(WRONG_CALL));
        };
        if is_refused(out, &file, &site) || is_missing(out, &file) {
            return Ok(ExitCode::from(WRONG_CALL));
        }
        let name = site.name().to_string();
        let store = SecretStore::new(Location::of(&file.path, &name)?.secrets());
        let is_unset = |name: &String| matches!(store.read(name), Err(secret::Error::Missing(_)));
        let generated: Vec<String> = names(&site).into_iter().filter(is_unset).collect();
        if !self.json {
            say!(out, "{}\n", arrival::title(&name, &file.path));
        }
        let start = Start {
            file: file.path.clone(),
            site: name,
            port: self.port,
        };
        let design = terrace_insight::sentence(&Design::without_flows(&site));
        runtime()?.block_on(self.follow(out, &start, &design, &generated))
    }

    async fn follow(
        &self,
        out: &mut Output,
        start: &Start,
        design: &str,
        generated: &[String],
    ) -> Outcome {
        let location = Location::of(&start.file, &start.site)?;
        for name in generated {
            note!(
                out,
                "warning: the secret {name} is not set, so 32 random hex digits are generated for it; \
                 `terrace secret set {name}` takes another from standard input"
            );
        }
        let mut connection = client::start(start).await?;
        let up = Request::Up {
            file: location.file().to_owned(),
            detach: self.detach,
        };
        connection.sender.send(&up).await?;
        let mut interrupted = false;
        let mut outcome = ExitCode::SUCCESS;
        loop {
            let reply = tokio::select! {
                incoming = connection.receiver.receive() => match incoming {
                    Ok(incoming) => incoming.message,
                    Err(terrace_protocol::Error::Closed) => {
                        return Err(client::Error::Gone(location.log()).into());
                    }
                    Err(error) => return Err(error).context("the coordinator cannot be heard"),
                },
                signal = tokio::signal::ctrl_c(), if !interrupted => {
                    signal.context("interrupts cannot be heard")?;
                    interrupted = true;
                    connection.sender.send(&Request::Down).await?;
                    continue;
                }
            };
            if self.json {
                say!(out, "{}", serde_json::to_string(&reply)?);
            } else if let Some(text) = self.told(&reply, start, design) {
                out.line(text);
            }
            match reply {
                Reply::Ready(_) => outcome = ExitCode::SUCCESS,
                Reply::Incomplete(troubles) => {
                    outcome = ExitCode::from(FELL_SHORT);
                    if !self.json {
                        tell(out, &troubles);
                    }
                }
                Reply::Stopped => return Ok(outcome),
                Reply::Failed { .. } if self.json => return Ok(ExitCode::from(FELL_SHORT)),
                Reply::Failed { .. } => return unexpected(out, reply),
                _ => continue,
            }
            if self.detach {
                return Ok(outcome);
            }
        }
    }

    fn told(&self, reply: &Reply, start: &Start, design: &str) -> Option<String> {
        match reply {
            Reply::Step(step) => Some(arrival::step(step)),
            Reply::Ready(status) => Some(self.ready(status, start, design)),
            _ => None,
        }
    }

    fn ready(&self, status: &Status, start: &Start, design: &str) -> String {
        let next = Some(next_step(&start.file));
        let mut text = arrival::ready(
            status,
            design,
            next.as_deref(),
            &several(&start.file),
            unix_millis(),
        );
        let me = arrival::program();
        if !self.detach {
            text += &format!("Ctrl-C stops it and keeps the data ({me} down --wipe removes it)");
        }
        text
    }
}

/// What a command that names no file needs while several sites run: ` --file site.kdl`.
fn several(file: &Path) -> String {
    let listed = terrace_lab::registry::running().unwrap_or_default();
    match listed.len() {
        0 | 1 => String::new(),
        _ => format!(" --file {}", quoted_path(file)),
    }
}

/// What does not come up, and what to do about each.
pub(crate) fn tell(out: &mut Output, troubles: &[Trouble]) {
    for trouble in troubles {
        note!(
            out,
            "terrace: {}\n         {}",
            trouble.cause,
            trouble.remedy
        );
    }
}

/// Prints what the file has that cannot run yet, by line; whether there is anything.
pub(crate) fn is_refused(out: &mut Output, file: &SiteFile, site: &Site) -> bool {
    let refused = terrace_site::not_yet(site);
    file.warn(out, &refused);
    !refused.is_empty()
}

/// Prints what the file names and is not there; whether the site cannot come up without it.
pub(crate) fn is_missing(out: &mut Output, file: &SiteFile) -> bool {
    let problems = on_disk::look(file);
    let is_error = |problem: &Problem| problem.severity == Severity::Error;
    let refused = problems.iter().any(is_error);
    file.warn(out, &problems);
    if refused {
        note!(out, "Nothing was started, nothing was changed.");
    }
    refused
}

/// A command that works now: the next stage, where that can run; else what follows a change of the file.
fn next_step(file: &Path) -> String {
    let me = arrival::program();
    let runs = |next: &PathBuf| {
        let source = std::fs::read_to_string(next).unwrap_or_default();
        let site = terrace_site::load(&source).site;
        site.is_some_and(|site| terrace_site::not_yet(&site).is_empty())
    };
    let Some(next) = next_stage(file).filter(runs) else {
        return format!(
            "{me} apply {}    when it has been changed",
            quoted_path(file)
        );
    };
    // In the checkout `make` knows the stages by their numbers.
    let in_checkout = Path::new("Makefile").is_file() && next.starts_with("stacks");
    let name = next
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    match name.split_once('-') {
        Some((number, _)) if in_checkout => format!("{me} down && make up STAGE={number}"),
        _ => format!("{me} down && {me} up {}", quoted_path(&next)),
    }
}

/// The file of the next stage, where files are numbered: `1-….kdl` beside `0-….kdl`.
fn next_stage(file: &Path) -> Option<PathBuf> {
    let name = file.file_name()?.to_str()?;
    let (number, _) = name.split_once('-')?;
    let next = format!("{}-", number.parse::<u32>().ok()? + 1);
    let directory = match file.parent()? {
        parent if parent.as_os_str().is_empty() => Path::new("."),
        parent => parent,
    };
    let mut found: Vec<PathBuf> = std::fs::read_dir(directory)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    found.sort();
    let is_next = |path: &PathBuf| {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        name.starts_with(&next) && name.ends_with(".kdl")
    };
    found.into_iter().find(is_next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_step_is_one_that_can_be_taken() {
        let stacks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../stacks");
        let next = |name: &str| next_step(&stacks.join(name));
        let first = next("0-simple_web_stack.kdl");
        assert!(
            first.contains("down && ") && first.contains("up ") && first.contains("/1-distributed"),
            "{first}"
        );
        // Stage 2 is refused, so it is no step.
        let second = next("1-distributed_web_infrastructure.kdl");
        assert!(
            second.contains(" apply ") && !second.contains("/2-"),
            "{second}"
        );
        assert!(next("site.kdl").contains(" apply "));
        assert!(next("my site.kdl").contains("my site.kdl'    when"));
    }
}
