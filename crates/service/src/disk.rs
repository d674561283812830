//! How much room the disk has that a file or directory is on: for bytes, and for files, which are counted on their own.
//!
//! Bytes that are left below the reserve are kept for the database: logs are no longer written then, by any process of ours.

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
/// It is short of files when there can be no more than this,
const FEW_INODES: u64 = 1_000;
/// and has none left when there can be no more than this: some come and go.
const NO_INODES: u64 = 8;

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
    let size = disk.f_blocks.saturating_mul(disk.f_frsize);
    let available = disk.f_bavail.saturating_mul(disk.f_frsize);
    DiskReport {
        size,
        available,
        level: bytes(size, available),
        inodes: disk.f_files,
        inodes_left: disk.f_favail,
        inodes_level: inodes(disk.f_files, disk.f_favail),
    }
}

fn bytes(size: u64, available: u64) -> Level {
    let reserve = (size / RESERVE).min(LARGEST_RESERVE);
    let nothing = NOTHING.min(size / NOTHING_OF_TINY);
    match available {
        // A file system that counts no blocks, as those of the kernel's own, says nothing.
        _ if size == 0 => Level::Fine,
        left if left <= nothing => Level::Full,
        left if left <= reserve => Level::Low,
        _ => Level::Fine,
    }
}

fn inodes(all: u64, left: u64) -> Level {
    match left {
        // A file system that makes them as they are needed says nothing of them.
        _ if all == 0 => Level::Fine,
        left if left <= NO_INODES.min(all / NOTHING_OF_TINY) => Level::Full,
        left if left <= FEW_INODES.min(all / RESERVE) => Level::Low,
        _ => Level::Fine,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_low_before_it_is_full_whatever_its_size() {
        let level = bytes;
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
    fn a_disk_is_short_of_files_before_it_can_hold_no_more() {
        for all in [20_u64, 600, 65_536, 1 << 30] {
            assert_eq!(inodes(all, all), Level::Fine, "{all}");
            assert_eq!(inodes(all, 0), Level::Full, "{all}");
            let levels: Vec<Level> = (0..=all.min(2_000)).map(|left| inodes(all, left)).collect();
            assert!(
                levels.is_sorted_by(|one, next| one >= next),
                "{all}: {levels:?}"
            );
        }
        assert_eq!(inodes(1 << 20, 500), Level::Low);
        assert_eq!(inodes(0, 0), Level::Fine, "btrfs counts none");
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
