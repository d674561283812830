//! An error shows its cause in its own words, or has it as its source, and never both: whoever prints the whole chain would say
//! it twice.

/// The variants of thiserror's enums that say in their words what their source says again.
pub(super) fn check(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mark = "#[error(";
    for (start, _) in text.match_indices(mark) {
        let rest = &text[start + mark.len()..];
        let Some(end) = closing(rest, ')') else {
            continue;
        };
        let (words, after) = rest.split_at(end);
        let words = words.replace("{{", "");
        let variant = after.trim_start_matches(")]");
        let Some(shown) = source(body(variant)) else {
            continue;
        };
        let says = [
            format!("{{{shown}}}"),
            format!("{{{shown}:"),
            format!(" .{shown}"),
        ];
        if says.iter().any(|word| words.contains(word)) {
            let line = text[..start].matches('\n').count() + 1;
            found.push(format!(
                "{name}:{line}: the words of this error contain its source `{shown}`: take it out of them, or make it no source"
            ));
        }
    }
    found
}

/// Where the bracket closes that is open at the beginning.
fn closing(text: &str, close: char) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            _ if character == close && depth == 0 => return Some(at),
            '(' | '{' | '[' => depth += 1,
            ')' | '}' | ']' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The fields of a variant, behind its name.
fn body(variant: &str) -> &str {
    let end = variant.find(['(', '{', ',']).unwrap_or(variant.len());
    let close = match variant[end..].chars().next() {
        Some('(') => ')',
        Some('{') => '}',
        _ => return "",
    };
    let fields = &variant[end + 1..];
    closing(fields, close).map_or("", |close| &fields[..close])
}

/// The name or the number of the field that is the source.
fn source(body: &str) -> Option<String> {
    let mut rest = body;
    for number in 0.. {
        let end = closing(rest, ',').unwrap_or(rest.len());
        let field = rest[..end].trim();
        let lines = field.lines().filter(|line| !line.trim().starts_with("//"));
        let field = lines.collect::<Vec<_>>().join(" ");
        let name = field.rsplit_once(']').map_or(&*field, |(_, name)| name);
        let named = name
            .split_once(": ")
            .map(|(name, _)| name.trim().trim_start_matches("pub "));
        let marked = field.contains("#[source]") || field.contains("#[from]");
        if marked || named == Some("source") {
            return Some(named.map_or_else(|| number.to_string(), str::to_owned));
        }
        if end == rest.len() {
            return None;
        }
        rest = &rest[end + 1..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(variant: &str) -> usize {
        check("x.rs", &format!("enum Error {{\n    {variant},\n}}\n")).len()
    }

    #[test]
    fn a_source_that_is_also_said_is_found() {
        for doubled in [
            "#[error(\"it failed: {0}\")]\n    Io(#[from] io::Error)",
            "#[error(\"`{0}` failed: {1}\")]\n    Io(String, #[source] io::Error)",
            "#[error(\"{} failed: {source}\", path.display())]\n    Io { path: PathBuf, /// Why.\n source: io::Error }",
            "#[error(\"{why:?}\")]\n    Io { #[from] why: io::Error }",
        ] {
            assert_eq!(lines(doubled), 1, "{doubled}");
        }
    }

    #[test]
    fn either_alone_is_fine() {
        for fine in [
            "#[error(\"it failed\")]\n    Io(#[from] io::Error)",
            "#[error(\"it failed: {0}\")]\n    Io(io::Error)",
            "#[error(transparent)]\n    Io(#[from] io::Error)",
            "#[error(\"`{0}` (see {{1}}) failed\")]\n    Io(String, #[source] io::Error)",
            "#[error(\"{path} failed\")]\n    Io { path: PathBuf, source: io::Error }",
            "#[error(\"none\")]\n    None",
        ] {
            assert_eq!(lines(fine), 0, "{fine}");
        }
    }
}
