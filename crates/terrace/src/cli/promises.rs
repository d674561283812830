//! What is written of the commands holds: each that a page, an answer or a help text names can be called as it stands there.

use std::fs;
use std::path::Path;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use terrace_insight::{Design, explain};

use super::on_disk::words_of;
use super::{Cli, OVERVIEW};

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The commands that a text names: in backticks, at the beginning of a line, or after a prompt.
fn commands(text: &str) -> Vec<String> {
    let quoted = text.split('`').skip(1).step_by(2);
    let lines = text.lines().filter(|line| !line.contains('`'));
    let lines = lines.map(|line| line.trim_start().trim_start_matches("$ "));
    let calls = |text: &str| {
        let begins = ["terrace ", "./terrace "];
        text.is_ascii() && begins.iter().any(|begin| text.starts_with(begin))
    };
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let found = quoted.chain(lines).map(one_line);
    found.filter(|text| calls(text)).collect()
}

/// A command of ours as it is written can be called; the reason when not.
fn refused(command: &str) -> Option<String> {
    // Where a command stands for any.
    let command = command.replace("terrace COMMAND", "terrace status");
    let Some(parts) = words_of(&command) else {
        return Some("its quotes do not match, or more than `&&` joins it".to_owned());
    };
    let ours = |part: &&Vec<String>| part.first().is_some_and(|word| word.ends_with("terrace"));
    let all = Cli::command();
    // `terrace failover`: the command itself is meant, and no call of it.
    let is_name = |part: &[String]| part.len() == 2 && all.find_subcommand(&part[1]).is_some();
    let said = |part: &Vec<String>| match Cli::try_parse_from(part) {
        Ok(_) => None,
        Err(error) if error.kind() == ErrorKind::DisplayHelp => None,
        Err(_) if is_name(part) => None,
        Err(error) => Some(error.to_string()),
    };
    parts.iter().filter(ours).find_map(said)
}

/// Every help text, as it is printed.
fn helps() -> Vec<(String, String)> {
    let mut all = Cli::command();
    all.build();
    let shown = all.get_subcommands().filter(|one| !one.is_hide_set());
    let each = shown.map(|one| {
        let mut one = one.clone();
        (
            format!("{} --help", one.get_name()),
            one.render_long_help().to_string(),
        )
    });
    each.collect()
}

/// Every answer of `explain`, of each stage.
fn answers() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for name in [
        "0-simple_web_stack",
        "1-distributed_web_infrastructure",
        "2-secured_and_monitored_web_infrastructure",
        "3-scale_up",
    ] {
        let source = read(&format!("stacks/{name}.kdl"));
        let site = terrace_site::load(&source).site;
        let design = Design::of(&site.unwrap_or_else(|| panic!("{name} is no site")));
        for topic in explain::topics(&design) {
            let answer = explain::answer(&design, &topic.name).unwrap_or_default();
            found.push((format!("explain {} of {name}", topic.name), answer));
        }
    }
    found
}

#[test]
fn every_command_that_is_named_can_be_called_as_it_stands_there() {
    let pages = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "docs/reference.md",
    ];
    let mut texts: Vec<(String, String)> = pages
        .iter()
        .map(|page| ((*page).to_owned(), read(page)))
        .collect();
    texts.extend(helps());
    texts.extend(answers());
    let mut wrong = Vec::new();
    for (place, text) in &texts {
        let named = commands(text);
        // A way to look for them that finds none would hold anything.
        assert!(
            !named.is_empty() || !place.ends_with("--help"),
            "{place} has no example"
        );
        let said = named
            .iter()
            .filter_map(|command| Some(format!("{place}: `{command}`: {}", refused(command)?)));
        wrong.extend(said);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_overview_names_every_command_and_no_other() {
    let words: Vec<&str> = OVERVIEW
        .split(|letter: char| !letter.is_alphanumeric())
        .collect();
    let all = Cli::command();
    for command in all.get_subcommands().filter(|one| !one.is_hide_set()) {
        assert!(
            words.contains(&command.get_name()),
            "{}",
            command.get_name()
        );
    }
    for row in OVERVIEW.lines().filter(|line| line.starts_with("  ")) {
        let name = row.split_whitespace().next().unwrap_or_default();
        assert!(all.find_subcommand(name).is_some(), "{row}");
    }
    for row in ["Change ", "Look ", "Prove "] {
        let names = OVERVIEW.lines().find_map(|line| line.strip_prefix(row));
        for name in names.unwrap_or_default().split(',').map(str::trim) {
            assert!(all.find_subcommand(name).is_some(), "{row}{name}");
        }
    }
}
