//! The reference as one page of Markdown: `docs/reference.md`.

use super::entry::{Entry, Row};
use super::terminal;

const HEAD: &str = "\
# The words of the file

<!-- Generated from the vocabulary (crates/site): do not edit. -->

`word servers… settings`: a word without servers concerns all of them. A setting with one value stands on the line of its
word, `name=value`; one that may have several values, or settings of its own, stands inside `{ }`. A value that is no plain
name stands in quotes. Paths are relative to the file. Every example is a whole file that `terrace check` accepts, and
`terrace help WORD` shows the same on a terminal.

";

/// The page.
pub fn page() -> String {
    let entries = Entry::all();
    let mut text = HEAD.to_owned();
    text += "| word | what it is | run by `up` |\n|---|---|---|\n";
    for entry in &entries {
        let title = entry.title();
        let anchor = title.replace(' ', "-");
        let about = entry.word().about;
        text += &format!(
            "| [`{title}`](#{anchor}) | {about} | {} |\n",
            terminal::run(entry)
        );
    }
    entries.iter().for_each(|entry| text += &section(entry));
    text
}

fn section(entry: &Entry) -> String {
    let word = entry.word();
    let mut text = format!("\n## {}\n\n{}\n", entry.title(), word.about);
    let behind = if word.behind.is_empty() {
        "nothing"
    } else {
        word.behind
    };
    let often = if word.often {
        " It may stand several times."
    } else {
        ""
    };
    text += &format!(
        "\nBehind it: {behind}.{often} Run by `up`: {}.\n",
        terminal::run(entry)
    );
    let runs = entry.runs();
    if word.takes_variables() {
        text += "\n| setting | value | without it | |\n|---|---|---|---|\n";
        text += "| any variable | text, a number, #true or #false | it is not set | Its value. |\n";
    }
    for (heading, rows) in [
        ("setting", entry.properties()),
        ("setting of one server", entry.per_server()),
    ] {
        if !rows.is_empty() {
            text += &format!("\n| {heading} | value | without it | |\n|---|---|---|---|\n");
            rows.iter().for_each(|one| text += &row(one, runs));
        }
    }
    if !word.children.is_empty() {
        let children = word.children.iter().map(|child| {
            let anchor = match entry.path.as_slice() {
                [] => child.name.to_owned(),
                _ => format!("{}-{}", entry.title().replace(' ', "-"), child.name),
            };
            format!("[`{}`](#{anchor})", child.name)
        });
        let children: Vec<String> = children.collect();
        text += &format!("\nInside `{{ }}`: {}.\n", children.join(", "));
    }
    text + &format!("\n```kdl\n{}```\n", entry.example())
}

fn row(row: &Row, runs: bool) -> String {
    let words = row.words.iter().map(|(word, about, run)| {
        let about = about.trim_end_matches('.');
        format!("`{word}`: {about}{}", mark(*run || !row.runs))
    });
    let value = match row.words.as_slice() {
        [] => row.value.clone(),
        _ => words.collect::<Vec<_>>().join("; "),
    };
    let usual = row.usual.trim_start_matches("without it: ");
    let usual = usual
        .strip_prefix("default ")
        .map_or_else(|| usual.to_owned(), |value| format!("`{value}`"));
    let mark = mark(row.runs || !runs);
    format!(
        "| `{}` | {value} | {usual} | {}{mark} |\n",
        row.name, row.about
    )
}

fn mark(runs: bool) -> &'static str {
    if runs { "" } else { " (not yet run by `up`)" }
}
