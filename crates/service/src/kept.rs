//! Files that are kept between runs: read with what is wrong, where, and what to do about it; replaced whole, or not at all.
//!
//! A file that is not there is no error of its own: only its reader knows whether that is a beginning or a loss.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// A file that cannot be used, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{} {wrong}: {remedy}", path.display())]
pub struct Damaged {
    /// Which.
    pub path: PathBuf,
    /// What is wrong with it.
    pub wrong: Wrong,
    /// What to do, in words that can be carried out.
    pub remedy: String,
}

/// What is wrong with a file that was kept.
#[derive(Debug, thiserror::Error)]
pub enum Wrong {
    /// It was there before.
    #[error("is gone")]
    Gone,
    /// It has no content.
    #[error("is empty")]
    Empty,
    /// There is something else in its place.
    #[error("is a directory, not a file")]
    Directory,
    /// It cannot be read or written.
    #[error("cannot be used: {0}")]
    Unusable(io::Error),
    /// What is in it is not what belongs there.
    #[error("is damaged: {0}")]
    Content(String),
    /// Another version has written it.
    #[error("has format {found}, and this binary knows {known}")]
    Format {
        /// What it has.
        found: u64,
        /// What is known here.
        known: u32,
    },
}

impl Damaged {
    /// This is wrong with this file.
    pub fn new(path: &Path, wrong: Wrong, remedy: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            wrong,
            remedy: remedy.into(),
        }
    }

    /// For `map_err` on an operation on a file or a directory.
    pub fn unusable(path: &Path, remedy: &str) -> impl FnOnce(io::Error) -> Self {
        let (path, remedy) = (path.to_owned(), remedy.to_owned());
        move |error| Self::new(&path, Wrong::Unusable(error), remedy)
    }
}

/// Reads a text. `None`: there is no such file.
///
/// # Errors
/// When it is empty, no text, or cannot be read.
pub fn text(path: &Path, remedy: &str) -> Result<Option<String>, Damaged> {
    let wrong = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == ErrorKind::IsADirectory => Wrong::Directory,
        Err(error) => Wrong::Unusable(error),
        Ok(bytes) if bytes.is_empty() => Wrong::Empty,
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => return Ok(Some(text)),
            Err(_) => Wrong::Content("it is not UTF-8 text".into()),
        },
    };
    Err(Damaged::new(path, wrong, remedy))
}

/// Reads a value that was written as JSON. `None`: there is no such file.
///
/// # Errors
/// As [`text`], and when it is not such a value.
pub fn json<T: DeserializeOwned>(path: &Path, remedy: &str) -> Result<Option<T>, Damaged> {
    let Some(text) = text(path, remedy)? else {
        return Ok(None);
    };
    let value = serde_json::from_str(&text);
    let damaged =
        |error: serde_json::Error| Damaged::new(path, Wrong::Content(error.to_string()), remedy);
    value.map(Some).map_err(damaged)
}

/// As [`json`], for a value that says the version of its format.
///
/// # Errors
/// As [`json`], and when the format is another one.
pub fn versioned<T: DeserializeOwned>(
    path: &Path,
    known: u32,
    remedy: &str,
) -> Result<Option<T>, Damaged> {
    #[derive(serde::Deserialize)]
    struct Envelope {
        format: u64,
    }
    match json::<Envelope>(path, remedy)? {
        None => Ok(None),
        Some(Envelope { format: found }) if found != u64::from(known) => {
            let wrong = Wrong::Format { found, known };
            let remedy = "run the version of Terrace that has written it";
            Err(Damaged::new(path, wrong, remedy))
        }
        Some(_) => json(path, remedy),
    }
}

/// Replaces a file: whole, or not at all.
///
/// # Errors
/// When it cannot be written: what was there stays.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = path.with_file_name(name);
    let write = || {
        let mut file = File::create(&fresh)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        // The name, too, must outlive a power cut.
        File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
    };
    let written = write();
    if written.is_err() {
        // Half of it is of no use, and takes room.
        let _ = fs::remove_file(&fresh);
    }
    written
}

/// A directory that is needed: made where it is not there.
///
/// # Errors
/// When something else is in its place, or it cannot be made.
pub fn directory(path: &Path) -> Result<(), Damaged> {
    let in_the_way = |path: &&Path| {
        fs::symlink_metadata(path).is_ok_and(|found| !found.is_dir()) && !path.is_dir()
    };
    let made = fs::create_dir_all(path);
    made.map_err(|error| match path.ancestors().find(in_the_way) {
        Some(other) => {
            let wrong = Wrong::Content("it is not a directory".into());
            Damaged::new(other, wrong, "move it away, it is made anew")
        }
        None => {
            let remedy = "give back the right to write there, or make room";
            Damaged::new(path, Wrong::Unusable(error), remedy)
        }
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Kept {
        format: u32,
        name: String,
    }

    #[test]
    fn what_is_wrong_is_said_with_its_path_and_the_remedy_and_once() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("kept.json");
        let read = || versioned::<Kept>(&path, 1, "restore it");
        assert_eq!(read().unwrap(), None);
        let good = r#"{"format":1,"name":"one"}"#;
        let damages: [(&[u8], &str); 8] = [
            (b"", "is empty"),
            (&good.as_bytes()[..9], "is damaged: EOF"),
            (b"\xff\xfe{\0", "is damaged: it is not UTF-8"),
            (b"\0\0\0\0", "is damaged: expected value"),
            (b"[]", "is damaged: "),
            (b"null", "is damaged: "),
            (br#"{"format":1}"#, "missing field `name`"),
            (br#"{"format":9,"other":1}"#, "has format 9"),
        ];
        for (damage, words) in damages {
            fs::write(&path, damage).unwrap();
            let said = read().unwrap_err().to_string();
            assert!(said.starts_with(&path.display().to_string()), "{said}");
            assert!(said.contains(words), "{words}: {said}");
            let remedy = said.ends_with(": restore it") || said.contains("the version of Terrace");
            assert!(remedy, "{said}");
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(read().unwrap_err().wrong, Wrong::Directory));
        fs::remove_dir(&path).unwrap();
        symlink(&path, &path).unwrap();
        let said = read().unwrap_err().to_string();
        assert_eq!(said.matches("os error").count(), 1, "{said}");
        fs::remove_file(&path).unwrap();
        replace(&path, good.as_bytes()).unwrap();
        assert_eq!(read().unwrap().unwrap().name, "one");
    }

    #[test]
    fn a_directory_that_is_a_file_is_named_itself() {
        let place = tempfile::tempdir().unwrap();
        let (file, inner) = (place.path().join("file"), place.path().join("file/a/b"));
        fs::write(&file, "").unwrap();
        let said = directory(&inner).unwrap_err();
        assert_eq!(said.path, file);
        fs::remove_file(&file).unwrap();
        directory(&inner).unwrap();
        assert!(inner.is_dir());
    }
}
