//! Makes a replica of a live primary: a copy is taken while it works, made consistent, and takes the place
//! of the data directory. What was there before is kept under a name that says why.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use terrace_protocol::keeper::{Program, Spawn};

use super::accounts::{CONTROL, CONTROL_SECRET};
use super::engine::environment;
use super::error::Error;
use super::files;
use super::home::{self, Record};
use super::life::{Instance, Started};
use crate::failover::Epoch;
use crate::gtid::Position;

/// The program that copies a live MariaDB.
const BACKUP: &str = "mariadb-backup";

/// Where it writes the position of the copy; the name depends on its version.
const POSITION_FILES: [&str; 2] = ["mariadb_backup_binlog_info", "xtrabackup_binlog_info"];

/// As much of a long output as a message takes.
const LAST_WORDS: usize = 800;

impl Instance {
    /// Copies this live MariaDB into an empty directory, while it takes writes.
    ///
    /// # Errors
    /// [`Error::NoBackup`] names the package to install.
    pub async fn copy_to(&self, target: &Path) -> Result<(), Error> {
        let directories = &self.settings.directories;
        let password = self.settings.secrets.read_or_generate(CONTROL_SECRET)?;
        let options = directories.run.join("backup.cnf");
        let text = format!(
            "[mariadb-backup]\nuser={CONTROL}\npassword=\"{}\"\nsocket=\"{}\"\ndatadir=\"{}\"\n",
            password.expose(),
            directories.socket().display(),
            directories.data().display(),
        );
        files::write(&options, &text, 0o600, self.settings.user)?;
        let arguments = vec![
            format!("--defaults-file={}", options.display()),
            "--backup".into(),
            format!("--target-dir={}", target.display()),
        ];
        let copied = self.back_up("copy the live database", arguments).await;
        files::remove(&options).map_err(Error::io("remove", &options))?;
        copied
    }

    /// Makes the empty directory in which a copy is laid that this server is to adopt.
    ///
    /// # Errors
    /// When what an earlier one left cannot be removed.
    pub fn clear_for_copy(&self) -> Result<PathBuf, Error> {
        let target = home::clear(&self.settings.directories)?;
        files::make_directory(&target, 0o700, self.settings.user)
            .map_err(Error::io("make", &target))?;
        Ok(target)
    }

    /// Makes the copy that was laid in [`Self::clear_for_copy`]'s directory this server's data, and starts
    /// it as a replica. The server has ended before. Its old data directory is kept.
    ///
    /// # Errors
    /// When the copy is of no use: then nothing has changed.
    pub async fn adopt_copy(&mut self, epoch: Epoch) -> Result<Started, Error> {
        let directories = self.settings.directories.clone();
        let copy = directories.unborn();
        let arguments = vec![
            "--prepare".into(),
            "--use-memory=64M".into(),
            format!("--target-dir={}", copy.display()),
        ];
        self.back_up("make the copy consistent", arguments).await?;
        let position = position(&copy)?;
        let data = directories.data();
        let kept = free_name(&directories.home, epoch);
        fs::rename(&data, &kept).map_err(Error::io("keep", &data))?;
        let mut record = Record::new(&self.found, false);
        record.accounts = self
            .plan
            .users
            .iter()
            .map(|user| user.name.clone())
            .collect();
        home::settle(&directories, &record)?;
        self.record = record;
        let started = self.start_as_replica().await?;
        // The table in the copy is older than the copy.
        let set = format!("SET GLOBAL gtid_slave_pos='{position}'");
        self.control
            .carry_out("take the copy's position", [set])
            .await?;
        Ok(started)
    }

    async fn back_up(&self, doing: &'static str, arguments: Vec<String>) -> Result<(), Error> {
        let program = self.settings.search.iter().map(|one| one.join(BACKUP));
        let program = program.chain([Path::new("/usr/bin").join(BACKUP)]);
        let program = program.into_iter().find(|one| one.is_file());
        let spawn = Spawn {
            id: format!("{} copy", self.settings.id),
            program: Program::File(program.ok_or(Error::NoBackup)?),
            arguments,
            environment: environment(),
            directory: Some(self.settings.directories.home.clone()),
            user: self.settings.user,
            ..Spawn::default()
        };
        let finished = self.processes.run(spawn, None).await?;
        if finished.succeeded() {
            return Ok(());
        }
        let output: Vec<char> = finished.output.trim().chars().collect();
        Err(Error::Backup {
            doing,
            exit: finished.exit,
            output: output[output.len().saturating_sub(LAST_WORDS)..]
                .iter()
                .collect(),
        })
    }
}

/// The transactions that a copy holds: the third column of what the program writes beside it.
fn position(copy: &Path) -> Result<Position, Error> {
    let path = POSITION_FILES
        .map(|name| copy.join(name))
        .into_iter()
        .find(|path| path.is_file())
        .unwrap_or_else(|| copy.join(POSITION_FILES[0]));
    let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    let third = text.split_whitespace().nth(2).unwrap_or_default();
    Position::parse(terrace_site::plan::Engine::Mariadb, third)
        .map_err(|error| Error::io("understand", &path)(io::Error::other(error)))
}

/// `data.errant-3`, or the next that is free where this epoch has one already.
fn free_name(home: &Path, epoch: Epoch) -> PathBuf {
    let first = home.join(format!("data.errant-{epoch}"));
    if !first.exists() {
        return first;
    }
    (2_u32..)
        .map(|number| home.join(format!("data.errant-{epoch}.{number}")))
        .find(|path| !path.exists())
        .unwrap_or(first)
}
