//! One way to lay a file out: four spaces a level, no blank lines but single ones, single spaces between
//! parts. Two habits of authors are kept: what is lined up behind the first word of a line, and before a
//! comment at its end.

use super::cursor::{is_newline, is_space};

/// Lays out a text that has been read without a problem.
pub(super) fn lay_out(source: &str) -> String {
    let source = source.replace("\r\n", "\n");
    let mut out = String::new();
    let mut state = State::default();
    let mut blank = true;
    for line in source
        .trim_start_matches('\u{feff}')
        .split_inclusive(is_newline)
    {
        let line = line.trim_end_matches(is_newline);
        if state.comment > 0 {
            // Inside a comment of several lines everything is the author's.
            state.line(line);
            out += line.trim_end_matches(is_space);
            out.push('\n');
            continue;
        }
        let text = line.trim_matches(is_space);
        if text.is_empty() {
            if !blank && !out.is_empty() {
                out.push('\n');
                blank = true;
            }
            continue;
        }
        let level = state
            .level
            .saturating_sub(usize::from(text.starts_with('}')))
            + usize::from(state.continued);
        out += &"    ".repeat(level);
        out += state.line(text).trim_end_matches(is_space);
        out.push('\n');
        blank = false;
    }
    while out.ends_with("\n\n") {
        out.pop();
    }
    out
}

/// What carries over from line to line.
#[derive(Default)]
struct State {
    level: usize,
    /// How deep in comments of several lines.
    comment: usize,
    /// The last line ended with `\`.
    continued: bool,
}

impl State {
    /// Takes in one line and returns it with its spaces in order.
    fn line(&mut self, line: &str) -> String {
        let mut out = String::new();
        let mut rest = line;
        let mut first_gap = self.comment == 0 && !self.continued;
        self.continued = false;
        while let Some(c) = rest.chars().next() {
            let taken = if self.comment > 0 || rest.starts_with("/*") {
                self.in_comment(rest)
            } else if rest.starts_with("//") {
                rest.len()
            } else if c == '"' || (c == '#' && rest.trim_start_matches('#').starts_with('"')) {
                quoted(rest)
            } else if is_space(c) {
                let run = rest.find(|c| !is_space(c)).unwrap_or(rest.len());
                let kept = first_gap || rest[run..].starts_with("//");
                first_gap = false;
                out += if kept && rest[..run].chars().all(|c| c == ' ') {
                    &rest[..run]
                } else {
                    " "
                };
                rest = &rest[run..];
                continue;
            } else {
                match c {
                    '{' => self.level += 1,
                    '}' => self.level = self.level.saturating_sub(1),
                    '\\' => self.continued = true,
                    _ => {}
                }
                c.len_utf8()
            };
            out += &rest[..taken];
            rest = &rest[taken..];
        }
        out
    }

    /// How much of the line belongs to the comment that is open, or opens here.
    fn in_comment(&mut self, rest: &str) -> usize {
        let mut at = 0;
        loop {
            let here = &rest[at..];
            if here.starts_with("/*") {
                self.comment += 1;
                at += 2;
            } else if here.starts_with("*/") {
                self.comment -= 1;
                at += 2;
            } else {
                match here.chars().next() {
                    Some(c) => at += c.len_utf8(),
                    None => return at,
                }
            }
            if self.comment == 0 {
                return at;
            }
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
