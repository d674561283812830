//! The data directory and the record inside it.
//!
//! A data directory is made under another name and gets its own name as the last step, with its record
//! inside: so it is there whole or not at all, and a half-made one is simply made again. A directory with
//! data that has no record is somebody else's and is never touched. The record travels with the data.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use terrace_service::kept::{self, Damaged, Wrong};
use terrace_site::plan::Engine;

use super::engine::{Found, Version};
use super::error::Error;
use super::files::{self, Directories};

/// The record's name in the data directory.
const RECORD: &str = "terrace.json";

/// The version of the record's format.
const FORMAT: u32 = 1;

/// What is known of a data directory, beside its data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    format: u32,
    /// Whose data it is.
    pub engine: Engine,
    /// The newest version that has opened it.
    pub version: Version,
    /// It takes writes: set at birth by the plan.
    pub primary: bool,
    /// The accounts that were made for the site, which go when the file no longer has them.
    pub accounts: BTreeSet<String>,
}

impl Record {
    /// The record of a directory that is being born.
    pub fn new(found: &Found, primary: bool) -> Self {
        Self {
            format: FORMAT,
            engine: found.engine,
            version: found.version,
            primary,
            accounts: BTreeSet::new(),
        }
    }

    /// Whether this program may open the data that the record belongs to.
    ///
    /// # Errors
    /// [`Error::OtherEngine`] and [`Error::Downgrade`] carry the remedy.
    pub fn admits(&self, found: &Found, data: &Path) -> Result<(), Error> {
        if self.engine != found.engine {
            return Err(other_engine(data, self.engine, found.engine));
        }
        if found.version.series() < self.version.series() {
            return Err(Error::Downgrade {
                data: data.to_owned(),
                used: self.version,
                found: found.clone(),
            });
        }
        Ok(())
    }
}

/// Which engine to look for: the one asked for, which must be that of the data, else that of the data.
///
/// # Errors
/// [`Error::OtherEngine`].
pub fn wanted(
    asked: Option<Engine>,
    record: Option<&Record>,
    data: &Path,
) -> Result<Option<Engine>, Error> {
    match (asked, record.map(|record| record.engine)) {
        (Some(wanted), Some(born)) if wanted != born => Err(other_engine(data, born, wanted)),
        (asked, born) => Ok(asked.or(born)),
    }
}

fn other_engine(data: &Path, born: Engine, wanted: Engine) -> Error {
    Error::OtherEngine {
        data: data.to_owned(),
        born,
        wanted,
    }
}

/// Reads the record of the data directory; `None`: there is none yet, and nothing in its place.
///
/// # Errors
/// [`Error::Foreign`] when there are files without a record.
pub fn read(directories: &Directories) -> Result<Option<Record>, Error> {
    let data = directories.data();
    let path = data.join(RECORD);
    let in_the_way = fs::symlink_metadata(&data).is_ok() && !data.is_dir();
    if in_the_way {
        let wrong = Wrong::Content("it is not a directory".into());
        let remedy = "restore the data directory from a copy, or move it away to begin anew";
        return Err(Damaged::new(&data, wrong, remedy).into());
    }
    if let Some(record) = kept::versioned(&path, FORMAT, REMEDY)? {
        return Ok(Some(record));
    }
    match fs::read_dir(&data).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Err(Error::Foreign(data)),
        Ok(false) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::io("read", &data)(source)),
    }
}

/// What to do about a record that is damaged.
const REMEDY: &str =
    "restore it from a copy; it says whose data this is, and the data itself is left alone";

/// Writes the record of a data directory, whole.
///
/// # Errors
/// When it cannot be written.
pub fn write(data: &Path, record: &Record) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(record).expect("a record has only plain fields");
    files::write(&data.join(RECORD), &text, 0o644, None)
}

/// Clears what a birth that was interrupted left behind, and says where the next one begins.
///
/// # Errors
/// When it cannot be removed.
pub fn clear(directories: &Directories) -> Result<PathBuf, Error> {
    let unborn = directories.unborn();
    match fs::remove_dir_all(&unborn) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("clear", &unborn)(error))
        }
        _ => Ok(unborn),
    }
}

/// The last step of a birth: the record goes in, and the directory gets its name.
///
/// # Errors
/// When something has taken its place meanwhile.
pub fn settle(directories: &Directories, record: &Record) -> Result<(), Error> {
    let (unborn, data) = (directories.unborn(), directories.data());
    write(&unborn, record)?;
    let name = || -> io::Result<()> {
        fs::rename(&unborn, &data)?;
        fs::File::open(&directories.home)?.sync_all()
    };
    name().map_err(Error::io("name", &data))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(engine: Engine, (major, minor, patch): (u32, u32, u32)) -> Found {
        Found {
            engine,
            version: Version {
                major,
                minor,
                patch,
            },
            binary: "/usr/sbin/mysqld".into(),
        }
    }

    fn directories(place: &Path) -> Directories {
        Directories {
            home: place.to_owned(),
            run: place.join("run"),
            templates: place.join("templates"),
        }
    }

    #[test]
    fn a_directory_is_born_whole_and_read_back() {
        let place = tempfile::tempdir().unwrap();
        let directories = directories(place.path());
        assert_eq!(read(&directories).unwrap(), None);
        fs::create_dir(directories.data()).unwrap();
        assert_eq!(
            read(&directories).unwrap(),
            None,
            "an empty directory holds nothing"
        );
        let unborn = clear(&directories).unwrap();
        fs::create_dir(&unborn).unwrap();
        fs::write(unborn.join("half"), "").unwrap();
        assert_eq!(clear(&directories).unwrap(), unborn);
        assert!(!unborn.exists());
        fs::create_dir(&unborn).unwrap();
        let record = Record::new(&found(Engine::Mariadb, (10, 11, 19)), true);
        settle(&directories, &record).unwrap();
        assert_eq!(read(&directories).unwrap(), Some(record));
    }

    #[test]
    fn files_of_others_are_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let directories = directories(place.path());
        fs::create_dir(directories.data()).unwrap();
        fs::write(directories.data().join("ibdata1"), "precious").unwrap();
        assert!(matches!(read(&directories), Err(Error::Foreign(_))));
        for damage in ["", "{", "{}", "\0", "[]", "{\"format\":1}"] {
            fs::write(directories.data().join(RECORD), damage).unwrap();
            let Err(Error::Damaged(damaged)) = read(&directories) else {
                panic!("{damage:?}");
            };
            assert_eq!(damaged.path, directories.data().join(RECORD));
        }
        fs::remove_dir_all(directories.data()).unwrap();
        fs::write(directories.data(), "").unwrap();
        assert!(matches!(read(&directories), Err(Error::Damaged(_))));
    }

    #[test]
    fn only_the_engine_of_its_birth_opens_the_data() {
        let data = Path::new("/data");
        let record = Record::new(&found(Engine::Mariadb, (10, 11, 19)), true);
        assert_eq!(
            wanted(None, Some(&record), data).unwrap(),
            Some(Engine::Mariadb)
        );
        assert_eq!(wanted(None, None, data).unwrap(), None);
        let refused = wanted(Some(Engine::Mysql), Some(&record), data).unwrap_err();
        assert!(
            refused.to_string().contains("write `engine=mariadb`"),
            "{refused}"
        );
        let admits = |engine, version| record.admits(&found(engine, version), data);
        assert!(matches!(
            admits(Engine::Mysql, (11, 0, 0)),
            Err(Error::OtherEngine { .. })
        ));
        assert!(matches!(
            admits(Engine::Mariadb, (10, 6, 22)),
            Err(Error::Downgrade { .. })
        ));
        for newer in [(10, 11, 3), (10, 11, 20), (11, 4, 1)] {
            assert!(admits(Engine::Mariadb, newer).is_ok(), "{newer:?}");
        }
    }
}
