//! What is remembered of a site between rehearsals: `site.json`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use terrace_site::model::Site;

use crate::Location;

const FORMAT: u32 = 1;

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
    pub(crate) fn load(location: &Location) -> io::Result<Self> {
        let path = location.state().join("site.json");
        let memory: Self = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self {
                    format: FORMAT,
                    generation: 0,
                    server_ids: BTreeMap::new(),
                });
            }
            text => serde_json::from_slice(&text?)?,
        };
        if memory.format == FORMAT {
            return Ok(memory);
        }
        let why = format!(
            "{} has format {}, this binary knows {FORMAT}: use a newer one",
            path.display(),
            memory.format
        );
        Err(io::Error::other(why))
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
