//! Which file a command means, which site, and what is said about mistakes.

use std::path::{Path, PathBuf};

use anyhow::Context;
use terrace_lab::registry::{self, Running};
use terrace_lab::{Location, client};
use terrace_protocol::control::{Reply, Request};
use terrace_service::clock::unix_millis;
use terrace_site::model::Site;
use terrace_site::problem::{Problem, Report, Severity};

use super::WrongCall;
use super::client::{OTHER_ANSWER, runtime};
use super::output::{self, Output, note, span};

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
        if path.is_dir() {
            return Err(wrong("it is a directory: name the file of a site".into()).into());
        }
        let bytes = std::fs::read(&path).map_err(|error| wrong(error.to_string()))?;
        let source = String::from_utf8(bytes)
            .map_err(|error| wrong(format!("it is not UTF-8 text: {error}")))?;
        Ok(Self { path, source })
    }

    /// As [`read`](Self::read); where there is no file, the one of the site that runs.
    pub(crate) fn read_or_running(named: Option<&Path>) -> anyhow::Result<Self> {
        let named = match named {
            Some(named) => Some(named.to_owned()),
            None => match sought()? {
                Some(path) => Some(path),
                None => registry::find()
                    .ok()
                    .map(|location| location.file().to_owned()),
            },
        };
        Self::read(named.as_deref())
    }

    /// As [`read`](Self::read); where the file is gone or has mistakes and a site runs that was started from it, or where there
    /// is no file and one site runs: what that site runs.
    pub(crate) fn read_or_last_good(
        out: &mut Output,
        named: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let read = meant(named);
        if read.as_ref().is_ok_and(|file| file.mistakes() == 0) {
            return read;
        }
        let location = match started(out, named, &read)? {
            None if named.is_none() && read.is_err() => registry::find().ok(),
            started => started,
        };
        let Some(location) = location else {
            return read;
        };
        match runtime()?.block_on(client::ask(&location, Request::File))? {
            Reply::File { source } => Ok(Self {
                path: location.file().to_owned(),
                source,
            }),
            _ => anyhow::bail!(OTHER_ANSWER),
        }
    }

    /// The site that the file describes. `None` when it has mistakes, which are printed, all of them.
    pub(crate) fn site(&self, out: &mut Output) -> Option<Site> {
        let loaded = terrace_site::load(&self.source);
        self.warn(out, &loaded.problems);
        loaded.site
    }

    /// Prints what is wrong, or worth a warning, each with its line.
    pub(crate) fn warn(&self, out: &mut Output, problems: &[Problem]) {
        if !problems.is_empty() {
            let name = self.path.display().to_string();
            let report = Report::new(&name, &self.source, problems);
            out.warn(report.render(output::errors_coloured()));
        }
    }

    /// How many mistakes keep it from being used.
    fn mistakes(&self) -> usize {
        let problems = terrace_site::load(&self.source).problems;
        let errors = problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error);
        errors.count()
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

/// The site that a command about what runs means: that of the file; where the file is gone, has mistakes or describes another
/// site meanwhile, the one that was started from it; where no file is named or found, the one that runs.
pub(crate) fn running(out: &mut Output, named: Option<&Path>) -> anyhow::Result<Location> {
    let read = meant(named);
    let described = read.as_ref().ok().and_then(|file| {
        let site = terrace_site::load(&file.source).site?;
        Some((file.path.clone(), site.name().to_string()))
    });
    if let Some((path, name)) = &described {
        let location = Location::of(path, name)?;
        let here = from(registry::running()?, location.file());
        if here.is_empty() || here.iter().any(|one| one.location == location) {
            return Ok(location);
        }
    }
    if let Some(location) = started(out, named, &read)? {
        return Ok(location);
    }
    match (read, described) {
        (Ok(_), Some((path, name))) => Ok(Location::of(&path, &name)?),
        (Ok(file), None) => {
            file.site(out);
            Err(WrongCall(format!(
                "{} has mistakes, and no site runs that was started from it",
                file.path.display()
            ))
            .into())
        }
        (Err(_), _) if named.is_none() => Ok(registry::find()?),
        (Err(error), _) => Err(error),
    }
}

/// The file that a command means; one that is gone, of a site that runs, is nearer than one further above.
fn meant(named: Option<&Path>) -> anyhow::Result<SiteFile> {
    if named.is_some() {
        return SiteFile::read(named);
    }
    let listed = registry::running()?;
    let here = std::env::current_dir().context("the current directory is gone")?;
    for directory in here.ancestors() {
        if directory.join(NAME).is_file() {
            break;
        }
        let of =
            |one: &&Running| one.location.base() == directory && !one.location.file().is_file();
        if let Some(gone) = listed.iter().find(of) {
            return SiteFile::read(Some(gone.location.file()));
        }
    }
    SiteFile::read(None)
}

/// The site that runs and was started from the file that was named or is sought, whatever has become of the file since: said in
/// a line. `None`: none was.
fn started(
    out: &mut Output,
    named: Option<&Path>,
    read: &anyhow::Result<SiteFile>,
) -> anyhow::Result<Option<Location>> {
    let listed = registry::running()?;
    let found = match (named, read) {
        (Some(path), _) => from(listed, &absolute(path)),
        (None, Ok(file)) => from(listed, &absolute(&file.path)),
        (None, Err(_)) => nearest(listed),
    };
    if found.is_empty() {
        return Ok(None);
    }
    let since = found[0].since;
    let location = registry::only(found)?;
    let file = location.file().display();
    let what = match read {
        Ok(file) => match file.mistakes() {
            0 => "describes another site now".to_owned(),
            1 => "has a mistake".to_owned(),
            many => format!("has {many} mistakes"),
        },
        Err(_) if location.file().is_dir() => "is a directory now".to_owned(),
        Err(_) if !location.file().exists() => "is gone".to_owned(),
        Err(_) if SiteFile::read(Some(location.file())).is_ok() => return Ok(Some(location)),
        Err(_) => "cannot be read".to_owned(),
    };
    let ago = span(std::time::Duration::from_millis(
        unix_millis().saturating_sub(since),
    ));
    let name = location.name();
    note!(
        out,
        "{file} {what}; this is about {name}, started from it {ago} ago"
    );
    Ok(Some(location))
}

/// Those that were started from this file.
fn from(listed: Vec<Running>, file: &Path) -> Vec<Running> {
    let of = |one: &Running| one.location.file() == file;
    listed.into_iter().filter(of).collect()
}

/// Those that were started from a file here, or in the nearest directory above from which one was; of several the one whose
/// file has the name that is sought.
fn nearest(listed: Vec<Running>) -> Vec<Running> {
    let here = std::env::current_dir().unwrap_or_default();
    let in_directory = |directory: &Path| -> Vec<Running> {
        let of = |one: &&Running| one.location.base() == directory;
        listed.iter().filter(of).cloned().collect()
    };
    let mut all = here.ancestors().map(in_directory);
    let found = all.find(|found| !found.is_empty()).unwrap_or_default();
    let named = |one: &&Running| one.location.file().ends_with(NAME);
    match found.iter().find(named).cloned() {
        Some(named) => vec![named],
        None => found,
    }
}

/// The path as a site keeps it, also of a file that is gone.
fn absolute(path: &Path) -> PathBuf {
    let whole = |path: &Path| std::fs::canonicalize(path).ok();
    let beside = || {
        let parent = match path.parent()? {
            parent if parent.as_os_str().is_empty() => Path::new("."),
            parent => parent,
        };
        Some(whole(parent)?.join(path.file_name()?))
    };
    let lexical = || std::path::absolute(path).ok();
    let found = whole(path).or_else(beside).or_else(lexical);
    found.unwrap_or_else(|| path.to_owned())
}
