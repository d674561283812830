//! Stage 0: what a fault costs visitors, round after round.

use std::io;
use std::path::Path;

use serde_json::Value;

use super::{Records, cargo, finish};
use crate::statistics::median;

/// Rounds per fault.
const ROUNDS: usize = 20;

/// A fault, the story that injects it, and how soon it is to be over.
struct Fault {
    name: &'static str,
    story: &'static str,
    /// In ms.
    aim: f64,
}

const FAULTS: [Fault; 5] = [
    Fault {
        name: "web server",
        story: "faults::a_killed_web_server_refuses_nobody",
        aim: 200.0,
    },
    Fault {
        name: "app copy",
        story: "faults::files_are_served_while_a_killed_app_starts_again",
        aim: 2_000.0,
    },
    Fault {
        name: "MariaDB",
        story: "faults::files_are_served_while_a_killed_database_recovers",
        aim: 1_500.0,
    },
    Fault {
        name: "node",
        story: "faults::a_killed_node_costs_nothing",
        aim: 0.0,
    },
    Fault {
        name: "keeper",
        story: "faults::a_host_whose_keeper_is_killed_comes_back_by_itself",
        aim: 4_000.0,
    },
];

/// Runs what is missing.
pub(super) fn run(root: &Path, records: &Records) -> io::Result<()> {
    for fault in &FAULTS {
        let missing = ROUNDS.saturating_sub(rounds(records, fault)?.len());
        if missing > 0 {
            println!("{}: {missing} of {ROUNDS} rounds to go", fault.name);
            let mut command = cargo(root, "terrace");
            command
                .args(["--test", "stories", fault.story, "--", "--exact"])
                .env("TERRACE_ROUNDS", missing.to_string())
                .env("TERRACE_RECORDS", records.file());
            finish(command)?;
        }
    }
    Ok(())
}

/// The rounds of a fault, as the story wrote them.
fn rounds(records: &Records, fault: &Fault) -> io::Result<Vec<Value>> {
    records.lines("fault", fault.name)
}

/// The section of the page.
pub(super) fn section(records: &Records) -> io::Result<String> {
    let mut text = format!(
        "## Stage 0: what a fault costs visitors\n\n\
         kill -9 with 200 requests a second under way, half of them for a file, half for a page that reads the database, each \
         over a connection of its own; {ROUNDS} rounds of each, every round on a site just brought up. Failed: no whole answer, or \
         one with 5xx. In flight: those of the failed that were under way at the kill. Back after: until whoever came later, \
         and after whom none failed, had an answer.\n\n\
         | kill -9 of | requests after it | files failed | pages failed | of which in flight | refused | back after: median | worst | aim | |\n\
         |---|---|---|---|---|---|---|---|---|---|\n"
    );
    for fault in &FAULTS {
        text += &row(fault, &rounds(records, fault)?);
    }
    text += "\nKilling the command in the foreground or the coordinator ends the rehearsal; that no process and no mount is left is \
             asserted by the stories of `crates/terrace/tests/stories/leftovers.rs`.\n";
    Ok(text)
}

fn row(fault: &Fault, rounds: &[Value]) -> String {
    let sum = |kind: &str, field: &str| -> u64 {
        rounds
            .iter()
            .filter_map(|round| round[kind][field].as_u64())
            .sum()
    };
    let both = |field: &str| sum("files", field) + sum("pages", field);
    // Both kinds are to be back: the later of the two counts.
    let back: Vec<f64> = rounds
        .iter()
        .map(|round| {
            let of = |kind: &str| round[kind]["back"].as_f64().unwrap_or(f64::INFINITY) / 1e3;
            of("files").max(of("pages"))
        })
        .collect();
    let worst = back.iter().copied().fold(0.0, f64::max);
    let aim = if fault.aim == 0.0 {
        "0 failed".to_owned()
    } else {
        format!("{:.0} ms", fault.aim)
    };
    let met = if fault.aim == 0.0 {
        both("failed") == 0
    } else {
        worst <= fault.aim
    };
    format!(
        "| {} | {} | {} | {} | {} | {} | {:.0} ms | {worst:.0} ms | {aim} | {} |\n",
        fault.name,
        both("requests"),
        sum("files", "failed"),
        sum("pages", "failed"),
        both("in_flight"),
        both("refused"),
        median(&back),
        if met { "met" } else { "falls short" },
    )
}
