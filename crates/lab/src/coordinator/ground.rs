//! Whether the directories that a site stands on are still where they were when it came up: its servers keep what they have
//! open, so a directory that is removed goes unnoticed until its data is missed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Directories, and which ones they were.
#[derive(Default)]
pub(super) struct Ground(BTreeMap<PathBuf, (u64, u64)>);

impl Ground {
    /// Remembers these directories as they are now.
    pub(super) fn remember(&mut self, directories: impl IntoIterator<Item = PathBuf>) {
        for directory in directories {
            if let Some(identity) = identity(&directory) {
                self.0.insert(directory, identity);
            }
        }
    }

    /// Those that are gone, or others in their place; of one and what was in it only the first.
    pub(super) fn lost(&self) -> Vec<PathBuf> {
        let mut lost: Vec<PathBuf> = Vec::new();
        for (directory, before) in &self.0 {
            let is_inside = lost.iter().any(|outer| directory.starts_with(outer));
            if !is_inside && identity(directory) != Some(*before) {
                lost.push(directory.clone());
            }
        }
        lost
    }
}

fn identity(directory: &std::path::Path) -> Option<(u64, u64)> {
    let found = fs::metadata(directory).ok()?;
    Some((found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_removed_or_replaced_is_lost_with_all_in_it() {
        let place = tempfile::tempdir().unwrap();
        let (outer, other) = (place.path().join("outer"), place.path().join("other"));
        let inner = outer.join("inner");
        for directory in [&inner, &other] {
            fs::create_dir_all(directory).unwrap();
        }
        let mut ground = Ground::default();
        ground.remember([outer.clone(), inner.clone(), other.clone()]);
        assert!(ground.lost().is_empty());
        fs::rename(&inner, place.path().join("moved")).unwrap();
        assert_eq!(ground.lost(), std::slice::from_ref(&inner));
        fs::create_dir(&inner).unwrap();
        assert_eq!(ground.lost(), [inner]);
        fs::remove_dir_all(&outer).unwrap();
        fs::remove_dir_all(&other).unwrap();
        assert_eq!(ground.lost(), [other, outer]);
    }
}
