//! The plan of an app: the site's own program.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{SecretName, millis};

/// The copies of one app on one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppPlan {
    /// The app's name: `name=`, else the last part of `code=`. Names its releases: `/srv/<name>/<hash>`.
    pub name: String,
    /// Its place among the site's apps, from 0: gives it a user of its own (`terrace_service::users::app`).
    pub index: u32,
    /// The code base, on the machine that deploys. What runs is a release of it.
    pub code: PathBuf,
    /// The commands that make a release of the code, in order.
    pub build: Vec<String>,
    /// The content hash of the release to run; `None` while it is being built: copies wait for it.
    pub release: Option<String>,
    /// How it is started.
    pub launch: Launch,
    /// The command that is run once per release, here, before its copies start; `None` on all servers but one.
    pub migrate: Option<String>,
    /// The environment that the file gives.
    pub env: BTreeMap<String, String>,
    /// The secrets that the file names: variable → secret.
    pub secrets: BTreeMap<String, SecretName>,
    /// The database that `DATABASE_URL` points at.
    pub database: Option<DatabaseAccess>,
    /// Directories that survive releases.
    pub keep: Vec<KeepPlan>,
    /// The copies.
    pub copies: Vec<CopyPlan>,
    /// When a copy counts as healthy.
    pub health: HealthPlan,
    /// A copy that does not answer within this has failed to start.
    #[serde(with = "millis")]
    pub start_within: Duration,
    /// From SIGTERM to SIGKILL.
    #[serde(with = "millis")]
    pub stop_within: Duration,
}

impl AppPlan {
    /// Whether copies that run as this plan says need not be started anew to run as another says.
    pub fn starts_like(&self, other: &Self) -> bool {
        let program = self.index == other.index
            && self.name == other.name
            && self.release == other.release
            && self.launch == other.launch;
        let surroundings = self.env == other.env
            && self.secrets == other.secrets
            && self.database == other.database;
        let moved = |copy: &CopyPlan| {
            let same = other.copies.iter().find(|one| one.id == copy.id);
            same.is_some_and(|one| one.listen != copy.listen)
        };
        program && surroundings && !self.copies.iter().any(moved)
    }

    /// Whether a migration may have to run before another plan takes the place of this one.
    pub fn prepares_like(&self, other: &Self) -> bool {
        self.migrate == other.migrate && self.release == other.release
    }
}

/// How an app is started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Launch {
    /// A command that listens on `$HOST:$PORT`, run by `sh -c 'exec …'`.
    Run(String),
}

/// One copy of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyPlan {
    /// Its id: `web-01/app/1`.
    pub id: String,
    /// `$HOST` and `$PORT`.
    pub listen: SocketAddr,
}

/// What `DATABASE_URL` is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseAccess {
    /// Where the app dials.
    pub address: SocketAddr,
    /// The database's name.
    pub name: String,
    /// The user's name.
    pub user: String,
    /// The user's password.
    pub password: SecretName,
}

/// A directory that survives releases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeepPlan {
    /// Its name in the server's state: `uploads`.
    pub name: String,
    /// Where the release sees it, relative to the release.
    pub at: PathBuf,
}

/// How an instance is checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthPlan {
    /// The path that is asked; `None`: a connection is enough.
    pub path: Option<String>,
    /// The status that is expected; `None`: any of 200 to 399.
    pub expect: Option<u16>,
    /// Between two checks.
    #[serde(with = "millis")]
    pub every: Duration,
    /// For one check.
    #[serde(with = "millis")]
    pub within: Duration,
    /// Good checks in a row that bring an instance in.
    pub rise: u32,
    /// Bad checks in a row that take it out.
    pub fall: u32,
}

impl Default for HealthPlan {
    fn default() -> Self {
        Self {
            path: None,
            expect: None,
            every: Duration::from_secs(1),
            within: Duration::from_secs(1),
            rise: 2,
            fall: 2,
        }
    }
}
