//! What is remembered of a site between rehearsals: `site.json`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use terrace_site::model::Site;

use crate::Location;

const FORMAT: u32 = 1;

/// Why what is remembered cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The file.
    #[error("{} cannot be read: {why}", path.display())]
    Unreadable { path: PathBuf, why: io::Error },
    /// What is in it.
    #[error("{} is damaged: {why}", path.display())]
    Damaged {
        path: PathBuf,
        why: serde_json::Error,
    },
    /// Another version wrote it.
    #[error("{} has format {format}, this binary knows {FORMAT}: use a newer one", path.display())]
    Format { path: PathBuf, format: u32 },
}

/// `site.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Memory {
    format: u32,
    /// Of the last plan.
    pub(crate) generation: u64,
    /// MySQL's server-id of each server: allotted once, never given to another.
    pub(crate) server_ids: BTreeMap<String, u32>,
}

impl Memory {
    /// What is remembered; nothing of a new site.
    ///
    /// # Errors
    /// When it is there and cannot be understood: what was forgotten would be given out again.
    pub(crate) fn load(location: &Location) -> Result<Self, Error> {
        let path = location.state().join("site.json");
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self {
                    format: FORMAT,
                    generation: 0,
                    server_ids: BTreeMap::new(),
                });
            }
            Err(why) => return Err(Error::Unreadable { path, why }),
            Ok(text) => text,
        };
        let memory: Self = match serde_json::from_slice(&text) {
            Ok(memory) => memory,
            Err(why) => return Err(Error::Damaged { path, why }),
        };
        let format = memory.format;
        match format {
            FORMAT => Ok(memory),
            _ => Err(Error::Format { path, format }),
        }
    }

    /// Gives every server of the site a server-id that no other has had.
    pub(crate) fn allot(&mut self, site: &Site) {
        for server in site.servers() {
            let next = self
                .server_ids
                .values()
                .max()
                .map_or(1, |highest| highest + 1);
            self.server_ids
                .entry(server.name().to_string())
                .or_insert(next);
        }
    }

    /// Keeps it: whole, or not at all.
    pub(crate) fn save(&self, location: &Location) -> io::Result<()> {
        let fresh = location.state().join("site.json.new");
        let write = || {
            let mut file = File::create(&fresh)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.sync_all()?;
            fs::rename(&fresh, location.state().join("site.json"))
        };
        let written = write();
        if written.is_err() {
            // Half of it is of no use, and takes room.
            let _ = fs::remove_file(&fresh);
        }
        written
    }
}

/// The servers that have a database of their own here and that the file gives none: their data would lie unused.
pub(crate) fn unused_data(location: &Location, site: &Site) -> Vec<String> {
    let used = |name: &str| {
        site.database().is_some_and(|database| {
            database
                .servers()
                .iter()
                .any(|server| server.as_str() == name)
        })
    };
    let servers = fs::read_dir(location.state().join("servers"))
        .into_iter()
        .flatten()
        .flatten();
    let with_data = servers.filter(|entry| entry.path().join("database/data").is_dir());
    let names = with_data.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| !used(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_is_named_with_its_path_and_not_taken_for_a_new_site() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("site.kdl");
        fs::write(&file, "").unwrap();
        let location = Location::of(&file, "www.foobar.com").unwrap();
        location.make().unwrap();
        let path = location.state().join("site.json");
        assert_eq!(Memory::load(&location).unwrap().generation, 0);
        let other = br#"{"format":9,"generation":1,"server_ids":{}}"#;
        for damage in [&b""[..], b"{", b"\xff\0", other] {
            fs::write(&path, damage).unwrap();
            let said = Memory::load(&location).unwrap_err().to_string();
            assert!(said.starts_with(&path.display().to_string()), "{said}");
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let said = Memory::load(&location).unwrap_err().to_string();
        assert_eq!(said.matches("os error").count(), 1, "{said}");
    }
}
