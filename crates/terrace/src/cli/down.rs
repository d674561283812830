//! `terrace down`: stop the rehearsal.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use terrace_lab::{Location, client};
use terrace_protocol::control::{Reply, Request};

use super::client::{runtime, unexpected};
use super::output::{Output, arrival, say, span};
use super::site_file::running;
use super::{Outcome, WrongCall};

/// Stops everything in order, from the entry to the database. The data stays.
#[derive(Args)]
#[command(after_help = "Examples:\n  terrace down\n  terrace down --wipe")]
pub(crate) struct Down {
    /// The site's file.
    file: Option<PathBuf>,
    /// Remove the data too: database, releases, secrets, logs.
    #[arg(long)]
    wipe: bool,
}

impl Down {
    pub(super) fn run(self, out: &mut Output) -> Outcome {
        let site = running(out, self.file.as_deref())?;
        let start = Instant::now();
        let stopped = runtime()?.block_on(stop(out, &site))?;
        if let Some(outcome) = stopped {
            return outcome;
        }
        site.clear()?;
        if self.wipe {
            site.wipe()?;
            say!(
                out,
                "{} is down, and its data is gone ({})",
                site.name(),
                span(start.elapsed())
            );
        } else {
            say!(
                out,
                "{} is down; {} ({})",
                site.name(),
                kept(&site),
                span(start.elapsed())
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Where the data of a site that is down is, if it is anywhere.
fn kept(site: &Location) -> String {
    let state = site.state();
    // What a site leaves behind is under its servers' names; the directory alone may have been made again by this command.
    if state.join("servers").is_dir() {
        format!("its data is kept in {}", state.display())
    } else {
        format!("no data of it is in {}", state.display())
    }
}

/// Asks the coordinator and waits for its end. `None`: nothing runs any more.
async fn stop(out: &mut Output, site: &Location) -> anyhow::Result<Option<Outcome>> {
    let Some(mut connection) = client::connect(site).await? else {
        return Ok(None);
    };
    connection.sender.send(&Request::Down).await?;
    loop {
        match connection.receiver.receive().await {
            Ok(incoming) => match incoming.message {
                Reply::Step(step) => out.line(arrival::step(&step)),
                Reply::Stopped => {}
                other => return Ok(Some(unexpected(out, other))),
            },
            // The connection ends with the coordinator.
            Err(terrace_protocol::Error::Closed) => return Ok(None),
            Err(error) => return Err(WrongCall(error.to_string()).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_that_is_not_there_is_not_said_to_be_kept() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("site.kdl");
        std::fs::write(&file, "").unwrap();
        let site = Location::of(&file, "www.foobar.com").unwrap();
        assert!(kept(&site).starts_with("no data of it is in "));
        std::fs::create_dir_all(site.state().join("servers")).unwrap();
        assert!(kept(&site).starts_with("its data is kept in "));
    }
}
