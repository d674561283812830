//! Makes a replica of a live primary: a copy is taken while it works, made consistent, and takes the place
//! of the data directory. What was there before is kept under a name that says why. Where the machine has
//! no program for that, `dump` does it in another way.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use terrace_protocol::keeper::{Program, Spawn};
use terrace_site::plan::Engine;

use super::accounts::{CONTROL, CONTROL_SECRET};
use super::dump::{self, DUMP};
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

/// Where MySQL's server makes its copy, among its temporary files.
const CLONE: &str = "copy";

/// With what it begins what it writes; a dump begins with a comment.
const STREAM: u8 = b'X';

/// Writes a copy of the live MariaDB that these settings are of into a socket, while it takes writes. The other end
/// is [`Instance::receive_copy`], which finds out by itself what comes.
///
/// # Errors
/// [`Error::NoBackup`] names the package to install.
pub async fn send_copy(
    settings: &Settings,
    processes: &dyn Processes,
    socket: OwnedFd,
) -> Result<(), Error> {
    if find(settings, BACKUP).is_none() {
        return match find(settings, DUMP) {
            Some(_) => dump::send(settings, processes, socket).await,
            None => Err(Error::NoBackup),
        };
    }
    let temporary = settings.directories.temporary();
    let arguments = vec![
        "--backup".into(),
        "--stream=xbstream".into(),
        format!("--target-dir={}", temporary.display()),
    ];
    let way = Some((socket, Way::Out));
    run_logged_in(
        settings,
        processes,
        "copy the live database",
        BACKUP,
        arguments,
        way,
    )
    .await
}

/// Which way a program uses the descriptor that is its standard input.
pub(super) enum Way {
    In,
    /// Its standard output goes there; what it says of itself does not.
    Out,
}

impl Instance {
    /// Makes the empty directory in which a copy is laid that this server is to adopt. MySQL makes its own
    /// in [`crate::replication::Member::clone_into`]: there it is a name that is free.
    ///
    /// # Errors
    /// When what an earlier one left cannot be removed.
    pub fn clear_for_copy(&self) -> Result<PathBuf, Error> {
        let directories = &self.settings.directories;
        let target = home::clear(directories)?;
        if self.found.engine == Engine::Mysql {
            let target = directories.temporary().join(CLONE);
            return match fs::remove_dir_all(&target) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(Error::io("clear", &target)(error))
                }
                _ => Ok(target),
            };
        }
        files::make_directory(&target, 0o700, self.settings.user)
            .map_err(Error::io("make", &target))?;
        Ok(target)
    }

    /// Takes what [`send_copy`] writes into this directory.
    ///
    /// # Errors
    /// [`Error::NoProgram`] names the package to install; a copy that is cut short is none.
    pub async fn receive_copy(&self, target: &Path, socket: OwnedFd) -> Result<(), Error> {
        let first = first_byte(&socket).await;
        match first.map_err(Error::io("receive a copy into", target))? {
            None => Err(Error::CutShort),
            Some(STREAM) => {
                let arguments = ["-x", "-C"].map(str::to_owned).into_iter();
                let arguments = arguments.chain([target.to_string_lossy().into_owned()]);
                let way = Some((socket, Way::In));
                self.use_backup("unpack the copy", UNPACK, arguments.collect(), way)
                    .await
            }
            Some(_) => self.receive_dump(target, socket).await,
        }
    }

    /// Makes the copy that was laid in [`Self::clear_for_copy`]'s directory this server's data, and starts
    /// it as a replica. The server has ended before. Its old data directory is kept.
    ///
    /// # Errors
    /// When the copy is of no use: then nothing has changed.
    pub async fn adopt_copy(&mut self, epoch: Epoch) -> Result<Started, Error> {
        let copy = self.settings.directories.unborn();
        if self.found.engine == Engine::Mysql {
            let made = self.settings.directories.temporary().join(CLONE);
            fs::rename(&made, &copy).map_err(Error::io("move", &made))?;
            self.replace_data(epoch)?;
            return self.start_as_replica().await;
        }
        if dump::is_in(&copy) {
            return self.adopt_dump(epoch).await;
        }
        let arguments = vec![
            "--prepare".into(),
            "--use-memory=64M".into(),
            format!("--target-dir={}", copy.display()),
        ];
        self.use_backup("make the copy consistent", BACKUP, arguments, None)
            .await?;
        let position = position(&copy)?;
        self.replace_data(epoch)?;
        let started = self.start_as_replica().await?;
        // The table in the copy is older than the copy.
        self.take_position(&position).await?;
        Ok(started)
    }

    async fn use_backup(
        &self,
        doing: &'static str,
        name: &'static str,
        arguments: Vec<String>,
        input: Option<(OwnedFd, Way)>,
    ) -> Result<(), Error> {
        let program = program(&self.settings, name)?;
        let processes = &*self.processes;
        run(&self.settings, processes, doing, &program, arguments, input).await
    }

    /// What was laid beside the data takes its place; says where the old one is kept.
    pub(super) fn replace_data(&mut self, epoch: Epoch) -> Result<PathBuf, Error> {
        let directories = &self.settings.directories;
        let data = directories.data();
        let kept = free_name(&directories.home, epoch);
        fs::rename(&data, &kept).map_err(Error::io("keep", &data))?;
        let mut record = Record::new(&self.found, false);
        let users = self.plan.users.iter();
        record.accounts = users.map(|user| user.name.clone()).collect();
        home::settle(directories, &record)?;
        self.record = record;
        Ok(kept)
    }

    /// The data that was kept is this server's again.
    pub(super) fn take_back(&mut self, kept: &Path) -> Result<(), Error> {
        let data = self.settings.directories.data();
        fs::remove_dir_all(&data).map_err(Error::io("remove", &data))?;
        fs::rename(kept, &data).map_err(Error::io("take back", kept))?;
        if let Some(record) = home::read(&self.settings.directories)? {
            self.record = record;
        }
        Ok(())
    }

    async fn take_position(&mut self, position: &Position) -> Result<(), Error> {
        let set = format!("SET GLOBAL gtid_slave_pos='{position}'");
        self.control
            .carry_out("take the copy's position", [set])
            .await
    }
}

/// What comes first, left where it is; `None`: nothing comes.
async fn first_byte(socket: &OwnedFd) -> io::Result<Option<u8>> {
    // To look at what waits in it, one kind of socket is as good as another.
    let socket = std::net::TcpStream::from(socket.try_clone()?);
    socket.set_nonblocking(true)?;
    let socket = tokio::net::TcpStream::from_std(socket)?;
    let mut first = [0];
    let count = socket.peek(&mut first).await?;
    socket.into_std()?.set_nonblocking(false)?;
    Ok((count > 0).then_some(first[0]))
}

fn find(settings: &Settings, name: &str) -> Option<PathBuf> {
    let mut paths = settings.search.iter().map(|one| one.join(name));
    paths.find(|path| path.is_file())
}

fn program(settings: &Settings, name: &'static str) -> Result<PathBuf, Error> {
    find(settings, name).ok_or(Error::NoProgram(name))
}

/// Runs a program that logs in as the control account.
pub(super) async fn run_logged_in(
    settings: &Settings,
    processes: &dyn Processes,
    doing: &'static str,
    name: &'static str,
    mut arguments: Vec<String>,
    input: Option<(OwnedFd, Way)>,
) -> Result<(), Error> {
    let program = program(settings, name)?;
    let directories = &settings.directories;
    let password = settings.secrets.read_or_generate(CONTROL_SECRET)?;
    let options = directories.run.join("copy.cnf");
    let login = format!(
        "user={CONTROL}\npassword=\"{}\"\nsocket=\"{}\"\n",
        password.expose(),
        directories.socket().display(),
    );
    let data = directories.data();
    let text = format!(
        "[client]\n{login}[{BACKUP}]\n{login}datadir=\"{}\"\n",
        data.display()
    );
    files::write(&options, &text, 0o600, settings.user)?;
    arguments.insert(0, format!("--defaults-file={}", options.display()));
    let ran = run(settings, processes, doing, &program, arguments, input).await;
    files::remove(&options).map_err(Error::io("remove", &options))?;
    ran
}

/// Runs a program to its end, as the database's own user.
pub(super) async fn run(
    settings: &Settings,
    processes: &dyn Processes,
    doing: &'static str,
    program: &Path,
    mut arguments: Vec<String>,
    input: Option<(OwnedFd, Way)>,
) -> Result<(), Error> {
    let (program, input) = match input {
        None => (program.to_owned(), None),
        Some((input, Way::In)) => (program.to_owned(), Some(input)),
        Some((output, Way::Out)) => {
            let shell = ["-c", "exec \"$0\" \"$@\" >&0"].map(str::to_owned);
            let own = program.to_string_lossy().into_owned();
            arguments.splice(..0, shell.into_iter().chain([own]));
            (PathBuf::from("/bin/sh"), Some(output))
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
    Position::parse(Engine::Mariadb, third)
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
