//! What a log is written to: a file, or whatever a descriptor leads to. No write to it waits.

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec};

/// How many files are kept beside the one that is written: of `app.log`, `app.log.1` is the newest.
pub const KEPT: u32 = 3;

/// What a pipe takes at once if it takes anything (`PIPE_BUF`).
const AT_ONCE: usize = 4096;

pub(super) struct Open {
    file: File,
    /// A file on a disk, to which a write does not wait.
    regular: bool,
}

/// Opens a log for appending, or begins it. A pipe in its place does not hold up who opens it.
///
/// # Errors
/// As open(2).
pub fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY)
        .open(path)
}

/// Renames a log, deletes the oldest, and begins it anew. Whoever has it open goes on writing to the renamed one.
///
/// # Errors
/// As rename(2) and open(2).
pub fn begin_anew(path: &Path) -> io::Result<File> {
    let aside = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    for number in (1..KEPT).rev() {
        rename(&aside(number), &aside(number + 1))?;
    }
    rename(path, &aside(1))?;
    open(path)
}

/// One that is not there need not be renamed.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Open {
    pub(super) fn named(file: File) -> Self {
        let kind = file.metadata().ok().map(|meta| meta.file_type());
        let regular = kind.as_ref().is_some_and(FileType::is_file);
        Self { file, regular }
    }

    /// What others may write to, too: what is no file is opened once more, so that our writes do not wait and theirs are as
    /// they were.
    pub(super) fn given(descriptor: OwnedFd) -> Self {
        let given = Self::named(File::from(descriptor));
        if given.regular {
            return given;
        }
        let path = format!("/proc/self/fd/{}", given.file.as_raw_fd());
        open(Path::new(&path)).map_or(given, Self::named)
    }

    pub(super) fn length(&self) -> io::Result<u64> {
        Ok(if self.regular {
            self.file.metadata()?.len()
        } else {
            0
        })
    }

    /// Nobody has removed it.
    pub(super) fn has_name(&self) -> bool {
        !self.regular || self.file.metadata().is_ok_and(|meta| meta.nlink() > 0)
    }

    /// Writes all of it now. `Err`: how much was written, and why no more.
    pub(super) fn put(&self, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        let mut written = 0;
        while written < bytes.len() {
            match self.put_some(&bytes[written..]) {
                Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err((written, error)),
            }
        }
        Ok(())
    }

    fn put_some(&self, bytes: &[u8]) -> io::Result<usize> {
        if self.regular {
            return (&self.file).write(bytes);
        }
        if !self.takes_some()? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        (&self.file).write(&bytes[..bytes.len().min(AT_ONCE)])
    }

    fn takes_some(&self) -> io::Result<bool> {
        let mut polled = [PollFd::new(&self.file, PollFlags::OUT)];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        Ok(rustix::event::poll(&mut polled, Some(&at_once))? > 0)
    }
}

impl AsFd for Open {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
