//! Whole files that show a word or a setting: around its statement stands what `check` wants of a site.

use crate::read;
use crate::read::tree::{Node, Span};
use crate::resolve::vocabulary::{SITE, Setting, Usual, Values, Word};

/// The servers that examples name.
const SERVERS: [(&str, &str); 8] = [
    ("lb-01", "10.0.0.11"),
    ("lb-02", "10.0.0.12"),
    ("web-01", "10.0.0.21"),
    ("web-02", "10.0.0.22"),
    ("app-01", "10.0.0.31"),
    ("app-02", "10.0.0.32"),
    ("db-01", "10.0.0.41"),
    ("db-02", "10.0.0.42"),
];
/// The hole in a statement.
const HOLE: &str = "…";

/// A file with this statement of the last word of the path.
pub(super) fn file(path: &[&Word], statement: &str) -> String {
    let beside = path.first().map_or(&[][..], |top| top.beside);
    beside_these(path, statement, beside)
}

fn beside_these(path: &[&Word], statement: &str, beside: &[&str]) -> String {
    if path.is_empty() {
        let site = statement.trim_end_matches("{ … }").trim_end();
        return whole(site, &["web web-01 static=\"foobar/public\"".to_owned()]);
    }
    let around = path.iter().skip(1).rev();
    let statement = around.fold(statement.to_owned(), |inner, word| {
        word.stands_in.replacen(HOLE, &inner, 1)
    });
    let mut statements = vec![statement];
    let beside = beside.iter().map(|beside| (*beside).to_owned());
    statements.extend(beside);
    // What comes first on the way of a request stands first.
    let is = |statement: &str, word: &Word| statement.split(' ').next() == Some(word.name);
    statements.sort_by_key(|one| SITE.children.iter().position(|word| is(one, word)));
    whole("site \"www.foobar.com\"", &statements)
}

fn whole(site: &str, statements: &[String]) -> String {
    let text = statements.join("\n");
    let named = |name: &str| text.contains(name) && !text.contains(&format!("server {name}"));
    let servers = SERVERS.iter().filter(|(name, _)| named(name));
    let servers = servers.map(|(name, address)| format!("server {name} \"{address}\""));
    let lines: Vec<String> = servers.chain(statements.iter().cloned()).collect();
    let source = format!("{site} {{\n{}\n}}\n", lines.join("\n"));
    let mut laid = String::new();
    for node in &read::read(&source).document.nodes {
        lay(&source, node, 0, &mut laid);
    }
    laid
}

/// A statement a line, and what stands in braces below.
fn lay(source: &str, node: &Node, level: usize, out: &mut String) {
    let end = node
        .children
        .as_ref()
        .map_or(node.span.end, |block| block.span.start);
    let head = source.get(node.span.start..end).unwrap_or_default();
    let indent = "    ".repeat(level);
    *out += &format!("{indent}{}", head.trim_end());
    if node.children.is_some() {
        *out += " {\n";
        for child in node.children() {
            lay(source, child, level + 1, out);
        }
        *out += &format!("{indent}}}");
    }
    out.push('\n');
}

/// A file in which the setting of the last word of the path has this value.
pub(super) fn with(path: &[&Word], setting: &Setting, value: &str) -> String {
    let word = path.last().copied().unwrap_or(&SITE);
    let statement = setting.goes_with.unwrap_or(word.example);
    file(path, &set(statement, setting.name, value))
}

/// As [`with`], without the setting.
#[cfg(test)]
pub(super) fn without(path: &[&Word], setting: &Setting) -> String {
    let word = path.last().copied().unwrap_or(&SITE);
    let statement = setting.goes_with.unwrap_or(word.example);
    file(path, &unset(statement, setting.name))
}

/// A file in which a server of the last word of the path has this setting.
pub(super) fn of_server(path: &[&Word], setting: &Setting, value: &str) -> String {
    let Some(frame) = path.last().and_then(|word| word.children.last()) else {
        return String::new();
    };
    let inner = format!("web-02 {}={value}", setting.name);
    let beside = path.first().map_or(&[][..], |top| top.per_server_beside);
    beside_these(path, &frame.stands_in.replacen(HOLE, &inner, 1), beside)
}

/// The word with nothing but what it has to have.
pub(super) fn least(word: &Word) -> String {
    let optional = word
        .properties
        .iter()
        .filter(|setting| !matches!(setting.usual, Usual::Required));
    let example = word.example.to_owned();
    optional.fold(example, |statement, setting| {
        unset(&statement, setting.name)
    })
}

/// A value that is not the usual one.
pub(super) fn another(setting: &Setting) -> String {
    let usual = match setting.usual {
        Usual::Value(value) => value,
        Usual::Required | Usual::Follows(_) => "",
    };
    match &setting.values {
        Values::Text { like, .. } if *like == usual => "\"7s\"".to_owned(),
        Values::Text { like, .. } => (*like).to_owned(),
        Values::OneOf(words) => {
            let words = words();
            let other = words.iter().find(|(word, _)| *word != usual);
            other
                .or(words.first())
                .map_or_else(String::new, |(word, _)| (*word).to_owned())
        }
        Values::Number(range) => [*range.start(), *range.end()]
            .map(|number| number.to_string())
            .into_iter()
            .find(|number| number != usual)
            .unwrap_or_default(),
        Values::Share => "0.5".to_owned(),
    }
}

/// Whether `up` runs all of a file.
pub(super) fn runs(source: &str) -> bool {
    let site = crate::load(source).site;
    site.is_some_and(|site| crate::not_yet(&site).is_empty())
}

fn set(statement: &str, name: &str, value: &str) -> String {
    let Some(node) = first(statement) else {
        return statement.to_owned();
    };
    match node.property(name) {
        Some(property) => replace(statement, property.value_span, value),
        None => {
            let arguments = node.arguments.iter().map(|argument| argument.span.end);
            let properties = node.properties.iter().map(|property| property.span.end);
            let end = arguments.chain(properties).max();
            let end = end.unwrap_or(node.name.span.end);
            replace(statement, Span::new(end, end), &format!(" {name}={value}"))
        }
    }
}

fn unset(statement: &str, name: &str) -> String {
    let node = first(statement);
    match node.as_ref().and_then(|node| node.property(name)) {
        Some(property) => {
            let start = property.span.start - 1;
            replace(statement, Span::new(start, property.span.end), "")
        }
        None => statement.to_owned(),
    }
}

fn first(statement: &str) -> Option<Node> {
    read::read(statement).document.nodes.into_iter().next()
}

fn replace(text: &str, span: Span, with: &str) -> String {
    format!("{}{with}{}", &text[..span.start], &text[span.end..])
}
