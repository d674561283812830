//! Secrets: passwords and keys of a site, one file each, readable by their owner alone.
//!
//! A [`Secret`] has neither Debug nor Display, so it cannot reach a log by accident.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::rand::{GetRandomFlags, getrandom};

use crate::kept::{self, Damaged, Wrong};

/// A value that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a value.
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The value, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Why a secret is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is none of this name.
    #[error("there is no secret `{0}`: set it with `terrace secret set {0}`")]
    Missing(String),
    /// A name that cannot be a file's.
    #[error(
        "`{0}` cannot be the name of a secret: use letters, digits, `-`, `_`, `.` and `/` between them"
    )]
    Name(String),
    /// What is kept under this name is no secret.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// It cannot be written.
    #[error("the secret {} cannot be written", path.display())]
    Unwritten {
        /// Where.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
}

/// The secrets of a site: a directory.
#[derive(Clone, Debug)]
pub struct SecretStore {
    directory: PathBuf,
    makes: bool,
}

impl SecretStore {
    /// The store in this directory, which is made at the first write.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            makes: true,
        }
    }

    /// The same for who only reads: what is missing was lost, and another one would not be the one that others know.
    pub fn of_others(directory: impl Into<PathBuf>) -> Self {
        Self {
            makes: false,
            ..Self::new(directory)
        }
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`Error::Missing`] names the command that sets it.
    pub fn read(&self, name: &str) -> Result<Secret, Error> {
        let path = self.path(name)?;
        let value = match kept::text(&path, &remedy(name)) {
            Ok(Some(value)) => value,
            Ok(None) => return Err(Error::Missing(name.to_owned())),
            Err(damaged) => return Err(damaged.into()),
        };
        if value.contains('\0') {
            let wrong = Wrong::Content("it has a byte 0 in it".into());
            return Err(Damaged::new(&path, wrong, remedy(name)).into());
        }
        Ok(Secret(value))
    }

    /// Reads one; where it is missing, a random one of 128 bits is made, once: whoever else makes it at the same time
    /// reads the same.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn read_or_generate(&self, name: &str) -> Result<Secret, Error> {
        match self.read(name) {
            Err(Error::Missing(_)) if self.makes => {
                let path = self.path(name)?;
                let made = generate().and_then(|made| write_new(&path, made.expose()));
                made.map_err(|source| Error::Unwritten { path, source })?;
                self.read(name)
            }
            other => other,
        }
    }

    /// Says that one is missing that was there: it is not made anew.
    ///
    /// # Errors
    /// When the name cannot be a file's.
    pub fn gone(&self, name: &str) -> Result<Damaged, Error> {
        Ok(Damaged::new(&self.path(name)?, Wrong::Gone, remedy(name)))
    }

    /// Writes one; a reader sees the old value or the new one, whole.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn write(&self, name: &str, value: &Secret) -> Result<(), Error> {
        let path = self.path(name)?;
        write_whole(&path, value.expose()).map_err(|source| Error::Unwritten { path, source })
    }

    fn path(&self, name: &str) -> Result<PathBuf, Error> {
        let plain = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        };
        if name.split('/').all(plain) {
            Ok(self.directory.join(name))
        } else {
            Err(Error::Name(name.to_owned()))
        }
    }
}

/// What to do about one that was lost.
fn remedy(name: &str) -> String {
    format!("restore it from a copy, or set another one with `terrace secret set {name}`")
}

fn write_whole(path: &Path, value: &str) -> io::Result<()> {
    let fresh = path.with_extension("new");
    write_private(&fresh, value)?;
    fs::rename(&fresh, path)
}

/// Writes one that is not there yet; one that has come meanwhile stays.
fn write_new(path: &Path, value: &str) -> io::Result<()> {
    // Nodes of a rehearsal share the directory, and process numbers too: each has a namespace of its own.
    let fresh = path.with_extension(format!("new-{}", generate()?.expose()));
    write_private(&fresh, value)?;
    let linked = fs::hard_link(&fresh, path);
    fs::remove_file(&fresh)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn write_private(path: &Path, value: &str) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(value.as_bytes())?;
    file.sync_all()
}

/// How many characters a generated one has: as many as MySQL takes from a replica.
pub const LENGTH: usize = 32;

/// 128 bits in [`LENGTH`] letters and digits that need no quoting anywhere.
///
/// # Errors
/// When the kernel has no randomness.
pub fn generate() -> io::Result<Secret> {
    let mut bytes = [0_u8; LENGTH / 2];
    let mut filled = 0;
    while filled < bytes.len() {
        filled += getrandom(&mut bytes[filled..], GetRandomFlags::empty())?;
    }
    Ok(Secret(
        bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_missing_secret_is_made_once_and_kept_private() {
        let directory = tempfile::tempdir().unwrap();
        let store = SecretStore::new(directory.path().join("secrets"));
        assert!(matches!(store.read("database/app"), Err(Error::Missing(_))));
        let made = store
            .read_or_generate("database/app")
            .unwrap_or_else(|error| panic!("{error}"));
        let again = store
            .read_or_generate("database/app")
            .unwrap_or_else(|error| panic!("{error}"));
        assert!(made == again && made.expose().len() == LENGTH);
        let mode = |path: &str| {
            fs::metadata(directory.path().join(path))
                .unwrap()
                .permissions()
                .mode()
                & 0o777
        };
        assert_eq!(
            (
                mode("secrets"),
                mode("secrets/database"),
                mode("secrets/database/app")
            ),
            (0o700, 0o700, 0o600)
        );
    }

    #[test]
    fn what_is_damaged_is_no_secret_and_what_was_lost_is_not_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app");
        let read = |store: SecretStore| match store.read_or_generate("app") {
            Ok(_) => panic!("it was read"),
            Err(error) => error.to_string(),
        };
        for damage in [&b""[..], b"\xff\xfe", b"one\0two"] {
            fs::write(&path, damage).unwrap();
            let said = read(SecretStore::new(directory.path()));
            assert!(said.starts_with(&path.display().to_string()), "{said}");
            assert!(said.contains("terrace secret set app"), "{said}");
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let said = read(SecretStore::new(directory.path()));
        assert!(said.contains("is a directory"), "{said}");
        fs::remove_dir(&path).unwrap();
        let said = read(SecretStore::of_others(directory.path()));
        assert!(said.contains("there is no secret `app`"), "{said}");
        assert!(!path.exists());
    }

    #[test]
    fn a_name_cannot_leave_the_store() {
        let store = SecretStore::new("/nonexistent");
        for name in ["../x", "/etc/passwd", "a//b", "", ".hidden", "a b", "a\0b"] {
            assert!(matches!(store.read(name), Err(Error::Name(_))), "{name:?}");
        }
    }
}
