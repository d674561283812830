//! `cargo xtask acceptance`: what `make test` does once, in its full counts.
//!
//! The rounds are the tests' own, repeated; what each measured is kept as a line in target/acceptance, under the
//! content of the tree that was measured. So a run that was interrupted goes on where it was, and a change of the
//! code starts anew. docs/acceptance.md and docs/proof.md are written from these alone.

mod changes;
mod proof;
pub(crate) mod reloads;
mod report;
mod suites;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Rounds per fault.
const ROUNDS: usize = 20;
/// Generated documents per property of the reader.
const DOCUMENTS: &str = "20000";

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

/// Runs what is missing and writes docs/acceptance.md.
///
/// # Errors
/// When a test fails: what was measured until then is kept.
pub(crate) fn run(root: &Path) -> io::Result<()> {
    let records = Records::of_tree(root)?;
    for fault in &FAULTS {
        let missing = ROUNDS.saturating_sub(records.of(fault)?.len());
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
    changes::run(root, &records)?;
    suites::run(root, &records)?;
    proof::run(root, &records)?;
    let read = records.directory.join("reader");
    if !read.exists() {
        println!("reader: {DOCUMENTS} documents per property");
        let mut command = cargo(root, "terrace-site");
        command
            .args(["--lib", "oracle"])
            .env("PROPTEST_CASES", DOCUMENTS);
        finish(command)?;
        fs::write(read, "")?;
    }
    fs::write(root.join("docs/acceptance.md"), report::page(&records)?)
}

/// What was measured of the tree as it is.
struct Records {
    directory: PathBuf,
}

impl Records {
    fn of_tree(root: &Path) -> io::Result<Self> {
        let mut command = Command::new("git");
        command
            .current_dir(root)
            .args(["ls-files", "-s", "crates", "stacks", "Cargo.lock"]);
        let listed = command.output()?.stdout;
        let mut command = Command::new("git");
        command
            .current_dir(root)
            .args(["diff", "HEAD", "--", "crates", "stacks", "Cargo.lock"]);
        let changed = command.output()?.stdout;
        let tree = fingerprint(&[listed, changed].concat());
        let directory = root.join(format!("target/acceptance/{tree:016x}"));
        fs::create_dir_all(&directory)?;
        Ok(Self { directory })
    }

    fn file(&self) -> PathBuf {
        self.directory.join("faults.jsonl")
    }

    /// The rounds of a fault, as the story wrote them.
    fn of(&self, fault: &Fault) -> io::Result<Vec<serde_json::Value>> {
        self.lines("fault", fault.name)
    }

    /// The records with this name.
    fn lines(&self, kind: &str, name: &str) -> io::Result<Vec<serde_json::Value>> {
        let text = match fs::read_to_string(self.file()) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        // A line that was cut by an interruption is no record.
        let records = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        Ok(records
            .filter(|record: &serde_json::Value| record[kind] == name)
            .collect())
    }
}

/// FNV-1a: enough to tell two states of the tree apart.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Tests of a crate, built as `make up` builds.
fn cargo(root: &Path, package: &str) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root).args([
        "test",
        "--quiet",
        "--locked",
        "--profile",
        "quick",
        "--package",
        package,
    ]);
    command
}

fn finish(mut command: Command) -> io::Result<()> {
    if command.status()?.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("{command:?} failed")))
}
