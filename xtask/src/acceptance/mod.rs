//! `cargo xtask acceptance [PART]`: what `make test` does once, in its full counts.
//!
//! The rounds are the tests' own, repeated; what each measured is kept as a line in target/acceptance, under the
//! content of the tree that was measured. So a run that was interrupted goes on where it was, and a change of the
//! code starts anew. Each part writes its section of docs/acceptance.md, whose figures README.md shows too, and `proof`
//! docs/proof.md; a part that is not run keeps the section that is there.

mod changes;
mod faults;
mod page;
mod proof;
mod reader;
mod readme;
pub(crate) mod reloads;
mod suites;
mod trials;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use page::Page;

/// What can be run for itself.
struct Part {
    name: &'static str,
    /// Runs what is missing of it.
    run: fn(&Path, &Records) -> io::Result<()>,
    /// Its section of the page, if it has one there.
    section: Option<fn(&Records) -> io::Result<String>>,
}

/// In the order of the page.
const PARTS: [Part; 6] = [
    Part {
        name: "faults",
        run: faults::run,
        section: Some(faults::section),
    },
    Part {
        name: "changes",
        run: changes::run,
        section: Some(changes::section),
    },
    Part {
        name: "suites",
        run: suites::run,
        section: Some(suites::section),
    },
    Part {
        name: "proof",
        run: proof::run,
        section: None,
    },
    Part {
        name: "reader",
        run: reader::run,
        section: Some(reader::section),
    },
    Part {
        name: trials::NAME,
        run: trials::run,
        section: Some(trials::section),
    },
];

/// Runs what is missing of one part, or of all, and writes docs/acceptance.md after each.
///
/// # Errors
/// When there is no such part, or a test fails: what was measured until then is kept.
pub(crate) fn run(root: &Path, part: Option<&str>) -> io::Result<()> {
    let wanted = |one: &&Part| part.is_none_or(|part| part == one.name);
    if !PARTS.iter().any(|one| wanted(&one)) {
        let names = PARTS.map(|part| part.name).join(", ");
        return Err(io::Error::other(format!("there is no such part: {names}")));
    }
    let records = Records::of_tree(root)?;
    let file = root.join("docs/acceptance.md");
    for part in PARTS.iter().filter(wanted) {
        (part.run)(root, &records)?;
        let Some(section) = part.section else {
            continue;
        };
        let mut page = Page::parse(&fs::read_to_string(&file)?);
        page.put(part.name, &records.tree, section(&records)?);
        let order = PARTS.map(|part| part.name);
        let text = page.text(&order, &records.tree);
        fs::write(&file, &text)?;
        let readme = root.join("README.md");
        let shown = readme::with_figures(&fs::read_to_string(&readme)?, &text);
        fs::write(readme, shown)?;
    }
    if part.is_none_or(|part| part == trials::NAME) {
        trials::all_hold(&records)?;
    }
    Ok(())
}

/// What was measured of the tree as it is.
struct Records {
    /// The content of the tree, in a word.
    tree: String,
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
        let tree = format!("{:016x}", fingerprint(&[listed, changed].concat()));
        let directory = root.join("target/acceptance").join(&tree);
        fs::create_dir_all(&directory)?;
        Ok(Self { tree, directory })
    }

    fn file(&self) -> PathBuf {
        self.directory.join("records.jsonl")
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
