//! The releases of one app on disk: `<releases>/<app>/<hash>`.
//!
//! A release whose marker is there is whole: the marker is written last, when all else is on the disk. One
//! without it was interrupted, and is removed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{FlockOperation, flock, syncfs};

const MARKER: &str = ".terrace-release";
const LOCK: &str = ".lock";
/// How many releases are kept, those in use apart.
const KEPT: usize = 3;

/// The releases of one app, ours alone while this lives.
pub(super) struct Store {
    directory: PathBuf,
    _lock: File,
}

impl Store {
    /// Waits until no other builder works for this app.
    pub fn open(releases: &Path, app: &str) -> io::Result<Self> {
        let directory = releases.join(app);
        make(&directory)?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(directory.join(LOCK))?;
        flock(&lock, FlockOperation::LockExclusive)?;
        Ok(Self {
            directory,
            _lock: lock,
        })
    }

    pub fn path(&self, release: &str) -> PathBuf {
        self.directory.join(release)
    }

    /// Whether the release is whole. If so, it counts as used now.
    pub fn has(&self, release: &str) -> bool {
        OpenOptions::new()
            .write(true)
            .open(self.marker(release))
            .and_then(|marker| marker.set_modified(SystemTime::now()))
            .is_ok()
    }

    /// An empty directory for a release; what an interrupted build has left is removed.
    pub fn begin(&self, release: &str) -> io::Result<PathBuf> {
        self.remove(release)?;
        let path = self.path(release);
        make(&path)?;
        Ok(path)
    }

    /// The release is whole: everything is on the disk first, then the marker.
    pub fn finish(&self, release: &str) -> io::Result<()> {
        let directory = File::open(self.path(release))?;
        syncfs(&directory)?;
        let mut marker = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(self.marker(release))?;
        writeln!(marker, "{release}")?;
        marker.sync_all()?;
        directory.sync_all()
    }

    /// Removes a release, whole or not.
    pub fn remove(&self, release: &str) -> io::Result<()> {
        // The marker first: a removal that is interrupted leaves nothing that looks whole.
        ignore_missing(fs::remove_file(self.marker(release)))?;
        ignore_missing(fs::remove_dir_all(self.path(release)))
    }

    /// Removes what is half-built, and all but those used last and those in use.
    pub fn prune(&self, in_use: &[&str]) -> io::Result<()> {
        let mut whole = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !entry.file_type()?.is_dir() || in_use.contains(&name.as_str()) {
                continue;
            }
            match fs::metadata(self.marker(&name)).and_then(|marker| marker.modified()) {
                Ok(used) => whole.push((used, name)),
                Err(_) => self.remove(&name)?,
            }
        }
        whole.sort();
        let kept = KEPT.saturating_sub(in_use.len());
        let old = whole.len().saturating_sub(kept);
        whole[..old]
            .iter()
            .try_for_each(|(_, name)| self.remove(name))
    }

    fn marker(&self, release: &str) -> PathBuf {
        self.path(release).join(MARKER)
    }
}

fn make(directory: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(directory)
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
