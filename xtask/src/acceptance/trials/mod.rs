//! What broke when it was tried: what was tried, before and after, and the tests that hold it, run one by one.

mod rows;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::Records;
use rows::TRIALS;

/// The part's name.
pub(super) const NAME: &str = "trials";

/// A row of the table.
struct Trial {
    number: u8,
    tried: &'static str,
    before: &'static str,
    after: &'static str,
    /// Each as `package/target name`: `terrace/stories door::a_crowd`, with `lib` for the tests in a crate itself.
    tests: &'static [&'static str],
}

/// A test, as cargo is asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Test {
    package: &'static str,
    target: &'static str,
    name: &'static str,
}

impl Test {
    fn parse(text: &'static str) -> Option<Self> {
        let (place, name) = text.split_once(' ')?;
        let (package, target) = place.split_once('/')?;
        Some(Self {
            package,
            target,
            name,
        })
    }
}

/// The tests that have no record, by the target that they are in.
fn missing(records: &Records) -> io::Result<BTreeMap<(&'static str, &'static str), Vec<Test>>> {
    let mut missing: BTreeMap<_, Vec<Test>> = BTreeMap::new();
    for text in TRIALS.iter().flat_map(|trial| trial.tests) {
        let test = Test::parse(text);
        let test = test.ok_or_else(|| io::Error::other(format!("`{text}` names no test")))?;
        let target = missing.entry((test.package, test.target)).or_default();
        if held(records, text)?.is_none() && !target.contains(&test) {
            target.push(test);
        }
    }
    missing.retain(|_, tests| !tests.is_empty());
    Ok(missing)
}

/// Runs the tests that have no record. One that fails is a result too, and stands in the table.
pub(super) fn run(root: &Path, records: &Records) -> io::Result<()> {
    for ((package, target), tests) in missing(records)? {
        println!("trials: {} tests of {package}/{target}", tests.len());
        // As `make test` builds and runs them.
        let mut command = Command::new("cargo");
        command
            .current_dir(root)
            .args(["test", "--locked", "--package", package]);
        match target {
            "lib" => command.arg("--lib"),
            "bin" => command.arg("--bins"),
            target => command.args(["--test", target]),
        };
        command.args(["--", "--exact"]);
        command.args(tests.iter().map(|test| test.name));
        let output = command.output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !text.contains("test result: ") {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(io::Error::other(format!("{command:?}: {text}{said}")));
        }
        let mut file = File::options()
            .append(true)
            .create(true)
            .open(records.file())?;
        for test in tests {
            let passed = passed(&text, test.name);
            if !passed {
                println!("{} does not hold:\n{text}", test.name);
            }
            let name = format!("{package}/{target} {}", test.name);
            writeln!(file, "{}", json!({ "test": name, "held": passed }))?;
        }
    }
    Ok(())
}

/// Whether a test ran and passed, by what the harness printed.
fn passed(text: &str, name: &str) -> bool {
    let line = format!("test {name} ... ok");
    text.lines().any(|found| found == line)
}

/// What was found of a test; `None`: it has not been run on this tree.
fn held(records: &Records, test: &str) -> io::Result<Option<bool>> {
    let lines = records.lines("test", test)?;
    Ok(lines.last().and_then(|line| line["held"].as_bool()))
}

/// Fails unless every test that was run passed.
///
/// # Errors
/// Names those that did not.
pub(super) fn all_hold(records: &Records) -> io::Result<()> {
    let mut broken = Vec::new();
    for test in TRIALS.iter().flat_map(|trial| trial.tests) {
        if held(records, test)? == Some(false) {
            broken.push(*test);
        }
    }
    if broken.is_empty() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "what does not hold: {}",
        broken.join(", ")
    )))
}

/// The section of the page.
pub(super) fn section(records: &Records) -> io::Result<String> {
    let mut text = "## What broke when it was tried\n\n\
        Stages 0 and 1 were tried as new users, as attackers, and with other projects' bug reports. What did not hold, what it is \
        now, and the tests that fail on the tree before and were run on this one.\n\n\
        | | what was tried | before | after | held by |\n|---|---|---|---|---|\n"
        .to_owned();
    for trial in TRIALS {
        let mut tests = Vec::new();
        for test in trial.tests {
            let mark = match held(records, test)? {
                Some(true) => "",
                Some(false) => " **fails**",
                None => " (not run)",
            };
            tests.push(format!("`{test}`{mark}"));
        }
        let Trial {
            number,
            tried,
            before,
            after,
            ..
        } = trial;
        let tests = tests.join("<br>");
        text += &format!("| {number} | {tried} | {before} | {after} | {tests} |\n");
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
