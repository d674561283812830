//! Command line and coordinator: everything that a command asks of a running site.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::build::Failure;
use crate::node::{Order, Refused, Step};
use crate::report::{LackReport, ServerReport};

/// What a command asks. One request a connection, except after [`Request::Up`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Bring the site up; where it is up, try again what has failed, with what the file says now. The events of it follow until
    /// [`Reply::Ready`], [`Reply::Incomplete`] or [`Reply::Failed`].
    Up {
        /// The file, absolute: it lies beside the site's state.
        file: PathBuf,
        /// The site keeps running when this connection ends.
        detach: bool,
    },
    /// How everything stands.
    Status,
    /// What the site runs: the text of the last good file.
    File,
    /// What must be known to enter a server.
    Enter {
        /// `web-01`, `internet`.
        server: String,
    },
    /// Take over what the file says now, as far as running roles can.
    Apply {
        /// The file, absolute: it lies beside the site's state.
        file: PathBuf,
    },
    /// Send new requests elsewhere than to a server, and let what it has finish.
    Drain {
        /// The server.
        server: String,
        /// Milliseconds that what is in flight may take.
        within: u64,
        /// Even if nobody else is left to serve.
        force: bool,
    },
    /// Use a server again that was drained.
    Undrain {
        /// The server.
        server: String,
    },
    /// Change the primary database. Answered when it is done, or is not.
    Order(Order),
    /// Search the site's database, on its primary, for a text.
    Find {
        /// The text.
        text: String,
    },
    /// Break something, to see what becomes of the site.
    Break(Fault),
    /// Mend everything that was broken and does not mend itself.
    Mend,
    /// Stop all, in order.
    Down,
}

/// What can break.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// A role's process is killed; its node starts it again.
    Kill {
        /// The role's id: `web-01/app/1`.
        role: String,
    },
    /// Everything on a server is killed at once; it comes back, as after a reboot.
    Crash {
        /// The server.
        server: String,
    },
    /// A server is switched off, and silent, until it is mended.
    PowerOff {
        /// The server.
        server: String,
    },
    /// A server's cable is out until it is mended; everything on it runs.
    Partition {
        /// The server.
        server: String,
    },
    /// A server's processes stand still until it is mended; its kernel answers.
    Freeze {
        /// The server.
        server: String,
    },
}

/// What the coordinator answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// Something was done on the way up or down.
    Step(Step),
    /// Every tier is healthy.
    Ready(Box<Status>),
    /// Parts of the site do not come up, each for its own reason. The rest runs on, and whoever waits in the foreground may wait on.
    Incomplete(Vec<Trouble>),
    /// How everything stands.
    Status(Box<Status>),
    /// The text of the file that the site runs.
    File {
        /// It.
        source: String,
    },
    /// Where a server can be entered.
    Enter(Enter),
    /// The file was taken over. Each change in a line; none: nothing had changed.
    Applied {
        /// `~ web-01/web  timeouts.idle: 60000 → 30000`.
        changes: Vec<String>,
        /// Why it does not run everywhere: servers whose turn did not come keep what they ran before.
        troubles: Vec<Trouble>,
    },
    /// It was begun; the status shows how far it is, under this number.
    Begun {
        /// The order's.
        number: u64,
    },
    /// The values in which the text was found.
    Found(Vec<String>),
    /// It was done. What, in words for a person.
    Done(String),
    /// It is broken, or mended.
    Broken {
        /// When: µs since 1970.
        at: u64,
    },
    /// Everything has stopped. The last message.
    Stopped,
    /// The order is not carried out.
    Refused(Refused),
    /// It could not be done. `remedy` says what to do next.
    Failed {
        /// What failed, and why.
        cause: String,
        /// What to do next.
        remedy: Option<String>,
    },
}

/// Why a part of a site does not come up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What failed, and why. More lines may follow the first.
    pub cause: String,
    /// What to do next.
    pub remedy: String,
}

/// How a site stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The site's name.
    pub site: String,
    /// The file that it was started from.
    pub file: PathBuf,
    /// The generation that is wanted.
    pub generation: u64,
    /// How the servers are made: `root namespaces`.
    pub mode: String,
    /// Where a browser on this machine finds the site: `http://www.foobar.com.localhost:8080/`.
    pub front_door: Option<String>,
    /// How the front door stands, while it is open.
    #[serde(default)]
    pub door: Option<DoorReport>,
    /// Since when the site is up: milliseconds since 1970.
    pub since: u64,
    /// Every server of the file, and `internet`.
    pub servers: Vec<ServerStatus>,
    /// Directories of the site's state that were removed or moved while it runs: what is written there is lost.
    #[serde(default)]
    pub lost: Vec<Lost>,
    /// Why what is remembered of the site cannot be written.
    #[serde(default)]
    pub unkept: Option<String>,
    /// The latest build of each app.
    #[serde(default)]
    pub builds: Vec<BuildStatus>,
}

/// A directory that is no longer where it was while the site runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// Where it was.
    pub path: PathBuf,
    /// Where it is now; `None`: it was removed.
    pub moved: Option<PathBuf>,
}

impl std::fmt::Display for Lost {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.path.display();
        match &self.moved {
            Some(moved) => write!(out, "{path} was moved to {}", moved.display()),
            None => write!(out, "{path} was removed"),
        }
    }
}

/// How the latest build of an app stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildStatus {
    /// The app's name.
    pub app: String,
    /// Whether there is a release.
    pub state: BuildState,
    /// Since when: milliseconds since 1970.
    pub since: u64,
    /// Why there is none.
    pub failure: Option<Failure>,
    /// Everything that its commands wrote; `None`: nothing yet.
    pub log: Option<PathBuf>,
}

/// Whether a build has come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BuildState {
    /// Its commands run.
    Building,
    /// The release is there.
    Built,
    /// There is no release; `terrace up` tries again.
    Failed,
}

/// How the front door stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoorReport {
    /// Connections that are relayed now.
    pub open: u32,
    /// The most that there may be.
    pub most: u32,
    /// Idle ones that were closed to make room for others.
    pub closed: u64,
    /// What it has run out of.
    pub lacks: Vec<LackReport>,
}

/// How a server stands, as the coordinator knows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// The server's name.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<String>,
    /// The last report; `None`: none came yet.
    pub report: Option<ServerReport>,
    /// How old the report is, in milliseconds.
    pub age: u64,
    /// It is up: its keeper runs.
    pub up: bool,
    /// It runs what it ran before the file changed: its turn to start anew has not come.
    #[serde(default)]
    pub waits: bool,
    /// What was done to it, until it is mended.
    #[serde(default)]
    pub broken: Option<Broken>,
    /// The roles that its plan gives it, whether or not it reports on them.
    #[serde(default)]
    pub planned: Vec<PlannedRole>,
}

/// A fault of a server that lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// What is wrong with it.
    pub how: Lasting,
    /// Since when: milliseconds since 1970.
    pub since: u64,
}

/// What can be wrong with a server until it is mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lasting {
    /// Switched off.
    Off,
    /// Its cable is out; everything on it runs.
    Cut,
    /// Its processes stand still.
    Frozen,
}

/// A role of a server's plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedRole {
    /// The role's id: `lb-01/load-balancer`.
    pub id: String,
    /// The word of the file: `load-balancer`.
    pub role: String,
}

/// Where a server can be entered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enter {
    /// The process number of its keeper, as the machine sees it.
    pub keeper: u32,
    /// A user namespace must be entered first.
    pub user_namespace: bool,
}
