//! Paragraphs of plain text, wrapped where a person reads comfortably.

const WIDTH: usize = 92;

/// A line of its own, with a blank line below.
pub(super) fn heading(text: &str) -> String {
    format!("{text}\n\n")
}

/// One paragraph.
pub(super) fn paragraph(text: &str) -> String {
    wrap(text, "", "")
}

/// One paragraph below a title.
pub(super) fn indented(text: &str) -> String {
    wrap(text, "  ", "  ")
}

/// A numbered step.
pub(super) fn step(number: usize, text: &str) -> String {
    wrap(text, &format!("{number:>2}  "), "    ")
}

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
    out += &line;
    out.push('\n');
    out
}

/// `a`, `a and b`, `a, b and c`.
pub fn and(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [before @ .., last] => format!("{} and {last}", before.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_wrapped_under_their_number() {
        let text = step(3, &"word ".repeat(40));
        assert!(text.lines().all(|line| line.len() <= WIDTH));
        assert!(
            text.starts_with(" 3  word") && text.lines().nth(1).unwrap().starts_with("    word")
        );
    }

    #[test]
    fn lists_read_like_speech() {
        assert_eq!(and(&["a", "b", "c"]), "a, b and c");
        assert_eq!(and(&["a"]), "a");
    }
}
