//! Makes a replica of a live primary: a copy is taken while it works, made consistent, and takes the place
//! of the data directory. What was there before is kept under a name that says why.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use terrace_protocol::keeper::{Program, Spawn};

use super::accounts::{CONTROL, CONTROL_SECRET};
use super::engine::environment;
use super::error::Error;
use super::files;
use super::home::{self, Record};
use super::life::{Instance, Settings, Started};
use super::processes::Processes;
use crate::failover::Epoch;
use crate::gtid::Position;

/// The program that copies a live MariaDB.
const BACKUP: &str = "mariadb-backup";

/// The program that unpacks what that one writes; of the same package.
const UNPACK: &str = "mbstream";

/// Where it writes the position of the copy; the name depends on its version.
const POSITION_FILES: [&str; 2] = ["mariadb_backup_binlog_info", "xtrabackup_binlog_info"];

/// As much of a long output as a message takes.
const LAST_WORDS: usize = 800;

/// Writes a copy of the live MariaDB that these settings are of into a socket, while it takes writes. The other end
/// is [`Instance::receive_copy`].
///
/// # Errors
/// [`Error::NoBackup`] names the package to install.
pub async fn send_copy(
    settings: &Settings,
    processes: &dyn Processes,
    socket: OwnedFd,
) -> Result<(), Error> {
    let directories = &settings.directories;
    let password = settings.secrets.read_or_generate(CONTROL_SECRET)?;
    let options = directories.run.join("backup.cnf");
    let text = format!(
        "[mariadb-backup]\nuser={CONTROL}\npassword=\"{}\"\nsocket=\"{}\"\ndatadir=\"{}\"\n",
        password.expose(),
        directories.socket().display(),
        directories.data().display(),
    );
    files::write(&options, &text, 0o600, settings.user)?;
    let arguments = vec![
        format!("--defaults-file={}", options.display()),
        "--backup".into(),
        "--stream=xbstream".into(),
        format!("--target-dir={}", directories.temporary().display()),
    ];
    let doing = "copy the live database";
    let copied = run(
        settings,
        processes,
        doing,
        BACKUP,
        arguments,
        Some((socket, Way::Out)),
    )
    .await;
    files::remove(&options).map_err(Error::io("remove", &options))?;
    copied
}

/// Which way a program uses the socket that is its standard input.
enum Way {
    In,
    /// Its standard output goes there; what it says of itself does not.
    Out,
}

impl Instance {
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

    /// Unpacks what [`send_copy`] writes into this directory.
    ///
    /// # Errors
    /// [`Error::NoBackup`] names the package to install; a copy that is cut short is none.
    pub async fn receive_copy(&self, target: &Path, socket: OwnedFd) -> Result<(), Error> {
        let target = target.to_string_lossy().into_owned();
        let arguments = vec!["-x".into(), "-C".into(), target];
        let socket = Some((socket, Way::In));
        self.use_program("unpack the copy", UNPACK, arguments, socket)
            .await
    }

    async fn use_program(
        &self,
        doing: &'static str,
        name: &str,
        arguments: Vec<String>,
        socket: Option<(OwnedFd, Way)>,
    ) -> Result<(), Error> {
        run(
            &self.settings,
            &*self.processes,
            doing,
            name,
            arguments,
            socket,
        )
        .await
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
        self.use_program("make the copy consistent", BACKUP, arguments, None)
            .await?;
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
}

async fn run(
    settings: &Settings,
    processes: &dyn Processes,
    doing: &'static str,
    name: &str,
    mut arguments: Vec<String>,
    socket: Option<(OwnedFd, Way)>,
) -> Result<(), Error> {
    let program = settings.search.iter().map(|one| one.join(name));
    let mut program = program.chain([Path::new("/usr/bin").join(name)]);
    let program = program.find(|one| one.is_file()).ok_or(Error::NoBackup)?;
    let (program, input) = match socket {
        None => (program, None),
        Some((socket, Way::In)) => (program, Some(socket)),
        Some((socket, Way::Out)) => {
            let shell = ["-c", "exec \"$0\" \"$@\" >&0"].map(str::to_owned);
            let own = program.to_string_lossy().into_owned();
            arguments.splice(..0, shell.into_iter().chain([own]));
            (PathBuf::from("/bin/sh"), Some(socket))
        }
    };
    let spawn = Spawn {
        id: format!("{} copy", settings.id),
        program: Program::File(program),
        arguments,
        environment: environment(),
        directory: Some(settings.directories.home.clone()),
        user: settings.user,
        ..Spawn::default()
    };
    let finished = processes.run(spawn, input).await?;
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
