//! What is wrong with a file, and how it is shown: each mistake with its line, the words concerned, and what
//! to write instead.

mod lines;
mod nearest;
mod render;

use serde::Serialize;

use crate::read::tree::Span;

pub use lines::Lines;
pub use nearest::nearest;
pub use render::Report;

/// One mistake, or something worth a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether the file can be used all the same.
    pub severity: Severity,
    /// Its stable name: `unknown-server`.
    pub code: &'static str,
    /// What is wrong, in a line.
    pub message: String,
    /// The places concerned; exactly one is primary.
    pub labels: Vec<Label>,
    /// What to do, where the labels do not say it.
    pub help: Option<String>,
}

/// Whether a file can be used all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can.
    Warning,
}

/// A place concerned, and what to say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What to say; may be empty.
    pub text: String,
    /// It is the place of the mistake; the others explain it.
    pub primary: bool,
}

impl Problem {
    /// A mistake at this place.
    pub fn error(
        code: &'static str,
        message: impl Into<String>,
        span: Span,
        label: impl Into<String>,
    ) -> Self {
        let label = Label {
            span,
            text: label.into(),
            primary: true,
        };
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            labels: vec![label],
            help: None,
        }
    }

    /// Something worth a warning at this place.
    pub fn warning(
        code: &'static str,
        message: impl Into<String>,
        span: Span,
        label: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, message, span, label)
        }
    }

    /// The same, with a second place that explains it.
    #[must_use]
    pub fn and(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label {
            span,
            text: text.into(),
            primary: false,
        });
        self
    }

    /// The same, with what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Where the mistake stands.
    pub fn span(&self) -> Span {
        self.labels
            .iter()
            .find(|label| label.primary)
            .map_or_else(Span::default, |label| label.span)
    }

    /// The line of the mistake in this source, from 1.
    pub fn line(&self, source: &str) -> usize {
        self.line_in(&Lines::of(source))
    }

    /// The same, where many are asked for.
    pub fn line_in(&self, lines: &Lines<'_>) -> usize {
        lines.position(self.span().start).0
    }
}
