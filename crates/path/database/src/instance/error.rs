//! What can go wrong with an instance, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use terrace_protocol::keeper::Exit;
use terrace_site::plan::Engine;

use super::engine::{Found, Version};
use super::failure::Failure;
use super::processes::ProcessError;

/// How one of several servers gets its data again.
const REPLACED: &str = ", or make another one the primary (`terrace failover` says what that may lose): then it is copied from that one";

/// Why an instance cannot do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No server program was found.
    #[error("{}", missing(*.wanted, .unusable))]
    NoEngine {
        /// Which one is asked for; `None`: either.
        wanted: Option<Engine>,
        /// Programs that were found and could not be used, each with its reason.
        unusable: Vec<String>,
    },
    /// The program is older than what this crate knows to configure.
    #[error("{found} is too old: install {} {minimum} or newer", found.engine.title())]
    TooOld {
        /// What was found.
        found: Found,
        /// The oldest that works.
        minimum: Version,
    },
    /// The data was written by another server program.
    #[error(
        "the data in {} is {}'s and cannot be opened by {}: write `engine={}`, or dump it there and load it here, or remove it with `terrace down --wipe`",
        data.display(), born.title(), wanted.title(), word(*born)
    )]
    OtherEngine {
        /// The data directory.
        data: PathBuf,
        /// Whose data it is.
        born: Engine,
        /// What is asked for.
        wanted: Engine,
    },
    /// The data was last opened by a newer server program.
    #[error(
        "the data in {} was last opened by {} {used}, and {found} is older: install {used} or newer; going back needs a dump and a load",
        data.display(), found.engine.title()
    )]
    Downgrade {
        /// The data directory.
        data: PathBuf,
        /// What opened it last.
        used: Version,
        /// What was found now.
        found: Found,
    },
    /// There are files where the data directory belongs, and Terrace did not put them there.
    #[error(
        "{} holds files without terrace.json, which says whose they are, and they are left alone: restore it from a copy, or \
         move them away",
        .0.display()
    )]
    Foreign(PathBuf),
    /// The data directory was there, and is not.
    #[error(
        "the data in {} is gone, and an empty database does not take its place: restore it from a copy{}",
        data.display(), if *several { REPLACED } else { ", or begin anew with `terrace down --wipe`" }
    )]
    Lost {
        /// The data directory.
        data: PathBuf,
        /// Other servers may have the same data.
        several: bool,
    },
    /// A file that was kept cannot be used.
    #[error(transparent)]
    Damaged(#[from] terrace_service::kept::Damaged),
    /// The socket's path is longer than the kernel allows.
    #[error(
        "the socket's path {} is longer than 107 bytes: use a shorter directory for what runs",
        .0.display()
    )]
    SocketPath(PathBuf),
    /// A name that belongs to the server itself.
    #[error("`{0}` is a name that the database keeps for itself: choose another one in the file")]
    ReservedName(String),
    /// The empty data directory could not be made.
    #[error("{found} could not make an empty data directory ({exit}): {output}")]
    Bootstrap {
        /// Which program.
        found: Found,
        /// How it ended.
        exit: Exit,
        /// The last of what it said.
        output: String,
    },
    /// The files that make an empty data directory are missing beside the program.
    #[error(
        "the SQL files that belong to {} are not under {}: install the package `mariadb-server-core` again",
        binary.display(), share.display()
    )]
    NoScripts {
        /// The program.
        binary: PathBuf,
        /// Where they should be.
        share: PathBuf,
    },
    /// The programs that copy a live server are missing.
    #[error(
        "neither `mariadb-backup` nor `mariadb-dump` is on PATH, and without one no replica can be made: `apt-get install mariadb-backup`"
    )]
    NoBackup,
    /// A program that takes a copy is missing here, where the other server has its own.
    #[error(
        "`{0}` is not on PATH, and without it the copy cannot be taken: `apt-get install {package}`",
        package = package(.0)
    )]
    NoProgram(&'static str),
    /// The connection over which a copy came ended early.
    #[error("the copy was cut short: the other server says why, and it is tried again")]
    CutShort,
    /// A copy of a live server could not be made.
    #[error("cannot {doing} ({exit}): {output}")]
    Backup {
        /// What was to be done.
        doing: &'static str,
        /// How the program ended.
        exit: Exit,
        /// The last of what it said.
        output: String,
    },
    /// The server ended before it answered.
    #[error("{what} did not start ({exit}): {failure}")]
    Died {
        /// `MariaDB 10.11.19`.
        what: String,
        /// How it ended.
        exit: Exit,
        /// Why, as its log tells.
        failure: Failure,
    },
    /// The server answers, and refuses the control account.
    #[error(
        "the running database refuses the control account: its password in `database/control` was changed; restart the database, which makes it valid"
    )]
    ControlRefused,
    /// A statement failed.
    #[error("the database refused to {doing}: {why}")]
    Sql {
        /// What it was for.
        doing: &'static str,
        /// What it said.
        why: mysql_async::Error,
    },
    /// A statement did not come back in time.
    #[error("the database did not {doing} within {} s", within.as_secs_f32())]
    Slow {
        /// What it was for.
        doing: &'static str,
        /// How long it had.
        within: std::time::Duration,
    },
    /// A file could not be read or written.
    #[error("cannot {doing} {}: {why}{}", path.display(), remedy(why))]
    Io {
        /// What was to be done.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// A password is not to be had.
    #[error(transparent)]
    Secret(#[from] terrace_service::secret::Error),
    /// A process could not be started, signalled or waited for.
    #[error("the database's process: {0}")]
    Process(ProcessError),
}

impl From<ProcessError> for Error {
    fn from(error: ProcessError) -> Self {
        Self::Process(error)
    }
}

impl Error {
    /// For `map_err` on an operation on a file.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |why| Error::Io { doing, path, why }
    }

    /// For `map_err` on a statement.
    pub(super) fn sql(doing: &'static str) -> impl FnOnce(mysql_async::Error) -> Self {
        move |why| Error::Sql { doing, why }
    }
}

/// What helps, where that is known.
fn remedy(why: &io::Error) -> &'static str {
    match why.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; make room, and it starts again"
        }
        _ => "",
    }
}

/// The word of the file: `engine=mariadb`.
fn word(engine: Engine) -> &'static str {
    match engine {
        Engine::Mariadb => "mariadb",
        Engine::Mysql => "mysql",
    }
}

fn missing(wanted: Option<Engine>, unusable: &[String]) -> String {
    let remedy = match wanted {
        Some(Engine::Mysql) => {
            "no MySQL server on PATH: install the package `mysql-server-core` (on Debian 12 from \
             https://dev.mysql.com/downloads/repo/apt/), or write `engine=mariadb`"
        }
        Some(Engine::Mariadb) => "no MariaDB server on PATH: `apt-get install mariadb-server-core`",
        None => "neither MariaDB nor MySQL is on PATH: `apt-get install mariadb-server-core`",
    };
    if unusable.is_empty() {
        remedy.to_owned()
    } else {
        format!("{remedy} (not usable: {})", unusable.join("; "))
    }
}

/// The Debian package that a program is in.
fn package(program: &str) -> &'static str {
    match program {
        "mariadb" => "mariadb-client-core",
        "mariadb-dump" => "mariadb-client",
        _ => "mariadb-backup",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_finds_no_room_is_told_with_what_helps() {
        let said = |kind| {
            let write = Error::io("write", Path::new("/x/my.cnf"));
            write(io::Error::from(kind)).to_string()
        };
        let full = said(io::ErrorKind::StorageFull);
        assert!(full.ends_with("; make room, and it starts again"), "{full}");
        let denied = said(io::ErrorKind::PermissionDenied);
        assert!(!denied.contains("make room"), "{denied}");
    }
}
