//! What a file names that lies outside of it: directories, files and programs, each with its place in the text. Whether they
//! are there is for the reader of this list to look up; nothing here touches a disk.

use std::path::PathBuf;

use crate::read::tree::{Argument, Node, Span};

/// Something that the file names and that has to be found on a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outside {
    /// What it is.
    pub kind: Kind,
    /// As the file writes it; relative to the file, or to the app's code.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// What is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `static=`: a directory whose files are served.
    Files,
    /// `code=`: a directory that releases are made of.
    Code,
    /// `php`: a document in the code.
    Document(Code),
    /// `keep`: a place in the code that has to be free.
    Keep(Code),
    /// `build`, `run`, `migrate`, `worker`, `schedule`: a command that is run in a release.
    Command {
        /// The word: `build`.
        word: &'static str,
        /// Of which code.
        code: Code,
    },
    /// `cert=` or `key=`: a file.
    Pem(&'static str),
    /// `to=` of `backup`: a directory, which is made where it is missing.
    Backup,
}

/// The code that something belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// As the file writes it.
    pub path: PathBuf,
    /// Commands make a release of it: what is missing may be made by them.
    pub is_built: bool,
    /// The file gives it a PATH of its own.
    pub has_path: bool,
}

/// Everything that a text names outside of itself, in the order of the text. What cannot be read is left out: that is
/// [`load`](crate::load)'s to report.
pub fn outside(source: &str) -> Vec<Outside> {
    let document = crate::read::read(source).document;
    let sites = document.nodes.iter().filter(|node| is(node, "site"));
    let mut found: Vec<Outside> = sites.flat_map(Node::children).flat_map(named_by).collect();
    found.sort_by_key(|one| one.span);
    found
}

fn is(node: &Node, name: &str) -> bool {
    node.name.value == name
}

fn named_by(node: &Node) -> Vec<Outside> {
    match node.name.value.as_str() {
        "web" => property(node, "static", Kind::Files).into_iter().collect(),
        "app" => of_app(node),
        "certificate" => ["cert", "key"]
            .into_iter()
            .filter_map(|name| property(node, name, Kind::Pem(name)))
            .collect(),
        "database" => {
            let backups = node.children().iter().filter(|child| is(child, "backup"));
            let to = |backup| property(backup, "to", Kind::Backup);
            backups.filter_map(to).collect()
        }
        _ => Vec::new(),
    }
}

fn of_app(node: &Node) -> Vec<Outside> {
    let Some(directory) = property(node, "code", Kind::Code) else {
        return Vec::new();
    };
    let sets_path = |child: &Node| is(child, "env") && child.property("PATH").is_some();
    let code = Code {
        path: PathBuf::from(&directory.text),
        is_built: node.children().iter().any(|child| is(child, "build")),
        has_path: node.children().iter().any(sets_path),
    };
    let mut found = vec![directory];
    for child in node.children() {
        let command = |word| Kind::Command {
            word,
            code: code.clone(),
        };
        found.extend(match child.name.value.as_str() {
            "build" => argument(child.arguments.first(), command("build")),
            "run" => argument(child.arguments.first(), command("run")),
            "migrate" => argument(child.arguments.first(), command("migrate")),
            "worker" => argument(child.arguments.get(1), command("worker")),
            "schedule" => argument(child.arguments.get(1), command("schedule")),
            "php" => argument(child.arguments.first(), Kind::Document(code.clone())),
            "keep" => {
                let kind = || Kind::Keep(code.clone());
                property(child, "at", kind()).or_else(|| argument(child.arguments.first(), kind()))
            }
            _ => None,
        });
    }
    found
}

fn property(node: &Node, name: &str, kind: Kind) -> Option<Outside> {
    let property = node.property(name)?;
    let text = property.value.text()?.to_owned();
    let span = property.value_span;
    Some(Outside { kind, text, span })
}

fn argument(argument: Option<&Argument>, kind: Kind) -> Option<Outside> {
    let argument = argument?;
    let text = argument.value.text()?.to_owned();
    let span = argument.span;
    Some(Outside { kind, text, span })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_named_is_found_where_it_stands() {
        let source = "site \"www.foobar.com\" {
    server web-01 \"8.8.8.8\"
    web web-01 static=\"files\"
    app web-01 code=\"code\" {
        build \"build it\"
        run \"run it\"
        migrate \"migrate it\"
        php \"index.php\"
        keep \"uploads\" at=\"kept\"
        keep \"others\"
        worker \"mail\" \"work\"
        schedule \"night\" \"tidy\" every=\"1d\"
        env PATH=\"/opt/bin\"
    }
    database web-01 { backup every=\"1d\" to=\"backups\"; }
    certificate cert=\"cert.pem\" key=\"key.pem\"
}
";
        let found = outside(source);
        let texts: Vec<&str> = found.iter().map(|one| one.text.as_str()).collect();
        let wanted = [
            "files",
            "code",
            "build it",
            "run it",
            "migrate it",
            "index.php",
            "kept",
            "others",
            "work",
            "tidy",
            "backups",
            "cert.pem",
            "key.pem",
        ];
        assert_eq!(texts, wanted);
        for one in &found {
            let written = &source[one.span.start..one.span.end];
            assert_eq!(written, format!("{:?}", one.text));
        }
        let Kind::Command {
            word: "build",
            code,
        } = &found[2].kind
        else {
            panic!("{found:?}");
        };
        assert!(code.is_built && code.has_path && code.path.as_os_str() == "code");
    }
}
