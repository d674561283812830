//! Commands that are printed to be typed: each word as a shell takes it.

use std::path::Path;

/// A word for a shell.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// A path for a shell; one that begins with a dash is no option.
pub(crate) fn quoted_path(path: &Path) -> String {
    let text = path.display().to_string();
    quoted(&match text.starts_with('-') {
        true => format!("./{text}"),
        false => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word() {
        for (path, word) in [
            ("stacks/0-x.kdl", "stacks/0-x.kdl"),
            ("my site.kdl", "'my site.kdl'"),
            ("it's.kdl", "'it'\\''s.kdl'"),
            ("-f.kdl", "./-f.kdl"),
            ("$HOME;x", "'$HOME;x'"),
        ] {
            assert_eq!(quoted_path(Path::new(path)), word);
        }
    }
}
