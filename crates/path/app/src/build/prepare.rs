//! From an order to a release that is there.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};
use std::process::ExitStatus;
use std::time::Instant;

use std::os::unix::process::ExitStatusExt;
use terrace_protocol::build::{Built, Failure, Link, Order, Progress};

use super::command;
use super::store::Store;
use crate::release::{self, Code, SearchPath};

/// How often the code may change under our hands before we give up.
const ATTEMPTS: usize = 3;
/// What a shell answers when there is no such program.
const NOT_FOUND: i32 = 127;

/// Why a release cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The code cannot be read.
    #[error(transparent)]
    Code(#[from] release::Error),
    /// The releases cannot be written.
    #[error("the release cannot be written below {path}")]
    Store {
        /// Where releases of this app are.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
    /// Someone writes to the code all the time.
    #[error("the code {0} changed while it was copied, {ATTEMPTS} times")]
    Restless(PathBuf),
    /// A kept directory cannot get its place.
    #[error("`keep` cannot stand at {at}: {why}")]
    Keep {
        /// Relative to the release.
        at: PathBuf,
        /// Why.
        why: String,
    },
    /// A build command failed.
    #[error("the build command `{command}` ended with {}", ending(*status))]
    Command {
        /// The command.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines that it wrote.
        lines: Vec<String>,
        /// Parts of the caller's PATH that it did not get.
        left_out: Vec<PathBuf>,
    },
}

impl Error {
    /// In the words that the caller shows: cause, remedy, the command's last lines.
    pub fn failure(self) -> Failure {
        let mut cause = self.to_string();
        let mut next = std::error::Error::source(&self);
        while let Some(inner) = next {
            cause = format!("{cause}: {inner}");
            next = inner.source();
        }
        let remedy = self.remedy();
        let lines = match self {
            Error::Command { lines, .. } => lines,
            _ => Vec::new(),
        };
        Failure {
            cause,
            remedy,
            lines,
        }
    }

    fn remedy(&self) -> Option<String> {
        match self {
            Error::Command {
                status, left_out, ..
            } if status.code() == Some(NOT_FOUND) => Some(if left_out.is_empty() {
                "install the program that is missing, or put it on PATH".to_owned()
            } else {
                let left_out: Vec<_> = left_out
                    .iter()
                    .map(|path| path.display().to_string())
                    .collect();
                format!(
                    "install the program that is missing for all users: the app runs as one that cannot reach {}",
                    left_out.join(", ")
                )
            }),
            Error::Command { .. } => {
                Some("mend the command or the code, then run the same again".to_owned())
            }
            Error::Restless(_) => {
                Some("let .gitignore name what the running site writes there".to_owned())
            }
            _ => None,
        }
    }
}

fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

/// Makes the release, unless it is there already, and removes old ones. `clear` ends what a command has left running: it would
/// go on writing to a release that counts as whole.
///
/// # Errors
/// When the code cannot be read, a command fails or the disk does. What is half-made is made anew next time.
pub fn prepare(
    order: &Order,
    clear: &dyn Fn(),
    tell: &mut dyn FnMut(Progress),
) -> Result<Built, Error> {
    let begun = Instant::now();
    let path = SearchPath::new(
        &std::env::var_os("PATH").unwrap_or_default(),
        order.other_user,
    );
    let app = order.releases.join(&order.app);
    let disk = |source| Error::Store {
        path: app.clone(),
        source,
    };
    let store = Store::open(&order.releases, &order.app).map_err(disk)?;
    for _ in 0..ATTEMPTS {
        let code = Code::list(&order.code)?;
        let content = code.digest()?;
        let release = release::id(order, &content, &path);
        let fresh = !store.has(&release);
        if fresh {
            let directory = store.begin(&release).map_err(disk)?;
            if code.copy(&directory)? != content {
                store.remove(&release).map_err(disk)?;
                continue;
            }
            tell(Progress::Building {
                release: release.clone(),
            });
            build(order, &directory, &path, clear, tell)?;
            store.finish(&release).map_err(disk)?;
        }
        let mut in_use: Vec<&str> = order.in_use.iter().map(String::as_str).collect();
        in_use.push(&release);
        in_use.dedup();
        store.prune(&in_use).map_err(disk)?;
        let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        return Ok(Built {
            release,
            fresh,
            took,
        });
    }
    Err(Error::Restless(order.code.clone()))
}

fn build(
    order: &Order,
    directory: &Path,
    path: &SearchPath,
    clear: &dyn Fn(),
    tell: &mut dyn FnMut(Progress),
) -> Result<(), Error> {
    for link in &order.keep {
        place(link, directory)?;
    }
    for text in &order.build {
        tell(Progress::Command(text.clone()));
        let finished = command::run(text, directory, &path.to_variable(), &mut |line| {
            tell(Progress::Line(line.to_owned()));
        })
        .map_err(|source| Error::Store {
            path: directory.to_owned(),
            source,
        })?;
        clear();
        if !finished.status.success() {
            return Err(Error::Command {
                command: text.clone(),
                status: finished.status,
                lines: finished.lines,
                left_out: path.left_out.clone(),
            });
        }
    }
    Ok(())
}

/// Puts the link to a kept directory in its place. A directory of the code may stand there if it holds nothing
/// but dot files, which are what keeps an empty directory in git.
fn place(link: &Link, directory: &Path) -> Result<(), Error> {
    let refuse = |why: String| Error::Keep {
        at: link.at.clone(),
        why,
    };
    let inside = |part: Component<'_>| matches!(part, Component::Normal(_));
    if link.at.as_os_str().is_empty() || !link.at.components().all(inside) {
        return Err(refuse(
            "`at=` is a path within the code, without `..`".to_owned(),
        ));
    }
    let at = directory.join(&link.at);
    let io = |error: io::Error| refuse(error.to_string());
    if let Ok(entries) = fs::read_dir(&at) {
        for entry in entries {
            let name = entry.map_err(io)?.file_name();
            if !name.as_encoded_bytes().starts_with(b".") {
                return Err(refuse(format!(
                    "the code has {} there; move it away, or let .gitignore name it",
                    link.at.join(name).display()
                )));
            }
        }
        fs::remove_dir_all(&at).map_err(io)?;
    }
    fs::create_dir_all(at.parent().unwrap_or(directory)).map_err(io)?;
    symlink(&link.to, &at).map_err(io)
}
