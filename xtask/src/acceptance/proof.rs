//! docs/proof.md: `terrace prove` on each stage that runs, from three seeds, as it printed.

use std::fs;
use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use super::Records;
use crate::rehearsal::said;

const SEEDS: [u32; 3] = [1, 2, 3];

/// A stage, as its file and as a heading.
const STAGES: [(&str, &str); 2] = [
    ("0-simple_web_stack", "Stage 0: one server"),
    (
        "1-distributed_web_infrastructure",
        "Stage 1: a load balancer before two servers, a primary and its replica",
    ),
];
/// What visitors post in the guest book.
const WRITE: &str = "/ name=Prove&message=entry+{number}";

const ABOUT: &str = "# Proof

<!-- Written by `make acceptance`: do not edit. -->

What `terrace prove` printed, from three seeds beside each other on one machine: every single fault, injected under load (40 requests a second for a file, 20 for a page without data, 20 for
one that reads, 10 that write), beside what `insight` had predicted. A crash boots again by itself; in a crash-loop a database is killed
ten times a second. That, power-off (the cable first, then the kill), partition and freeze last a minute where something is promised to
stay up meanwhile, else eight seconds, and are mended then. Failed: no whole answer within six seconds, or one with 5xx. Back
after: from the fault until somebody who came later, and after whom nobody failed, had an answer. Longest wait: for an answer, of those
who came later.

The measured word says what visitors had: `kept`, `a pause` that ended by itself, or `lost` until it was mended. A prediction
carries its bound: `delayed: others, 3 s` says that nobody fails, and nobody waits for longer; `fails: return, 4.2 s` that nobody fails
later. What is `unaffected` keeps nobody waiting for longer than a second. A failure that is predicted, and a wait of more than a second,
must show, in one of three rounds: else the prediction is wrong. Of several rounds the worst is printed. Lost counts writes that were
acknowledged and are not in the database afterwards, each looked for by its number.
";

/// Runs what is missing, the seeds beside each other, and writes docs/proof.md.
///
/// # Errors
/// When a site does not come up. Predictions that were wrong are printed, and stand in the page.
pub(super) fn run(root: &Path, records: &Records) -> io::Result<()> {
    thread::scope(|scope| {
        let seeds = SEEDS.map(|seed| scope.spawn(move || prove_stages(root, records, seed)));
        // All are waited for, whatever becomes of one.
        let ends = seeds.map(|seed| seed.join().unwrap_or_else(|panic| resume_unwind(panic)));
        ends.into_iter().collect::<io::Result<()>>()
    })?;
    fs::write(root.join("docs/proof.md"), page(records)?)
}

/// Stage after stage, as far as they are missing, in a place that this seed has to itself.
fn prove_stages(root: &Path, records: &Records, seed: u32) -> io::Result<()> {
    let place = root.join("target/proof").join(seed.to_string());
    copy_stacks(root, &place)?;
    for (stage, _) in STAGES {
        let kept = kept(records, stage, seed);
        if !kept.exists() {
            println!("proof: {stage}, seed {seed}");
            let text = prove(root, &place, stage, seed)?;
            let verdict = text.lines().last().unwrap_or_default();
            println!("proof: {stage}, seed {seed}: {verdict}");
            fs::write(kept, text)?;
        }
    }
    Ok(())
}

fn kept(records: &Records, stage: &str, seed: u32) -> PathBuf {
    records.directory.join(format!("proof-{stage}-{seed}.txt"))
}

/// Copies the stacks as git has them to a place where their data may lie. What an earlier run left there goes: a later
/// stage's data has no place in an earlier stage.
fn copy_stacks(root: &Path, place: &Path) -> io::Result<()> {
    if place.exists() {
        fs::remove_dir_all(place)?;
    }
    let mut listing = Command::new("git");
    let listed = said(
        listing
            .current_dir(root)
            .args(["ls-files", "stacks"])
            .output()?,
    )?;
    for name in listed.lines() {
        let to = place.join(name);
        if let Some(directory) = to.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::copy(root.join(name), to)?;
    }
    Ok(())
}

/// The table; an error where there is none.
fn prove(root: &Path, place: &Path, stage: &str, seed: u32) -> io::Result<String> {
    let mut command = Command::new(root.join("target/quick/terrace"));
    command
        .arg("prove")
        .arg(place.join(format!("stacks/{stage}.kdl")))
        .args(["--write", WRITE, "--seed", &seed.to_string()])
        .env("TERRACE_RUN", place.join("run"))
        .stdin(Stdio::null());
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // 1: a prediction was wrong, which the table shows.
    if text.is_empty() || !matches!(output.status.code(), Some(0 | 1)) {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(io::Error::other(format!("{command:?}: {text}{said}")));
    }
    Ok(text)
}

fn page(records: &Records) -> io::Result<String> {
    let mut page = ABOUT.to_owned();
    for (stage, title) in STAGES {
        page += &format!("\n## {title}\n");
        for seed in SEEDS {
            let text = fs::read_to_string(kept(records, stage, seed))?;
            page += &format!(
                "\n```\n$ terrace prove stacks/{stage}.kdl --write '{WRITE}' --seed {seed}\n{text}```\n"
            );
        }
    }
    Ok(page)
}
