//! Log files: opened for appending, and cut when they have grown.
//!
//! The programs that write keep their descriptor, so a log is cut in place: its content is copied aside, then
//! the file is emptied, and appending goes on at its new end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A log that is longer is cut.
const LONGEST: u64 = 16 * 1024 * 1024;
/// How many cut ones are kept: `app.log.1` is the newest.
const KEPT: u32 = 3;

/// Opens a log, or begins it.
///
/// # Errors
/// As open(2).
pub fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
}

/// Cuts every log of a directory that has grown too long.
///
/// # Errors
/// When the directory cannot be read or written.
pub fn rotate(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let is_log = entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "log");
        if is_log && entry.metadata()?.len() > LONGEST {
            cut(&entry.path())?;
        }
    }
    Ok(())
}

fn cut(path: &Path) -> io::Result<()> {
    let aside = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        std::path::PathBuf::from(name)
    };
    for number in (1..KEPT).rev() {
        match fs::rename(aside(number), aside(number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::copy(path, aside(1))?;
    OpenOptions::new().write(true).open(path)?.set_len(0)
}

/// How long a log is now: what comes later is found behind this.
pub fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |meta| meta.len())
}

/// The end of what was written behind `from`: some kilobytes at the most.
pub fn since(path: &Path, from: u64) -> String {
    const MOST: u64 = 16 * 1024;
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let end = file.metadata()?.len();
        // It may have been cut in between.
        let from = if from > end { 0 } else { from };
        file.seek(SeekFrom::Start(from.max(end.saturating_sub(MOST))))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_long_log_is_cut_under_its_writer() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.log");
        let mut writer = open(&path).unwrap();
        writer.write_all(&vec![b'x'; LONGEST as usize + 1]).unwrap();
        rotate(directory.path()).unwrap();
        writer.write_all(b"after\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "after\n");
        assert_eq!(length(&directory.path().join("app.log.1")), LONGEST + 1);
        assert_eq!(since(&path, 0), "after\n");
    }
}
