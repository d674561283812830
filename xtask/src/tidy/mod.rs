//! What a compiler does not hold: which crate may know which, how long files and functions are, that
//! every file says what it is for, and that no error says its cause twice.

mod causes;
mod layers;
mod sizes;

use std::path::{Path, PathBuf};
use std::{fs, io};

/// Everything to mend below `root`, one line each.
pub(crate) fn check(root: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for manifest in files(root, "toml")? {
        found.extend(layers::check(&manifest.name, &manifest.text));
    }
    let sources = files(root, "rs")?;
    for source in &sources {
        found.extend(sizes::check(&source.name, &source.text));
        found.extend(causes::check(&source.name, &source.text));
    }
    found.extend(sizes::stale_reasons(&sources));
    Ok(found)
}

/// A file below the root, by its name there.
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
}

fn files(root: &Path, extension: &str) -> io::Result<Vec<Source>> {
    let mut paths = Vec::new();
    for top in ["crates", "xtask"] {
        walk(&root.join(top), extension, &mut paths)?;
    }
    paths.sort();
    let read = |path: PathBuf| {
        let name = path
            .strip_prefix(root)
            .unwrap_or(&path)
            .to_string_lossy()
            .into_owned();
        Ok(Source {
            name,
            text: fs::read_to_string(&path)?,
        })
    };
    paths.into_iter().map(read).collect()
}

fn walk(directory: &Path, extension: &str, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("target") {
            walk(&path, extension, found)?;
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    Ok(())
}
