//! The record of who is primary, as a file: replaced whole, and only where it stands for what was read.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use terrace_database::failover::Record;

/// A record's file, and the lock that keeps every other controller from it.
pub(super) struct Store {
    path: PathBuf,
    _lock: File,
}

/// Why a record was not stored.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Another one stands in its place.
    #[error("another controller has changed the record")]
    Superseded(Box<Record>),
    /// It cannot be read or written: whether it stands is not known.
    #[error("the record of who is primary cannot be kept: {0}")]
    Io(io::Error),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Store {
    /// Opens the record in this directory; nothing is recorded at a site's birth.
    ///
    /// # Errors
    /// When another controller holds it, or it cannot be read.
    pub(super) fn open(directory: &Path) -> io::Result<(Self, Option<Record>)> {
        let lock = File::create(directory.join("primary.lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::other(
                    "another controller holds the record of who is primary",
                ));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let store = Self {
            path: directory.join("primary.json"),
            _lock: lock,
        };
        let record = store.read()?;
        Ok((store, record))
    }

    /// Replaces the record whose revision is one lower.
    pub(super) fn put(&self, record: &Record) -> Result<(), Error> {
        let before = self.read()?;
        let revision = before.as_ref().map_or(0, |before| before.revision);
        if let Some(before) = before
            && revision + 1 != record.revision
        {
            return Err(Error::Superseded(Box::new(before)));
        }
        let fresh = self.path.with_extension("new");
        let mut file = File::create(&fresh)?;
        file.write_all(&serde_json::to_vec_pretty(record).map_err(io::Error::other)?)?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        // The name, too, must outlive a power cut.
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        Ok(File::open(directory)?.sync_all()?)
    }

    fn read(&self) -> io::Result<Option<Record>> {
        match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            text => serde_json::from_slice(&text?)
                .map(Some)
                .map_err(|error| io::Error::other(format!("{}: {error}", self.path.display()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_replaces_the_one_before_it_and_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let (store, found) = Store::open(directory.path()).unwrap();
        assert_eq!(found, None);
        let mut record = Record::birth("web-01");
        record.revision = 1;
        store.put(&record).unwrap();
        assert!(matches!(store.put(&record), Err(Error::Superseded(stands)) if *stands == record));
        let mut next = record.clone();
        next.revision = 2;
        store.put(&next).unwrap();
        assert!(Store::open(directory.path()).is_err(), "it is locked");
        drop(store);
        let (_, found) = Store::open(directory.path()).unwrap();
        assert_eq!(found, Some(next));
    }

    #[test]
    fn what_cannot_be_understood_is_not_taken_for_nothing() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("primary.json"), "{").unwrap();
        assert!(Store::open(directory.path()).is_err());
    }
}
