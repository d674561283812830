//! docs/acceptance.md, from the records.

use std::io;
use std::path::Path;

use super::{DOCUMENTS, FAULTS, Fault, ROUNDS, Records};
use crate::machine;
use crate::statistics::median;

/// The whole page.
pub(super) fn page(records: &Records) -> io::Result<String> {
    let mut text = format!(
        "# Acceptance\n\n<!-- Written by `make acceptance`: do not edit. -->\n\n{}\n\n## Stage 0: what a fault costs visitors\n\n\
         kill -9 with 200 requests a second under way, half of them for a file, half for a page that reads the database, each \
         over a connection of its own; {ROUNDS} rounds of each, every round on a site just brought up. Failed: no whole answer, or \
         one with 5xx. In flight: those of the failed that were under way at the kill. Back after: until whoever came later, \
         and after whom none failed, had an answer.\n\n\
         | kill -9 of | requests after it | files failed | pages failed | of which in flight | refused | back after: median | worst | aim | |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
        machine::described(&[("MariaDB", Path::new("mariadbd"), "--version")])
    );
    for fault in &FAULTS {
        text += &row(fault, &records.of(fault)?);
    }
    text += "\nKilling the command in the foreground or the coordinator ends the rehearsal; that no process and no mount is left is \
             asserted by the stories of `crates/terrace/tests/stories/leftovers.rs`.\n";
    text += &super::changes::section(records)?;
    text += &super::suites::section(records)?;
    text += &format!(
        "\n## The file\n\nThe reader agrees with the `kdl` \
         crate on {DOCUMENTS} generated documents per property.\n"
    );
    Ok(text)
}

fn row(fault: &Fault, rounds: &[serde_json::Value]) -> String {
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
