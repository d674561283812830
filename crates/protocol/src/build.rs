//! Coordinator and builder: the process that makes a release of a code base.
//!
//! It reads its [`Order`] from standard input: JSON on one line. The writer keeps standard input open:
//! when it ends before the build does, the caller is gone, and the builder ends. It is the first process of a pid namespace:
//! all that the build has started, in sessions of their own too, ends with it. On standard output it says what it does: one [`Progress`] as JSON per line, the last of them
//! `Done` or `Failed`. Standard error is for what should not happen. Its environment is the caller's, which is the
//! build commands' too.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A release to make.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The app's name.
    pub app: String,
    /// Its code, an absolute path.
    pub code: PathBuf,
    /// Where releases are: this one becomes `<releases>/<app>/<hash>`, at the very path that it will run
    /// from, because what is built knows its own path.
    pub releases: PathBuf,
    /// The commands that make a release of the code, in order.
    pub build: Vec<String>,
    /// The command that starts it, if that is one: its program is a part of what a release is made of.
    pub run: Option<String>,
    /// It runs as another user than the one that builds: what that one cannot reach is no part of the build's PATH.
    pub other_user: bool,
    /// Directories that survive releases: each is a link in the release.
    pub keep: Vec<Link>,
    /// Releases that must not be removed, beside the three used last.
    pub in_use: Vec<String>,
}

/// A link that the release gets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Where it stands, relative to the release.
    pub at: PathBuf,
    /// Where it leads, on every server that runs the release: `<state>/keep/<app>/<name>`.
    pub to: PathBuf,
}

/// What the builder says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// The release has no build yet: the commands begin.
    Building {
        /// Its content hash.
        release: String,
    },
    /// A command begins.
    Command(String),
    /// A line that it wrote.
    Line(String),
    /// The release is there. The last message.
    Done(Built),
    /// It cannot be made. The last message.
    Failed(Failure),
}

/// A release that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Built {
    /// Its content hash.
    pub release: String,
    /// It was built now; else it was there before.
    pub fresh: bool,
    /// How long everything took, in milliseconds.
    pub took: u64,
}

/// Why a release cannot be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What failed, and why: ``the build command `pip install` ended with exit code 1``.
    pub cause: String,
    /// What to do about it, where that is known.
    pub remedy: Option<String>,
    /// The last lines that the command wrote, at most 20.
    pub lines: Vec<String>,
}

/// As people see a release: the first seven characters of its hash.
pub fn short(release: &str) -> &str {
    release.get(..7).unwrap_or(release)
}
