//! Quoted text: KDL's own quotes, and those that people write by habit.

use super::cursor::{Cursor, is_newline, is_space};
use super::tree::{Span, Value};
use crate::problem::Problem;

/// Reads a quoted text at the cursor; `None`: no quote stands here.
pub(super) fn read(cursor: &mut Cursor<'_>, problems: &mut Vec<Problem>) -> Option<Value> {
    match cursor.peek()? {
        '"' if cursor.starts_with("\"\"\"") => Some(several_lines(cursor, problems)),
        '"' => Some(quoted(cursor, problems)),
        '#' if is_raw(cursor.rest()) => Some(raw(cursor, problems)),
        quote @ ('\'' | '“' | '”' | '„' | '‘' | '’' | '«' | '`') => {
            Some(foreign(cursor, quote, problems))
        }
        _ => None,
    }
}

fn is_raw(rest: &str) -> bool {
    rest.trim_start_matches('#').starts_with('"')
}

/// `"…"` with its escapes. It ends at the end of the line at the latest.
fn quoted(cursor: &mut Cursor<'_>, problems: &mut Vec<Problem>) -> Value {
    let start = cursor.at();
    cursor.skip(1);
    let mut text = String::new();
    loop {
        match cursor.peek() {
            None => break,
            Some(c) if is_newline(c) => break,
            Some('"') => {
                cursor.skip(1);
                return Value::Text(text);
            }
            Some('\\') => escape(cursor, &mut text, problems),
            Some(c) => {
                cursor.skip(c.len_utf8());
                text.push(c);
            }
        }
    }
    Value::Text(unclosed(cursor, start, text, problems))
}

/// The closing quote is missing. A brace at the end of the line most likely opens a block and is no text.
fn unclosed(
    cursor: &mut Cursor<'_>,
    start: usize,
    text: String,
    problems: &mut Vec<Problem>,
) -> String {
    let mut text = text;
    // Both as it stands in the file and as it reads: an escape is longer in the one than in the other.
    let opens = |text: &str| {
        let before = text.trim_end().strip_suffix('{')?;
        before.ends_with(is_space).then_some(before.len())
    };
    let written = cursor.slice(Span::new(start, cursor.at())).unwrap_or("");
    if let (Some(brace), Some(read)) = (opens(written), opens(&text)) {
        cursor.back_to(start + brace);
        text.truncate(text[..read].trim_end().len());
    }
    let span = Span::new(start, cursor.at().max(start + 1));
    problems.push(Problem::error(
        "unclosed-quote",
        "a quote is not closed on its line",
        span,
        "add a \" where the text ends",
    ));
    text
}

fn escape(cursor: &mut Cursor<'_>, text: &mut String, problems: &mut Vec<Problem>) {
    let start = cursor.at();
    cursor.skip(1);
    let simple = match cursor.peek() {
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('s') => ' ',
        Some('"') => '"',
        Some('\\') => '\\',
        Some('u') => return unicode(cursor, start, text, problems),
        other => {
            let length = other.filter(|c| !is_newline(*c)).map_or(0, char::len_utf8);
            cursor.skip(length);
            let message = "a text knows the escapes \\n \\r \\t \\b \\f \\s \\\" \\\\ and \\u{…}";
            problems.push(Problem::error(
                "escape",
                message,
                cursor.since(start),
                "write \\\\ for a backslash",
            ));
            return;
        }
    };
    cursor.skip(1);
    text.push(simple);
}

fn unicode(cursor: &mut Cursor<'_>, start: usize, text: &mut String, problems: &mut Vec<Problem>) {
    cursor.skip(1);
    let braced = cursor.starts_with("{");
    if braced {
        cursor.skip(1);
    }
    let digits = cursor.take_while(|c| c.is_ascii_hexdigit());
    let closed = braced && cursor.starts_with("}");
    if closed {
        cursor.skip(1);
    }
    let known = (1..=6).contains(&digits.len()).then(|| {
        u32::from_str_radix(digits, 16)
            .ok()
            .and_then(char::from_u32)
    });
    match known.flatten().filter(|_| closed) {
        Some(c) => text.push(c),
        None => {
            let span = cursor.since(start);
            problems.push(Problem::error(
                "escape",
                "no such character",
                span,
                "write it as \\u{e9}, 1 to 6 digits",
            ));
        }
    }
}

/// `#"…"#`, without escapes.
fn raw(cursor: &mut Cursor<'_>, problems: &mut Vec<Problem>) -> Value {
    let start = cursor.at();
    let hashes = cursor.take_while(|c| c == '#').len();
    if cursor.starts_with("\"\"\"") {
        return several_lines(cursor, problems);
    }
    cursor.skip(1);
    let end = format!("\"{}", "#".repeat(hashes));
    let rest = cursor.rest();
    let line = &rest[..rest.find(is_newline).unwrap_or(rest.len())];
    if let Some(length) = line.find(&end) {
        let text = &line[..length];
        cursor.skip(length + end.len());
        return Value::Text(text.to_owned());
    }
    cursor.skip(line.len());
    let label = format!("add {end} where the text ends");
    problems.push(Problem::error(
        "unclosed-quote",
        "a quote is not closed on its line",
        cursor.since(start),
        label,
    ));
    Value::Text(line.to_owned())
}

/// `"""`: KDL's texts of several lines are not part of our language.
fn several_lines(cursor: &mut Cursor<'_>, problems: &mut Vec<Problem>) -> Value {
    let start = cursor.at();
    cursor.skip(3);
    let rest = cursor.rest();
    let (length, after) = match rest.find("\"\"\"") {
        Some(end) => (end, 3),
        None => (rest.find(is_newline).unwrap_or(rest.len()), 0),
    };
    let text = rest[..length].trim().to_owned();
    cursor.skip(length + after);
    cursor.take_while(|c| c == '#');
    let message = "a text stands on one line, in single double-quotes";
    problems.push(Problem::error(
        "several-lines",
        message,
        cursor.since(start),
        "write \"…\", with \\n where a line ends",
    ));
    Value::Text(text)
}

/// Quotes of other languages and of word processors.
fn foreign(cursor: &mut Cursor<'_>, quote: char, problems: &mut Vec<Problem>) -> Value {
    let start = cursor.at();
    cursor.skip(quote.len_utf8());
    let closes = |c: char| match quote {
        '\'' | '`' => c == quote,
        '«' => c == '»',
        _ => matches!(c, '”' | '“' | '’' | '‘'),
    };
    let text = cursor
        .take_while(|c| !closes(c) && !is_newline(c))
        .to_owned();
    if let Some(close) = cursor.peek().filter(|c| closes(*c)) {
        cursor.skip(close.len_utf8());
    }
    let label = format!(
        "write \"{}\"",
        text.replace('\\', "\\\\").replace('"', "\\\"")
    );
    problems.push(Problem::error(
        "quotes",
        "texts stand in double quotes",
        cursor.since(start),
        label,
    ));
    Value::Text(text)
}
