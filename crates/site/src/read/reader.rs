//! The recovering reader: recursive descent that goes on after each mistake, so all of them are reported.
//!
//! It recovers at each line and each brace. Where braces do not match, the file is read a second time with
//! its indentation as witness: then a block ends where its lines stop being indented, and the report points
//! at the brace that was forgotten instead of at the end of the file.

use super::cursor::{Cursor, is_newline, is_space};
use super::tree::{Argument, Block, Document, Node, Property, Span, Spanned, Value};
use super::{slip, text};
use crate::problem::Problem;

/// Reads a whole file.
pub(super) fn read(source: &str) -> (Document, Vec<Problem>) {
    let first = Reader::new(source, false).run();
    let (document, problems, mismatched) = first;
    if !mismatched {
        return (document, problems);
    }
    let (document, problems, _) = Reader::new(source, true).run();
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
}

/// An open block.
#[derive(Clone, Copy)]
struct Open {
    brace: Span,
    indentation: usize,
}

/// A part of a node, as it stands.
enum Part {
    Value(Value, Span),
    Property(Property),
    Nothing,
}

impl<'a> Reader<'a> {
    fn new(source: &'a str, by_indentation: bool) -> Self {
        Self {
            cursor: Cursor::new(source),
            problems: Vec::new(),
            open: Vec::new(),
            by_indentation,
            mismatched: false,
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

    /// Whether the innermost block, or the file, is at its end here.
    fn block_ends(&mut self) -> bool {
        let at = self.cursor.at();
        let Some(block) = self.open.last().copied() else {
            if self.cursor.peek() == Some('}') {
                self.surplus();
                return self.cursor.peek().is_none() || {
                    self.skip_blank();
                    self.block_ends()
                };
            }
            return self.cursor.peek().is_none();
        };
        let indentation = self.cursor.indentation(at);
        match self.cursor.peek() {
            None => {
                self.unclosed(block, None);
                true
            }
            Some('}') => match indentation.filter(|_| self.by_indentation) {
                Some(found) if found < block.indentation => {
                    self.unclosed(block, Some(at));
                    true
                }
                Some(found) if found > block.indentation => {
                    self.surplus();
                    self.skip_blank();
                    self.block_ends()
                }
                _ => {
                    self.cursor.skip(1);
                    self.open.pop();
                    true
                }
            },
            Some(_) => {
                let left = self.by_indentation
                    && indentation.is_some_and(|found| found <= block.indentation);
                if left {
                    self.unclosed(block, Some(at));
                }
                left
            }
        }
    }

    fn surplus(&mut self) {
        self.mismatched = true;
        let start = self.cursor.at();
        self.cursor.skip(1);
        self.say(
            "surplus-brace",
            "a closing brace that closes nothing",
            self.cursor.since(start),
            "take it out",
        );
    }

    fn unclosed(&mut self, block: Open, seen: Option<usize>) {
        self.mismatched = true;
        self.open.pop();
        let mut problem = Problem::error(
            "unclosed-brace",
            "a brace is not closed",
            block.brace,
            "opened here",
        );
        problem = match seen {
            Some(at) => problem.and(Span::new(at, at + 1), "add a } on a line before this"),
            None => problem.help("add a } where the block ends"),
        };
        self.problems.push(problem);
    }

    /// Space, line ends and comments between nodes.
    fn skip_blank(&mut self) {
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
    fn skip_space(&mut self) {
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
            Some('\r') if self.cursor.rest().starts_with("\r\n") => self.cursor.skip(2),
            Some(c) if is_newline(c) => self.cursor.skip(c.len_utf8()),
            None => {}
            Some(_) => self.say(
                "backslash",
                "a `\\` stands at the end of a line that goes on",
                span,
                "take it out, or put quotes around the text",
            ),
        }
    }

    fn skip_comment(&mut self) {
        if self.cursor.starts_with("//") {
            self.cursor.take_line();
        } else if self.cursor.starts_with("/*") {
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
                    self.say(
                        "unclosed-comment",
                        "a comment is not closed",
                        span,
                        "add */ where it ends",
                    );
                    return;
                }
            }
        }
    }

    /// One node with all its parts; `None` when there is no word to begin with.
    fn node(&mut self) -> Option<Node> {
        let start = self.cursor.at();
        let name = self.name()?;
        let mut node = Node {
            name,
            arguments: Vec::new(),
            properties: Vec::new(),
            children: None,
            span: Span::default(),
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

    /// Two parts must not touch.
    fn needs_space(&mut self, before: usize) {
        let apart = |c: Option<char>| matches!(c, Some(',' | '=' | '(' | ')' | '[' | ']'));
        let touching = self.cursor.at() == before
            && !apart(self.cursor.peek())
            && !apart(self.cursor.before());
        if touching {
            let span = Span::new(
                before,
                before + self.cursor.peek().map_or(1, char::len_utf8),
            );
            self.say(
                "space",
                "parts are separated by a space",
                span,
                "put a space before this",
            );
        }
    }

    /// A block; `false` when its closing brace is missing, so what follows is no part of this node.
    fn braces(&mut self, node: &mut Node) -> bool {
        let start = self.cursor.at();
        self.cursor.skip(1);
        let brace = self.cursor.since(start);
        self.open.push(Open {
            brace,
            indentation: self.cursor.line_indentation(start),
        });
        let nodes = self.nodes();
        let closed = self.cursor.before() == Some('}');
        let span = self.cursor.since(start);
        match &mut node.children {
            None => node.children = Some(Block { nodes, span }),
            Some(block) => {
                block.nodes.extend(nodes);
                self.say(
                    "two-blocks",
                    "a word has one pair of braces",
                    brace,
                    "put it all into the first pair",
                );
            }
        }
        closed
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
            self.stray();
            return None;
        }
        let word = token.trim_end_matches(':');
        if word.len() < token.len() && slip::is_name(word) {
            let colon = Span::new(start + word.len(), span.end);
            self.say(
                "colon",
                "a word stands without a colon",
                colon,
                "take it out",
            );
        } else if !slip::is_name(token)
            || matches!(token, "true" | "false" | "null" | "inf" | "nan")
        {
            self.say(
                "word",
                "a line begins with a word",
                span,
                "a word is letters, digits, `-` and `_`",
            );
        }
        Some(Spanned {
            value: word.to_owned(),
            span: Span::new(start, start + word.len().max(1)),
        })
    }

    /// Characters up to the next one that separates.
    fn token(&mut self) -> &'a str {
        self.cursor.take_while(|c| {
            !is_space(c)
                && !is_newline(c)
                && !matches!(
                    c,
                    '{' | '}' | ';' | '"' | '=' | '(' | ')' | '[' | ']' | ',' | '\\'
                )
        })
    }

    /// One value or property; `false` when the rest of the line was a comment.
    fn part(&mut self, node: &mut Node) -> bool {
        if self.cursor.starts_with("/-") {
            self.cursor.skip(2);
            self.skip_space();
            self.disabled();
            return true;
        }
        if self.hash_comment() {
            return false;
        }
        match self.value_or_property() {
            Part::Value(value, span) => {
                if node.children.is_some() {
                    self.say(
                        "after-braces",
                        "values stand before the braces",
                        span,
                        "move it before the {, or begin a new line",
                    );
                }
                node.arguments.push(Argument { value, span });
            }
            Part::Property(property) => {
                if node.children.is_some() {
                    let message = "settings stand before the braces";
                    self.say(
                        "after-braces",
                        message,
                        property.span,
                        "move it before the {, or begin a new line",
                    );
                }
                node.properties.push(property);
            }
            Part::Nothing => {}
        }
        true
    }

    /// What `/-` switches off: the next part or block.
    fn disabled(&mut self) {
        if self.cursor.peek() == Some('{') {
            let mut switched_off = Node {
                name: Spanned {
                    value: String::new(),
                    span: Span::default(),
                },
                arguments: Vec::new(),
                properties: Vec::new(),
                children: None,
                span: Span::default(),
            };
            self.braces(&mut switched_off);
        } else if self
            .cursor
            .peek()
            .is_some_and(|c| !is_newline(c) && !matches!(c, ';' | '}'))
        {
            self.value_or_property();
        } else {
            self.nothing_follows();
        }
    }

    fn nothing_follows(&mut self) {
        let at = self.cursor.at();
        let message = "`/-` switches off what follows it";
        self.say("slashdash", message, Span::new(at, at), "nothing follows");
    }

    fn value_or_property(&mut self) -> Part {
        let start = self.cursor.at();
        if let Some(value) = text::read(&mut self.cursor, &mut self.problems) {
            let span = self.cursor.since(start);
            return self.with_sign(value, span);
        }
        if self.cursor.starts_with("#") {
            let keyword = self.keyword();
            let span = self.cursor.since(start);
            return keyword.map_or(Part::Nothing, |value| Part::Value(value, span));
        }
        let token = self.token();
        let span = self.cursor.since(start);
        if token.is_empty() {
            self.stray();
            return Part::Nothing;
        }
        // What stands before `=` is a name, so it is not judged as a value.
        if self.sign_follows() {
            if !slip::is_name(token) {
                self.say(
                    "setting",
                    "the name of a setting is letters, digits, `-` and `_`",
                    span,
                    "",
                );
            }
            return self.with_sign(Value::Word(token.to_owned()), span);
        }
        let (value, problem) = slip::classify(token, span);
        self.problems.extend(problem);
        Part::Value(value, span)
    }

    /// `=`, perhaps behind space that does not belong there.
    fn sign_follows(&self) -> bool {
        let mut ahead = self.cursor.clone();
        ahead.take_while(is_space);
        ahead.peek() == Some('=')
    }

    fn with_sign(&mut self, name: Value, name_span: Span) -> Part {
        if !self.sign_follows() {
            return Part::Value(name, name_span);
        }
        let spaced = !self.cursor.take_while(is_space).is_empty();
        let sign = self.cursor.at();
        self.cursor.skip(1);
        let spaced = !self.cursor.take_while(is_space).is_empty() || spaced;
        let at = self.cursor.at();
        let sign = Span::new(sign, sign + 1);
        let value = if self
            .cursor
            .peek()
            .is_none_or(|c| is_newline(c) || matches!(c, ';' | '{' | '}'))
        {
            self.say(
                "no-value",
                "a setting has a value",
                sign,
                "write the value right behind it",
            );
            Value::Null
        } else {
            if spaced {
                self.say(
                    "spaces",
                    "no space stands around `=`",
                    sign,
                    "write name=value",
                );
            }
            match self.plain_value() {
                Some(value) => value,
                None => return Part::Nothing,
            }
        };
        let name = Spanned {
            value: name.text().unwrap_or_default().to_owned(),
            span: name_span,
        };
        let span = Span::new(name_span.start, self.cursor.at());
        Part::Property(Property {
            name,
            value,
            value_span: Span::new(at.min(self.cursor.at()), self.cursor.at()),
            span,
        })
    }

    fn plain_value(&mut self) -> Option<Value> {
        let start = self.cursor.at();
        if let Some(value) = text::read(&mut self.cursor, &mut self.problems) {
            return Some(value);
        }
        if self.cursor.starts_with("#") {
            return self.keyword();
        }
        let token = self.token();
        if token.is_empty() {
            self.stray();
            return None;
        }
        let (value, problem) = slip::classify(token, self.cursor.since(start));
        self.problems.extend(problem);
        Some(value)
    }

    /// `#true`, `#false`, `#null`.
    fn keyword(&mut self) -> Option<Value> {
        let start = self.cursor.at();
        match self.token() {
            "#true" => Some(Value::Bool(true)),
            "#false" => Some(Value::Bool(false)),
            "#null" => Some(Value::Null),
            _ => {
                let span = self.cursor.since(start);
                self.say(
                    "keyword",
                    "`#` begins #true, #false or #null",
                    span,
                    "put quotes around the text, or write // for a comment",
                );
                None
            }
        }
    }

    /// `# a comment` of other languages: a `#` that begins no keyword and no raw text.
    fn hash_comment(&mut self) -> bool {
        let rest = self.cursor.rest();
        let word = rest.strip_prefix('#').map(|after| {
            after
                .split(|c: char| !c.is_alphanumeric())
                .next()
                .unwrap_or_default()
        });
        let comment = match word {
            None => return false,
            Some("true" | "false" | "null") => false,
            Some(_) => !rest.trim_start_matches('#').starts_with('"'),
        };
        if comment {
            let start = self.cursor.at();
            self.cursor.take_line();
            self.say(
                "comment",
                "a comment begins with //",
                Span::new(start, start + 1),
                "write //",
            );
        }
        comment
    }

    /// A character that begins nothing.
    fn stray(&mut self) {
        let start = self.cursor.at();
        let Some(c) = self.cursor.take() else { return };
        let span = self.cursor.since(start);
        match c {
            ',' => self.say(
                "comma",
                "values are separated by spaces",
                span,
                "take the comma out",
            ),
            '=' => self.say(
                "stray",
                "a setting is name=value",
                span,
                "the name is missing",
            ),
            '(' | ')' => {
                if c == '(' {
                    self.cursor.take_while(|c| !is_newline(c) && c != ')');
                    if self.cursor.peek() == Some(')') {
                        self.cursor.skip(1);
                    }
                }
                self.say(
                    "annotation",
                    "parentheses have no meaning here",
                    self.cursor.since(start),
                    "take them out",
                );
            }
            '[' | ']' => self.say(
                "stray",
                "lists are written without brackets, separated by spaces",
                span,
                "take it out",
            ),
            '\\' => self.say(
                "backslash",
                "a `\\` stands at the end of a line that goes on",
                span,
                "take it out",
            ),
            _ => self.say("stray", "this begins nothing", span, "take it out"),
        }
    }

    fn twice(&mut self, node: &Node) {
        for (index, property) in node.properties.iter().enumerate() {
            let first = node.properties[..index]
                .iter()
                .find(|first| first.name.value == property.name.value);
            if let Some(first) = first {
                let message = format!("`{}` is given twice", property.name.value);
                let problem =
                    Problem::error("twice", message, property.span, "take one of them out");
                self.problems
                    .push(problem.and(first.span, "given here first"));
            }
        }
    }
}
