//! Which release has prepared the database: `migrate` runs once per release, on one server.
//!
//! The record is a file in that server's state. It is written after the command succeeded: one that was
//! interrupted runs again, so a migration must bear that.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

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
    /// When the record is there and cannot be read.
    pub fn due<'a>(&self, plan: &'a AppPlan, release: &str) -> io::Result<Option<&'a str>> {
        let Some(command) = plan.migrate.as_deref() else {
            return Ok(None);
        };
        match fs::read_to_string(&self.path) {
            Ok(done) if done.trim_end() == entry(command, release) => Ok(None),
            Ok(_) => Ok(Some(command)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Some(command)),
            Err(error) => Err(error),
        }
    }

    /// The command has succeeded.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn done(&self, command: &str, release: &str) -> io::Result<()> {
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(directory)?;
        let fresh = directory.join(".new");
        let mut file = File::create(&fresh)?;
        writeln!(file, "{}", entry(command, release))?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        File::open(directory)?.sync_all()
    }
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
}
