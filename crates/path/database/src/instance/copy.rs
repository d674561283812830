//! Copies a tree of files with its holes: most of an empty data directory is zeros.
//!
//! Only plain files and directories: a data directory has nothing else.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

use terrace_protocol::keeper::User;

/// A run of zeros of this length becomes a hole.
const BLOCK: usize = 4096;

/// Copies `from` to `to`, which does not exist, leaving out the files for which `keep` says no, and waits
/// until all of it is on the disk. Directories are for the owner alone.
pub fn tree(
    from: &Path,
    to: &Path,
    owner: Option<User>,
    keep: &dyn Fn(&OsStr) -> bool,
) -> io::Result<()> {
    directory(from, to, owner, keep)?;
    rustix::fs::syncfs(File::open(to)?)?;
    Ok(())
}

fn directory(
    from: &Path,
    to: &Path,
    owner: Option<User>,
    keep: &dyn Fn(&OsStr) -> bool,
) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            directory(&entry.path(), &target, owner, keep)?;
        } else if kind.is_file() && keep(&entry.file_name()) {
            file(&entry.path(), &target, owner)?;
        }
    }
    let made = File::open(to)?;
    made.set_permissions(fs::Permissions::from_mode(0o700))?;
    own(&made, owner)
}

fn file(from: &Path, to: &Path, owner: Option<User>) -> io::Result<()> {
    let mut source = File::open(from)?;
    let target = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(to)?;
    target.set_permissions(fs::Permissions::from_mode(0o660))?;
    let mut buffer = vec![0; 64 * BLOCK];
    let mut offset = 0_u64;
    loop {
        let length = source.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        for block in buffer[..length].chunks(BLOCK) {
            if block.iter().any(|byte| *byte != 0) {
                target.write_all_at(block, offset)?;
            }
            offset += block.len() as u64;
        }
    }
    target.set_len(offset)?;
    own(&target, owner)
}

/// Gives a file to the user that the server runs as. Where only one uid is mapped (rootless) the number is
/// invalid, and right so: the file is already that one uid's.
pub fn own(file: &File, owner: Option<User>) -> io::Result<()> {
    let Some(User { id }) = owner else {
        return Ok(());
    };
    match std::os::unix::fs::fchown(file, Some(id), Some(id)) {
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INVAL.raw_os_error()) => {
            Ok(())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn contents_are_kept_and_zeros_take_no_room() {
        let place = tempfile::tempdir().unwrap();
        let (from, to) = (place.path().join("from"), place.path().join("to"));
        fs::create_dir_all(from.join("mysql")).unwrap();
        let mut bytes = vec![0_u8; 1 << 20];
        bytes[5000] = 1;
        bytes.extend_from_slice(b"the end");
        fs::write(from.join("mysql/ibdata"), &bytes).unwrap();
        fs::write(from.join("zeros"), vec![0_u8; 10_000]).unwrap();
        fs::write(from.join("auto.cnf"), "uuid").unwrap();
        tree(&from, &to, None, &|name| name != "auto.cnf").unwrap();
        assert!(fs::read(to.join("mysql/ibdata")).unwrap() == bytes);
        assert_eq!(fs::read(to.join("zeros")).unwrap(), vec![0_u8; 10_000]);
        assert!(!to.join("auto.cnf").exists());
        let room = fs::metadata(to.join("mysql/ibdata")).unwrap().blocks() * 512;
        assert!(
            room < 1 << 17,
            "{room} bytes are taken by two blocks of data"
        );
        assert_eq!(fs::metadata(&to).unwrap().mode() & 0o777, 0o700);
    }
}
