//! Opening a file beneath the root.

use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use terrace_protocol::report::Lack;
use terrace_service::lack;

use super::cache::{Content, File};
use super::kind;
use super::path::Path;

/// A file up to this size is kept in memory: measured, copying costs as much as `sendfile` at about 20 KiB.
const SMALL: u64 = 16 * 1024;

/// What opening came to.
pub(super) enum Opened {
    /// It is the same as before.
    Same,
    New(File),
    Missing,
    /// It cannot be known: something is missing here to open it with.
    Lacking(Lack),
}

/// Opens what a path means; `before` is what it was when last looked at.
pub(super) fn open(root: &OwnedFd, path: &Path, before: Option<&File>) -> Opened {
    let name = if path.name.is_empty() {
        "."
    } else {
        &path.name
    };
    let (file, stat) = match beneath(root, name) {
        Ok(found) => found,
        Err(error) => return without(error),
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => match beneath(&file, "index.html") {
            Ok(_) if !path.is_directory => Opened::New(File::Directory),
            Ok((index, stat)) if is_regular(&stat) => read(index, &stat, "index.html", before),
            Ok(_) => Opened::Missing,
            Err(error) => without(error),
        },
        FileType::RegularFile if !path.is_directory && !kind::is_never_sent(name) => {
            read(file, &stat, name, before)
        }
        _ => Opened::Missing,
    }
}

fn is_regular(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

/// What an error of opening says: that there is nothing to send, or that nobody can know.
fn without(error: Errno) -> Opened {
    lack::of(&error.into()).map_or(Opened::Missing, Opened::Lacking)
}

fn beneath(root: &impl AsFd, name: &str) -> Result<(OwnedFd, Stat), Errno> {
    // Without NONBLOCK opening a FIFO would wait for its writer.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let file = rustix::fs::openat2(root, name, flags, Mode::empty(), resolve)?;
    let stat = rustix::fs::fstat(&file)?;
    Ok((file, stat))
}

fn read(file: OwnedFd, stat: &Stat, name: &str, before: Option<&File>) -> Opened {
    let length = u64::try_from(stat.st_size).unwrap_or(0);
    let stamp = (
        stat.st_ino,
        length,
        i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec),
    );
    if let Some(File::Content(content)) = before
        && content.stamp == stamp
    {
        return Opened::Same;
    }
    let bytes = if length <= SMALL {
        whole(&file, length)
    } else {
        None
    };
    let modified = u64::try_from(stat.st_mtime).unwrap_or(0);
    Opened::New(File::Content(Content::new(
        name,
        stamp,
        modified,
        bytes,
        Rc::new(file),
    )))
}

/// All of a small file; `None` when it changes while it is read.
fn whole(file: &OwnedFd, length: u64) -> Option<Rc<[u8]>> {
    let mut bytes = vec![0; usize::try_from(length).ok()?];
    let mut read = 0;
    while read < bytes.len() {
        match rustix::io::pread(file, &mut bytes[read..], read as u64) {
            Ok(0) | Err(_) => return None,
            Ok(count) => read += count,
        }
    }
    Some(bytes.into())
}
