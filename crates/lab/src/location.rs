//! Where a site's state is, and where the run directory.
//!
//! `.terrace/<site>/` beside the file holds everything that stays. What runs is listed in the user's run
//! directory (see [`registry`](crate::registry)). `TERRACE_RUN` names another run directory: sites that are listed in one are
//! not seen from another.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use terrace_service::kept::{self, Damaged};

use crate::registry::Entry;

/// How long a coordinator that has closed its connections may take to be gone: the kernel ends its namespaces with it, which
/// takes seconds on a machine that is busy.
const ENDS_WITHIN: Duration = Duration::from_secs(15);

/// The variable that names another run directory.
pub const RUN: &str = "TERRACE_RUN";

/// Why a site cannot be found, or its state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing runs.
    #[error("no site is up: start one with `terrace up FILE`")]
    NothingRuns,
    /// More than one runs.
    #[error("several sites are up: name the file of one of them: {}", .0.join(", "))]
    Several(Vec<String>),
    /// It runs already.
    #[error("a lab of this site is up already")]
    Locked,
    /// The run directory is named by a path that depends on where it is read.
    #[error("{RUN} is `{}`, which is not an absolute path", .0.display())]
    Relative(PathBuf),
    /// A file or directory of the state.
    #[error(transparent)]
    State(#[from] Damaged),
    /// The site's file.
    #[error("{} cannot be used: {why}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What failed.
        why: io::Error,
    },
}

pub(crate) fn state(path: &Path) -> impl FnOnce(io::Error) -> Error + '_ {
    let remedy = "give back the right to use it, or remove it: it is made anew";
    move |error| Damaged::unusable(path, remedy)(error).into()
}

/// A site's place on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// The file, absolute.
    file: PathBuf,
    site: String,
}

impl Location {
    /// The place of the site that this file describes.
    ///
    /// # Errors
    /// When the file is not there.
    pub fn of(file: &Path, site: &str) -> Result<Self, Error> {
        let path = file.to_owned();
        let file = fs::canonicalize(file).map_err(|why| Error::File { path, why })?;
        Ok(Self {
            file,
            site: site.to_owned(),
        })
    }

    /// The site's name.
    pub fn name(&self) -> &str {
        &self.site
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The directory of the file: what the paths in it are relative to.
    pub fn base(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new("/"))
    }

    /// Everything that stays: `.terrace/<site>`.
    pub fn state(&self) -> PathBuf {
        self.base().join(".terrace").join(&self.site)
    }

    /// The secrets of the site.
    pub fn secrets(&self) -> PathBuf {
        self.state().join("secrets")
    }

    /// What the coordinator and its builder say that nobody reads at once.
    pub fn log(&self) -> PathBuf {
        self.state().join("coordinator.log")
    }

    /// What the latest build of an app wrote.
    pub fn build_log(&self, app: &str) -> PathBuf {
        self.state().join("builds").join(format!("{app}.log"))
    }

    /// Makes the state directory. What is in it is nobody's to commit.
    pub(crate) fn make(&self) -> Result<(), Error> {
        kept::directory(&self.state())?;
        let ignore = self.base().join(".terrace/.gitignore");
        if !ignore.exists() {
            // No site needs it to run: on a full disk the next start writes it.
            if fs::write(&ignore, "*\n").is_err() {
                let _ = fs::remove_file(&ignore);
            }
        }
        Ok(())
    }

    /// Takes the lock, which is held until the file is closed.
    pub(crate) fn lock(&self) -> Result<File, Error> {
        let path = self.state().join("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(state(&path))?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::Locked),
            Err(error) => Err(state(&path)(error.into())),
        }
    }

    /// Clears what a coordinator that was killed could not. One that is just ending is waited for.
    ///
    /// # Errors
    /// [`Error::Locked`] while one runs.
    pub fn clear(&self) -> Result<(), Error> {
        let begun = Instant::now();
        loop {
            match self.try_clear() {
                Err(Error::Locked) if begun.elapsed() < ENDS_WITHIN => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                cleared => return cleared,
            }
        }
    }

    fn try_clear(&self) -> Result<(), Error> {
        if self.state().is_dir() {
            let _lock = self.lock()?;
            let _ = fs::remove_file(self.socket());
        }
        // Taken, and given back.
        Entry::take(self).map(drop)
    }

    /// Removes everything that stays.
    ///
    /// # Errors
    /// When it cannot be removed, or runs.
    pub fn wipe(&self) -> Result<(), Error> {
        self.clear()?;
        let path = self.state();
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(state(&path)(error)),
            _ => Ok(()),
        }
    }

    /// The coordinator's socket. Its path may be longer than a socket's may: see [`crate::client`].
    pub(crate) fn socket(&self) -> PathBuf {
        self.state().join("control.sock")
    }
}

/// Where running sites are listed; made where it is not there.
pub(crate) fn run_directory() -> Result<PathBuf, Error> {
    let user = rustix::process::getuid().as_raw();
    let path = place(user, |variable| std::env::var_os(variable))?.join("sites");
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&path)
        .map_err(state(&path))?;
    let owner = fs::metadata(&path).map_err(state(&path))?.uid();
    if owner != user {
        return Err(state(&path)(io::Error::other(format!(
            "it belongs to user {owner}"
        ))));
    }
    Ok(path)
}

/// The run directory: what [`RUN`] says, `/run/terrace` for root, otherwise one of the user's own.
fn place(user: u32, variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, Error> {
    let named = |name| variable(name).map(PathBuf::from);
    if let Some(named) = named(RUN).filter(|path| !path.as_os_str().is_empty()) {
        return if named.is_absolute() {
            Ok(named)
        } else {
            Err(Error::Relative(named))
        };
    }
    let own = named("XDG_RUNTIME_DIR").filter(|path| path.is_dir());
    Ok(match (user, own) {
        (0, _) => PathBuf::from("/run/terrace"),
        (_, Some(own)) => own.join("terrace"),
        (user, None) => std::env::temp_dir().join(format!("terrace-{user}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_directory_can_be_named_and_else_follows_from_the_user() {
        let at = |user, set: &[(&str, &str)]| {
            place(user, |name| {
                let found = set.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| OsString::from(value))
            })
        };
        let is = |user, set: &[(&str, &str)], path: &str| {
            assert_eq!(at(user, set).unwrap(), Path::new(path));
        };
        is(0, &[], "/run/terrace");
        is(0, &[("XDG_RUNTIME_DIR", "/proc")], "/run/terrace");
        is(1, &[("XDG_RUNTIME_DIR", "/proc")], "/proc/terrace");
        for user in [0, 1] {
            let both = [(RUN, "/a/b"), ("XDG_RUNTIME_DIR", "/proc")];
            is(user, &both, "/a/b");
        }
        is(0, &[(RUN, "")], "/run/terrace");
        let refused = at(0, &[(RUN, "run")]).unwrap_err().to_string();
        assert_eq!(
            refused,
            "TERRACE_RUN is `run`, which is not an absolute path"
        );
    }
}
