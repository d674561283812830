//! The files and empty directories of a code base: all but what git ignores, whether it is in a git checkout or not.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use blake3::{Hash, Hasher};
use ignore::WalkBuilder;

/// Why the code cannot be read or copied.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory is not there, or is none.
    #[error(
        "the code {0} is no directory that can be read: `code=` names one, relative to the file"
    )]
    Missing(PathBuf, #[source] io::Error),
    /// There is nothing in it.
    #[error("the code {0} has no files, or .gitignore names them all")]
    Empty(PathBuf),
    /// The walk met something that it cannot read.
    #[error("the code cannot be listed")]
    Walk(#[from] ignore::Error),
    /// A file of it cannot be read or copied.
    #[error("{path} cannot be read or copied")]
    File {
        /// The file.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
}

/// A code base: its files and empty directories, in an order that does not depend on the file system.
#[derive(Debug)]
pub struct Code {
    root: PathBuf,
    entries: Vec<Entry>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    /// Relative to the root.
    path: PathBuf,
    kind: Kind,
}

/// What a release keeps of a file, apart from its content.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    File {
        executable: bool,
    },
    Link {
        target: PathBuf,
    },
    /// An empty one: git does not know it, an app may count on it.
    Directory,
}

impl Code {
    /// Lists the files of a code base.
    ///
    /// # Errors
    /// When it is not there, is empty or cannot be read.
    pub fn list(directory: &Path) -> Result<Self, Error> {
        let missing = |source| Error::Missing(directory.to_owned(), source);
        let root = directory.canonicalize().map_err(missing)?;
        fs::read_dir(&root).map_err(missing)?;
        let mut entries = Vec::new();
        for found in walk(&root) {
            let found = found?;
            let Ok(path) = found.path().strip_prefix(&root) else {
                continue;
            };
            if let Some(kind) = kind(found.path()).map_err(|source| at(found.path(), source))? {
                let path = path.to_owned();
                entries.push(Entry { path, kind });
            }
        }
        if entries.iter().all(|entry| entry.kind == Kind::Directory) {
            return Err(Error::Empty(directory.to_owned()));
        }
        entries.sort();
        Ok(Self { root, entries })
    }

    /// The hash of names, modes and contents.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn digest(&self) -> Result<Hash, Error> {
        self.pass(None)
    }

    /// Copies the code into a directory that is there and empty, readable by everyone. Returns the hash of
    /// what was copied: the code may have changed since it was listed.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn copy(&self, into: &Path) -> Result<Hash, Error> {
        self.pass(Some(into))
    }

    fn pass(&self, into: Option<&Path>) -> Result<Hash, Error> {
        let mut all = Hasher::new();
        for entry in &self.entries {
            let target = into.map(|into| into.join(&entry.path));
            let name = entry.path.as_os_str().as_encoded_bytes();
            all.update(&(name.len() as u64).to_le_bytes());
            all.update(name);
            let source = self.root.join(&entry.path);
            let content = entry
                .pass(&source, target.as_deref())
                .map_err(|error| at(&source, error))?;
            all.update(content.as_bytes());
        }
        Ok(all.finalize())
    }
}

impl Entry {
    /// The hash of the entry's kind and content, which is copied on the way where there is a target.
    fn pass(&self, source: &Path, target: Option<&Path>) -> io::Result<Hash> {
        if let Some(parent) = target.and_then(Path::parent) {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(parent)?;
        }
        match &self.kind {
            Kind::Directory => {
                if let Some(target) = target {
                    fs::DirBuilder::new().mode(0o755).create(target)?;
                }
                Ok(blake3::hash(b"directory"))
            }
            Kind::Link { target: leads_to } => {
                if let Some(target) = target {
                    symlink(leads_to, target)?;
                }
                let mut hasher = Hasher::new();
                hasher.update(b"link");
                hasher.update(leads_to.as_os_str().as_encoded_bytes());
                Ok(hasher.finalize())
            }
            Kind::File { executable } => {
                let mode = if *executable { 0o755 } else { 0o644 };
                let mut copy = match target {
                    Some(target) => Some(create(target, mode)?),
                    None => None,
                };
                let mut hasher = Hasher::new();
                hasher.update(if *executable { b"exec" } else { b"file" });
                stream(&mut File::open(source)?, &mut hasher, copy.as_mut())?;
                Ok(hasher.finalize())
            }
        }
    }
}

fn walk(root: &Path) -> ignore::Walk {
    WalkBuilder::new(root)
        .standard_filters(false)
        .parents(true)
        .git_ignore(true)
        .git_exclude(true)
        .require_git(false)
        .filter_entry(|entry| entry.file_name() != OsStr::new(".git"))
        .build()
}

/// `None`: a directory that is made for what is in it, or what cannot be copied (a socket, a pipe). One that holds nothing but
/// what git ignores (a cache, `.venv`) counts as empty for git, and is none of the code.
fn kind(path: &Path) -> io::Result<Option<Kind>> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_symlink() {
        let target = fs::read_link(path)?;
        return Ok(Some(Kind::Link { target }));
    }
    if metadata.is_dir() {
        let empty = fs::read_dir(path)?.next().is_none();
        return Ok(empty.then_some(Kind::Directory));
    }
    let executable = metadata.permissions().mode() & 0o100 != 0;
    Ok(metadata.is_file().then_some(Kind::File { executable }))
}

fn create(path: &Path, mode: u32) -> io::Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    // Whatever the umask says: another user runs it.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    Ok(file)
}

fn stream(from: &mut File, hasher: &mut Hasher, mut copy: Option<&mut File>) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = from.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        hasher.update(&buffer[..length]);
        if let Some(copy) = copy.as_mut() {
            copy.write_all(&buffer[..length])?;
        }
    }
}

fn at(path: &Path, source: io::Error) -> Error {
    Error::File {
        path: path.to_owned(),
        source,
    }
}
