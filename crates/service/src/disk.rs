//! How much room the disk has that a file or directory is on.
//!
//! What is left below the reserve is kept for the database: logs are no longer written then, by any process of ours.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use terrace_protocol::report::{DiskReport, Level};

/// The reserve is this part of the disk,
const RESERVE: u64 = 20;
/// and no more than this.
const LARGEST_RESERVE: u64 = 256 << 20;
/// A disk with less than this is full,
const NOTHING: u64 = 1 << 20;
/// or, where it is tiny, with less than this part of it.
const NOTHING_OF_TINY: u64 = 64;

/// The room of the disk that this path is on.
///
/// # Errors
/// As statvfs(3).
pub fn of(path: &Path) -> io::Result<DiskReport> {
    Ok(read(&rustix::fs::statvfs(path)?))
}

/// The room of the disk that this open file is on.
///
/// # Errors
/// As fstatvfs(3).
pub fn of_file(file: impl AsFd) -> io::Result<DiskReport> {
    Ok(read(&rustix::fs::fstatvfs(file)?))
}

fn read(disk: &rustix::fs::StatVfs) -> DiskReport {
    report(
        disk.f_blocks.saturating_mul(disk.f_frsize),
        disk.f_bavail.saturating_mul(disk.f_frsize),
    )
}

fn report(size: u64, available: u64) -> DiskReport {
    let reserve = (size / RESERVE).min(LARGEST_RESERVE);
    let nothing = NOTHING.min(size / NOTHING_OF_TINY);
    let level = match available {
        // A file system that counts no blocks, as those of the kernel's own, says nothing.
        _ if size == 0 => Level::Fine,
        left if left <= nothing => Level::Full,
        left if left <= reserve => Level::Low,
        _ => Level::Fine,
    };
    DiskReport {
        size,
        available,
        level,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_low_before_it_is_full_whatever_its_size() {
        let level = |size, available| report(size, available).level;
        for size in [1_u64 << 20, 8 << 20, 1 << 30, 1 << 40] {
            assert_eq!(level(size, size), Level::Fine, "{size}");
            assert_eq!(level(size, 0), Level::Full, "{size}");
            let levels: Vec<Level> = (0..=1_000)
                .map(|part| level(size, size / 1_000 * part))
                .collect();
            assert!(
                levels.is_sorted_by(|one, next| one >= next),
                "{size}: {levels:?}"
            );
        }
        assert_eq!(level(1 << 40, 200 << 20), Level::Low);
        assert_eq!(level(1 << 40, 1 << 30), Level::Fine);
        assert_eq!(level(0, 0), Level::Fine);
    }

    #[test]
    fn a_real_disk_is_read_by_path_and_by_descriptor() {
        let directory = tempfile::tempdir().unwrap();
        let file = tempfile::tempfile_in(directory.path()).unwrap();
        assert!(of(directory.path()).unwrap().size > 0);
        assert_eq!(
            of(directory.path()).unwrap().size,
            of_file(&file).unwrap().size
        );
    }
}
