//! Everything that the commands of a build write: a file that begins anew with each attempt, and has a bound.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

/// A longer log ends with a word that it was cut. What a build writes last is in the failure that is shown.
const LONGEST: usize = 16 * 1024 * 1024;

/// The log of one attempt. It is begun with the first line: an attempt that finds its release leaves the log of the build that
/// made it.
pub(super) struct BuildLog {
    path: PathBuf,
    file: Option<File>,
    length: usize,
}

impl BuildLog {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            length: 0,
        }
    }

    /// Adds a line. A build does not fail because its log cannot be written.
    pub(super) fn line(&mut self, text: &str) {
        if self.length >= LONGEST {
            return;
        }
        self.length += text.len() + 1;
        let ending = match self.length >= LONGEST {
            true => "\n(this log is cut here: it is too long)\n",
            false => "\n",
        };
        if let Err(error) = self.write(&format!("{text}{ending}")) {
            let path = self.path.display();
            tracing::warn!(%path, %error, "the log of the build cannot be written");
            self.length = LONGEST;
        }
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                if let Some(directory) = self.path.parent() {
                    fs::create_dir_all(directory)?;
                }
                self.file.insert(File::create(&self.path)?)
            }
        };
        file.write_all(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_begins_with_the_first_line_and_has_a_bound() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("builds/app.log");
        drop(BuildLog::new(path.clone()));
        assert!(
            !path.exists(),
            "an attempt that writes nothing leaves the log before it"
        );
        let mut log = BuildLog::new(path.clone());
        let long = "x".repeat(LONGEST / 2);
        for line in ["first", &long, &long, "last"] {
            log.line(line);
        }
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("first\nx") && text.ends_with("too long)\n"));
    }

    #[test]
    fn a_log_that_cannot_be_written_is_given_up() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = BuildLog::new(directory.path().join("."));
        log.line("one");
        assert_eq!(log.length, LONGEST);
    }
}
