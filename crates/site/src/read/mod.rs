//! Text to syntax tree.
//!
//! A reader of our own for the part of KDL 2 that the file uses: it recovers, so every mistake is reported at
//! once, and it is stricter than KDL where KDL would let a slip pass (`web:`, `a = b`, `10.0.0.1,`). What it
//! accepts without a problem, any KDL 2 reader accepts with equal values. What words mean is for
//! [`resolve`](crate::resolve).

mod cursor;
mod layout;
mod reader;
mod slip;
mod text;
pub mod tree;

use crate::problem::Problem;
use tree::{Document, Span};

/// What a text says, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Everything that could be understood.
    pub document: Document,
    /// Every mistake, in the order of the text.
    pub problems: Vec<Problem>,
}

/// Reads a text. Never fails: what cannot be understood is a problem, and the rest is in the tree.
pub fn read(source: &str) -> Reading {
    let (document, mut problems) = reader::read(source);
    problems.extend(forbidden(source));
    problems.sort_by_key(|problem| problem.span());
    Reading { document, problems }
}

/// The text in its one common layout. Comments, order and the writing of values stay.
///
/// # Errors
/// The mistakes of a text that cannot be read.
pub fn fmt(source: &str) -> Result<String, Vec<Problem>> {
    let reading = read(source);
    if reading.problems.is_empty() {
        Ok(layout::lay_out(source))
    } else {
        Err(reading.problems)
    }
}

/// Characters that KDL allows nowhere in a file.
fn forbidden(source: &str) -> impl Iterator<Item = Problem> + '_ {
    source
        .char_indices()
        .filter(|(at, c)| cursor::is_forbidden(*c) && !(*at == 0 && *c == '\u{feff}'))
        .map(|(at, c)| {
            let span = Span::new(at, at + c.len_utf8());
            Problem::error(
                "character",
                "a control character",
                span,
                format!("take out U+{:04X}", u32::from(c)),
            )
        })
}

#[cfg(test)]
mod tests;
