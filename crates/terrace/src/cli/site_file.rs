//! Which file a command means, and what is said about its mistakes.

use std::path::{Path, PathBuf};

use anyhow::Context;
use terrace_lab::Location;
use terrace_site::model::Site;
use terrace_site::problem::{Problem, Report};

use super::WrongCall;
use super::output::{self, Output};

/// The name that is sought when none is given.
const NAME: &str = "site.kdl";

/// A file that was read.
pub(crate) struct SiteFile {
    pub(crate) path: PathBuf,
    pub(crate) source: String,
}

impl SiteFile {
    /// Reads the file that was named, or `site.kdl` here or in a directory above.
    pub(crate) fn read(named: Option<&Path>) -> anyhow::Result<Self> {
        let path = match named {
            Some(path) => path.to_owned(),
            None => match sought()? {
                Some(path) => path,
                None => {
                    let remedy = "name a file, or write one with `terrace init`";
                    return Err(
                        WrongCall(format!("there is no {NAME} here or above: {remedy}")).into(),
                    );
                }
            },
        };
        let wrong = |why: String| WrongCall(format!("cannot read {}: {why}", path.display()));
        let bytes = std::fs::read(&path).map_err(|error| wrong(error.to_string()))?;
        let source = String::from_utf8(bytes)
            .map_err(|error| wrong(format!("it is not UTF-8 text: {error}")))?;
        Ok(Self { path, source })
    }

    /// The site that the file describes. `None` when it has mistakes, which are printed, all of them.
    pub(crate) fn site(&self, out: &mut Output) -> Option<Site> {
        let loaded = terrace_site::load(&self.source);
        self.warn(out, &loaded.problems);
        loaded.site
    }
}

impl SiteFile {
    /// Prints what is wrong, or worth a warning, each with its line.
    pub(crate) fn warn(&self, out: &mut Output, problems: &[Problem]) {
        if !problems.is_empty() {
            let name = self.path.display().to_string();
            let report = Report::new(&name, &self.source, problems);
            out.warn(report.render(output::errors_coloured()));
        }
    }
}

/// `site.kdl` here or in the nearest directory above.
pub(crate) fn sought() -> anyhow::Result<Option<PathBuf>> {
    let here = std::env::current_dir().context("the current directory is gone")?;
    Ok(here
        .ancestors()
        .map(|directory| directory.join(NAME))
        .find(|path| path.is_file()))
}

impl SiteFile {
    /// As [`read`](Self::read); where there is no file, the one of the site that runs.
    pub(crate) fn read_or_running(named: Option<&Path>) -> anyhow::Result<Self> {
        let named = match named {
            Some(named) => Some(named.to_owned()),
            None => match sought()? {
                Some(path) => Some(path),
                None => terrace_lab::find()
                    .ok()
                    .map(|location| location.file().to_owned()),
            },
        };
        Self::read(named.as_deref())
    }
}

/// The site that a command about what runs means: that of the file, or the one that runs.
pub(crate) fn running(out: &mut Output, named: Option<&Path>) -> anyhow::Result<Location> {
    if named.is_none() && sought()?.is_none() {
        return Ok(terrace_lab::find()?);
    }
    let file = SiteFile::read(named)?;
    // A file that has been broken since still names its site: what runs can be looked at and stopped.
    let name = match terrace_site::load(&file.source).site {
        Some(site) => site.name().to_string(),
        None => match terrace_lab::find() {
            Ok(location) => return Ok(location),
            Err(_) => {
                file.site(out);
                return Err(WrongCall("the file has mistakes".to_owned()).into());
            }
        },
    };
    Ok(Location::of(&file.path, &name)?)
}
