//! How long files and functions are, and that each file begins by saying what it is for.
//!
//! Functions are found by their indentation, which rustfmt makes certain.

use super::Source;

const FILE: usize = 400;
const FUNCTION: usize = 70;

/// What may be longer, and why. `path` or `path::function`.
const REASONS: &[(&str, &str)] = &[];

/// What is too long in one file, or says nothing of itself.
pub(super) fn check(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let lines = text.lines().count();
    if lines > FILE && !excused(name) {
        found.push(format!(
            "{name}: {lines} lines, more than {FILE}: it has become two things, split it"
        ));
    }
    if !text.starts_with("//!") && !is_test(name) {
        found.push(format!(
            "{name}:1: say in a paragraph (`//!`) what lives here and what does not"
        ));
    }
    for function in functions(text).filter(|function| function.lines > FUNCTION) {
        if !excused(&format!("{name}::{}", function.name)) {
            let Function {
                name: function,
                line,
                lines,
            } = function;
            found.push(format!(
                "{name}:{line}: `{function}` has {lines} lines, more than {FUNCTION}"
            ));
        }
    }
    found
}

/// Reasons for what is no longer there.
pub(super) fn stale_reasons(sources: &[Source]) -> Vec<String> {
    let stands = |place: &str| {
        sources
            .iter()
            .any(|source| match place.strip_prefix(&source.name) {
                Some("") => source.text.lines().count() > FILE,
                Some(rest) => functions(&source.text).any(|function| {
                    function.lines > FUNCTION && rest.strip_prefix("::") == Some(function.name)
                }),
                None => false,
            })
    };
    let stale = REASONS.iter().filter(|(place, _)| !stands(place));
    stale
        .map(|(place, _)| {
            format!("xtask/src/tidy/sizes.rs: the reason for `{place}` is no longer needed")
        })
        .collect()
}

fn excused(place: &str) -> bool {
    REASONS.iter().any(|(known, _)| *known == place)
}

fn is_test(name: &str) -> bool {
    name.contains("/tests/") || name.ends_with("/tests.rs")
}

struct Function<'a> {
    name: &'a str,
    line: usize,
    lines: usize,
}

fn functions(text: &str) -> impl Iterator<Item = Function<'_>> {
    let lines: Vec<&str> = text.lines().collect();
    (0..lines.len()).filter_map(move |start| {
        let indent = lines[start].len() - lines[start].trim_start().len();
        let name = function_name(lines[start].trim_start())?;
        let end = lines[start..].iter().position(|line| {
            line.len() - line.trim_start().len() == indent
                && matches!(line.trim_start(), "}" | "};")
        })?;
        // A declaration without a body ends before any brace.
        let body = lines[start..=start + end]
            .iter()
            .position(|line| line.trim_end().ends_with('{'))?;
        let ended = lines[start..start + body]
            .iter()
            .any(|line| line.trim_end().ends_with(';'));
        (!ended).then_some(Function {
            name,
            line: start + 1,
            lines: end + 1,
        })
    })
}

fn function_name(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let words = ["pub", "const", "async", "unsafe", "extern", "\"C\""];
    let qualifies = |word: &str| words.contains(&word) || word.starts_with("pub(");
    let plain = before
        .split(' ')
        .filter(|word| !word.is_empty())
        .all(qualifies);
    let name = after
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .next()?;
    (plain && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(body: usize) -> String {
        format!(
            "//! A file.\n\npub(crate) async fn long(\n    one: u8,\n) {{\n{}}}\n",
            "    step();\n".repeat(body)
        )
    }

    #[test]
    fn a_function_is_measured_with_its_head() {
        let text = function(10);
        let found: Vec<_> = functions(&text)
            .map(|f| (f.name.to_owned(), f.line, f.lines))
            .collect();
        assert_eq!(found, [("long".to_owned(), 3, 14)]);
    }

    #[test]
    fn long_functions_and_files_are_named() {
        assert_eq!(check("a.rs", &function(66)), [""; 0]);
        assert!(check("a.rs", &function(67))[0].starts_with("a.rs:3: `long` has 71 lines"));
        assert!(
            check("a.rs", &format!("//! A file.\n{}", "\n".repeat(400)))[0]
                .starts_with("a.rs: 401 lines")
        );
    }

    #[test]
    fn a_file_says_what_it_is_for() {
        assert!(check("a.rs", "fn main() {}\n")[0].starts_with("a.rs:1: say"));
        assert_eq!(check("crates/x/tests/a.rs", "fn main() {}\n"), [""; 0]);
    }

    #[test]
    fn a_declaration_has_no_body() {
        let text = "trait T {\n    fn declared(&self);\n\n    fn given(&self) {\n        step();\n    }\n}\n";
        let names: Vec<_> = functions(text)
            .map(|function| (function.name, function.lines))
            .collect();
        assert_eq!(names, [("given", 3)]);
    }
}
