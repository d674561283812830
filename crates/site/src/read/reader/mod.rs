//! The recovering reader: recursive descent that goes on after each mistake, so all of them are reported.
//!
//! It recovers at each line and each brace. Here is the way down: file, nodes, one node. What a node
//! consists of is read in [`parts`], where a block begins and ends is decided in [`blocks`], and what separates
//! the parts is passed over in [`blank`].

mod blank;
mod blocks;
mod parts;

use std::collections::HashMap;

use self::blocks::Open;
use super::cursor::{Cursor, is_newline};
use super::tree::{Document, Node, Property, Span, Spanned};
use super::{slip, text};
use crate::problem::Problem;

/// Reads a whole file. Where braces do not match, it is read a second time with its indentation as witness:
/// then a block ends where its lines stop being indented, and the report points at the brace that was
/// forgotten instead of at the end of the file. A file that is not indented says less that way, and is left
/// with the first reading.
pub(super) fn read(source: &str) -> (Document, Vec<Problem>) {
    let (document, problems, mismatched) = Reader::new(source, false).run();
    if mismatched {
        let (indented, fewer, _) = Reader::new(source, true).run();
        if fewer.len() <= problems.len() {
            return (indented, fewer);
        }
    }
    (document, problems)
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    problems: Vec<Problem>,
    /// The blocks that are open, outermost first.
    open: Vec<Open>,
    /// Indentation decides where a block ends.
    by_indentation: bool,
    mismatched: bool,
    /// Brackets of other languages that are open on this line.
    brackets: usize,
}

impl<'a> Reader<'a> {
    fn new(source: &'a str, by_indentation: bool) -> Self {
        Self {
            cursor: Cursor::new(source),
            problems: Vec::new(),
            open: Vec::new(),
            by_indentation,
            mismatched: false,
            brackets: 0,
        }
    }

    fn run(mut self) -> (Document, Vec<Problem>, bool) {
        let nodes = self.nodes();
        (Document { nodes }, self.problems, self.mismatched)
    }

    fn say(&mut self, code: &'static str, message: &str, span: Span, label: impl Into<String>) {
        self.problems
            .push(Problem::error(code, message, span, label));
    }

    /// Nodes up to the end of the block or the file. The closing brace is taken.
    fn nodes(&mut self) -> Vec<Node> {
        let mut nodes = Vec::new();
        loop {
            self.skip_blank();
            self.brackets = 0;
            if self.block_ends() {
                return nodes;
            }
            if self.cursor.starts_with("/-") {
                self.cursor.skip(2);
                self.skip_blank();
                match self.cursor.peek() {
                    None | Some('}') => self.nothing_follows(),
                    Some(_) => drop(self.node()),
                }
            } else if let Some(node) = self.node() {
                nodes.push(node);
            }
        }
    }

    /// One node with all its parts; `None` when there is no word to begin with.
    fn node(&mut self) -> Option<Node> {
        let start = self.cursor.at();
        let mut node = Node {
            name: self.name()?,
            ..Node::default()
        };
        let mut end = self.cursor.at();
        loop {
            let before = self.cursor.at();
            self.skip_space();
            match self.cursor.peek() {
                None | Some('}') => break,
                Some(c) if is_newline(c) => break,
                Some(';') => {
                    self.cursor.skip(1);
                    break;
                }
                Some('/') if self.cursor.starts_with("//") => break,
                Some('{') => {
                    if !self.braces(&mut node) {
                        end = self.cursor.at();
                        break;
                    }
                }
                Some(_) => {
                    self.needs_space(before);
                    if !self.part(&mut node) {
                        break;
                    }
                }
            }
            end = self.cursor.at();
        }
        node.span = Span::new(start, end);
        self.twice(&node);
        Some(node)
    }

    /// The word that a node begins with.
    fn name(&mut self) -> Option<Spanned<String>> {
        let start = self.cursor.at();
        if let Some(value) = text::read(&mut self.cursor, &mut self.problems) {
            let span = self.cursor.since(start);
            return value.text().map(|text| Spanned {
                value: text.to_owned(),
                span,
            });
        }
        if self.hash_comment() {
            return None;
        }
        let token = self.token();
        let span = self.cursor.since(start);
        if token.is_empty() {
            self.nameless();
            return None;
        }
        let word = token.trim_end_matches(':');
        if word.len() < token.len() && slip::is_name(word) {
            let colon = Span::new(start + word.len(), span.end);
            let message = "a word stands without a colon";
            self.say("colon", message, colon, "take it out");
        } else if !slip::is_name(token) || slip::is_reserved(token) {
            let label = "a word is letters, digits, `-` and `_`";
            self.say("word", "a line begins with a word", span, label);
        }
        Some(Spanned {
            value: word.to_owned(),
            span: Span::new(start, start + word.len().max(1)),
        })
    }

    /// What begins a line and is no word. A block is passed over as a whole.
    fn nameless(&mut self) {
        if self.cursor.peek() == Some('{') {
            let at = self.cursor.at();
            let message = "a word stands before its braces";
            self.say(
                "stray",
                message,
                Span::new(at, at + 1),
                "the word is missing",
            );
            self.braces(&mut Node::default());
        } else {
            self.stray();
        }
    }

    /// Characters up to the next one that separates.
    fn token(&mut self) -> &'a str {
        let start = self.cursor.at();
        let token = self.cursor.take_while(slip::belongs_to_a_token);
        match token.find("/*") {
            Some(comment) if comment > 0 => {
                self.cursor.back_to(start + comment);
                &token[..comment]
            }
            _ => token,
        }
    }

    fn twice(&mut self, node: &Node) {
        let mut seen: HashMap<&str, &Property> = HashMap::new();
        for property in &node.properties {
            let first = *seen.entry(&property.name.value).or_insert(property);
            if first.span != property.span {
                let message = format!("`{}` is given twice", property.name.value);
                let problem =
                    Problem::error("twice", message, property.span, "take one of them out");
                self.problems
                    .push(problem.and(first.span, "given here first"));
            }
        }
    }
}
