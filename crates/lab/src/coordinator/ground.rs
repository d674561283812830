//! Whether the directories that a site stands on are still where they were when it came up: its servers keep what they have
//! open, so a directory that is removed or moved goes unnoticed until its data is missed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use terrace_protocol::control::Lost;

/// Directories, each held open: the kernel knows where one is that was moved.
#[derive(Default)]
pub(super) struct Ground(BTreeMap<PathBuf, File>);

impl Ground {
    /// Remembers these directories as they are now.
    pub(super) fn remember(&mut self, directories: impl IntoIterator<Item = PathBuf>) {
        for directory in directories {
            if let Some(held) = hold(&directory) {
                self.0.insert(directory, held);
            }
        }
    }

    /// Those that are gone, or others in their place; of one and what was in it only the first.
    pub(super) fn lost(&self) -> Vec<Lost> {
        let mut lost: Vec<Lost> = Vec::new();
        for (directory, held) in &self.0 {
            let is_inside = lost.iter().any(|outer| directory.starts_with(&outer.path));
            let there = fs::metadata(directory).ok();
            let is_there = there.is_some() && there.as_ref().map(identity) == held_as(held);
            if !is_inside && !is_there {
                lost.push(Lost {
                    path: directory.clone(),
                    moved: whereabouts(held),
                });
            }
        }
        lost
    }
}

fn hold(directory: &Path) -> Option<File> {
    let path_only = (OFlags::PATH | OFlags::DIRECTORY).bits().cast_signed();
    let mut options = File::options();
    options.read(true).custom_flags(path_only);
    options.open(directory).ok()
}

fn held_as(held: &File) -> Option<(u64, u64)> {
    held.metadata().ok().as_ref().map(identity)
}

fn identity(found: &fs::Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

/// Where a directory is now; `None`: nowhere.
fn whereabouts(held: &File) -> Option<PathBuf> {
    let path = fs::read_link(format!("/proc/self/fd/{}", held.as_raw_fd())).ok()?;
    let there = fs::metadata(&path).ok()?;
    (held_as(held) == Some(identity(&there))).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_removed_moved_or_replaced_is_lost_with_all_in_it() {
        let place = tempfile::tempdir().unwrap();
        let base = fs::canonicalize(place.path()).unwrap();
        let [outer, other, moved] = ["outer", "other", "moved"].map(|name| base.join(name));
        let inner = outer.join("inner");
        for directory in [&inner, &other] {
            fs::create_dir_all(directory).unwrap();
        }
        let gone = |path: &PathBuf, moved: Option<&PathBuf>| Lost {
            path: path.clone(),
            moved: moved.cloned(),
        };
        let mut ground = Ground::default();
        ground.remember([outer.clone(), inner.clone(), other.clone()]);
        assert!(ground.lost().is_empty());
        fs::rename(&inner, &moved).unwrap();
        assert_eq!(ground.lost(), [gone(&inner, Some(&moved))]);
        fs::create_dir(&inner).unwrap();
        assert_eq!(ground.lost(), [gone(&inner, Some(&moved))]);
        fs::remove_dir(&moved).unwrap();
        assert_eq!(ground.lost(), [gone(&inner, None)]);
        fs::remove_dir_all(&outer).unwrap();
        fs::remove_dir_all(&other).unwrap();
        assert_eq!(ground.lost(), [gone(&other, None), gone(&outer, None)]);
    }
}
