//! The reference of the file's words: what stands behind each, its settings with their values and defaults, an example.
//!
//! All of it comes from the vocabulary that the resolver reads files by, and from resolving: whether `up` runs a word is
//! asked of a file that has it. It is shown on a terminal (`terrace help WORD`) and as a page (`docs/reference.md`).

mod entry;
#[cfg(test)]
mod lookup;
mod page;
mod sample;
mod terminal;
#[cfg(test)]
mod tests;

use crate::problem::nearest;

pub use entry::Entry;
pub use page::page;

/// What is known of a name.
#[derive(Debug)]
pub enum Answer {
    /// What to print.
    Known(String),
    /// Nothing; and the name that is nearest, when one is like enough to be meant.
    Unknown(Option<String>),
}

/// All words with what each is for, a line each, for a terminal.
pub fn overview() -> String {
    terminal::overview()
}

/// What is known of a word or a setting: `app`, `app health`, `balance`.
pub fn answer(names: &[&str]) -> Answer {
    let entries = Entry::all();
    let found: Vec<&Entry> = entries
        .iter()
        .filter(|entry| entry.is_called(names))
        .collect();
    if !found.is_empty() {
        return Answer::Known(join(found.into_iter().map(terminal::entry)));
    }
    if let [words @ .., setting] = names {
        let of = entries
            .iter()
            .filter(|entry| words.is_empty() || entry.is_called(words));
        let rows = of.filter_map(|entry| terminal::setting(entry, setting));
        let rows: Vec<String> = rows.collect();
        if !rows.is_empty() {
            return Answer::Known(join(rows));
        }
    }
    let known = entries.iter().flat_map(Entry::names);
    let near = names
        .last()
        .and_then(|name| nearest(name, known))
        .filter(|near| names.last() != Some(near));
    Answer::Unknown(near.map(str::to_owned))
}

/// For each setting that has to be nowhere: its words, a file without it, and one in which it is not as usual.
#[cfg(test)]
pub(crate) fn samples() -> Vec<(String, String, String)> {
    tests::samples()
}

/// For each word inside another: its words, a file without it, and one with it.
#[cfg(test)]
pub(crate) fn words_inside() -> Vec<(String, String, String)> {
    tests::words()
}

fn join(parts: impl IntoIterator<Item = String>) -> String {
    parts.into_iter().collect::<Vec<_>>().join("\n")
}
