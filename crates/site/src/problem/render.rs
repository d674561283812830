//! A report for a person, or for a program.

use std::fmt::Write;

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::{Label, Lines, Problem, Severity};
use crate::read::tree::Span;

/// All problems of one file.
pub struct Report<'a> {
    name: &'a str,
    source: &'a str,
    lines: Lines<'a>,
    problems: &'a [Problem],
}

/// One problem, for a program.
#[derive(Serialize)]
struct Fact<'a> {
    severity: Severity,
    code: &'a str,
    message: &'a str,
    line: usize,
    column: usize,
    remedy: Option<&'a str>,
    help: Option<&'a str>,
}

impl<'a> Report<'a> {
    /// The problems of the file `name`.
    pub fn new(name: &'a str, source: &'a str, problems: &'a [Problem]) -> Self {
        Self {
            name,
            source,
            lines: Lines::of(source),
            problems,
        }
    }

    /// For a person: every problem with its lines, and how many there are.
    pub fn render(&self, colours: bool) -> String {
        let mut out = String::new();
        for problem in self.problems {
            self.one(&mut out, problem, colours);
        }
        out + &self.summary()
    }

    /// For a program: a list of facts.
    pub fn facts(&self) -> impl Serialize + '_ {
        let fact = |problem: &'a Problem| {
            let (line, column) = self.lines.position(problem.span().start);
            let remedy = problem
                .labels
                .iter()
                .find(|label| label.primary)
                .map(|label| label.text.as_str());
            let Problem {
                severity,
                code,
                message,
                help,
                ..
            } = problem;
            Fact {
                severity: *severity,
                code,
                message,
                line,
                column,
                remedy,
                help: help.as_deref(),
            }
        };
        self.problems.iter().map(fact).collect::<Vec<_>>()
    }

    fn one(&self, out: &mut String, problem: &Problem, colours: bool) {
        let (word, colour) = match problem.severity {
            Severity::Error => ("error", "31;1"),
            Severity::Warning => ("warning", "33;1"),
        };
        let head = format!("{word}[{}]", problem.code);
        let head = if colours {
            format!("\x1b[{colour}m{head}\x1b[0m")
        } else {
            head
        };
        let (line, column) = self.lines.position(problem.span().start);
        let mut labels: Vec<&Label> = problem.labels.iter().collect();
        labels.sort_by_key(|label| label.span);
        let last = labels
            .iter()
            .map(|label| self.lines.position(label.span.start).0)
            .max()
            .unwrap_or(line);
        let margin = " ".repeat(last.to_string().len());
        put(
            out,
            format_args!(
                "{head}: {}\n{margin} ╭─[{}:{line}:{column}]\n",
                problem.message, self.name
            ),
        );
        let mut shown = 0;
        for label in labels {
            let (line, _) = self.lines.position(label.span.start);
            let window = Window::around(
                self.lines.line(line),
                self.lines.within_line(label.span.start),
            );
            // Of a long line each label shows its own part.
            if line != shown || window.is_part {
                put(
                    out,
                    format_args!("{line:>width$} │ {}\n", window.text, width = margin.len()),
                );
                shown = line;
            }
            self.underline(out, label, &window, &margin);
        }
        match &problem.help {
            Some(help) => put(out, format_args!("{margin} ╰─ {help}\n")),
            None => put(out, format_args!("{margin} ╰─\n")),
        }
    }

    fn underline(&self, out: &mut String, label: &Label, window: &Window, margin: &str) {
        let before: String = window.text.chars().take(window.column).collect();
        let rest: String = window.text.chars().skip(window.column).collect();
        let Span { start, end } = label.span;
        let marked = self.source.get(start..end).unwrap_or_default();
        let marked = marked.lines().next().unwrap_or_default();
        let marked: String = marked.chars().take(WIDEST).collect();
        let marked = shown(&marked);
        let width = marked.width().min(rest.width()).max(1);
        let gap = " ".repeat(before.width());
        let (left, right) = ((width - 1) / 2, width - 1 - (width - 1) / 2);
        if label.text.is_empty() {
            put(out, format_args!("{margin} · {gap}{}\n", "─".repeat(width)));
        } else {
            put(
                out,
                format_args!(
                    "{margin} · {gap}{}┬{}\n",
                    "─".repeat(left),
                    "─".repeat(right)
                ),
            );
            put(
                out,
                format_args!("{margin} · {gap}{}╰── {}\n", " ".repeat(left), label.text),
            );
        }
    }

    fn summary(&self) -> String {
        let count = |severity| {
            self.problems
                .iter()
                .filter(|problem| problem.severity == severity)
                .count()
        };
        let number = |count: usize, word: &str| {
            format!("{count} {word}{}", if count == 1 { "" } else { "s" })
        };
        match (count(Severity::Error), count(Severity::Warning)) {
            (0, 0) => String::new(),
            (0, warnings) => format!("\n{}: {}\n", self.name, number(warnings, "warning")),
            (errors, warnings) => {
                let also = if warnings > 0 {
                    format!(", {}", number(warnings, "warning"))
                } else {
                    String::new()
                };
                let kept = "Nothing was changed; a running site keeps its last good file.";
                format!(
                    "\n{}: {}{also}. {kept}\n",
                    self.name,
                    number(errors, "error")
                )
            }
        }
    }
}

/// So many characters of a line are shown.
const WIDEST: usize = 200;
/// Of those, before the place that a label points at.
const BEFORE: usize = 60;

/// What is shown of a line.
struct Window {
    text: String,
    /// How many of its characters stand before the label's place.
    column: usize,
    /// The line is longer.
    is_part: bool,
}

impl Window {
    /// Around a byte of a line.
    fn around(line: &str, at: usize) -> Self {
        let (before, behind) = line.split_at(line.floor_char_boundary(at));
        // A line of so few bytes has no more characters.
        let is_part = line.len() > WIDEST;
        let (most, rest) = if is_part {
            (BEFORE, WIDEST - BEFORE)
        } else {
            (WIDEST, WIDEST)
        };
        let first = before.char_indices().rev().take(most).last();
        let from = first.map_or(before.len(), |(at, _)| at);
        let until = behind
            .char_indices()
            .nth(rest)
            .map_or(behind.len(), |(at, _)| at);
        let left = if from > 0 { "…" } else { "" };
        let right = if until < behind.len() { "…" } else { "" };
        let before = format!("{left}{}", shown(&before[from..]));
        Self {
            column: before.chars().count(),
            text: format!("{before}{}{right}", shown(&behind[..until])),
            is_part,
        }
    }
}

/// A tab is as wide as a space, so what is below lines up; what a terminal would obey is taken out of its
/// hands.
fn shown(text: &str) -> String {
    let one = |c: char| match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.chars().map(one).collect()
}

/// Writing to a String cannot fail.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests;
