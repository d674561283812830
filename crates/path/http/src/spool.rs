//! Where bodies wait that are larger than what memory holds: files without a name, so that nothing is left behind
//! whatever happens. All of a role's share one bound, which counts what is in them, and each address has its share of it.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, Mode, OFlags};

/// The directory of a role's files, and how full they are.
pub struct Spool {
    directory: Option<OwnedFd>,
    held: Mutex<Held>,
    refused: AtomicU64,
}

/// Bytes that wait.
#[derive(Default)]
struct Held {
    all: u64,
    of: HashMap<IpAddr, u64>,
}

impl Held {
    fn of(&self, owner: Option<IpAddr>) -> u64 {
        owner
            .and_then(|owner| self.of.get(&owner).copied())
            .unwrap_or(0)
    }

    fn add(&mut self, owner: Option<IpAddr>, bytes: u64) {
        self.all += bytes;
        if let Some(owner) = owner {
            *self.of.entry(owner).or_default() += bytes;
        }
    }

    fn remove(&mut self, owner: Option<IpAddr>, bytes: u64) {
        self.all -= bytes;
        if let Some(owner) = owner
            && let Some(own) = self.of.get_mut(&owner)
        {
            *own -= bytes;
            if *own == 0 {
                self.of.remove(&owner);
            }
        }
    }
}

/// How many bytes may wait.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// In all of the role's files.
    pub all: u64,
    /// Of those: of one address.
    pub each: u64,
}

/// Why nothing more can be put there.
#[derive(Debug, thiserror::Error)]
pub enum NoRoom {
    /// As much waits already as may.
    #[error("as much waits already as may")]
    Bound,
    /// As much of this address waits already as may.
    #[error("as much of this address waits already as may")]
    Share,
    /// The disk takes no more.
    #[error("the disk takes no more: {0}")]
    Disk(io::Error),
}

impl From<io::Error> for NoRoom {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

/// A file of its own for one body.
pub struct Spooled {
    spool: Arc<Spool>,
    owner: Option<IpAddr>,
    file: File,
    length: u64,
}

impl Spool {
    /// Files are made in this directory; without one nothing can be spooled.
    pub fn new(directory: Option<OwnedFd>) -> Arc<Self> {
        Arc::new(Self {
            directory,
            held: Mutex::default(),
            refused: AtomicU64::new(0),
        })
    }

    /// Files are made where the system has its temporary ones.
    ///
    /// # Errors
    /// When there is no such directory.
    pub fn temporary() -> io::Result<Arc<Self>> {
        Ok(Self::new(Some(File::open(std::env::temp_dir())?.into())))
    }

    /// Bytes that wait now.
    pub fn held(&self) -> u64 {
        self.count().all
    }

    /// There is room for more of this owner's.
    pub fn has_room(&self, owner: Option<IpAddr>, bounds: Bounds) -> bool {
        let held = self.count();
        held.all < bounds.all && held.of(owner) < bounds.each
    }

    fn count(&self) -> MutexGuard<'_, Held> {
        // A panic elsewhere leaves the counts whole: each holder of the lock only adds or subtracts.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bodies that found no room.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// A body found no room.
    pub fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// An empty file, which counts to this address's share; `None`: to no share.
    ///
    /// # Errors
    /// When the disk has no room for one.
    pub fn file(self: &Arc<Self>, owner: Option<IpAddr>) -> Result<Spooled, NoRoom> {
        let none = || io::Error::new(io::ErrorKind::NotFound, "there is no directory for it");
        let directory = self.directory.as_ref().ok_or_else(none)?;
        Ok(Spooled {
            spool: Arc::clone(self),
            owner,
            file: nameless(directory)?,
            length: 0,
        })
    }
}

fn nameless(directory: &OwnedFd) -> io::Result<File> {
    let own = Mode::RUSR | Mode::WUSR;
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::openat(directory, ".", flags | OFlags::TMPFILE, own) {
        Ok(file) => Ok(file.into()),
        // Not every file system can.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR) => {
            let mut bytes = [0_u8; 8];
            rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
            let name = format!("body-{:016x}", u64::from_ne_bytes(bytes));
            let new = flags | OFlags::CREATE | OFlags::EXCL;
            let file = rustix::fs::openat(directory, &name, new, own)?;
            rustix::fs::unlinkat(directory, &name, AtFlags::empty())?;
            Ok(file.into())
        }
        Err(error) => Err(error.into()),
    }
}

impl Spooled {
    /// Puts these bytes behind the others, as far as the bounds have room for them.
    ///
    /// # Errors
    /// When there is no room: the file is as it was.
    pub fn append(&mut self, bytes: &[u8], bounds: Bounds) -> Result<(), NoRoom> {
        let more = bytes.len() as u64;
        {
            let mut held = self.spool.count();
            if held.all.saturating_add(more) > bounds.all {
                return Err(NoRoom::Bound);
            }
            if self.owner.is_some() && held.of(self.owner).saturating_add(more) > bounds.each {
                return Err(NoRoom::Share);
            }
            held.add(self.owner, more);
        }
        match self.file.write_all_at(bytes, self.length) {
            Ok(()) => {
                self.length += more;
                Ok(())
            }
            Err(error) => {
                self.spool.count().remove(self.owner, more);
                Err(error.into())
            }
        }
    }

    /// How much is in it.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The file, to be sent from.
    pub fn file(&self) -> impl AsFd {
        &self.file
    }

    /// All of it has been used: the room is free again.
    pub fn clear(&mut self) {
        // What cannot be cut off is written over.
        let _ = self.file.set_len(0);
        self.spool.count().remove(self.owner, self.length);
        self.length = 0;
    }
}

impl Drop for Spooled {
    fn drop(&mut self) {
        self.spool.count().remove(self.owner, self.length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded_counted_and_gone_with_its_owner() {
        let directory = tempfile::tempdir().unwrap();
        let open = || File::open(directory.path()).unwrap().into();
        let spool = Spool::new(Some(open()));
        let (mut one, mut two) = (spool.file(None).unwrap(), spool.file(None).unwrap());
        let ten = Bounds { all: 10, each: 1 };
        one.append(b"hello", ten).unwrap();
        two.append(b" five", ten).unwrap();
        assert!(matches!(one.append(b"x", ten), Err(NoRoom::Bound)));
        assert_eq!((one.length(), spool.held()), (5, 10));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        two.clear();
        one.append(b" more", ten).unwrap();
        let mut text = [0; 10];
        one.file.read_exact_at(&mut text, 0).unwrap();
        assert_eq!(&text, b"hello more");
        drop(one);
        assert_eq!(spool.held(), 0);
    }

    #[test]
    fn an_address_has_its_share_and_leaves_the_rest_to_others() {
        let spool = Spool::temporary().unwrap();
        let owners = [1, 2].map(|last| Some(IpAddr::from([203, 0, 113, last])));
        let bounds = Bounds { all: 10, each: 4 };
        let [mut one, mut again, mut other] =
            [owners[0], owners[0], owners[1]].map(|owner| spool.file(owner).unwrap());
        one.append(b"abc", bounds).unwrap();
        assert!(matches!(again.append(b"de", bounds), Err(NoRoom::Share)));
        again.append(b"d", bounds).unwrap();
        assert!(!spool.has_room(owners[0], bounds) && spool.has_room(owners[1], bounds));
        other.append(b"abcd", bounds).unwrap();
        one.clear();
        again.append(b"e", bounds).unwrap();
        drop((one, again, other));
        assert!(spool.held() == 0 && spool.count().of.is_empty());
    }

    #[test]
    fn without_a_directory_there_is_no_room() {
        assert!(matches!(Spool::new(None).file(None), Err(NoRoom::Disk(_))));
    }
}
