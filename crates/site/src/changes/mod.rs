//! What changes when one file takes the place of another, in the words of the file: `app timeouts idle: "60s" → "20s"`.
//!
//! Both texts are listed setting by setting, by the vocabulary that the resolver reads them by, and compared by what their
//! values mean. A setting that a file leaves out has its default. Whether a running site can take all of it over is decided
//! by its plans ([`crate::plan::Change`]); which words are to blame is known here.

mod listing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use listing::{Listed, Path};

/// One change of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    /// The words that lead to it: `load-balancer lb-01 balance`.
    pub path: String,
    /// What the file said; `None`: nothing.
    pub before: Option<Said>,
    /// What it says; `None`: nothing.
    pub after: Option<Said>,
    /// What runs was born with it: it takes a `down` and an `up`.
    pub at_birth: bool,
}

/// What a file says of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// This, as it is written there.
    Written(String),
    /// Nothing: the default holds.
    Default(&'static str),
}

impl fmt::Display for Said {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Said::Written(text) => out.write_str(text),
            Said::Default(text) => write!(out, "{text} (default)"),
        }
    }
}

impl fmt::Display for FileChange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        let alone = |said: &Said| *said == Said::Written(String::new());
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => write!(out, "~ {path}: {before} → {after}"),
            (None, Some(after)) if alone(after) => write!(out, "+ {path}"),
            (None, Some(after)) => write!(out, "+ {path}: {after}"),
            (Some(before), None) if alone(before) => write!(out, "- {path}"),
            (Some(before), None) => write!(out, "- {path}: {before}"),
            (None, None) => Ok(()),
        }
    }
}

/// Every change from one good file to another, in the order of the second; what is gone comes last.
pub fn changes(before: &str, after: &str) -> Vec<FileChange> {
    let (old, new) = (listing::list(before), listing::list(after));
    let by_path = |all: &[Listed]| -> BTreeMap<Path, usize> {
        let paths = all.iter().enumerate();
        paths
            .map(|(index, one)| (one.path.clone(), index))
            .collect()
    };
    let (in_old, in_new) = (by_path(&old), by_path(&new));
    let came = new.iter().map(|one| {
        let was = in_old.get(&one.path).map(|index| &old[*index]);
        (was, Some(one))
    });
    let gone = old.iter().filter(|one| !in_new.contains_key(&one.path));
    let gone = gone.map(|one| (Some(one), None));
    came.chain(gone)
        .filter_map(|(was, is)| change(was, is))
        .collect()
}

fn change(was: Option<&Listed>, is: Option<&Listed>) -> Option<FileChange> {
    let one = is.or(was)?;
    let meaning = |side: Option<&Listed>| match side {
        Some(listed) => Some(listed.meaning.clone()),
        None => one.usual_meaning(),
    };
    if meaning(was) == meaning(is) {
        return None;
    }
    let said = |side: Option<&Listed>| match side {
        Some(listed) => Some(Said::Written(listed.written.clone())),
        None => one.usual().map(Said::Default),
    };
    Some(FileChange {
        path: one.shown.clone(),
        before: said(was),
        after: said(is),
        at_birth: one.at_birth,
    })
}
