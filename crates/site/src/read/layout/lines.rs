//! A text as lines, and lines as pieces with space between them.

use crate::read::cursor::{is_newline, is_space};

/// A line of the text.
#[derive(Debug, Default)]
pub(super) struct Line<'a> {
    /// How many blocks it stands in.
    pub(super) level: usize,
    /// The line before ends with `\`.
    pub(super) continues: bool,
    /// It begins inside a comment of several lines, so all of it stays as it is.
    pub(super) raw: Option<&'a str>,
    pub(super) pieces: Vec<Piece<'a>>,
}

/// What has no space in it, or has it for itself: words, values, settings, comments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    /// Where it begins, counted in characters from the first piece of its line.
    pub(super) column: usize,
    /// The space before it.
    pub(super) gap: Gap,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Open,
    Close,
    Semicolon,
    /// `\` at the end of a line.
    Continuation,
    /// `// …`
    Comment,
    /// `/* … */`, or its part on this line.
    Block,
    /// `/-`
    Slashdash,
}

/// Space before a piece.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gap {
    pub(super) width: usize,
    /// It is not of plain spaces alone.
    pub(super) tabs: bool,
}

impl Line<'_> {
    pub(super) fn is_blank(&self) -> bool {
        self.raw.is_none() && self.pieces.is_empty()
    }

    pub(super) fn begins_with(&self, kind: Kind) -> bool {
        self.raw.is_none() && self.pieces.first().is_some_and(|piece| piece.kind == kind)
    }

    /// Whether a block is opened at its end.
    pub(super) fn ends_open(&self) -> bool {
        let pieces = self.pieces.iter().rev();
        let mut said = pieces.filter(|piece| !matches!(piece.kind, Kind::Comment | Kind::Block));
        said.next().is_some_and(|piece| piece.kind == Kind::Open)
    }
}

/// The lines of a text that has been read without a problem.
pub(super) fn split(source: &str) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let (mut level, mut comment, mut continues) = (0_usize, 0, false);
    for text in source.split(is_newline) {
        let inside = comment > 0;
        let pieces = pieces(text.trim_end_matches(is_space), &mut comment);
        let is = |kind| move |piece: &&Piece<'_>| piece.kind == kind;
        let leading = pieces.iter().take_while(is(Kind::Close)).count();
        lines.push(Line {
            level: level.saturating_sub(leading) + usize::from(continues),
            continues,
            raw: inside.then(|| text.trim_end_matches(is_space)),
            pieces: pieces.clone(),
        });
        level += pieces.iter().filter(is(Kind::Open)).count();
        level = level.saturating_sub(pieces.iter().filter(is(Kind::Close)).count());
        continues = pieces.iter().any(|piece| piece.kind == Kind::Continuation);
    }
    lines
}

/// The pieces of one line; `comment` says how deep in comments of several lines it begins, and then ends.
fn pieces<'a>(line: &'a str, comment: &mut usize) -> Vec<Piece<'a>> {
    let mut pieces = Vec::new();
    let (mut rest, mut column) = (line, 0);
    loop {
        let space = rest.len() - rest.trim_start_matches(is_space).len();
        let gap = Gap {
            width: rest[..space].chars().count(),
            tabs: rest[..space].chars().any(|c| c != ' '),
        };
        rest = &rest[space..];
        if rest.is_empty() {
            return pieces;
        }
        let gap = if pieces.is_empty() {
            Gap::default()
        } else {
            gap
        };
        column += gap.width;
        let (kind, length) = piece(rest, comment);
        let (text, after) = rest.split_at(length);
        pieces.push(Piece {
            kind,
            text,
            column,
            gap,
        });
        column += text.chars().count();
        rest = after;
    }
}

/// The kind and the length of the piece that this begins with.
fn piece(rest: &str, comment: &mut usize) -> (Kind, usize) {
    if *comment > 0 || rest.starts_with("/*") {
        return (Kind::Block, in_comment(rest, comment));
    }
    if rest.starts_with("//") {
        return (Kind::Comment, rest.len());
    }
    if rest.starts_with("/-") {
        return (Kind::Slashdash, 2);
    }
    match rest.as_bytes().first() {
        Some(b'{') => (Kind::Open, 1),
        Some(b'}') => (Kind::Close, 1),
        Some(b';') => (Kind::Semicolon, 1),
        Some(b'\\') => (Kind::Continuation, 1),
        _ => (Kind::Plain, plain(rest)),
    }
}

/// The length of a word, a value or a setting.
fn plain(rest: &str) -> usize {
    let mut at = 0;
    while let Some(c) = rest[at..].chars().next() {
        let here = &rest[at..];
        if is_space(c) || matches!(c, '{' | '}' | ';' | '\\' | '/') {
            break;
        }
        at += if c == '"' || (c == '#' && here.trim_start_matches('#').starts_with('"')) {
            quoted(here)
        } else {
            c.len_utf8()
        };
    }
    // A text that could be read has no stray `/`; yet nothing here may come to a halt.
    at.max(rest.chars().next().map_or(0, char::len_utf8))
}

/// How much of the line belongs to the comment that is open, or opens here.
fn in_comment(rest: &str, depth: &mut usize) -> usize {
    let mut at = 0;
    loop {
        let here = &rest[at..];
        if here.starts_with("/*") {
            *depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            *depth -= 1;
            at += 2;
        } else {
            match here.chars().next() {
                Some(c) => at += c.len_utf8(),
                None => return at,
            }
        }
        if *depth == 0 {
            return at;
        }
    }
}

/// The length of the quoted text that this begins with.
fn quoted(rest: &str) -> usize {
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    if hashes > 0 {
        let end = format!("\"{}", "#".repeat(hashes));
        return rest[hashes + 1..]
            .find(&end)
            .map_or(rest.len(), |found| hashes + 1 + found + end.len());
    }
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}
