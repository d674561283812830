//! What is said of a path that is not there, or is not what it has to be.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use rustix::io::Errno;
use terrace_site::outside::{Code, Outside};
use terrace_site::problem::{Problem, Severity};

/// What the file names is not there, or nobody can tell.
pub(super) fn missing(named: &Outside, word: &str, path: &Path, error: &io::Error) -> Problem {
    let text = &named.text;
    let shown = plain(path);
    let shown = shown.display();
    let leads = fs::read_link(path).ok();
    let (code, what, label) = match (error.kind(), leads) {
        _ if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => (
            "not-readable",
            "leads through links that lead to each other, and nowhere else".to_owned(),
            format!("let the link lead to what is there: ls -l {shown}"),
        ),
        (ErrorKind::NotFound, Some(leads)) => (
            "not-there",
            format!(
                "is a link to `{}`, and there is no such thing",
                leads.display()
            ),
            format!("let the link lead to what is there: ls -l {shown}"),
        ),
        (ErrorKind::NotFound, None) => (
            "not-there",
            "is not there".to_owned(),
            match word {
                "static" | "code" => format!("mkdir {shown}, or correct the path"),
                _ => format!("it is sought at {shown}"),
            },
        ),
        _ => (
            "not-readable",
            format!("cannot be looked at: {error}"),
            format!("it is sought at {shown}"),
        ),
    };
    let subject = match word {
        "static" | "code" | "cert" | "key" | "php" => format!("`{text}`"),
        _ => format!("{shown}"),
    };
    Problem::error(
        code,
        format!("`{word}`: {subject} {what}"),
        named.span,
        label,
    )
}

pub(super) fn may_be_built(problem: Problem, code: &Code) -> Problem {
    if code.is_built {
        return Problem {
            severity: Severity::Warning,
            ..problem
        };
    }
    problem
}

pub(super) fn not_executable(
    named: &Outside,
    word: &str,
    program: &str,
    path: &Path,
) -> Option<Problem> {
    let found = fs::metadata(path).ok()?;
    if found.is_file() && found.permissions().mode() & 0o111 != 0 {
        return None;
    }
    let message = format!("`{word}`: {program} is no program");
    let label = match found.is_file() {
        true => format!("chmod +x {}", plain(path).display()),
        false => format!("{} is {}", plain(path).display(), kind(&found)),
    };
    Some(Problem::error(
        "no-such-program",
        message,
        named.span,
        label,
    ))
}

pub(super) fn unseen(named: &Outside, word: &str, own: &str) -> Problem {
    let message = format!("`{word}`: the servers do not see `{}`", named.text);
    let problem = Problem::error(
        "not-seen",
        message,
        named.span,
        format!("move it out of {own}"),
    );
    problem.help(format!("every server has a {own} of its own"))
}

/// Other users may list the directory, and open what is in it.
pub(super) fn is_open(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o005 == 0o005)
}

pub(super) fn kind(found: &Metadata) -> &'static str {
    match (found.is_dir(), found.is_file()) {
        (true, _) => "a directory",
        (_, true) => "a file",
        _ if found.file_type().is_fifo() => "a pipe",
        _ if found.file_type().is_socket() => "a socket",
        _ => "a device",
    }
}

/// A path without detours: no `.`, no `//`, and no `..` as far as the directories before it are there.
pub(super) fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        let before = match part {
            Component::ParentDir => fs::canonicalize(&plain).ok(),
            _ => None,
        };
        match before {
            Some(real) => plain = real.parent().unwrap_or(Path::new("/")).to_owned(),
            None => plain.push(part),
        }
    }
    plain
}
