//! The SQL router beside HAProxy in TCP mode, and both beside no proxy at all: sysbench on a site of one server.
//!
//! Everything runs on that server, as the apps of a small site do: their database, the router of the release binary
//! with its real plan, HAProxy, and the load. The three take turns in every round, so a machine that drifts drifts for
//! all of them. HAProxy passes bytes on; the router reads each packet, and knows where a statement may go.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Stdio};

use super::profile::{self, Time, Times};
use crate::machine::peer;
use crate::rehearsal::{Rehearsal, said};
use crate::statistics::{self, Ratio, median};

/// Rounds per case.
const ROUNDS: usize = 9;
/// Seconds of each.
const SECONDS: u32 = 4;
/// Rows of each of the four tables.
const ROWS: &str = "--table-size=50000";

/// Of HAProxy's throughput.
const LEAST: f64 = 0.95;

/// A way to the database, by its port on the server.
const WAYS: [(&str, u16); 3] = [("direct", 3307), ("HAProxy", 3308), ("ours", 3306)];

const SCRIPTS: [&str; 2] = ["oltp_point_select", "oltp_read_write"];
const THREADS: [u32; 3] = [1, 16, 64];

/// One case, measured.
pub(crate) struct Outcome {
    pub(crate) script: &'static str,
    pub(crate) threads: u32,
    /// Of each way in order: transactions a second, and the mean latency in ms.
    pub(crate) rates: Vec<f64>,
    pub(crate) latencies: Vec<f64>,
    /// Of each way: transactions that the database ended because of a deadlock, which sysbench begins again.
    pub(crate) deadlocks: Vec<u32>,
    /// Of each way, per transaction: what the proxy used, and the database.
    used: Vec<(Used, Used)>,
    /// At one thread our latency by HAProxy's, else our transactions a second by HAProxy's; round by round.
    pub(crate) ratio: Ratio,
}

impl Outcome {
    fn verdict(&self) -> &'static str {
        if self.threads == 1 {
            self.ratio.no_more()
        } else if self.ratio.median >= LEAST {
            "met"
        } else {
            "falls short"
        }
    }
}

/// CPU time per transaction, in µs.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    user: f64,
    system: f64,
}

/// Measures all cases.
///
/// # Errors
/// When something cannot be started, or sysbench reports an error.
pub(crate) fn measure(root: &Path) -> io::Result<Vec<Outcome>> {
    let site = Site::up(root)?;
    let mut outcomes = Vec::new();
    for script in SCRIPTS {
        site.sysbench(script, 3307, 4, "prepare")?;
        for threads in THREADS {
            let outcome = case(&site, script, threads)?;
            println!("{}", line(&outcome));
            outcomes.push(outcome);
        }
        site.sysbench(script, 3307, 4, "cleanup")?;
    }
    Ok(outcomes)
}

fn case(site: &Site, script: &'static str, threads: u32) -> io::Result<Outcome> {
    let mut rounds: Vec<Vec<Seen>> = WAYS.iter().map(|_| Vec::new()).collect();
    for round in 0..ROUNDS {
        for turn in 0..WAYS.len() {
            let way = (round + turn) % WAYS.len();
            let before = site.times()?;
            let said = site.sysbench(script, WAYS[way].1, threads, "run")?;
            let after = site.times()?;
            let seen = parse(&said)
                .ok_or_else(|| io::Error::other(format!("sysbench said something new:\n{said}")))?;
            rounds[way].push(Seen {
                proxy: used(&before, &after, WAYS[way].0),
                database: used(&before, &after, "database"),
                ..seen
            });
        }
    }
    let of = |way: usize, field: fn(&Seen) -> f64| -> Vec<f64> {
        rounds[way].iter().map(field).collect()
    };
    let counts: fn(&Seen) -> f64 = if threads == 1 {
        |seen| seen.latency
    } else {
        |seen| seen.rate
    };
    let ratios: Vec<f64> = of(2, counts)
        .iter()
        .zip(of(1, counts))
        .map(|(ours, theirs)| ours / theirs)
        .collect();
    Ok(Outcome {
        script,
        threads,
        rates: (0..WAYS.len())
            .map(|way| median(&of(way, |seen| seen.rate)))
            .collect(),
        latencies: (0..WAYS.len())
            .map(|way| median(&of(way, |seen| seen.latency)))
            .collect(),
        deadlocks: rounds
            .iter()
            .map(|rounds| rounds.iter().map(|seen| seen.deadlocks).sum())
            .collect(),
        used: rounds
            .iter()
            .map(|rounds| {
                (
                    per_transaction(rounds, |seen| seen.proxy),
                    per_transaction(rounds, |seen| seen.database),
                )
            })
            .collect(),
        ratio: statistics::ratio(&ratios),
    })
}

/// What a process used between two looks.
fn used(before: &Times, after: &Times, process: &str) -> Time {
    let of = |times: &Times| times.get(process).copied().unwrap_or_default();
    of(after).since(of(before))
}

fn per_transaction(rounds: &[Seen], of: fn(&Seen) -> Time) -> Used {
    let all = rounds.iter().map(of).fold(Time::default(), Time::and);
    let transactions: f64 = rounds.iter().map(|seen| seen.transactions).sum();
    Used {
        user: all.user as f64 / transactions,
        system: all.system as f64 / transactions,
    }
}

/// One case in a line.
fn line(outcome: &Outcome) -> String {
    format!(
        "{} {:2} threads  direct {:.0}  HAProxy {:.0}  ours {:.0} tps  ratio {:.2} ({:.2} to {:.2})  {:.2} ms / {:.2} ms  {}",
        outcome.script,
        outcome.threads,
        outcome.rates[0],
        outcome.rates[1],
        outcome.rates[2],
        outcome.ratio.median,
        outcome.ratio.low,
        outcome.ratio.high,
        outcome.latencies[2],
        outcome.latencies[1],
        outcome.verdict()
    )
}

/// The section of the page.
pub(crate) fn section(outcomes: &[Outcome]) -> String {
    let mut text = format!(
        "\n## The SQL router\n\nsysbench on one server (database, proxies and load share its cores), 4 tables, {ROUNDS} rounds of {SECONDS} s each \
         in turn: through HAProxy in TCP mode (`nbthread 1`), through our router, and direct. The ratio is ours by HAProxy's: at 16 and 64 \
         threads of the throughput (aim: at least {LEAST}), at 1 thread of the latency (aim: no more).\n\n\
         | script | threads | tps direct | HAProxy | ours | ratio | 95 % | latency HAProxy, ours | |\n|---|---|---|---|---|---|---|---|---|\n"
    );
    for one in outcomes {
        text += &format!(
            "| {} | {} | {:.0} | {:.0} | {:.0} | **{:.2}** | {:.2} to {:.2} | {:.3} ms, {:.3} ms | {} |\n",
            one.script,
            one.threads,
            one.rates[0],
            one.rates[1],
            one.rates[2],
            one.ratio.median,
            one.ratio.low,
            one.ratio.high,
            one.latencies[1],
            one.latencies[2],
            one.verdict(),
        );
    }
    let deadlocks = |way: usize| -> u32 { outcomes.iter().map(|one| one.deadlocks[way]).sum() };
    text += &format!(
        "\nNo statement failed but for deadlocks between the load's own transactions, which the database ends and sysbench begins again: {} \
         direct, {} through HAProxy, {} through ours.\n",
        deadlocks(0),
        deadlocks(1),
        deadlocks(2)
    );
    text + &where_the_time_goes(outcomes)
}

/// The profile of every case.
fn where_the_time_goes(outcomes: &[Outcome]) -> String {
    let mut text = "\n### Where the time goes\n\n\
         CPU time per transaction in the same rounds, in µs: of the proxy in its own code and in the kernel, and of the database \
         (both together). The kernel's part is what every proxy has: a packet is received and sent on, twice per statement. \
         What is left of two cores belongs to the load.\n\n\
         | script | threads | HAProxy: own code, kernel | ours: own code, kernel | database direct | behind HAProxy | behind ours |\n|---|---|---|---|---|---|---|\n"
        .to_owned();
    for one in outcomes {
        let [(_, direct), (haproxy, behind_haproxy), (ours, behind_ours)] = one.used[..] else {
            continue;
        };
        text += &format!(
            "| {} | {} | {:.1}, {:.1} | {:.1}, {:.1} | {:.1} | {:.1} | {:.1} |\n",
            one.script,
            one.threads,
            haproxy.user,
            haproxy.system,
            ours.user,
            ours.system,
            direct.user + direct.system,
            behind_haproxy.user + behind_haproxy.system,
            behind_ours.user + behind_ours.system,
        );
    }
    let short: Vec<String> = outcomes
        .iter()
        .filter(|one| one.verdict() == "falls short")
        .map(|one| format!("{} at {} threads", one.script, one.threads))
        .collect();
    text + &match short.is_empty() {
        true => "\nEvery case meets its aim.\n".to_owned(),
        false => format!("\n**Falls short of its aim: {}.**\n", short.join(", ")),
    }
}

/// What sysbench saw, and what it cost.
#[derive(Default)]
struct Seen {
    rate: f64,
    transactions: f64,
    proxy: Time,
    database: Time,
    deadlocks: u32,
    /// In ms.
    latency: f64,
}

fn parse(text: &str) -> Option<Seen> {
    let line = |label: &str| {
        text.lines()
            .find_map(|line| line.trim().strip_prefix(label))
    };
    let (transactions, rate) = line("transactions:")?.split_once('(')?;
    let rate = rate.split(' ').next()?;
    let ignored = line("ignored errors:")?.split_whitespace().next()?;
    Some(Seen {
        rate: rate.parse().ok()?,
        transactions: transactions.trim().parse().ok()?,
        latency: line("avg:")?.trim().parse().ok()?,
        deadlocks: ignored.parse().ok()?,
        ..Seen::default()
    })
}

const NAME: &str = "bench.test";
const FILE: &str = r#"site "bench.test" {
    server db-01 "10.0.0.1"
    web      db-01
    app      db-01 code="app" { run "python3 -m http.server --bind $HOST $PORT"; }
    database db-01 name="bench" { user "bench"; }
}
"#;

/// A site of one server, up, with HAProxy before its database. HAProxy ends with its host.
struct Site {
    rehearsal: Option<Rehearsal>,
    haproxy: Option<Child>,
    password: String,
}

impl Site {
    fn up(root: &Path) -> io::Result<Self> {
        let rehearsal = Rehearsal::up(root, "release", NAME, FILE)?;
        let file = rehearsal.directory.join("haproxy.cfg");
        fs::write(&file, HAPROXY)?;
        let mut command = rehearsal.on(
            "db-01",
            &[
                &peer("haproxy").to_string_lossy(),
                "-db",
                "-f",
                &file.to_string_lossy(),
            ],
        );
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let haproxy = Some(command.spawn()?);
        Ok(Self {
            password: rehearsal.secret("database/bench")?,
            rehearsal: Some(rehearsal),
            haproxy,
        })
    }

    fn sysbench(&self, script: &str, port: u16, threads: u32, what: &str) -> io::Result<String> {
        let own = [
            format!("--mysql-port={port}"),
            format!("--threads={threads}"),
            format!("--time={SECONDS}"),
            format!("--mysql-password={}", self.password),
        ];
        let fixed = [
            "sysbench",
            script,
            "--mysql-host=127.0.0.1",
            "--mysql-user=bench",
            "--mysql-db=bench",
            "--tables=4",
            ROWS,
        ];
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        let program = [&fixed[..], &own, &[what]].concat();
        said(self.rehearsal()?.on("db-01", &program).output()?)
    }

    /// What the server's processes have used so far.
    fn times(&self) -> io::Result<Times> {
        profile::times(self.rehearsal()?, "db-01")
    }

    fn rehearsal(&self) -> io::Result<&Rehearsal> {
        let rehearsal = self.rehearsal.as_ref();
        rehearsal.ok_or_else(|| io::Error::other("the site is down"))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.rehearsal = None;
        if let Some(haproxy) = &mut self.haproxy {
            let _ = haproxy.wait();
        }
    }
}

const HAPROXY: &str = "global\n  nbthread 1\n  maxconn 4096\ndefaults\n  mode tcp\n  timeout connect 2s\n  timeout client 1h\n  timeout server 1h\n\
                       listen database\n  bind 127.0.0.1:3308\n  server primary 127.0.0.1:3307 check inter 1s\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sysbench_says_is_understood() {
        let said = "    transactions:                        4063   (2030.35 per sec.)\n    ignored errors:                      3      (0.00 per sec.)\n         avg:                                    0.49\n";
        let seen = parse(said).unwrap();
        assert_eq!(
            (seen.rate, seen.transactions, seen.latency, seen.deadlocks),
            (2030.35, 4063.0, 0.49, 3)
        );
        assert!(parse("FATAL: error 1053").is_none());
    }
}
