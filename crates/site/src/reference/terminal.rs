//! The reference on a terminal.

use super::entry::{Entry, Row};

/// Where the text behind a name begins.
const COLUMN: usize = 15;

pub(super) fn overview() -> String {
    let mut text = String::from("The words of the file. `terrace help WORD` shows one.\n\n");
    for entry in Entry::all() {
        let indent = "  ".repeat(entry.path.len().max(1));
        let name = format!("{indent}{}", entry.word().name);
        let about = first_sentence(entry.word().about);
        let runs = if entry.runs() { "" } else { "  (not yet run)" };
        text += &format!("{name:<20}{about}{runs}\n");
    }
    text
}

fn first_sentence(about: &str) -> &str {
    about
        .split_once(". ")
        .map_or(about, |(first, _)| first)
        .trim_end_matches('.')
}

pub(super) fn entry(entry: &Entry) -> String {
    let word = entry.word();
    let mut text = format!("{}\n  {}\n\n", entry.title(), word.about);
    let line = |name: &str, value: &str| format!("{name:<COLUMN$}{value}\n");
    text += &line("Written", word.example);
    let behind = if word.behind.is_empty() {
        "nothing"
    } else {
        word.behind
    };
    text += &line("Behind it", behind);
    if word.often {
        text += &line("", "it may stand several times");
    }
    if word.takes_variables() {
        text += &line("Settings", "any variable: NAME=value");
    }
    let properties = entry.properties();
    let per_server = entry.per_server();
    let runs = entry.runs();
    for (heading, rows) in [
        ("Settings, on its line: name=value", &properties),
        (
            "Settings of one of its servers, inside { }: web-02 name=value",
            &per_server,
        ),
    ] {
        if !rows.is_empty() {
            text += &format!("\n{heading}\n");
            rows.iter().for_each(|row| text += &self::row(row, runs));
        }
    }
    if !word.children.is_empty() {
        text += "\nInside { }\n";
        for child in word.children {
            text += &format!("  {:<13}{}\n", child.name, first_sentence(child.about));
        }
    }
    text += &format!("\n{}", line("Run by `up`", &run(entry)));
    text += "\nA file that `terrace check` accepts:\n\n";
    for line in entry.example().lines() {
        text += &format!("    {line}\n");
    }
    text
}

/// Whether and since when it is run.
pub(super) fn run(entry: &Entry) -> String {
    let stage = match entry.stage() {
        None => String::new(),
        Some(0) => ", at every stage".to_owned(),
        Some(stage) => format!(", from stage {stage} on"),
    };
    if entry.runs() {
        format!("yes{stage}")
    } else {
        "not yet: it is read and checked, and refused by `up`".to_owned()
    }
}

/// `runs`: whether the word itself is run.
fn row(row: &Row, runs: bool) -> String {
    let value = if row.words.is_empty() {
        row.value.as_str()
    } else {
        "one of these"
    };
    let mut text = format!(
        "  {:<13}{value}; {}{}\n",
        row.name,
        row.usual,
        mark(row.runs || !runs)
    );
    text += &format!("{:COLUMN$}{}\n", "", row.about);
    for (word, about, run) in &row.words {
        text += &format!(
            "{:COLUMN$}{word:<18} {about}{}\n",
            "",
            mark(*run || !row.runs)
        );
    }
    text
}

fn mark(runs: bool) -> &'static str {
    if runs { "" } else { " (not yet run by `up`)" }
}

/// What is known of one setting of a word; `None`: it has no such setting.
pub(super) fn setting(entry: &Entry, name: &str) -> Option<String> {
    let title = entry.title();
    let properties = entry.word().property(name).is_some();
    let (rows, whose) = if properties {
        (
            entry.properties(),
            format!("{name}: a setting of `{title}`"),
        )
    } else {
        entry.word().of_server(name)?;
        let whose = format!("{name}: a setting of one server of `{title}`");
        (entry.per_server(), whose)
    };
    let found = rows.iter().find(|row| row.name == name)?;
    let text = row(found, entry.runs());
    Some(format!(
        "{whose}\n{text}{:COLUMN$}terrace help {title}\n",
        ""
    ))
}
