//! Node and keeper: the keeper is the only parent on a server, and keeps what must survive the node.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What the node asks. Every request carries a number of the node's choice, and the answer repeats it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Repeated in the answer.
    pub number: u64,
    /// The request.
    pub request: Request,
}

/// A request to the keeper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Start a process. Its descriptors are named, and are among those stored.
    Spawn(Spawn),
    /// Send a signal to a process by its id.
    Signal {
        /// The id that it was spawned under.
        id: String,
        /// The signal's number.
        signal: i32,
        /// To its whole process group.
        group: bool,
    },
    /// Forget an exit that was reported: until then every new node hears of it.
    Reap {
        /// The id that it was spawned under.
        id: String,
    },
    /// Keep the descriptor that comes with this message. One of the same name is replaced.
    Store {
        /// Its name: `web-01/web listen 8.8.8.8:80 #0`.
        name: String,
    },
    /// Close a stored descriptor.
    Forget {
        /// Its name.
        name: String,
    },
    /// Give back a copy of a stored descriptor.
    Fetch {
        /// Its name.
        name: String,
    },
    /// Say what is kept.
    List,
}

/// A process to start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spawn {
    /// Its name among all processes of this keeper: `web-01/web`, `web-01/app/2`.
    pub id: String,
    /// What to execute.
    pub program: Program,
    /// Its arguments, without the program's own name.
    pub arguments: Vec<String>,
    /// Its whole environment: nothing is inherited.
    pub environment: Vec<(String, String)>,
    /// Where it starts; `None`: `/`.
    pub directory: Option<PathBuf>,
    /// As whom it runs; `None`: as the keeper does.
    pub user: Option<User>,
    /// Stored descriptors that it inherits. It learns their names by the environment variable
    /// `TERRACE_DESCRIPTORS`, `name=number` separated by `;`.
    pub descriptors: Vec<String>,
    /// The stored descriptor that is its standard input; `None`: /dev/null.
    pub input: Option<String>,
    /// The stored descriptor that its standard output and error go to; `None`: the keeper's own.
    pub output: Option<String>,
    /// How many descriptors it may have open; `None`: the keeper's limit.
    pub open_files: Option<u64>,
}

/// What a process executes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Program {
    /// This very binary, through the descriptor that the keeper took at its start.
    #[default]
    Own,
    /// A program by its absolute path.
    File(PathBuf),
}

/// As whom a process runs, without any capability. Where only one uid is mapped (rootless), the process gets
/// a user namespace of its own, in which it is this uid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// User and group number.
    pub id: u32,
}

/// What the keeper says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Say {
    /// The answer to the request of this number.
    Answer {
        /// The request's number.
        number: u64,
        /// What came of it.
        answer: Answer,
    },
    /// A process ended. Said again to each new node until it is reaped.
    Exited {
        /// The id that it was spawned under.
        id: String,
        /// Its process number.
        pid: u32,
        /// How it ended.
        exit: Exit,
    },
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Done. `Fetch`: the descriptor is beside this message.
    Done,
    /// A process was started.
    Spawned {
        /// Its process number in the server's own pid namespace.
        pid: u32,
    },
    /// What is kept.
    Kept {
        /// The processes that run, and those whose exit nobody has reaped.
        processes: Vec<Kept>,
        /// The names of stored descriptors.
        descriptors: Vec<String>,
    },
    /// It could not be done, and why.
    Failed(String),
}

/// A process that the keeper knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The id that it was spawned under.
    pub id: String,
    /// Its process number.
    pub pid: u32,
    /// Set once it has ended.
    pub exit: Option<Exit>,
    /// When it was started, in milliseconds of the monotonic clock.
    pub since: u64,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// It exited with this status.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
}

impl std::fmt::Display for Exit {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Exit::Code(code) => write!(out, "exit code {code}"),
            Exit::Signal(signal) => match nix::sys::signal::Signal::try_from(*signal) {
                Ok(known) => write!(out, "{known}"),
                Err(_) => write!(out, "signal {signal}"),
            },
        }
    }
}
