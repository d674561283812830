//! What is remembered of a site between rehearsals: `site.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use terrace_service::kept::{self, Damaged, Wrong};
use terrace_service::{SecretStore, secret};
use terrace_site::model::Site;
use terrace_site::plan::ServerPlan;

use crate::Location;

const FORMAT: u32 = 1;
/// What to do about a `site.json` that cannot be used.
const REMEDY: &str =
    "restore it from a copy; `terrace down --wipe` removes all data of the site and begins anew";

/// Why a site cannot go on from what is kept of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A file or a directory.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// A secret.
    #[error(transparent)]
    Secret(#[from] secret::Error),
    /// The databases' own data.
    #[error(
        "the data of {} is gone: {} is not there, and an empty database does not take its place: restore it from a copy, or \
         begin anew with `terrace down --wipe`",
        servers.join(" and "), path.display()
    )]
    Data {
        /// Whose.
        servers: Vec<String>,
        /// Where the first of them had it.
        path: std::path::PathBuf,
    },
}

/// `site.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Memory {
    format: u32,
    /// Of the last plan.
    pub(crate) generation: u64,
    /// MySQL's server-id of each server: allotted once, never given to another.
    pub(crate) server_ids: BTreeMap<String, u32>,
    /// The servers where a database was born.
    #[serde(default)]
    pub(crate) databases: BTreeSet<String>,
    /// The secrets that there were.
    #[serde(default)]
    pub(crate) secrets: BTreeSet<String>,
}

impl Memory {
    /// What is remembered; nothing of a new site.
    ///
    /// # Errors
    /// When it cannot be understood, or is gone and databases have data: what was forgotten would be given out again.
    pub(crate) fn load(location: &Location) -> Result<Self, Damaged> {
        let path = location.state().join("site.json");
        let with_data = with_data(location);
        let read: Option<Self> = kept::versioned(&path, FORMAT, REMEDY)?;
        let mut memory = match read {
            Some(memory) => memory,
            None if with_data.is_empty() => Self {
                format: FORMAT,
                generation: 0,
                server_ids: BTreeMap::new(),
                databases: BTreeSet::new(),
                secrets: BTreeSet::new(),
            },
            None => {
                let has_data: Vec<&str> = with_data.iter().map(String::as_str).collect();
                let remedy = format!("{} has data: {REMEDY}", has_data.join(" and "));
                return Err(Damaged::new(&path, Wrong::Gone, remedy));
            }
        };
        memory.databases.extend(with_data);
        Ok(memory)
    }

    /// Whether all that the site is to go on with is there; nothing is changed.
    ///
    /// # Errors
    /// When a secret that there was is gone or damaged, or when no database has its data any more. One of several that has
    /// lost it is its own node's to report, and is given a copy.
    pub(crate) fn check(
        &self,
        location: &Location,
        site: &Site,
        plans: &[ServerPlan],
    ) -> Result<(), Error> {
        let store = SecretStore::of_others(location.secrets());
        for name in plans.iter().flat_map(ServerPlan::secrets) {
            match store.read(&name) {
                Err(secret::Error::Missing(_)) if self.secrets.contains(&name) => {
                    return Err(store.gone(&name)?.into());
                }
                Ok(_) | Err(secret::Error::Missing(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let Some(database) = site.database() else {
            return Ok(());
        };
        let data = |name: &str| location.state().join("servers").join(name).join(DATA);
        let servers = || database.servers().iter().map(|name| name.as_str());
        let lost: Vec<&str> = servers()
            .filter(|name| self.databases.contains(*name) && is_gone(&data(name)))
            .collect();
        match lost.first() {
            Some(first) if lost.len() == servers().count() => Err(Error::Data {
                path: data(first),
                servers: lost.iter().map(|name| (*name).to_owned()).collect(),
            }),
            _ => Ok(()),
        }
    }

    /// Makes the secrets that there were never before. One that was lost is not made anew.
    ///
    /// # Errors
    /// When one cannot be written. The roles that need it report that it is missing.
    pub(crate) fn make_secrets<'a>(
        &mut self,
        location: &Location,
        plans: impl IntoIterator<Item = &'a ServerPlan>,
    ) -> Result<(), secret::Error> {
        let store = SecretStore::new(location.secrets());
        for name in plans.into_iter().flat_map(ServerPlan::secrets) {
            if !self.secrets.contains(&name) {
                store.read_or_generate(&name)?;
                self.secrets.insert(name);
            }
        }
        Ok(())
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
    pub(crate) fn save(&self, location: &Location) -> anyhow::Result<()> {
        let path = location.state().join("site.json");
        let text = serde_json::to_vec_pretty(self)?;
        Ok(kept::replace(&path, &text).map_err(Damaged::unusable(&path, REMEDY))?)
    }
}

/// A database's data in its server's state.
const DATA: &str = "database/data";

/// There is no such directory, or nothing in it.
fn is_gone(directory: &Path) -> bool {
    match fs::read_dir(directory) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// The servers that have a database of their own here.
fn with_data(location: &Location) -> BTreeSet<String> {
    let servers = fs::read_dir(location.state().join("servers"));
    let servers = servers.into_iter().flatten().flatten();
    let with_data = servers.filter(|entry| !is_gone(&entry.path().join(DATA)));
    with_data
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
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
    with_data(location)
        .into_iter()
        .filter(|name| !used(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "site \"www.foobar.com\" {\n    server web-01 \"10.0.0.21\"\n    server web-02 \"10.0.0.22\"\n    \
                        web web-01\n    app web-01 code=\"app\" { run \"./app\"; secret \"KEY\"; }\n    database web-01 web-02\n}\n";

    /// A site that was up, as its state is afterwards.
    struct Place {
        directory: tempfile::TempDir,
        location: Location,
        site: Site,
    }

    impl Place {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("site.kdl");
            fs::write(&file, FILE).unwrap();
            let location = Location::of(&file, "www.foobar.com").unwrap();
            location.make().unwrap();
            let loaded = terrace_site::load(FILE);
            let site = loaded
                .site
                .unwrap_or_else(|| panic!("{:?}", loaded.problems));
            Self {
                directory,
                location,
                site,
            }
        }

        /// It is up for the first time.
        fn begin(&self) -> Memory {
            let mut memory = Memory::load(&self.location).unwrap();
            memory.allot(&self.site);
            memory
                .check(&self.location, &self.site, &self.plans())
                .unwrap();
            memory.make_secrets(&self.location, &self.plans()).unwrap();
            for server in ["web-01", "web-02"] {
                let data = self.data(server);
                fs::create_dir_all(&data).unwrap();
                fs::write(data.join("terrace.json"), "{}").unwrap();
                memory.databases.insert(server.into());
            }
            memory.save(&self.location).unwrap();
            memory
        }

        fn plans(&self) -> Vec<ServerPlan> {
            let inputs = terrace_site::plan::Inputs {
                generation: 1,
                base: self.directory.path().to_owned(),
                releases: BTreeMap::new(),
                server_ids: BTreeMap::new(),
                workers: 1,
                lab: true,
            };
            terrace_site::plan::plan(&self.site, &inputs)
        }

        fn data(&self, server: &str) -> std::path::PathBuf {
            self.location
                .state()
                .join("servers")
                .join(server)
                .join(DATA)
        }

        /// What keeps it from coming up; `None`: nothing does.
        fn refuses(&self) -> Option<String> {
            let memory = match Memory::load(&self.location) {
                Ok(memory) => memory,
                Err(damaged) => return Some(damaged.to_string()),
            };
            let checked = memory.check(&self.location, &self.site, &self.plans());
            checked.err().map(|error| error.to_string())
        }
    }

    #[test]
    fn what_is_damaged_is_named_with_its_path_and_not_taken_for_a_new_site() {
        let place = Place::new();
        let path = place.location.state().join("site.json");
        assert_eq!(Memory::load(&place.location).unwrap().generation, 0);
        let other = br#"{"format":9,"generation":1,"server_ids":{}}"#;
        for damage in [&b""[..], b"{", b"\xff\0", b"[]", br#"{"format":1}"#, other] {
            fs::write(&path, damage).unwrap();
            let said = Memory::load(&place.location).unwrap_err().to_string();
            assert!(said.starts_with(&path.display().to_string()), "{said}");
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let said = Memory::load(&place.location).unwrap_err().to_string();
        assert!(said.contains("is a directory"), "{said}");
    }

    #[test]
    fn a_site_that_has_data_does_not_begin_anew_without_what_it_remembers() {
        let place = Place::new();
        place.begin();
        assert_eq!(place.refuses(), None);
        let path = place.location.state().join("site.json");
        fs::remove_file(&path).unwrap();
        let said = place.refuses().unwrap();
        assert!(said.starts_with(&path.display().to_string()), "{said}");
        assert!(
            said.contains("is gone: web-01 and web-02 has data: restore it"),
            "{said}"
        );
        fs::remove_dir_all(place.location.state().join("servers")).unwrap();
        assert_eq!(place.refuses(), None, "nothing is left of it: it is new");
    }

    #[test]
    fn secrets_that_there_were_are_neither_made_anew_nor_used_when_they_are_damaged() {
        let place = Place::new();
        place.begin();
        let all = [
            "KEY",
            "database/control",
            "database/replication",
            "database/router",
            "database/foobar",
        ];
        for name in all {
            let path = place.location.secrets().join(name);
            let good = fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
            for damage in [Some(&b""[..]), Some(b"\xff"), None] {
                match damage {
                    Some(damage) => fs::write(&path, damage).unwrap(),
                    None => fs::remove_file(&path).unwrap(),
                }
                let said = place.refuses().unwrap();
                assert!(said.starts_with(&path.display().to_string()), "{said}");
                assert!(said.contains("restore it from a copy"), "{said}");
                let mut memory = Memory::load(&place.location).unwrap();
                memory
                    .make_secrets(&place.location, &place.plans())
                    .unwrap();
                assert!(
                    fs::read(&path).unwrap_or_default().len() < 2,
                    "{name} was made anew"
                );
            }
            fs::write(&path, good).unwrap();
            assert_eq!(place.refuses(), None);
        }
        let secrets = place.location.secrets();
        fs::remove_dir_all(&secrets).unwrap();
        assert!(place.refuses().unwrap().contains("is gone"));
        fs::write(&secrets, "").unwrap();
        assert!(
            place
                .refuses()
                .unwrap()
                .starts_with(&secrets.display().to_string())
        );
    }

    #[test]
    fn databases_that_have_all_lost_their_data_are_not_made_anew() {
        let place = Place::new();
        place.begin();
        fs::remove_dir_all(place.data("web-01")).unwrap();
        assert_eq!(place.refuses(), None, "the other one has it");
        fs::remove_dir_all(place.location.state().join("servers")).unwrap();
        let said = place.refuses().unwrap();
        assert!(
            said.contains("the data of web-01 and web-02 is gone"),
            "{said}"
        );
        assert!(
            said.contains(&place.data("web-01").display().to_string()),
            "{said}"
        );
    }
}
