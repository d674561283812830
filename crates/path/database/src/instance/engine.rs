//! Which database server this machine offers: found on PATH, told apart by what it says of itself.
//!
//! The name of a program says nothing: on Debian `mysqld` is MariaDB.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use terrace_protocol::keeper::{Program, Spawn, User};
use terrace_site::plan::Engine;

use super::error::Error;
use super::processes::Processes;

/// The names that server programs go by, the clearer one first.
const NAMES: [&str; 2] = ["mariadbd", "mysqld"];

/// Where servers live that are not on an ordinary user's PATH.
const BESIDE_PATH: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// A version: `10.11.19`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version {
    /// `10`.
    pub major: u32,
    /// `11`.
    pub minor: u32,
    /// `19`.
    pub patch: u32,
}

impl Version {
    /// The release series, within which a data directory may go back: `(10, 11)`.
    pub fn series(self) -> (u32, u32) {
        (self.major, self.minor)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.').map(|part| {
            let digits = part
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(part.len());
            part[..digits].parse().ok()
        });
        Some(Self {
            major: parts.next()??,
            minor: parts.next()??,
            patch: parts.next()??,
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// A server program of this machine. Shows as `MariaDB 10.11.19`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whose it is.
    pub engine: Engine,
    /// Its version.
    pub version: Version,
    /// Its absolute path, links resolved.
    pub binary: PathBuf,
}

impl fmt::Display for Found {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.engine.title(), self.version)
    }
}

/// The oldest version that the generated configuration fits: MariaDB 10.11 takes a list of addresses,
/// MySQL 8.0.30 sizes its redo log as a whole.
pub fn minimum(engine: Engine) -> Version {
    let (major, minor, patch) = match engine {
        Engine::Mariadb => (10, 11, 0),
        Engine::Mysql => (8, 0, 30),
    };
    Version {
        major,
        minor,
        patch,
    }
}

/// Reads what a server program answers to `--version`; `None`: it is no server of ours.
pub fn read_version(text: &str) -> Option<(Engine, Version)> {
    let line = text
        .lines()
        .find(|line| line.contains("Ver ") || line.contains(" from "))?;
    let version = line.split_whitespace().find_map(Version::parse)?;
    let engine = if line.contains("MariaDB") {
        Engine::Mariadb
    } else {
        Engine::Mysql
    };
    Some((engine, version))
}

/// The directories to look in: those of PATH, then those where servers live.
pub fn search_path(path: Option<&OsStr>) -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> = path
        .map(|path| std::env::split_paths(path).collect())
        .unwrap_or_default();
    directories.extend(BESIDE_PATH.map(PathBuf::from));
    directories.retain(|directory| directory.is_absolute());
    directories
}

/// The server programs in these directories, links resolved, each once, in the order of the search.
pub fn candidates(search: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for directory in search {
        for name in NAMES {
            let Ok(path) = directory.join(name).canonicalize() else {
                continue;
            };
            if executable(&path) && !found.contains(&path) {
                found.push(path);
            }
        }
    }
    found
}

fn executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Finds the first program that is what is wanted, or any server when nothing in particular is.
///
/// # Errors
/// [`Error::NoEngine`] names the package to install, [`Error::TooOld`] the version to install.
pub async fn discover(
    processes: &dyn Processes,
    id: &str,
    search: &[PathBuf],
    wanted: Option<Engine>,
    user: Option<User>,
) -> Result<Found, Error> {
    let mut unusable = Vec::new();
    for binary in candidates(search) {
        match ask_version(processes, id, &binary, user).await {
            Ok((engine, version)) => {
                if wanted.is_none_or(|wanted| wanted == engine) {
                    return check_age(Found {
                        engine,
                        version,
                        binary,
                    });
                }
            }
            Err(reason) => unusable.push(format!("{}: {reason}", binary.display())),
        }
    }
    Err(Error::NoEngine { wanted, unusable })
}

fn check_age(found: Found) -> Result<Found, Error> {
    let minimum = minimum(found.engine);
    if found.version < minimum {
        return Err(Error::TooOld { found, minimum });
    }
    Ok(found)
}

async fn ask_version(
    processes: &dyn Processes,
    id: &str,
    binary: &Path,
    user: Option<User>,
) -> Result<(Engine, Version), String> {
    let spawn = Spawn {
        id: format!("{id} version"),
        program: Program::File(binary.to_owned()),
        arguments: vec!["--no-defaults".into(), "--version".into()],
        environment: environment(),
        user,
        ..Spawn::default()
    };
    let finished = processes
        .run(spawn, None)
        .await
        .map_err(|error| error.to_string())?;
    read_version(&finished.output).ok_or_else(|| {
        let said = finished.output.lines().next().unwrap_or("nothing");
        format!("`--version` ended with {} and said: {said}", finished.exit)
    })
}

/// The environment of every database process: messages in English, which [`super::failure`] reads.
pub(super) fn environment() -> Vec<(String, String)> {
    [("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("LC_ALL", "C")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_tells_the_flavour_and_not_the_name() {
        let cases = [
            (
                "mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)",
                Engine::Mariadb,
                (10, 11, 19),
            ),
            (
                "/usr/sbin/mysqld  Ver 10.11.19-MariaDB for Linux",
                Engine::Mariadb,
                (10, 11, 19),
            ),
            (
                "mariadbd from 11.8.2-MariaDB, for Linux (x86_64)",
                Engine::Mariadb,
                (11, 8, 2),
            ),
            (
                "/usr/sbin/mysqld  Ver 8.0.36-0ubuntu0.22.04.1 for Linux on x86_64 ((Ubuntu))",
                Engine::Mysql,
                (8, 0, 36),
            ),
            (
                "warning: something else\nmysqld  Ver 9.7.4 for Linux on x86_64 (MySQL Community Server - GPL)",
                Engine::Mysql,
                (9, 7, 4),
            ),
        ];
        for (text, engine, (major, minor, patch)) in cases {
            let version = Version {
                major,
                minor,
                patch,
            };
            assert_eq!(read_version(text), Some((engine, version)), "{text}");
        }
        for text in [
            "",
            "mysqld: cannot execute",
            "nginx version: nginx/1.22.1",
            "x Ver 8",
        ] {
            assert_eq!(read_version(text), None, "{text}");
        }
    }

    #[test]
    fn versions_compare_as_numbers() {
        let version = |text| Version::parse(text).unwrap();
        assert!(version("10.11.9") < version("10.11.19"));
        assert!(version("9.7.4") < version("10.0.0"));
        assert_eq!(version("8.0.36-0ubuntu").to_string(), "8.0.36");
    }

    #[test]
    fn one_program_under_two_names_is_one_candidate() {
        let directory = tempfile::tempdir().unwrap();
        let real = directory.path().join("mariadbd");
        std::fs::write(&real, "").unwrap();
        let search = [directory.path().to_owned(), "/nonexistent".into()];
        assert!(candidates(&search).is_empty(), "it cannot be executed");
        std::fs::set_permissions(&real, PermissionsExt::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink(&real, directory.path().join("mysqld")).unwrap();
        assert_eq!(candidates(&search), [real.canonicalize().unwrap()]);
    }

    #[test]
    fn servers_live_beside_the_path_of_an_ordinary_user() {
        let search = search_path(Some(OsStr::new("/bin:relative:/usr/bin")));
        assert_eq!(
            search,
            ["/bin", "/usr/bin", "/usr/sbin", "/usr/local/sbin"].map(PathBuf::from)
        );
    }
}
