//! The list of what runs: an entry for each site that is up, in the user's run directory.
//!
//! A coordinator holds its entry locked for as long as it lives, so an entry that is not locked is of one that was killed. Beside
//! the entry it listens on a socket, so a site can be reached, and stopped, when its file or its state directory are gone.

use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use serde::{Deserialize, Serialize};

use crate::location::{Error, Location, run_directory, state};

/// A site that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Where it is.
    pub location: Location,
    /// Since when: milliseconds since 1970.
    pub since: u64,
}

/// The entry of a site, held by its coordinator.
pub(crate) struct Entry {
    path: PathBuf,
    file: File,
}

impl Entry {
    /// Takes a site's place in the list. To be called while this process is still the user's own: in a user namespace everybody
    /// is root.
    ///
    /// # Errors
    /// [`Error::Locked`] while the site runs.
    pub(crate) fn take(location: &Location) -> Result<Self, Error> {
        let path = path(location)?;
        let failed = |error| state(&path)(error);
        loop {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false).mode(0o600);
            let file = options.open(&path).map_err(failed)?;
            match fcntl(file.as_fd(), FcntlArg::F_OFD_SETLK(&exclusive())) {
                Ok(_) => {}
                Err(nix::Error::EAGAIN | nix::Error::EACCES) => return Err(Error::Locked),
                Err(error) => return Err(failed(error.into())),
            }
            // One that ended meanwhile has removed the file that was opened.
            let opened = file.metadata().map_err(failed)?;
            if fs::metadata(&path).is_ok_and(|named| named.ino() == opened.ino()) {
                return Ok(Self { path, file });
            }
        }
    }

    /// Says where the site is, and since when.
    pub(crate) fn write(&self, running: &Running) -> Result<(), Error> {
        let text = serde_json::to_vec(running).map_err(|error| state(&self.path)(error.into()))?;
        let emptied = self.file.set_len(0);
        let written = emptied.and_then(|()| self.file.write_all_at(&text, 0));
        written.map_err(state(&self.path))
    }

    /// Where the coordinator listens beside the site's state.
    pub(crate) fn socket(&self) -> PathBuf {
        socket(&self.path)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.socket());
        let _ = fs::remove_file(&self.path);
    }
}

/// The socket of a site in the run directory.
///
/// # Errors
/// When there can be no run directory.
pub(crate) fn socket_of(location: &Location) -> Result<PathBuf, Error> {
    Ok(socket(&path(location)?))
}

fn socket(entry: &Path) -> PathBuf {
    entry.with_extension("sock")
}

/// Two sites with one state directory are one site, whatever their files are called.
fn path(location: &Location) -> Result<PathBuf, Error> {
    let mut hasher = DefaultHasher::new();
    location.state().hash(&mut hasher);
    let name = format!("{}-{:016x}.json", location.name(), hasher.finish());
    Ok(run_directory()?.join(name))
}

/// Every site that runs.
///
/// # Errors
/// When there can be no run directory.
pub fn running() -> Result<Vec<Running>, Error> {
    let entries = fs::read_dir(run_directory()?).into_iter().flatten();
    let paths = entries.flatten().map(|entry| entry.path());
    let json = paths.filter(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    });
    let mut all: Vec<Running> = json.filter_map(|path| read(&path).ok().flatten()).collect();
    all.sort_by(|one, other| one.location.file().cmp(other.location.file()));
    Ok(all)
}

/// `None`: its coordinator is gone.
fn read(path: &Path) -> io::Result<Option<Running>> {
    let file = File::open(path)?;
    let mut lock = exclusive();
    fcntl(file.as_fd(), FcntlArg::F_OFD_GETLK(&mut lock))?;
    if i32::from(lock.l_type) == libc::F_UNLCK {
        return Ok(None);
    }
    Ok(Some(serde_json::from_reader(file)?))
}

/// A lock of the whole file.
fn exclusive() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

/// The one site that runs.
///
/// # Errors
/// When none or several run.
pub fn find() -> Result<Location, Error> {
    only(running()?)
}

/// The only one of these.
///
/// # Errors
/// When there are none or several.
pub fn only(mut all: Vec<Running>) -> Result<Location, Error> {
    match all.len() {
        0 => Err(Error::NothingRuns),
        1 => Ok(all.remove(0).location),
        _ => {
            let files = all
                .iter()
                .map(|one| one.location.file().display().to_string());
            Err(Error::Several(files.collect()))
        }
    }
}
