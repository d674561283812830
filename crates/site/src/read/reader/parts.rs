//! What a node consists of: values, settings, and what is switched off among them.

use super::Reader;
use crate::problem::Problem;
use crate::read::cursor::{is_newline, is_space};
use crate::read::tree::{Argument, Node, Property, Span, Spanned, Value};
use crate::read::{slip, text};

/// A part of a node, as it stands.
enum Part {
    Value(Value, Span),
    Property(Property),
    Nothing,
}

impl Reader<'_> {
    /// One value or property; `false` when the rest of the line was a comment.
    pub(super) fn part(&mut self, node: &mut Node) -> bool {
        if self.cursor.starts_with("/-") {
            self.cursor.skip(2);
            self.skip_space();
            self.disabled();
            return true;
        }
        if self.hash_comment() {
            return false;
        }
        if self.command(node) {
            return true;
        }
        let part = self.value_or_property();
        let place = match &part {
            Part::Value(_, span) => Some(*span),
            Part::Property(property) => Some(property.span),
            Part::Nothing => None,
        };
        if let Some(span) = place.filter(|_| node.children.is_some()) {
            let message = "values and settings stand before the braces";
            let label = "move it before the {, or begin a new line";
            self.say("after-braces", message, span, label);
        }
        match part {
            Part::Value(value, span) => node.arguments.push(Argument { value, span }),
            Part::Property(property) => node.properties.push(property),
            Part::Nothing => {}
        }
        true
    }

    /// A command without quotes: all of it, up to what ends the node, is one slip and one value.
    fn command(&mut self, node: &mut Node) -> bool {
        let start = self.cursor.at();
        let shows_here = slip::belongs_to_a_command(self.token());
        self.cursor.back_to(start);
        if !shows_here {
            return false;
        }
        let bare = |argument: &&Argument| {
            let written = self.cursor.slice(argument.span).unwrap_or_default();
            !matches!(argument.value, Value::Text(_)) || slip::is_unquoted(written)
        };
        let before = node.arguments.iter().rev().take_while(bare).last();
        let Some(first) = before.map(|argument| argument.span.start) else {
            return false;
        };
        let rest = self
            .cursor
            .take_while(|c| !is_newline(c) && !matches!(c, ';' | '{' | '}'));
        let written = rest
            .split(" //")
            .next()
            .unwrap_or(rest)
            .trim_end_matches(is_space);
        self.cursor.back_to(start + written.len());
        let span = self.cursor.since(first);
        node.arguments
            .retain(|argument| argument.span.start < first);
        // What was said of its words was said last.
        let earlier = |problem: &Problem| problem.span().start < first;
        let kept = self
            .problems
            .iter()
            .rposition(earlier)
            .map_or(0, |at| at + 1);
        let mut said = self.problems.split_off(kept);
        said.retain(|problem| problem.code != "unquoted");
        self.problems.append(&mut said);
        let label = "put quotes around the whole of it";
        self.say("unquoted", "a command stands in quotes", span, label);
        node.arguments.push(Argument {
            value: Value::Text(self.cursor.slice(span).unwrap_or_default().to_owned()),
            span,
        });
        true
    }

    /// What `/-` switches off: the next part or block.
    fn disabled(&mut self) {
        match self.cursor.peek() {
            Some('{') => {
                self.braces(&mut Node::default());
            }
            Some(c) if !is_newline(c) && !matches!(c, ';' | '}') => {
                self.value_or_property();
            }
            _ => self.nothing_follows(),
        }
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
                let message = "the name of a setting is letters, digits, `-` and `_`";
                self.say("setting", message, span, "no such name");
            }
            return self.with_sign(Value::Word(token.to_owned()), span);
        }
        if let Some(name) = token.strip_suffix(':').filter(|name| slip::is_name(name)) {
            return self.with_colon(name, span);
        }
        let (value, problem) = slip::classify(token, span);
        self.problems.extend(problem);
        Part::Value(value, span)
    }

    /// `code: "foobar"`: the colon of other languages in the place of `=`.
    fn with_colon(&mut self, name: &str, span: Span) -> Part {
        let name_span = Span::new(span.start, span.end - 1);
        let message = "a setting is written name=value";
        self.say("colon", message, span, format!("write {name}="));
        self.cursor.take_while(is_space);
        if self.value_is_missing() {
            return Part::Nothing;
        }
        let at = self.cursor.at();
        let value = self.plain_value();
        self.property(Value::Word(name.to_owned()), name_span, value, at)
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
        let sign = Span::new(sign, sign + 1);
        if self.value_is_missing() {
            let label = "write the value right behind it";
            self.say("no-value", "a setting has a value", sign, label);
            return Part::Nothing;
        }
        if spaced {
            let message = "no space stands around `=`";
            self.say("spaces", message, sign, "write name=value");
        }
        let at = self.cursor.at();
        let value = self.plain_value();
        self.property(name, name_span, value, at)
    }

    fn value_is_missing(&self) -> bool {
        let next = self.cursor.peek();
        next.is_none_or(|c| is_newline(c) || matches!(c, ';' | '{' | '}'))
            || self.cursor.starts_with("//")
    }

    /// The setting whose value was read from `at` up to here.
    fn property(&self, name: Value, name_span: Span, value: Option<Value>, at: usize) -> Part {
        let Some(value) = value else {
            return Part::Nothing;
        };
        let name = Spanned {
            value: name.text().unwrap_or_default().to_owned(),
            span: name_span,
        };
        Part::Property(Property {
            name,
            value,
            value_span: self.cursor.since(at),
            span: self.cursor.since(name_span.start),
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
                let message = "`#` begins #true, #false or #null";
                let label = "put quotes around the text, or write // for a comment";
                self.say("keyword", message, span, label);
                None
            }
        }
    }

    /// A character that begins nothing. Of a pair of brackets the first is reported.
    pub(super) fn stray(&mut self) {
        let start = self.cursor.at();
        let Some(c) = self.cursor.take() else { return };
        match c {
            '(' if self.annotation() => {}
            '(' | '[' => self.brackets += 1,
            ')' | ']' if self.brackets > 0 => {
                self.brackets -= 1;
                return;
            }
            _ => {}
        }
        let span = self.cursor.since(start);
        let (code, message, label) = match c {
            ',' => (
                "comma",
                "values are separated by spaces",
                "take the comma out",
            ),
            '=' => ("stray", "a setting is name=value", "the name is missing"),
            '(' | ')' => (
                "brackets",
                "parentheses have no meaning here",
                "take them out",
            ),
            '[' | ']' => (
                "brackets",
                "lists are written without brackets, separated by spaces",
                "take them out",
            ),
            '\\' => (
                "backslash",
                "a `\\` stands at the end of a line that goes on",
                "take it out",
            ),
            ';' => ("stray", "a `;` ends nothing here", "take it out"),
            _ => ("stray", "this begins nothing", "take it out"),
        };
        self.say(code, message, span, label);
    }

    /// The rest of a KDL type annotation, `(u8)1`: a name in parentheses with its value right behind it.
    fn annotation(&mut self) -> bool {
        let rest = self.cursor.rest();
        let Some((name, behind)) = rest.split_once(')') else {
            return false;
        };
        let value = behind.chars().next();
        let annotates = slip::is_name(name) && value.is_some_and(slip::belongs_to_a_token);
        if annotates {
            self.cursor.skip(name.len() + 1);
        }
        annotates
    }
}
