//! Where an instance keeps its files, and the two that are written before every start.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use terrace_protocol::keeper::User;

use super::copy::own;
use super::error::Error;

/// The longest path that a unix socket may have, without the zero that ends it.
const SOCKET_PATH: usize = 107;

/// The directories of one instance. The server's user must be able to pass through their parents.
#[derive(Clone, Debug)]
pub struct Directories {
    /// What lives as long as the site: `/var/lib/terrace/database`.
    pub home: PathBuf,
    /// What lives as long as the process, and nobody else's: `/run/terrace/database`.
    pub run: PathBuf,
    /// Where templates of empty data directories are kept for all sites, best in the user's cache.
    pub templates: PathBuf,
}

impl Directories {
    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// The data directory while it is being made.
    pub fn unborn(&self) -> PathBuf {
        self.home.join("data.new")
    }

    /// Temporary files of the server.
    pub fn temporary(&self) -> PathBuf {
        self.home.join("tmp")
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.home.join("my.cnf")
    }

    /// The unix socket that the control connection and people use.
    pub fn socket(&self) -> PathBuf {
        self.run.join("mysqld.sock")
    }

    /// The file with the process number.
    pub fn pid(&self) -> PathBuf {
        self.run.join("mysqld.pid")
    }

    /// The statements that the server carries out before it lets anybody in. Holds a password while a
    /// start is under way, and is gone afterwards.
    pub fn init(&self) -> PathBuf {
        self.run.join("init.sql")
    }

    /// Makes the directories: `home` is the node's, the others the server's.
    pub(super) fn make(&self, user: Option<User>) -> Result<(), Error> {
        if self.socket().as_os_str().len() > SOCKET_PATH {
            return Err(Error::SocketPath(self.socket()));
        }
        make_directory(&self.home, 0o755, None).map_err(Error::io("make", &self.home))?;
        make_directory(&self.run, 0o755, user).map_err(Error::io("make", &self.run))?;
        let temporary = self.temporary();
        make_directory(&temporary, 0o700, user).map_err(Error::io("make", &temporary))
    }
}

/// Makes a directory with its parents, and sets mode and owner of itself alone.
pub(super) fn make_directory(path: &Path, mode: u32, owner: Option<User>) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)?;
    let made = File::open(path)?;
    made.set_permissions(fs::Permissions::from_mode(mode))?;
    own(&made, owner)
}

/// Writes a file that did not exist or is replaced whole, never through a link that the server's user
/// may have laid in its own directory.
pub(super) fn write(path: &Path, text: &str, mode: u32, owner: Option<User>) -> Result<(), Error> {
    let replace = || -> io::Result<()> {
        let fresh = path.with_extension("new");
        remove(&fresh)?;
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&fresh)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(text.as_bytes())?;
        own(&file, owner)?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    replace().map_err(Error::io("write", path))
}

/// Removes a file; one that is not there is fine.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
