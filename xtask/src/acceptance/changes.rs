//! The rounds of a distributed site: own writes, and every way in which its primary changes.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use super::{Records, cargo, finish};
use crate::rehearsal::said;
use crate::statistics::median;

/// Entries that visitors post and look for at once.
const ENTRIES: usize = 10_000;
/// Rows that are written before a change, and after it, at least.
const ROWS: usize = 500;

/// A change of the primary, and the story that makes it.
struct Change {
    name: &'static str,
    story: &'static str,
    rounds: usize,
}

const CHANGES: [Change; 5] = [
    Change {
        name: "switchover",
        story: "primary::a_switchover_loses_nothing_and_fails_nobody",
        rounds: 20,
    },
    Change {
        name: "kill -9",
        story: "primary::a_killed_primary_is_replaced_and_nothing_acknowledged_is_lost",
        rounds: 10,
    },
    Change {
        name: "power-off",
        story: "primary::a_primary_that_is_switched_off_is_replaced_and_nothing_acknowledged_is_lost",
        rounds: 10,
    },
    Change {
        name: "partition",
        story: "primary::a_primary_that_is_cut_off_is_replaced_and_nothing_acknowledged_is_lost",
        rounds: 10,
    },
    Change {
        name: "freeze",
        story: "primary::a_primary_that_stands_still_is_replaced_and_nothing_acknowledged_is_lost",
        rounds: 10,
    },
];

const OWN_WRITES: [&str; 2] = ["own writes", "own writes, replica stopped in cycles"];

/// A server that is maintained, a file that is changed: how often, and over how many requests at least.
struct Upkeep {
    name: &'static str,
    story: &'static str,
    times: usize,
}

const UPKEEP: [Upkeep; 2] = [
    Upkeep {
        name: "drained, stopped, started, used again",
        story: "spread::nobody_notices_that_a_server_is_drained_and_used_again",
        times: 20,
    },
    Upkeep {
        name: "changed file taken over",
        story: "changes::nobody_notices_that_a_changed_file_is_taken_over",
        times: 50,
    },
];
/// Requests under which each of these is done.
const REQUESTS: usize = 100_001;

/// Runs what is missing.
pub(super) fn run(root: &Path, records: &Records) -> io::Result<()> {
    for upkeep in &UPKEEP {
        if records.lines("round", upkeep.name)?.is_empty() {
            println!("{}: {} times", upkeep.name, upkeep.times);
            let mut command = story(root, records, upkeep.story);
            command
                .env("TERRACE_ROUNDS", upkeep.times.to_string())
                .env("TERRACE_REQUESTS", REQUESTS.to_string())
                .env("TERRACE_FASTER", "3");
            finish(command)?;
        }
    }
    if records.lines("peer", "nginx")?.is_empty() {
        println!("reloads of HAProxy and nginx");
        let own = std::env::current_exe()?;
        let said = said(std::process::Command::new(own).arg("reloads").output()?)?;
        let mut file = File::options()
            .append(true)
            .create(true)
            .open(records.file())?;
        file.write_all(said.as_bytes())?;
    }
    if OWN_WRITES.iter().any(|name| {
        records
            .lines("round", name)
            .is_ok_and(|lines| lines.is_empty())
    }) {
        println!("own writes: {ENTRIES} entries, twice");
        let mut command = story(
            root,
            records,
            "primary::whoever_posts_sees_it_at_once_through_either_server",
        );
        command.env("TERRACE_ENTRIES", ENTRIES.to_string());
        finish(command)?;
    }
    for change in &CHANGES {
        let missing = change
            .rounds
            .saturating_sub(records.lines("round", change.name)?.len());
        if missing > 0 {
            println!(
                "{}: {missing} of {} rounds to go",
                change.name, change.rounds
            );
            let mut command = story(root, records, change.story);
            command
                .env("TERRACE_ROUNDS", missing.to_string())
                .env("TERRACE_ROWS", ROWS.to_string());
            finish(command)?;
        }
    }
    Ok(())
}

fn story(root: &Path, records: &Records, name: &str) -> std::process::Command {
    let mut command = cargo(root, "terrace");
    command
        .args(["--test", "stories", name, "--", "--exact"])
        .env("TERRACE_RECORDS", records.file());
    command
}

/// The section of the page.
pub(super) fn section(records: &Records) -> io::Result<String> {
    let mut text = String::from(
        "\n## Stage 1: everyone reads what they wrote\n\n16 visitors at a time post an entry and look for it twice, at once, through both \
         app servers: on the page that begins with it. Half of the rounds with the replica's SQL thread stopped in cycles of 300 ms.\n\n\
         | | entries | missed |\n|---|---|---|\n",
    );
    for name in OWN_WRITES {
        for line in records.lines("round", name)? {
            text += &format!(
                "| {name} | {} | {} |\n",
                line["acknowledged"], line["failures"]
            );
        }
    }
    text += "\n## What upkeep costs visitors\n\nA load balancer before two servers, and a file that changes, under load over kept and over new connections. \
             Noticed: no 200, or a kept connection that broke. HAProxy (`-W`, SIGUSR2) and nginx (SIGHUP) reload under the same kinds of \
             load.\n\n| | times | requests | noticed |\n|---|---|---|---|\n";
    let ours = UPKEEP
        .iter()
        .map(|upkeep| ("round", upkeep.name, upkeep.name.to_owned()));
    let theirs = ["HAProxy", "nginx"].map(|peer| ("peer", peer, format!("{peer} reloaded")));
    for (kind, name, title) in ours.chain(theirs) {
        for line in records.lines(kind, name)? {
            text += &format!(
                "| {title} | {} | {} | {} |\n",
                line["times"], line["requests"], line["failed"]
            );
        }
    }
    text += &format!(
        "\n## Stage 1: the primary changes\n\n8 visitors write as fast as they can, at least {ROWS} rows before the change and after it. Every \
         acknowledged row is looked for on both servers at the end. A switchover is planned; all else breaks the primary, and an operator \
         says `terrace failover` until it is accepted: one that was killed is sooner back than given up. Failed: visitors who were told \
         so (503), nothing of theirs counts as acknowledged. Pause: the longest wait for an acknowledgement in a round.\n\n\
         | | rounds | acknowledged | lost | failed | pause: median | worst |\n|---|---|---|---|---|---|---|\n"
    );
    for change in &CHANGES {
        let lines = records.lines("round", change.name)?;
        let sum =
            |field: &str| -> u64 { lines.iter().filter_map(|line| line[field].as_u64()).sum() };
        let longest: Vec<f64> = lines
            .iter()
            .filter_map(|line| line["longest"].as_f64())
            .collect();
        let worst = longest.iter().copied().fold(0.0, f64::max);
        text += &format!(
            "| {} | {} | {} | {} | {} | {:.0} ms | {worst:.0} ms |\n",
            change.name,
            lines.len(),
            sum("acknowledged"),
            sum("lost"),
            sum("failures"),
            median(&longest),
        );
    }
    Ok(text)
}
