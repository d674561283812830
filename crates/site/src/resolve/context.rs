//! What the resolver carries along: the source, the servers that are known, and every problem found so far.
//!
//! The shape of a word (which settings, how many values) is checked here against the vocabulary, once for
//! all words.

use std::collections::HashMap;

use crate::model::{Origin, ServerName};
use crate::problem::{Lines, Problem, nearest};
use crate::read::tree::{Argument, Node, Property, Span, Value};

use super::vocabulary::{Takes, Word};

/// So many servers are named in a message.
const LISTED: usize = 12;
/// So many comparisons of names are spent on "did you mean", about.
const COMPARED: usize = 20_000;

/// A server that the file defines.
#[derive(Clone, Debug)]
pub(super) struct Defined {
    pub(super) name: ServerName,
    /// Where its name stands in its definition.
    pub(super) span: Span,
}

/// What the resolver carries along.
pub(super) struct Context<'a> {
    pub(super) source: &'a str,
    lines: Lines<'a>,
    pub(super) servers: Vec<Defined>,
    /// Where each stands in the list, by its name.
    by_name: HashMap<String, usize>,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Context<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        Self {
            source,
            lines: Lines::of(source),
            servers: Vec::new(),
            by_name: HashMap::new(),
            problems: Vec::new(),
        }
    }

    /// A server becomes known, by a name that no other has.
    pub(super) fn define(&mut self, server: Defined) {
        let name = server.name.to_string();
        self.by_name.insert(name, self.servers.len());
        self.servers.push(server);
    }

    /// The server of this name.
    pub(super) fn defined(&self, name: &str) -> Option<&Defined> {
        self.servers.get(*self.by_name.get(name)?)
    }

    /// The servers that an unknown name is compared with: all, unless there are very many mistakes among very many names.
    fn compared(&self) -> &[Defined] {
        let most = COMPARED / (self.problems.len() + 1);
        &self.servers[..self.servers.len().min(most.max(LISTED))]
    }

    pub(super) fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    pub(super) fn origin(&self, span: Span) -> Origin {
        Origin {
            line: self.lines.position(span.start).0,
            span,
        }
    }

    /// The source at a place, as the author wrote it.
    pub(super) fn slice(&self, span: Span) -> &'a str {
        self.source.get(span.start..span.end).unwrap_or_default()
    }

    /// The value as it would stand in a good file: the author's own spelling, quoted where it has to be.
    pub(super) fn written(&self, value: &Value, span: Span) -> String {
        match value {
            Value::Text(text) if !self.slice(span).starts_with(['"', '#']) => format!("{text:?}"),
            _ => self.slice(span).to_owned(),
        }
    }

    /// Checks the settings of a word, and those of its children, against the vocabulary.
    pub(super) fn check_shape(&mut self, node: &Node, word: &Word) {
        if word.takes == Takes::Any && word.properties.is_empty() {
            return;
        }
        for property in &node.properties {
            self.check_property(node, property, word);
        }
        let mut seen: HashMap<&str, &Node> = HashMap::new();
        for child in node.children() {
            let name = child.name.value.as_str();
            if let Some(known) = word.child(name) {
                let first = seen.insert(name, child).filter(|_| !known.often);
                if let Some(first) = first {
                    // Where it stood first is named each time.
                    seen.insert(name, first);
                    self.report(twice(child, first, "once"));
                }
                if let Some(property) = node.property(name) {
                    self.report(
                        Problem::error(
                            "given-twice",
                            format!("`{name}` is given twice"),
                            child.name.span,
                            "keep one of the two",
                        )
                        .and(property.span, "here too"),
                    );
                }
                self.check_shape(child, known);
            } else if !word.per_server.is_empty() && self.defined(name).is_some() {
                self.check_per_server(child, word);
            } else {
                self.unknown_child(child, word);
            }
        }
        self.check_count(node, word);
    }

    fn check_property(&mut self, node: &Node, property: &Property, word: &Word) {
        let name = property.name.value.as_str();
        if word.property(name).is_some() || word.takes_variables() {
            return;
        }
        if word.child(name).is_some() {
            let written = self.written(&property.value, property.value_span);
            let braces = if node.children.is_some() {
                "inside the braces"
            } else {
                "behind the line"
            };
            self.report(
                Problem::error(
                    "stands-inside",
                    format!("`{name}` stands inside the braces of `{}`", word.name),
                    property.span,
                    format!("write {{ {name} {written}; }} {braces}"),
                )
                .help("a setting that may have several values, or settings of its own, stands inside { }"),
            );
            return;
        }
        self.unknown_setting(name, property.name.span, word);
    }

    fn unknown_setting(&mut self, name: &str, span: Span, word: &Word) {
        let children = word.children.iter().map(|child| child.name);
        let label = match nearest(name, word.property_names().chain(children)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "no such setting".to_owned(),
        };
        let message = format!("`{}` has no setting `{name}`", word.name);
        self.report(Problem::error("unknown-setting", message, span, label).help(word.knows()));
    }

    fn unknown_child(&mut self, child: &Node, word: &Word) {
        let name = child.name.value.as_str();
        if word.property(name).is_some() {
            let written = match child.arguments.first() {
                Some(argument) => self.written(&argument.value, argument.span),
                None => "…".to_owned(),
            };
            self.report(Problem::error(
                "stands-beside",
                format!(
                    "`{name}` has one value, so it stands on the line of `{}`",
                    word.name
                ),
                child.span,
                format!("write {name}={written} on that line"),
            ));
            return;
        }
        let servers: Vec<String> = if word.per_server.is_empty() {
            Vec::new()
        } else {
            let names = self.compared().iter();
            names.map(|server| server.name.to_string()).collect()
        };
        let known: Vec<&str> = word
            .children
            .iter()
            .map(|child| child.name)
            .chain(word.property_names())
            .collect();
        match nearest(
            name,
            known
                .iter()
                .copied()
                .chain(servers.iter().map(String::as_str)),
        ) {
            Some(near) if servers.iter().any(|server| server == near) => {
                let problem = self.unknown_server(name, child.name.span);
                self.report(problem);
            }
            _ if word.name == "site" => self.unknown_word(child, word),
            _ => self.unknown_setting(name, child.name.span, word),
        }
    }

    fn unknown_word(&mut self, child: &Node, word: &Word) {
        let name = &child.name.value;
        let words: Vec<&str> = word.children.iter().map(|child| child.name).collect();
        let label = match nearest(name, words.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "no such word".to_owned(),
        };
        let help = format!("a site knows: {}", words.join(", "));
        self.report(
            Problem::error(
                "unknown-word",
                format!("there is no word `{name}`"),
                child.name.span,
                label,
            )
            .help(help),
        );
    }

    fn check_per_server(&mut self, child: &Node, word: &Word) {
        for property in &child.properties {
            let name = property.name.value.as_str();
            if word.of_server(name).is_none() {
                let known: Vec<&str> = word.per_server.iter().map(|setting| setting.name).collect();
                let label = match nearest(name, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "no such setting".to_owned(),
                };
                let message = format!("a server of `{}` has no setting `{name}`", word.name);
                let help = format!("it knows: {}", known.join(", "));
                self.report(
                    Problem::error("unknown-setting", message, property.name.span, label)
                        .help(help),
                );
            }
        }
        for surplus in &child.arguments {
            self.surplus(
                surplus,
                &child.name.value,
                &format!("{} weight=2", child.name.value),
            );
        }
        for grandchild in child.children() {
            self.unknown_setting(&grandchild.name.value, grandchild.name.span, word);
        }
    }

    fn check_count(&mut self, node: &Node, word: &Word) {
        let (least, most) = match word.takes {
            Takes::Nothing => (0, 0),
            Takes::One => (1, 1),
            Takes::Two => (2, 2),
            Takes::Some => (1, usize::MAX),
            Takes::Servers | Takes::Any => (0, usize::MAX),
        };
        if node.arguments.len() < least {
            let message = format!("something is missing behind `{}`", word.name);
            self.report(Problem::error(
                "missing",
                message,
                node.name.span,
                format!("write {}", word.example),
            ));
        }
        for argument in node.arguments.iter().skip(most) {
            self.surplus(argument, word.name, word.example);
        }
    }

    fn surplus(&mut self, argument: &Argument, word: &str, example: &str) {
        let written = self.written(&argument.value, argument.span);
        let message = format!("`{word}` does not take {written}");
        self.report(
            Problem::error("surplus", message, argument.span, "one too many")
                .help(format!("it is written: {example}")),
        );
    }

    /// A name that no server has.
    pub(super) fn unknown_server(&self, name: &str, span: Span) -> Problem {
        let message = format!("no server is called `{name}`");
        let problem = Problem::error("unknown-server", message, span, "a server is expected here");
        let names: Vec<&str> = self
            .compared()
            .iter()
            .map(|server| server.name.as_str())
            .collect();
        let near = nearest(name, names.iter().copied());
        match near.and_then(|near| self.defined(near)) {
            Some(near) => problem.and(near.span, "did you mean this one?"),
            None if names.is_empty() => problem.help("define it: server web-01 \"10.0.0.21\""),
            None => {
                let more = self.servers.len().saturating_sub(LISTED);
                let listed = names[..names.len().min(LISTED)].join(", ");
                let more = if more > 0 {
                    format!(" and {more} more")
                } else {
                    String::new()
                };
                problem.help(format!("the servers are: {listed}{more}"))
            }
        }
    }
}

/// A word that stands more often than it may.
pub(super) fn twice(second: &Node, first: &Node, may: &str) -> Problem {
    let name = &second.name.value;
    Problem::error(
        "stands-twice",
        format!("`{name}` stands twice"),
        second.name.span,
        format!("it stands {may}: join the two"),
    )
    .and(first.name.span, "here first")
}
