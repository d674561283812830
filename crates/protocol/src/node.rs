//! Coordinator and node: the plan goes down, the report comes up.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::report::ServerReport;
use crate::role::Divert;

/// What the coordinator says to a node.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToNode {
    /// Make it so. A `ServerPlan`, as JSON.
    Reconcile {
        /// The plan.
        plan: Box<RawValue>,
    },
    /// The servers that balancers and web servers are to empty, all of them; what is not named is used again.
    Divert {
        /// Each with its number and deadline.
        servers: Vec<Divert>,
    },
    /// What another node has to say, as it said it.
    Letter {
        /// The server that it comes from.
        from: String,
        /// The nodes' own words.
        letter: Box<RawValue>,
    },
    /// Change the primary: for the node that carries the controller. Answered by [`FromNode::Ordered`].
    Order {
        /// Names the answer.
        number: u64,
        /// What is wanted.
        order: Order,
    },
    /// Search the site's database for a text: for the node of the primary. Answered by [`FromNode::Found`].
    Find {
        /// Names the answer.
        number: u64,
        /// The text.
        text: String,
    },
    /// Stop every role in order, entry first, database last, then answer [`FromNode::Stopped`].
    Stop,
}

/// A change of the primary database that an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Planned: both work, nothing is lost.
    Switchover {
        /// The server that becomes primary.
        to: String,
    },
    /// The primary is gone.
    Failover {
        /// The server that becomes primary.
        to: String,
        /// Even if acknowledged writes are lost.
        accept_data_loss: bool,
    },
}

/// What a node says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FromNode {
    /// How it stands: once a second, and at once when something changes.
    Report(ServerReport),
    /// The plan cannot be run; the one before stays.
    Refused {
        /// The plan's generation.
        generation: u64,
        /// Why.
        reason: String,
    },
    /// Something that a person wants to see while waiting: a migration that ran, a database that was born.
    Step(Step),
    /// Something for another node. It may be lost.
    Letter {
        /// The server that it goes to.
        to: String,
        /// The nodes' own words.
        letter: Box<RawValue>,
    },
    /// What became of an order.
    Ordered {
        /// Its number.
        number: u64,
        /// What was done, in words for a person, or why it was not.
        outcome: Result<String, Refused>,
    },
    /// What a search came to.
    Found {
        /// Its number.
        number: u64,
        /// The values that contain the text, or why it was not searched.
        outcome: Result<Vec<String>, String>,
    },
    /// All roles have stopped.
    Stopped {
        /// How each one ended, in the order of stopping: `app (drained 0.1 s)`.
        roles: Vec<String>,
    },
}

/// Why an order is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// For programs: it stays while the words change. `primary-disk-full`.
    pub code: String,
    /// For a person.
    pub reason: String,
}

impl Refused {
    /// This reason, under this code.
    pub fn new(code: &str, reason: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            reason: reason.into(),
        }
    }
}

/// Something that was done, and how long it took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The part or server: `database`, `app`, `web-01`.
    pub what: String,
    /// What was done: `MariaDB 10.11.19, new, database "foobar"`.
    pub text: String,
    /// In milliseconds; `None`: not measured.
    pub took: Option<u64>,
    /// It went well.
    pub fine: bool,
}

/// Where a node lives: everything that it must know of its server before the first plan comes. Paths are as
/// the server sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Home {
    /// The server's name.
    pub server: String,
    /// What stays: `/var/lib/terrace`.
    pub state: PathBuf,
    /// Sockets: `/run/terrace`. The node listens on `node.sock` in it.
    pub run: PathBuf,
    /// Log files.
    pub logs: PathBuf,
    /// Releases, `<app>/<hash>`: `/srv`.
    pub releases: PathBuf,
    /// The site's secrets.
    pub secrets: PathBuf,
    /// Empty data directories to copy; a cache.
    pub templates: PathBuf,
    /// Where programs are sought: the caller's PATH.
    pub search: Vec<PathBuf>,
    /// A database was born here once: an empty one never takes the place of its data.
    #[serde(default)]
    pub had_data: bool,
    /// The node generates missing secrets itself. Otherwise the coordinator has generated them, and one that is missing was lost.
    #[serde(default)]
    pub makes_secrets: bool,
}

/// The name of the node's socket in [`Home::run`].
pub const SOCKET: &str = "node.sock";
