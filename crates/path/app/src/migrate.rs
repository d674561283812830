//! Which release has prepared the database: `migrate` runs once per release, on one server.
//!
//! The record is a file in that server's state. It is written after the command succeeded: one that was
//! interrupted runs again, so a migration must bear that.

use std::path::{Path, PathBuf};

use terrace_service::kept::{self, Damaged, Wrong};
use terrace_site::plan::AppPlan;

/// The record of one app's migrations.
#[derive(Clone, Debug)]
pub struct Record {
    path: PathBuf,
}

impl Record {
    /// The record of this app in a server's state.
    pub fn of(state: &Path, app: &str) -> Self {
        Self {
            path: state.join("migrated").join(app),
        }
    }

    /// The command that has to succeed before copies of this release start; `None`: nothing has to.
    ///
    /// # Errors
    /// When the record is there and says nothing: whether the command has run is then not known.
    pub fn due<'a>(&self, plan: &'a AppPlan, release: &str) -> Result<Option<&'a str>, Damaged> {
        let Some(command) = plan.migrate.as_deref() else {
            return Ok(None);
        };
        let Some(done) = kept::text(&self.path, REMEDY)? else {
            return Ok(Some(command));
        };
        if !is_entry(&done) {
            let wrong = Wrong::Content("it names no release and no command".into());
            return Err(Damaged::new(&self.path, wrong, REMEDY));
        }
        Ok((done.trim_end() != entry(command, release)).then_some(command))
    }

    /// The command has succeeded.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn done(&self, command: &str, release: &str) -> Result<(), Damaged> {
        kept::directory(self.path.parent().unwrap_or(Path::new("/")))?;
        let text = format!("{}\n", entry(command, release));
        kept::replace(&self.path, text.as_bytes()).map_err(Damaged::unusable(&self.path, REMEDY))
    }
}

/// What to do about a record that cannot be used.
const REMEDY: &str = "restore it from a copy, or remove it: then the migration runs once more";

/// A text that [`entry`] may have made: a release and the hash of a command.
fn is_entry(text: &str) -> bool {
    let is_word = |word: &str| word.chars().all(|c| c.is_ascii_alphanumeric());
    let words: Vec<&str> = text.split_whitespace().collect();
    matches!(words[..], [release, command] if is_word(release) && blake3::Hash::from_hex(command).is_ok())
}

/// Another command of the same release has not run yet.
fn entry(command: &str, release: &str) -> String {
    format!("{release} {}", blake3::hash(command.as_bytes()).to_hex())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(migrate: Option<&str>) -> AppPlan {
        let mut plan: AppPlan = serde_json::from_value(serde_json::json!({
            "name": "foobar", "index": 0, "code": "/code", "build": [], "launch": {"run": "./serve"},
            "env": {}, "secrets": {}, "keep": [], "copies": [],
            "health": {"every": 1000, "within": 1000, "rise": 2, "fall": 2},
            "start_within": 30000, "stop_within": 10000,
        }))
        .unwrap();
        plan.migrate = migrate.map(str::to_owned);
        plan
    }

    #[test]
    fn a_migration_is_due_once_per_release_and_command() {
        let state = tempfile::tempdir().unwrap();
        let record = Record::of(state.path(), "foobar");
        let due = |migrate, release| record.due(&plan(migrate), release).unwrap().is_some();
        assert!(!due(None, "one"));
        assert!(due(Some("./migrate"), "one"));
        record.done("./migrate", "one").unwrap();
        assert!(!due(Some("./migrate"), "one"));
        assert!(due(Some("./migrate --more"), "one"));
        assert!(due(Some("./migrate"), "two"));
        record.done("./migrate", "two").unwrap();
        assert!(due(Some("./migrate"), "one"), "back to an older release");
    }

    #[test]
    fn a_record_that_is_damaged_is_named_and_nothing_runs() {
        let state = tempfile::tempdir().unwrap();
        let record = Record::of(state.path(), "foobar");
        record.done("./migrate", "one").unwrap();
        let path = state.path().join("migrated/foobar");
        let good = std::fs::read(&path).unwrap();
        for damage in [&b""[..], b"one", &good[..20], b"\xff", b"{}", b"one two\n"] {
            std::fs::write(&path, damage).unwrap();
            let said = record
                .due(&plan(Some("./migrate")), "one")
                .unwrap_err()
                .to_string();
            assert!(said.starts_with(&path.display().to_string()), "{said}");
            assert!(said.contains("or remove it"), "{said}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(
            record
                .due(&plan(Some("./migrate")), "one")
                .unwrap()
                .is_some()
        );
    }
}
