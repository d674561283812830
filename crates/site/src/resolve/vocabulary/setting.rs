//! A setting of a word: what its value may be, and what holds where the file does not say.

use std::fmt::Debug;
use std::ops::RangeInclusive;

use crate::model::{Choice, FromText};

/// A setting that stands on the line of its word, `name=value`.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its name.
    pub(crate) name: &'static str,
    /// What its value may be.
    pub(crate) values: Values,
    /// What holds without it.
    pub(crate) usual: Usual,
    /// What it is for.
    pub(crate) about: &'static str,
    /// The statement that it stands on, where it does not go with the word's own example.
    pub(crate) goes_with: Option<&'static str>,
    /// What runs was born with it: a running site cannot take another value over.
    pub(crate) at_birth: bool,
}

/// What a value may be.
#[derive(Debug)]
pub(crate) enum Values {
    /// Text that is read as this.
    Text {
        /// What it is: `a duration`.
        what: &'static str,
        /// What it looks like: `"30s"`.
        like: &'static str,
        /// The same text for all that are read as the same; `None`: it cannot be read.
        meaning: fn(&str) -> Option<String>,
    },
    /// One word of a few, each with its meaning.
    OneOf(fn() -> Vec<(&'static str, &'static str)>),
    /// A whole number.
    Number(RangeInclusive<u32>),
    /// A share of the processors.
    Share,
}

/// What holds where the file does not say.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Usual {
    /// The file has to say.
    Required,
    /// This, as a file would write it.
    Value(&'static str),
    /// What the rest of the file or the server leads to, in words.
    Follows(&'static str),
}

impl Setting {
    pub(super) const fn new(
        name: &'static str,
        values: Values,
        usual: Usual,
        about: &'static str,
    ) -> Self {
        Self {
            name,
            values,
            usual,
            about,
            goes_with: None,
            at_birth: false,
        }
    }

    pub(super) const fn at_birth(self) -> Self {
        Self {
            at_birth: true,
            ..self
        }
    }

    pub(super) const fn goes_with(self, statement: &'static str) -> Self {
        Self {
            goes_with: Some(statement),
            ..self
        }
    }
}

impl Values {
    /// A text of this type.
    pub(super) const fn text<T: FromText + Debug>() -> Self {
        Values::Text {
            what: T::WHAT,
            like: T::LIKE,
            meaning: meaning::<T>,
        }
    }

    /// One of this type's words.
    pub(super) const fn one_of<T: Choice>() -> Self {
        Values::OneOf(words::<T>)
    }
}

impl Values {
    /// What a value means: the same for all that are read as the same.
    pub(crate) fn meaning(&self, plain: &str) -> String {
        let read = match self {
            Values::Text { meaning, .. } => meaning(plain),
            Values::OneOf(_) | Values::Number(_) | Values::Share => None,
        };
        read.unwrap_or_else(|| plain.to_owned())
    }
}

fn meaning<T: FromText + Debug>(text: &str) -> Option<String> {
    T::from_text(text).ok().map(|value| format!("{value:?}"))
}

fn words<T: Choice>() -> Vec<(&'static str, &'static str)> {
    let words = T::ALL.iter().map(|(word, _)| *word);
    words
        .zip(T::ABOUT.iter().map(|about| about.trim()))
        .collect()
}
