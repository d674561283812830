//! `terrace drain` and `terrace undrain`: a server gets no new requests before it is maintained, and then does again.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use terrace_lab::Location;
use terrace_protocol::control::{Reply, Request, Status};
use terrace_protocol::report::UpstreamReport;

use super::client::{ask, runtime, unexpected};
use super::output::{Output, note, say, span};
use super::site_file::running;
use super::{FELL_SHORT, Outcome, WrongCall};

/// How often it is looked how far it is.
const LOOK: Duration = Duration::from_millis(100);

/// Sends new requests elsewhere, lets what the server has finish, and counts down.
#[derive(Args)]
#[command(after_help = "Examples:\n  terrace drain web-02\n  terrace drain web-02 --deadline 30s")]
pub(crate) struct Drain {
    /// The server.
    server: String,
    /// The site's file.
    #[arg(long)]
    file: Option<PathBuf>,
    /// How long what is in flight may take: 30s, 500ms, 2m.
    #[arg(long, default_value = "30s", value_parser = duration)]
    deadline: Duration,
    /// Even if it is the last that serves, or holds the primary.
    #[arg(long)]
    force: bool,
}

/// Uses a server again that was drained.
#[derive(Args)]
#[command(after_help = "Example:\n  terrace undrain web-02")]
pub(crate) struct Undrain {
    /// The server.
    server: String,
    /// The site's file.
    #[arg(long)]
    file: Option<PathBuf>,
}

/// How far it is.
enum Stage {
    Done,
    /// So many requests are in flight.
    Underway(u64),
}

impl Drain {
    pub(super) fn run(self, out: &mut Output) -> Outcome {
        let site = running(out, self.file.as_deref())?;
        runtime()?.block_on(self.drain(out, &site))
    }

    async fn drain(&self, out: &mut Output, site: &Location) -> Outcome {
        let request = Request::Drain {
            server: self.server.clone(),
            within: u64::try_from(self.deadline.as_millis()).unwrap_or(u64::MAX),
            force: self.force,
        };
        let number = match ask(site, request).await? {
            Reply::Begun { number } => number,
            other => return unexpected(out, other),
        };
        let (begun, mut told) = (Instant::now(), u64::MAX);
        loop {
            let in_flight = match self.stage(site, number).await? {
                Stage::Done => {
                    let took = span(begun.elapsed());
                    say!(
                        out,
                        "{} is drained: nothing is in flight ({took})",
                        self.server
                    );
                    return Ok(ExitCode::SUCCESS);
                }
                Stage::Underway(in_flight) => in_flight,
            };
            let left = self.deadline.saturating_sub(begun.elapsed());
            if left.is_zero() {
                note!(
                    out,
                    "terrace: the deadline has passed with {in_flight} in flight"
                );
                let server = &self.server;
                note!(
                    out,
                    "         {server} gets no new requests; to use it again: terrace undrain {server}"
                );
                return Ok(ExitCode::from(FELL_SHORT));
            }
            if left.as_secs() < told && begun.elapsed() > Duration::from_secs(1) {
                told = left.as_secs();
                note!(out, "{in_flight} in flight, {told} s left");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn stage(&self, site: &Location, number: u64) -> anyhow::Result<Stage> {
        let status = match ask(site, Request::Status).await? {
            Reply::Status(status) => *status,
            _ => anyhow::bail!(super::client::OTHER_ANSWER),
        };
        Ok(stage(&of_server(&status, &self.server), number))
    }
}

/// How far the order of this number is: what was said before it was heard of is no answer to it.
fn stage(instances: &[&UpstreamReport], number: u64) -> Stage {
    let done = |upstream: &&UpstreamReport| {
        let drain = upstream.drain.as_ref();
        drain.is_some_and(|drain| drain.done && drain.number >= number)
    };
    if !instances.is_empty() && instances.iter().all(done) {
        return Stage::Done;
    }
    Stage::Underway(instances.iter().map(|upstream| upstream.in_flight).sum())
}

/// A server's instances, as all who send requests to them see them.
fn of_server<'a>(status: &'a Status, server: &str) -> Vec<&'a UpstreamReport> {
    let reports = status
        .servers
        .iter()
        .filter_map(|server| server.report.as_ref());
    let roles = reports.flat_map(|report| &report.roles);
    roles.flat_map(|role| role.drains(server)).collect()
}

impl Undrain {
    pub(super) fn run(self, out: &mut Output) -> Outcome {
        let site = running(out, self.file.as_deref())?;
        let request = Request::Undrain {
            server: self.server.clone(),
        };
        match runtime()?.block_on(ask(&site, request))? {
            Reply::Done(what) => say!(out, "{what}"),
            other => return unexpected(out, other),
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// `30s`, `500ms`, `2m`.
fn duration(text: &str) -> Result<Duration, WrongCall> {
    let digits = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let wrong = || WrongCall(format!("`{text}` is no time: write 30s, 500ms or 2m"));
    let number: u64 = number.parse().map_err(|_| wrong())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use terrace_protocol::report::DrainReport;

    use super::*;

    #[test]
    fn a_deadline_has_a_unit() {
        for (text, millis) in [("30s", 30_000), ("500ms", 500), ("2m", 120_000)] {
            assert_eq!(duration(text).ok(), Some(Duration::from_millis(millis)));
        }
        for wrong in ["30", "s", "-3s", "1h", ""] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn it_is_done_when_all_say_so_of_this_order() {
        let upstream = |number, done, in_flight| UpstreamReport {
            in_flight,
            drain: Some(DrainReport {
                number,
                done,
                ..DrainReport::default()
            }),
            ..UpstreamReport::default()
        };
        let (done, busy) = (upstream(2, true, 0), upstream(2, false, 3));
        let (before, later) = (upstream(1, true, 0), upstream(3, true, 0));
        assert!(matches!(stage(&[&done, &done, &later], 2), Stage::Done));
        assert!(matches!(stage(&[&done, &busy], 2), Stage::Underway(3)));
        assert!(matches!(stage(&[&done, &before], 2), Stage::Underway(0)));
        assert!(matches!(stage(&[], 2), Stage::Underway(0)));
    }
}
