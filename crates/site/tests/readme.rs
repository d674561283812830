//! What README.md says of the file, of stages and of links is so.

#![allow(
    clippy::unwrap_used,
    reason = "a test says what went wrong by panicking"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use terrace_site::reference::{self, Answer};
use terrace_site::{load, not_yet, read};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn text(name: &str) -> String {
    let path = root().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The first block of code of this language.
fn block(page: &str, language: &str) -> String {
    let (_, after) = page.split_once(&format!("```{language}\n")).unwrap();
    after.split_once("```").unwrap().0.to_owned()
}

/// A stage's file without what is said about it.
fn stage(name: &str) -> String {
    let lines = text(&format!("stacks/{name}.kdl"));
    let lines = lines.lines().filter(|line| !line.starts_with("//"));
    lines.map(|line| format!("{line}\n")).collect()
}

/// The lines of a file, however they are spaced.
fn lines(file: &str) -> BTreeSet<String> {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    file.lines()
        .map(words)
        .filter(|line| !line.is_empty())
        .collect()
}

#[test]
fn the_file_that_it_shows_is_stage_0_as_fmt_lays_it_out() {
    let shown = block(&text("README.md"), "kdl");
    assert_eq!(shown, stage("0-simple_web_stack"));
    assert_eq!(load(&shown).problems, []);
    assert_eq!(read::fmt(&shown).unwrap(), shown);
}

#[test]
fn the_difference_that_it_shows_makes_stage_1_of_stage_0() {
    let page = text("README.md");
    let mut made = lines(&block(&page, "kdl"));
    for line in block(&page, "diff").lines() {
        let (sign, line) = line.split_at(1);
        let line = line.split('…').next().unwrap();
        for line in lines(line) {
            match sign {
                "-" => assert!(made.remove(&line), "stage 0 has no line {line}"),
                "+" => assert!(made.insert(line.clone()), "stage 0 has the line {line}"),
                _ => panic!("{sign}{line}"),
            }
        }
    }
    // "and so for app and database"
    let both = |line: String| match line.split(' ').next() {
        Some("app" | "database") => line.replacen(" web-01", " web-01 web-02", 1),
        _ => line,
    };
    let made: BTreeSet<String> = made.into_iter().map(both).collect();
    assert_eq!(made, lines(&stage("1-distributed_web_infrastructure")));
}

/// `| [0 simple web stack](stacks/0-….kdl) … | yes | refused, by line |`.
#[test]
fn what_it_says_of_each_stage_is_what_check_and_up_say() {
    let page = text("README.md");
    let rows = page.lines().filter(|line| line.contains("](stacks/"));
    let mut stages = 0;
    for row in rows {
        let (_, file) = row.split_once("](").unwrap();
        let loaded = load(&text(file.split_once(')').unwrap().0));
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells[1], "yes", "{row}");
        assert_eq!(loaded.problems, [], "{row}");
        let refused = not_yet(&loaded.site.unwrap());
        let up = if refused.is_empty() {
            "yes"
        } else {
            "refused, by line"
        };
        assert_eq!(cells[2], up, "{row}");
        stages += 1;
    }
    assert_eq!(stages, 4);
}

/// The words of its table that are known elsewhere by other names.
#[test]
fn words_that_it_calls_not_yet_run_are_so_and_the_others_run() {
    let page = text("README.md");
    let (_, table) = page.split_once("| you know | here |").unwrap();
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let mut checked = 0;
    for row in rows {
        let here = row.trim_matches('|').split('|').nth(1).unwrap();
        for word in here.split('`').skip(1).step_by(2) {
            let names: Vec<&str> = word.split(' ').collect();
            let Answer::Known(answer) = reference::answer(&names) else {
                continue;
            };
            let runs = !answer.contains("not yet: it is read and checked, and refused by `up`");
            assert_eq!(runs, !here.contains("not yet run"), "{word}: {row}");
            checked += 1;
        }
    }
    assert!(checked >= 8, "{checked}");
}

#[test]
fn every_link_leads_to_a_file() {
    for page in ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"] {
        for link in text(page).split("](").skip(1) {
            let target = link.split(')').next().unwrap();
            if !target.contains("://") {
                assert!(root().join(target).exists(), "{page}: {target}");
            }
        }
    }
}

/// The compiler that it names is the one that the crates ask for, and so does the chore that looks for it.
#[test]
fn the_rust_that_it_names_is_the_one_that_is_needed() {
    let manifest = text("Cargo.toml");
    let (_, version) = manifest.split_once("rust-version = \"").unwrap();
    let version = version.split('"').next().unwrap();
    assert!(
        text("README.md").contains(&format!("Rust {version}")),
        "{version}"
    );
    assert!(
        text("scripts/setup").contains(&format!("({version} or newer)")),
        "{version}"
    );
}
