//! `terrace logs`: what the programs on the servers have written.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use terrace_lab::{Location, registry};

use super::output::Output;
use super::site_file::running;
use super::{Outcome, WrongCall};

/// How often a followed log is looked at.
const PAUSE: Duration = Duration::from_millis(200);

/// Prints what the programs on the servers have written.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  terrace logs\n  terrace logs web-01/app -f\n  terrace logs web-01 --lines 50\n  terrace logs --build foobar"
)]
pub(crate) struct Logs {
    /// A server, or one role on it: `web-01`, `web-01/app`, `web-01/access`.
    what: Option<String>,
    /// What the build of an app wrote, by the app's name.
    #[arg(long, value_name = "APP", conflicts_with = "what")]
    build: Option<String>,
    /// Go on as more is written.
    #[arg(long, short)]
    follow: bool,
    /// How many of the last lines of each log to begin with.
    #[arg(long, default_value_t = 100)]
    lines: usize,
    /// The site's file.
    #[arg(long)]
    file: Option<PathBuf>,
}

/// One log file, and how far it has been printed.
struct Log {
    name: String,
    path: PathBuf,
    /// The file that has been printed so far: under its name there may be another one by now.
    file: Option<File>,
    seen: u64,
}

impl Logs {
    pub(super) fn run(self, out: &mut Output) -> Outcome {
        let site = running(out, self.file.as_deref())?;
        if !site.state().is_dir() && registry::running()?.iter().any(|one| one.location == site) {
            let state = site.state();
            anyhow::bail!(
                "the logs of {} are gone: {} was removed or moved while it runs; `terrace status` says where it is",
                site.name(),
                state.display()
            );
        }
        let all = match &self.build {
            Some(app) => built(&site, app)?,
            None => find(&site.state().join("servers")),
        };
        let wanted = |log: &Log| self.what.as_ref().is_none_or(|what| log.is_of(what));
        let names: Vec<String> = all.iter().map(|log| log.name.clone()).collect();
        let mut logs: Vec<Log> = all.into_iter().filter(wanted).collect();
        if logs.is_empty() {
            return Err(WrongCall(none(&site, self.what.as_deref(), &names)).into());
        }
        let alone = logs.len() == 1;
        for log in &mut logs {
            out.bytes(&log.last(self.lines, alone)?);
        }
        while self.follow && !out.is_closed() {
            std::thread::sleep(PAUSE);
            for log in &mut logs {
                out.bytes(&log.added(alone)?);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// There is no such log; what there is instead.
fn none(site: &Location, what: Option<&str>, names: &[String]) -> String {
    let yet = format!(
        "{} has written no log yet: start it with `terrace up`",
        site.name()
    );
    match what.filter(|_| !names.is_empty()) {
        None => yet,
        Some(what) => format!("no log of `{what}`: there are {}", names.join(", ")),
    }
}

/// The log of an app's build.
fn built(site: &Location, app: &str) -> anyhow::Result<Vec<Log>> {
    let path = site.build_log(app);
    if path.is_file() {
        let name = app.to_owned();
        return Ok(vec![Log {
            name,
            path,
            file: None,
            seen: 0,
        }]);
    }
    let entries = fs::read_dir(path.parent().unwrap_or(Path::new("/")));
    let names = entries.into_iter().flatten().flatten().map(|entry| {
        let path = entry.path();
        path.file_stem().unwrap_or_default().display().to_string()
    });
    let names: Vec<String> = names.collect();
    let there = match names.is_empty() {
        true => "nothing was built yet".to_owned(),
        false => format!("there are those of {}", names.join(", ")),
    };
    Err(WrongCall(format!("no build of `{app}` has written a log: {there}")).into())
}

/// Every log of every server, by `server/name`.
fn find(servers: &Path) -> Vec<Log> {
    let mut found = Vec::new();
    for server in fs::read_dir(servers).into_iter().flatten().flatten() {
        for entry in fs::read_dir(server.path().join("logs"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                let stem = path
                    .file_stem()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .replace('.', "/");
                found.push(Log {
                    name: format!("{}/{stem}", server.file_name().to_string_lossy()),
                    path,
                    file: None,
                    seen: 0,
                });
            }
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

/// Whether there is a log of this server or role.
pub(super) fn is_there(site: &Location, what: &str) -> bool {
    let logs = find(&site.state().join("servers"));
    logs.iter().any(|log| log.is_of(what))
}

impl Log {
    fn is_of(&self, what: &str) -> bool {
        self.name == what || self.name.starts_with(&format!("{what}/"))
    }

    fn open(&self) -> anyhow::Result<File> {
        File::open(&self.path).with_context(|| format!("cannot read {}", self.path.display()))
    }

    /// Its last lines.
    fn last(&mut self, lines: usize, alone: bool) -> anyhow::Result<Vec<u8>> {
        let mut text = Vec::new();
        let mut file = self.open()?;
        file.read_to_end(&mut text)?;
        self.file = Some(file);
        self.seen = text.len() as u64;
        let all: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
        let mut shown = Vec::new();
        for line in &all[all.len().saturating_sub(lines)..] {
            self.line(&mut shown, line, alone);
        }
        Ok(shown)
    }

    /// What has come since. A log that has become long is renamed and begun anew: the rest of the old one is printed first.
    fn added(&mut self, alone: bool) -> anyhow::Result<Vec<u8>> {
        let Some(mut file) = self.file.take() else {
            return Ok(Vec::new());
        };
        let mut shown = self.rest(&mut file, alone)?;
        // Between two names there may be none for a moment.
        match File::open(&self.path) {
            Ok(mut fresh) if !is_same(&file, &fresh)? => {
                // What the old one had gained meanwhile is its last.
                shown.extend(self.rest(&mut file, alone)?);
                self.seen = 0;
                shown.extend(self.rest(&mut fresh, alone)?);
                self.file = Some(fresh);
            }
            _ => self.file = Some(file),
        }
        Ok(shown)
    }

    /// What a file has beyond what was seen of it.
    fn rest(&mut self, file: &mut File, alone: bool) -> anyhow::Result<Vec<u8>> {
        let length = file.metadata()?.len();
        if length < self.seen {
            self.seen = 0;
        }
        file.seek(SeekFrom::Start(self.seen))?;
        let mut reader = BufReader::new(file.take(length - self.seen));
        let (mut line, mut shown) = (Vec::new(), Vec::new());
        while reader.read_until(b'\n', &mut line)? > 0 {
            // Half a line waits for its other half.
            if line.last() != Some(&b'\n') {
                break;
            }
            self.seen += line.len() as u64;
            self.line(&mut shown, &line, alone);
            line.clear();
        }
        Ok(shown)
    }

    fn line(&self, shown: &mut Vec<u8>, line: &[u8], alone: bool) {
        if !alone {
            shown.extend(format!("{} │ ", self.name).bytes());
        }
        shown.extend(line);
        if line.last() != Some(&b'\n') {
            shown.push(b'\n');
        }
    }
}

fn is_same(one: &File, other: &File) -> std::io::Result<bool> {
    let (one, other) = (one.metadata()?, other.metadata()?);
    Ok(one.dev() == other.dev() && one.ino() == other.ino())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_log_that_is_begun_anew_is_followed_from_the_end_of_the_old_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.log");
        let mut writer = File::create(&path).unwrap();
        writer.write_all(b"seen\n").unwrap();
        let mut log = Log {
            name: "web-01/app".into(),
            path: path.clone(),
            file: None,
            seen: 0,
        };
        assert_eq!(log.last(10, true).unwrap(), b"seen\n");
        writer.write_all(b"the rest\n").unwrap();
        fs::rename(&path, directory.path().join("app.log.1")).unwrap();
        assert_eq!(
            log.added(true).unwrap(),
            b"the rest\n",
            "for a moment there is none"
        );
        writer.write_all(b"late\n").unwrap();
        fs::write(&path, "a line that is longer than the old log was\n").unwrap();
        let added = String::from_utf8(log.added(true).unwrap()).unwrap();
        assert_eq!(added, "late\na line that is longer than the old log was\n");
        assert_eq!(log.added(true).unwrap(), b"");
    }
}
