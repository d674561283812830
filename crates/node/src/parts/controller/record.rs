//! The record of who is primary, as a file: replaced whole, and only where it stands for what was read.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use terrace_database::failover::Record;
use terrace_service::kept::{self, Damaged};

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
    #[error("who is primary is not known: {0}")]
    Damaged(Damaged),
    /// Another controller has it.
    #[error("another controller holds the record of who is primary")]
    Held,
}

impl From<Damaged> for Error {
    fn from(damaged: Damaged) -> Self {
        Self::Damaged(damaged)
    }
}

/// What to do about a record that is damaged.
const REMEDY: &str = "restore it from a copy; without one, remove it: then the databases themselves say which of them was the \
                      primary, and nobody takes writes where that is in doubt";

/// What to do about a lock that cannot be taken.
const REMEDY_OF_LOCK: &str = "remove it, nothing is in it";

impl Store {
    /// Opens the record in this directory; nothing is recorded at a site's birth.
    ///
    /// # Errors
    /// When another controller holds it, or it cannot be read.
    pub(super) fn open(directory: &Path) -> Result<(Self, Option<Record>), Error> {
        let path = directory.join("primary.lock");
        let unusable = || Damaged::unusable(&path, REMEDY_OF_LOCK);
        let lock = File::create(&path).map_err(unusable())?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Held),
            Err(TryLockError::Error(error)) => return Err(unusable()(error).into()),
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
        let unusable = || Damaged::unusable(&self.path, "nothing changes until it can be written");
        let text = serde_json::to_vec_pretty(record).map_err(|error| unusable()(error.into()))?;
        Ok(kept::replace(&self.path, &text).map_err(unusable())?)
    }

    fn read(&self) -> Result<Option<Record>, Damaged> {
        kept::json(&self.path, REMEDY)
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
        let path = directory.path().join("primary.json");
        for damage in [&b""[..], b"{", b"\xff\xfe", b"{}", b"[1]"] {
            std::fs::write(&path, damage).unwrap();
            let Err(Error::Damaged(damaged)) = Store::open(directory.path()) else {
                panic!("{damage:?}");
            };
            assert_eq!(damaged.path, path);
            assert!(damaged.remedy.contains("remove it"), "{damaged}");
        }
    }
}
