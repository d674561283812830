//! How the value of one setting is read: its type, what it must look like, and what to write instead.

use std::ops::RangeInclusive;

use crate::model::{Choice, FromText};
use crate::problem::{Problem, nearest};
use crate::read::tree::{Argument, Node, Span, Value};

use super::context::Context;
use super::vocabulary::Word;

impl Context<'_> {
    /// A value that is written as text.
    pub(super) fn text<T: FromText>(&mut self, value: &Value, span: Span) -> Option<T> {
        self.text_like(value, span, T::LIKE)
    }

    /// The same, with an example that fits the word better than one of the type.
    fn text_like<T: FromText>(&mut self, value: &Value, span: Span, like: &str) -> Option<T> {
        let Some(text) = value.text() else {
            let written = self.slice(span).to_owned();
            let message = format!("`{written}` is not {}", T::WHAT);
            self.report(Problem::error(
                "wrong-type",
                message,
                span,
                format!("write it like {like}"),
            ));
            return None;
        };
        match T::from_text(text) {
            Ok(value) => Some(value),
            Err(why) => {
                let message = if text.is_empty() {
                    format!("{} is expected", T::WHAT)
                } else {
                    format!("`{text}` is not {}", T::WHAT)
                };
                let problem = Problem::error("wrong-value", message, span, why);
                self.report(problem.help(format!("it is written like {like}")));
                None
            }
        }
    }

    /// A value behind a word.
    pub(super) fn argument<T: FromText>(&mut self, argument: &Argument) -> Option<T> {
        self.text(&argument.value, argument.span)
    }

    /// As [`first`](Self::first), with an example of its own.
    pub(super) fn first_like<T: FromText>(&mut self, node: &Node, like: &str) -> Option<T> {
        let first = node.arguments.first()?;
        self.text_like(&first.value, first.span, like)
    }

    /// The value behind a word; that it is there was checked with the word's shape.
    pub(super) fn first<T: FromText>(&mut self, node: &Node) -> Option<T> {
        node.arguments
            .first()
            .and_then(|argument| self.argument(argument))
    }

    /// All values behind a word, each good one.
    pub(super) fn all<T: FromText>(&mut self, node: &Node) -> Vec<T> {
        node.arguments
            .iter()
            .filter_map(|argument| self.argument(argument))
            .collect()
    }

    /// All values behind all children of this name.
    pub(super) fn all_of<T: FromText>(&mut self, node: &Node, child: &str) -> Vec<T> {
        children(node, child)
            .flat_map(|child| self.all(child))
            .collect()
    }

    /// A setting that is written as text.
    pub(super) fn property<T: FromText>(&mut self, node: &Node, name: &str) -> Option<T> {
        let property = node.property(name)?;
        self.text(&property.value, property.value_span)
    }

    /// A setting that has to be there and is not.
    pub(super) fn missing(&mut self, node: &Node, setting: &str, written: &str, word: &Word) {
        let message = format!("`{}` needs {setting}", word.name);
        let problem = Problem::error("missing", message, node.name.span, format!("add {written}"));
        self.report(problem.help(format!("it is written: {}", word.example)));
    }

    /// A setting that is one word of a few.
    pub(super) fn choice<T: Choice>(&mut self, node: &Node, name: &str) -> Option<T> {
        let property = node.property(name)?;
        let text = property.value.text().unwrap_or_default();
        let found = T::ALL.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let words = || T::ALL.iter().map(|(word, _)| *word);
            let label = match nearest(text, words()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("write {}", words().collect::<Vec<_>>().join(" or ")),
            };
            let written = self.slice(property.value_span).to_owned();
            let message = format!("`{written}` is not {}", T::WHAT);
            let problem = Problem::error("wrong-value", message, property.value_span, label);
            self.report(problem.help(format!(
                "there are: {}",
                words().collect::<Vec<_>>().join(", ")
            )));
        }
        found.map(|(_, choice)| *choice)
    }

    /// A setting that is a whole number.
    pub(super) fn number(
        &mut self,
        node: &Node,
        name: &str,
        range: RangeInclusive<u32>,
    ) -> Option<u32> {
        let property = node.property(name)?;
        let span = property.value_span;
        let (from, to) = (*range.start(), *range.end());
        match &property.value {
            Value::Integer(number) => {
                let good = u32::try_from(*number)
                    .ok()
                    .filter(|number| range.contains(number));
                if good.is_none() {
                    let message = format!("`{name}` cannot be {number}");
                    self.report(Problem::error(
                        "out-of-range",
                        message,
                        span,
                        format!("from {from} to {to}"),
                    ));
                }
                good
            }
            other => {
                let label = match other.text().filter(|text| text.parse::<u32>().is_ok()) {
                    Some(text) => format!("write {text}, without quotes"),
                    None => format!("a whole number from {from} to {to} is expected"),
                };
                let written = self.slice(span).to_owned();
                let message = format!("`{written}` is not a whole number");
                self.report(Problem::error("wrong-type", message, span, label));
                None
            }
        }
    }

    /// A setting that is a port.
    pub(super) fn port(&mut self, node: &Node, name: &str) -> Option<u16> {
        let number = self.number(node, name, 1..=u32::from(u16::MAX))?;
        u16::try_from(number).ok()
    }
}

/// The children of this name.
pub(super) fn children<'n>(
    node: &'n Node,
    name: &'n str,
) -> impl Iterator<Item = &'n Node> + use<'n> {
    node.children()
        .iter()
        .filter(move |child| child.name.value == name)
}

/// The first child of this name.
pub(super) fn child<'n>(node: &'n Node, name: &'n str) -> Option<&'n Node> {
    children(node, name).next()
}
