//! A place in the source that moves on: characters, spaces and comments.

use super::tree::Span;

/// Where reading has come to.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    source: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The beginning, behind a byte order mark.
    pub(super) fn new(source: &'a str) -> Self {
        let at = if source.starts_with('\u{feff}') {
            '\u{feff}'.len_utf8()
        } else {
            0
        };
        Self { source, at }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// The character before this place.
    pub(super) fn before(&self) -> Option<char> {
        self.source[..self.at].chars().next_back()
    }

    pub(super) fn starts_with(&self, text: &str) -> bool {
        self.rest().starts_with(text)
    }

    /// Moves on by this many bytes, which end at a character.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Moves back to an offset that it has passed.
    pub(super) fn back_to(&mut self, offset: usize) {
        self.at = offset;
    }

    /// Takes one character.
    pub(super) fn take(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Takes characters while `wanted`; returns them.
    pub(super) fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// Takes the rest of the line, without its end.
    pub(super) fn take_line(&mut self) -> &'a str {
        self.take_while(|c| !is_newline(c))
    }

    /// From `start` up to here.
    pub(super) fn since(&self, start: usize) -> Span {
        Span::new(start, self.at)
    }

    /// What the source says there, when that is a place in it.
    pub(super) fn slice(&self, span: Span) -> Option<&'a str> {
        self.source.get(span.start..span.end)
    }

    /// How far the line of this offset is indented, when nothing but space stands before it.
    pub(super) fn indentation(&self, offset: usize) -> Option<usize> {
        let before = self.source[..offset].trim_end_matches(is_space);
        let begins = before.is_empty() || before == "\u{feff}" || before.ends_with(is_newline);
        begins.then(|| self.source[before.len()..offset].chars().count())
    }

    /// How far the line of this offset is indented.
    pub(super) fn line_indentation(&self, offset: usize) -> usize {
        let before = self.source[..offset].rsplit(is_newline).next();
        let line = offset - before.map_or(0, str::len);
        let line = self.source[line..].trim_start_matches('\u{feff}');
        line.chars().take_while(|c| is_space(*c)).count()
    }
}

/// Space within a line (KDL 2, "Whitespace"). What is allowed nowhere counts as space too: it is reported once,
/// and for itself.
pub(super) fn is_space(c: char) -> bool {
    let space = matches!(
        c,
        '\t' | ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'
            ..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
    );
    space || is_forbidden(c)
}

/// The end of a line (KDL 2, "Newline"); CRLF is two of them, which is the same to us.
pub(super) fn is_newline(c: char) -> bool {
    matches!(
        c,
        '\r' | '\n' | '\u{85}' | '\u{b}' | '\u{c}' | '\u{2028}' | '\u{2029}'
    )
}

/// Characters that KDL allows nowhere in a file.
pub(super) fn is_forbidden(c: char) -> bool {
    matches!(c, '\0'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' | '\u{feff}')
}
