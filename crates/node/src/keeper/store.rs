//! Descriptors by name: they outlive the node, and with them the connections that wait.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Everything that is held.
#[derive(Default)]
pub(super) struct Store {
    by_name: BTreeMap<String, OwnedFd>,
}

impl Store {
    /// Holds one; of the same name the one before is closed.
    pub(super) fn put(&mut self, name: String, descriptor: OwnedFd) {
        self.by_name.insert(name, descriptor);
    }

    pub(super) fn forget(&mut self, name: &str) {
        self.by_name.remove(name);
    }

    pub(super) fn borrow(&self, name: &str) -> Result<BorrowedFd<'_>, String> {
        let found = self
            .by_name
            .get(name)
            .ok_or_else(|| format!("no descriptor is kept as `{name}`"))?;
        Ok(found.as_fd())
    }

    pub(super) fn copy(&self, name: &str) -> Result<OwnedFd, String> {
        let copied = self.borrow(name)?.try_clone_to_owned();
        copied.map_err(|error| format!("the descriptor `{name}` cannot be copied: {error}"))
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.by_name.keys().cloned().collect()
    }
}
