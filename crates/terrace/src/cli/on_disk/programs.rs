//! Which programs a command cannot do without, as far as that can be said without running it.

/// What a shell does itself.
const BUILT_IN: [&str; 25] = [
    ":", "[", "alias", "bg", "cd", "command", "echo", "exit", "export", "false", "fg", "getopts",
    "hash", "jobs", "kill", "printf", "pwd", "read", "set", "test", "times", "true", "umask",
    "ulimit", "wait",
];
/// Words after which nothing can be said: other words follow, or the search path may be another one.
const OPAQUE: [&str; 16] = [
    ".", "source", "eval", "if", "while", "until", "for", "case", "!", "{", "function", "trap",
    "unset", "return", "shift", "local",
];

/// A word of a command.
#[derive(Default)]
struct Word {
    text: String,
    /// It says what it is: nothing is put in by the shell.
    literal: bool,
}

/// The first word of each part of a command whose parts are all joined by `&&`: without it the command fails. `None`: the
/// command is made in another way, and may do without any of its programs.
pub(super) fn required(command: &str) -> Option<Vec<String>> {
    let mut programs = Vec::new();
    let mut moved = false;
    for part in parts(command)? {
        let mut words = part.iter();
        let Some(first) = words.find(|word| !is_skipped(word)) else {
            continue;
        };
        if part.iter().any(|word| sets_path(&word.text)) {
            return None;
        }
        let text = first.text.as_str();
        if !first.literal {
            continue;
        }
        if OPAQUE.contains(&text) {
            return None;
        }
        let elsewhere = moved && text.contains('/') && !text.starts_with('/');
        if !elsewhere && !BUILT_IN.contains(&text) {
            programs.push(text.to_owned());
        }
        moved |= text == "cd";
    }
    Some(programs)
}

/// `exec`, or `NAME=value` before the program.
fn is_skipped(word: &Word) -> bool {
    word.text == "exec" || (word.text.contains('=') && !word.text.starts_with('='))
}

fn sets_path(word: &str) -> bool {
    word.starts_with("PATH=")
}

/// The words of each part of a command, without quotes and redirections.
#[cfg(test)]
pub(in crate::cli) fn words(command: &str) -> Option<Vec<Vec<String>>> {
    let texts = |part: Vec<Word>| part.into_iter().map(|word| word.text).collect();
    Some(parts(command)?.into_iter().map(texts).collect())
}

/// The words of each part. `None`: another operator than `&&` stands between them.
fn parts(command: &str) -> Option<Vec<Vec<Word>>> {
    let mut parts = vec![Vec::new()];
    let mut characters = command.trim().chars().peekable();
    let mut redirected = false;
    while let Some(&next) = characters.peek() {
        match next {
            ' ' | '\t' => drop(characters.next()),
            '&' => {
                characters.next();
                if characters.next() != Some('&') {
                    return None;
                }
                parts.push(Vec::new());
            }
            '<' | '>' => {
                characters.next();
                while characters
                    .next_if(|next| matches!(next, '>' | '&'))
                    .is_some()
                {}
                if characters.peek() == Some(&'<') {
                    return None;
                }
                redirected = true;
            }
            ';' | '|' | '(' | ')' | '\n' | '#' => return None,
            _ => {
                let word = word(&mut characters)?;
                // `2>&1`: the number belongs to what follows.
                let number = word.text.chars().all(|c| c.is_ascii_digit());
                let is_file = std::mem::take(&mut redirected);
                let numbers = number && matches!(characters.peek(), Some('<' | '>'));
                if !is_file && !numbers {
                    parts.last_mut()?.push(word);
                }
            }
        }
    }
    Some(parts)
}

fn word(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Word> {
    let mut word = Word {
        literal: true,
        ..Word::default()
    };
    let mut quote = None;
    while let Some(&next) = characters.peek() {
        match (quote, next) {
            (Some(open), close) if open == close => quote = None,
            (None, '\'' | '"') => quote = Some(next),
            (None, ' ' | '\t' | '\n' | '&' | ';' | '|' | '<' | '>' | '(' | ')') => break,
            (Some('\''), plain) => word.text.push(plain),
            (_, '`') => return None,
            (_, '$' | '\\' | '*' | '?' | '~') => {
                word.literal = false;
                word.text.push(next);
                characters.next();
                if next == '$' && characters.peek() == Some(&'(') {
                    return None;
                }
                if next == '\\' {
                    characters.next();
                }
                continue;
            }
            (_, plain) => word.text.push(plain),
        }
        characters.next();
    }
    quote.is_none().then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_needs_the_first_word_of_each_of_its_parts() {
        let cases: [(&str, &[&str]); 9] = [
            ("node server.js --port $PORT", &["node"]),
            (
                "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt",
                &["python3", ".venv/bin/pip"],
            ),
            ("exec gunicorn -b \"$HOST:$PORT\" app:app", &["gunicorn"]),
            ("NODE_ENV=production npm ci", &["npm"]),
            ("sh -c 'echo a; nosuch b || c'", &["sh"]),
            ("cd web && npm ci && ./build", &["npm"]),
            ("make > log 2>&1 && test -f out", &["make"]),
            ("\"$PROGRAM\" --serve", &[]),
            ("echo fine", &[]),
        ];
        for (command, wanted) in cases {
            let found = required(command);
            assert_eq!(found.as_deref(), Some(&wanted.map_owned()[..]), "{command}");
        }
    }

    trait MapOwned {
        fn map_owned(&self) -> Vec<String>;
    }

    impl MapOwned for &[&str] {
        fn map_owned(&self) -> Vec<String> {
            self.iter().map(|&text| text.to_owned()).collect()
        }
    }

    #[test]
    fn a_command_that_may_do_without_says_nothing() {
        for command in [
            "yarn || npm ci",
            "nosuch; true",
            "server | tee log",
            "if test -f x; then nosuch; fi",
            ". .venv/bin/activate && pip install x",
            "PATH=/opt/bin:$PATH node x",
            "export PATH=/opt/bin && node x",
            "x=$(nosuch) && y",
            "`nosuch`",
            "nosuch & true",
            "echo 'not closed",
            "(nosuch)",
        ] {
            assert_eq!(required(command), None, "{command}");
        }
    }
}
