//! What separates nodes and their parts: space, line ends, comments, and what people write in their place.

use super::Reader;
use crate::read::cursor::{is_newline, is_space};
use crate::read::tree::Span;

impl Reader<'_> {
    /// Space, line ends and comments between nodes.
    pub(super) fn skip_blank(&mut self) {
        loop {
            let before = self.cursor.at();
            self.cursor.take_while(|c| is_space(c) || is_newline(c));
            self.skip_comment();
            if self.cursor.at() == before {
                return;
            }
        }
    }

    /// Space within a node: comments that do not end the line, and lines that go on.
    pub(super) fn skip_space(&mut self) {
        loop {
            let before = self.cursor.at();
            self.cursor.take_while(is_space);
            if self.cursor.starts_with("/*") {
                self.skip_comment();
            }
            if self.cursor.starts_with("\\") {
                self.continued();
            }
            if self.cursor.at() == before {
                return;
            }
        }
    }

    /// `\` at the end of a line: the node goes on in the next.
    fn continued(&mut self) {
        let start = self.cursor.at();
        self.cursor.skip(1);
        let span = self.cursor.since(start);
        self.cursor.take_while(is_space);
        if self.cursor.starts_with("//") {
            self.cursor.take_line();
        }
        match self.cursor.peek() {
            Some('\r') if self.cursor.starts_with("\r\n") => self.cursor.skip(2),
            Some(c) if is_newline(c) => self.cursor.skip(c.len_utf8()),
            None => {}
            Some(_) => {
                let message = "a `\\` stands at the end of a line that goes on";
                let label = "take it out, or put quotes around the text";
                self.say("backslash", message, span, label);
            }
        }
    }

    fn skip_comment(&mut self) {
        if self.cursor.starts_with("//") {
            self.cursor.take_line();
            return;
        }
        if !self.cursor.starts_with("/*") {
            return;
        }
        let start = self.cursor.at();
        let mut depth = 0;
        loop {
            if self.cursor.starts_with("/*") {
                depth += 1;
                self.cursor.skip(2);
            } else if self.cursor.starts_with("*/") {
                depth -= 1;
                self.cursor.skip(2);
                if depth == 0 {
                    return;
                }
            } else if self.cursor.take().is_none() {
                let span = Span::new(start, start + 2);
                let message = "a comment is not closed";
                self.say("unclosed-comment", message, span, "add */ where it ends");
                return;
            }
        }
    }

    /// Two parts must not touch.
    pub(super) fn needs_space(&mut self, before: usize) {
        let apart = |c: Option<char>| matches!(c, Some(',' | '=' | '(' | ')' | '[' | ']'));
        let here = self.cursor.peek();
        let touching = self.cursor.at() == before && !apart(here) && !apart(self.cursor.before());
        if touching {
            let span = Span::new(before, before + here.map_or(1, char::len_utf8));
            let message = "parts are separated by a space";
            self.say("space", message, span, "put a space before this");
        }
    }

    /// `# a comment` of other languages: a `#` that begins no keyword and no raw text.
    pub(super) fn hash_comment(&mut self) -> bool {
        let rest = self.cursor.rest();
        let Some(after) = rest.strip_prefix('#') else {
            return false;
        };
        let word = after.split(|c: char| !c.is_alphanumeric()).next();
        if matches!(word, Some("true" | "false" | "null"))
            || rest.trim_start_matches('#').starts_with('"')
        {
            return false;
        }
        let start = self.cursor.at();
        self.cursor.take_line();
        let span = Span::new(start, start + 1);
        self.say("comment", "a comment begins with //", span, "write //");
        true
    }

    pub(super) fn nothing_follows(&mut self) {
        let at = self.cursor.at();
        let span = Span::new(at.saturating_sub(2), at);
        let span = if self.cursor.slice(span) == Some("/-") {
            span
        } else {
            Span::new(at, at)
        };
        let message = "`/-` switches off what follows it";
        self.say("slashdash", message, span, "nothing follows");
    }
}
