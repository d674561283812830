//! Answers as paragraphs, steps, rows and points, and how a terminal and a page of Markdown show them.

const WIDTH: usize = 92;
/// A name that is longer stands on a line of its own.
const WIDEST_NAME: usize = 34;

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// Running text.
    Paragraph(String),
    /// What happens, in order.
    Steps(Vec<String>),
    /// Names, and what is said of each.
    Rows(Vec<(String, String)>),
    /// Titles, and what is said below each.
    Points(Vec<(String, Vec<String>)>),
}

/// Running text.
pub(super) fn paragraph(text: impl Into<String>) -> Block {
    Block::Paragraph(text.into())
}

/// For a terminal.
pub fn terminal(blocks: &[Block]) -> String {
    let each: Vec<String> = blocks.iter().map(terminal_block).collect();
    each.join("\n")
}

fn terminal_block(block: &Block) -> String {
    match block {
        Block::Paragraph(text) => wrap(text, "", ""),
        Block::Steps(steps) => {
            let numbered = steps.iter().zip(1..);
            numbered
                .map(|(text, number)| wrap(text, &format!("{number:>2}  "), "    "))
                .collect()
        }
        Block::Rows(rows) => {
            let lengths = rows.iter().map(|(name, _)| name.chars().count());
            let fitting = lengths.filter(|length| *length <= WIDEST_NAME);
            let widest = fitting.max().unwrap_or(0);
            rows.iter()
                .map(|(name, text)| terminal_row(name, text, widest))
                .collect()
        }
        Block::Points(points) => points
            .iter()
            .map(|(title, texts)| {
                let below: String = texts.iter().map(|text| wrap(text, "  ", "  ")).collect();
                format!("! {title}\n{below}")
            })
            .collect(),
    }
}

fn terminal_row(name: &str, text: &str, widest: usize) -> String {
    let rest = " ".repeat(widest + 4);
    if name.chars().count() > widest {
        format!("  {name}\n{}", wrap(text, &rest, &rest))
    } else {
        wrap(text, &format!("  {name:widest$}  "), &rest)
    }
}

/// For a page of Markdown.
pub fn markdown(blocks: &[Block]) -> String {
    let each: Vec<String> = blocks.iter().map(markdown_block).collect();
    each.join("\n")
}

fn markdown_block(block: &Block) -> String {
    match block {
        Block::Paragraph(text) => format!("{text}\n"),
        Block::Steps(steps) => {
            let numbered = steps.iter().zip(1..);
            numbered
                .map(|(text, number)| format!("{number}. {text}\n"))
                .collect()
        }
        Block::Rows(rows) => {
            let rows: String = rows
                .iter()
                .map(|(name, text)| format!("| {name} | {text} |\n"))
                .collect();
            format!("| | |\n|---|---|\n{rows}")
        }
        Block::Points(points) => points
            .iter()
            .map(|(title, texts)| format!("- **{title}.** {}\n", texts.join(" ")))
            .collect(),
    }
}

/// Words in lines no longer than is comfortable to read.
fn wrap(text: &str, first: &str, rest: &str) -> String {
    let mut out = String::new();
    let mut line = first.to_owned();
    let mut empty = true;
    for word in text.split_whitespace() {
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            out += line.trim_end();
            out.push('\n');
            line = rest.to_owned();
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line += word;
        empty = false;
    }
    out += line.trim_end();
    out.push('\n');
    out
}

/// `a`, `a and b`, `a, b and c`.
pub fn and<T: AsRef<str>>(words: &[T]) -> String {
    listed(words, "and")
}

/// `a`, `a or b`, `a, b or c`.
pub(super) fn or<T: AsRef<str>>(words: &[T]) -> String {
    listed(words, "or")
}

fn listed<T: AsRef<str>>(words: &[T], last_by: &str) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [before @ .., last] => format!("{} {last_by} {last}", before.join(", ")),
    }
}

/// `one web server`, `two web servers`.
pub(super) fn count(many: usize, one: &str) -> String {
    let plural = if many == 1 { "" } else { "s" };
    format!("{} {one}{plural}", number(many))
}

/// Small numbers as words.
pub(super) fn number(many: usize) -> String {
    let words = ["no", "one", "two", "three", "four", "five", "six"];
    let word = words.get(many).map(|word| (*word).to_owned());
    word.unwrap_or_else(|| many.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_wrapped_under_their_number() {
        let steps = vec![String::new(), String::new(), "word ".repeat(40)];
        let text = terminal(&[Block::Steps(steps)]);
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert!(lines.iter().all(|line| line.len() <= WIDTH));
        assert!(lines[0].starts_with(" 3  word") && lines[1].starts_with("    word"));
    }

    #[test]
    fn a_name_that_is_too_long_stands_alone() {
        let long = "n".repeat(WIDEST_NAME + 1);
        let rows = Block::Rows(vec![
            ("one".into(), "text".into()),
            (long.clone(), "far".into()),
        ]);
        assert_eq!(
            terminal(&[rows]),
            format!("  one  text\n  {long}\n       far\n")
        );
    }

    #[test]
    fn lists_read_like_speech() {
        assert_eq!(and(&["a", "b", "c"]), "a, b and c");
        assert_eq!(and(&["a"]), "a");
        assert_eq!(or(&["a", "b"]), "a or b");
        assert_eq!(count(2, "web server"), "two web servers");
    }

    #[test]
    fn a_page_lets_its_reader_wrap() {
        let long = "word ".repeat(40).trim().to_owned();
        let text = markdown(&[paragraph(long.clone()), paragraph("b")]);
        assert_eq!(text, format!("{long}\n\nb\n"));
    }
}
