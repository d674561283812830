//! Where bodies wait that are larger than what memory holds: files without a name, so that nothing is left behind
//! whatever happens. All of a role's share one bound, which counts what is in them.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags};

/// The directory of a role's files, and how full they are.
pub struct Spool {
    directory: Option<OwnedFd>,
    held: AtomicU64,
    refused: AtomicU64,
}

/// Why nothing more can be put there.
#[derive(Debug, thiserror::Error)]
pub enum NoRoom {
    /// As much waits already as may.
    #[error("as much waits already as may")]
    Bound,
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
    file: File,
    length: u64,
}

impl Spool {
    /// Files are made in this directory; without one nothing can be spooled.
    pub fn new(directory: Option<OwnedFd>) -> Arc<Self> {
        Arc::new(Self {
            directory,
            held: AtomicU64::new(0),
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
        self.held.load(Ordering::Relaxed)
    }

    /// Bodies that found no room.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// A body found no room.
    pub fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// An empty file.
    ///
    /// # Errors
    /// When the disk has no room for one.
    pub fn file(self: &Arc<Self>) -> Result<Spooled, NoRoom> {
        let none = || io::Error::new(io::ErrorKind::NotFound, "there is no directory for it");
        let directory = self.directory.as_ref().ok_or_else(none)?;
        Ok(Spooled {
            spool: Arc::clone(self),
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
    /// Puts these bytes behind the others, while no more than `most` wait in all of the role's files.
    ///
    /// # Errors
    /// When there is no room: the file is as it was.
    pub fn append(&mut self, bytes: &[u8], most: u64) -> Result<(), NoRoom> {
        let more = bytes.len() as u64;
        let fits = |held: u64| held.checked_add(more).filter(|held| *held <= most);
        let order = Ordering::Relaxed;
        if self.spool.held.fetch_update(order, order, fits).is_err() {
            return Err(NoRoom::Bound);
        }
        match self.file.write_all_at(bytes, self.length) {
            Ok(()) => {
                self.length += more;
                Ok(())
            }
            Err(error) => {
                self.spool.held.fetch_sub(more, order);
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
        self.spool.held.fetch_sub(self.length, Ordering::Relaxed);
        self.length = 0;
    }
}

impl Drop for Spooled {
    fn drop(&mut self) {
        self.spool.held.fetch_sub(self.length, Ordering::Relaxed);
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
        let (mut one, mut two) = (spool.file().unwrap(), spool.file().unwrap());
        one.append(b"hello", 10).unwrap();
        two.append(b" five", 10).unwrap();
        assert!(matches!(one.append(b"x", 10), Err(NoRoom::Bound)));
        assert_eq!((one.length(), spool.held()), (5, 10));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        two.clear();
        one.append(b" more", 10).unwrap();
        let mut text = [0; 10];
        one.file.read_exact_at(&mut text, 0).unwrap();
        assert_eq!(&text, b"hello more");
        drop(one);
        assert_eq!(spool.held(), 0);
    }

    #[test]
    fn without_a_directory_there_is_no_room() {
        assert!(matches!(Spool::new(None).file(), Err(NoRoom::Disk(_))));
    }
}
