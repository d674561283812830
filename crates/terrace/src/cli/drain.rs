//! `terrace drain` and `terrace undrain`: a server leaves the balancers' rounds before it is maintained, and comes
//! back.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use terrace_lab::Location;
use terrace_protocol::control::{Reply, Request, Status};
use terrace_protocol::report::UpstreamReport;

use super::client::{ask, runtime, unexpected};
use super::output::span;
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
    Refused(String),
    /// So many requests are in flight.
    Underway(u64),
}

impl Drain {
    pub(super) fn run(self) -> Outcome {
        let site = running(self.file.as_deref())?;
        runtime()?.block_on(self.drain(&site))
    }

    async fn drain(&self, site: &Location) -> Outcome {
        let request = Request::Drain {
            server: self.server.clone(),
            within: u64::try_from(self.deadline.as_millis()).unwrap_or(u64::MAX),
            force: self.force,
        };
        match ask(site, request).await? {
            Reply::Begun => {}
            other => return unexpected(other),
        }
        let (begun, mut told) = (Instant::now(), u64::MAX);
        loop {
            let in_flight = match self.stage(site).await? {
                Stage::Done => {
                    let took = span(begun.elapsed());
                    println!("{} is drained: nothing is in flight ({took})", self.server);
                    return Ok(ExitCode::SUCCESS);
                }
                Stage::Refused(why) => {
                    eprintln!("terrace: {} is not drained: {why}", self.server);
                    return Ok(ExitCode::from(FELL_SHORT));
                }
                Stage::Underway(in_flight) => in_flight,
            };
            let left = self.deadline.saturating_sub(begun.elapsed());
            if left.is_zero() {
                eprintln!("terrace: the deadline has passed with {in_flight} in flight");
                let server = &self.server;
                eprintln!(
                    "         {server} gets no new requests; to use it again: terrace undrain {server}"
                );
                return Ok(ExitCode::from(FELL_SHORT));
            }
            if left.as_secs() < told && begun.elapsed() > Duration::from_secs(1) {
                told = left.as_secs();
                eprintln!("{in_flight} in flight, {told} s left");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn stage(&self, site: &Location) -> anyhow::Result<Stage> {
        let status = match ask(site, Request::Status).await? {
            Reply::Status(status) => status,
            other => anyhow::bail!("the coordinator answered with something else: {other:?}"),
        };
        Ok(stage(&of_server(&status, &self.server)))
    }
}

fn stage(instances: &[&UpstreamReport]) -> Stage {
    let refused = instances
        .iter()
        .find_map(|upstream| upstream.drain.as_ref()?.refused.clone());
    if let Some(why) = refused {
        return Stage::Refused(why);
    }
    let done = |upstream: &&UpstreamReport| upstream.drain.as_ref().is_some_and(|drain| drain.done);
    if !instances.is_empty() && instances.iter().all(done) {
        return Stage::Done;
    }
    Stage::Underway(instances.iter().map(|upstream| upstream.in_flight).sum())
}

/// A server's instances, as every balancer sees them.
fn of_server<'a>(status: &'a Status, server: &str) -> Vec<&'a UpstreamReport> {
    let reports = status
        .servers
        .iter()
        .filter_map(|server| server.report.as_ref());
    let balancers = reports
        .flat_map(|report| &report.roles)
        .filter(|role| role.role == "load-balancer");
    balancers
        .flat_map(|balancer| &balancer.upstreams)
        .filter(|upstream| upstream.instance.split('/').next() == Some(server))
        .collect()
}

impl Undrain {
    pub(super) fn run(self) -> Outcome {
        let site = running(self.file.as_deref())?;
        let request = Request::Undrain {
            server: self.server.clone(),
        };
        match runtime()?.block_on(ask(&site, request))? {
            Reply::Begun => println!("{} is used again", self.server),
            other => return unexpected(other),
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
    fn it_is_done_when_every_balancer_says_so() {
        let upstream = |done, in_flight| UpstreamReport {
            in_flight,
            drain: Some(DrainReport {
                done,
                ..DrainReport::default()
            }),
            ..UpstreamReport::default()
        };
        let (done, busy) = (upstream(true, 0), upstream(false, 3));
        assert!(matches!(stage(&[&done, &done]), Stage::Done));
        assert!(matches!(stage(&[&done, &busy]), Stage::Underway(3)));
        assert!(matches!(stage(&[]), Stage::Underway(0)));
    }
}
