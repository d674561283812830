//! The programs that build and run a release, found as the shell finds them.
//!
//! A release that was built with one Python does not run with the next: the identity of each program that a
//! command names first is a part of the release. Programs that the release brings itself are its content.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The directories of a PATH, those left out apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchPath {
    /// In which programs are looked for.
    pub directories: Vec<PathBuf>,
    /// Which were on the caller's PATH, and which another user cannot reach.
    pub left_out: Vec<PathBuf>,
}

impl SearchPath {
    /// The directories of `path`; those that another user than the present one cannot reach are left out, if one
    /// is to run what is built.
    pub fn new(path: &OsStr, other_user: bool) -> Self {
        let all = std::env::split_paths(path).filter(|directory| directory.is_absolute());
        let (directories, left_out) = all
            .filter(|directory| directory.is_dir())
            .partition(|directory| !other_user || open_to_others(directory));
        Self {
            directories,
            left_out,
        }
    }

    /// As the variable holds it.
    pub fn to_variable(&self) -> OsString {
        std::env::join_paths(&self.directories).unwrap_or_default()
    }

    /// The program that this name finds.
    pub fn find(&self, name: &str) -> Option<PathBuf> {
        let executable = |candidate: &PathBuf| {
            fs::metadata(candidate)
                .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        };
        let candidates = self.directories.iter();
        candidates
            .map(|directory| directory.join(name))
            .find(executable)
    }

    /// Which program this name finds, in words that change when it is replaced: path, size, time.
    pub(super) fn identity(&self, name: &str) -> Option<String> {
        let real = self.find(name)?.canonicalize().ok()?;
        let metadata = fs::metadata(&real).ok()?;
        Some(format!(
            "{name} {} {} {}.{:09}",
            real.display(),
            metadata.size(),
            metadata.mtime(),
            metadata.mtime_nsec()
        ))
    }
}

/// Every directory on the way, symbolic links resolved, may be searched by everyone.
fn open_to_others(directory: &Path) -> bool {
    let Ok(real) = directory.canonicalize() else {
        return false;
    };
    real.ancestors().all(|part| {
        fs::metadata(part).is_ok_and(|metadata| metadata.permissions().mode() & 0o001 != 0)
    })
}

/// The first word of each simple command: what stands for a program on PATH.
pub(super) fn named_first<'a>(commands: impl IntoIterator<Item = &'a String>) -> BTreeSet<&'a str> {
    commands
        .into_iter()
        .flat_map(|command| command.split([';', '&', '|', '\n', '(', ')']))
        .filter_map(program)
        .collect()
}

fn program(simple: &str) -> Option<&str> {
    let word = simple
        .split_whitespace()
        .find(|word| *word != "exec" && !word.contains('='))?;
    // With a slash it is looked for in the release, or is an absolute path that says itself which one it is.
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
    word.chars().all(plain).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_of_a_command_are_those_named_first() {
        let commands = [
            "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt".to_owned(),
            "NODE_ENV=production exec node server.js | tee log; \"quoted\" x".to_owned(),
        ];
        let found: Vec<&str> = named_first(&commands).into_iter().collect();
        assert_eq!(found, ["node", "python3", "tee"]);
    }

    #[test]
    fn a_directory_behind_a_closed_one_is_left_out_for_another_user() {
        let root = tempfile::tempdir().unwrap();
        let closed = root.path().join("closed");
        let within = closed.join("bin");
        fs::create_dir_all(&within).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        let listed = std::env::join_paths([within.as_path(), Path::new("/usr/bin")]).unwrap();
        let other = SearchPath::new(&listed, true);
        assert_eq!(other.directories, [Path::new("/usr/bin")]);
        assert_eq!(other.left_out, [within.as_path()]);
        let own = SearchPath::new(&listed, false);
        assert_eq!(own.directories, [within.as_path(), Path::new("/usr/bin")]);
    }

    #[test]
    fn a_replaced_program_has_another_identity() {
        let root = tempfile::tempdir().unwrap();
        let program = root.path().join("tool");
        let path = SearchPath::new(root.path().as_os_str(), false);
        assert_eq!(path.identity("tool"), None);
        fs::write(&program, "one").unwrap();
        assert_eq!(path.identity("tool"), None, "it cannot be executed");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let before = path.identity("tool").unwrap();
        assert_eq!(path.identity("tool").as_deref(), Some(before.as_str()));
        fs::write(&program, "three").unwrap();
        assert_ne!(path.identity("tool").unwrap(), before);
    }
}
