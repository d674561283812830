//! How roles and servers stand: what `status` shows.

use serde::{Deserialize, Serialize};

/// How one server stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerReport {
    /// The server's name.
    pub server: String,
    /// The generation that it runs; 0 before the first plan.
    pub generation: u64,
    /// Its roles in the plan's order; a copy of an app is a role of its own here.
    pub roles: Vec<RoleReport>,
    /// The disk that its state is on; `None`: it says nothing of itself.
    #[serde(default)]
    pub disk: Option<DiskReport>,
}

/// How much room a disk has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskReport {
    /// Its size in bytes.
    pub size: u64,
    /// The bytes that are left for everybody but root.
    pub available: u64,
    /// Whether that is enough.
    pub level: Level,
    /// How many files it can hold; 0: it has no such limit.
    pub inodes: u64,
    /// How many more it can hold.
    pub inodes_left: u64,
    /// Whether those are enough.
    pub inodes_level: Level,
}

impl DiskReport {
    /// How it stands with bytes and files together.
    pub fn worst(&self) -> Level {
        self.level.max(self.inodes_level)
    }
}

/// Whether a disk has room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Enough.
    #[default]
    Fine,
    /// Soon nothing. Of bytes: logs are no longer written, so that what is left is the database's.
    Low,
    /// Nothing: writes fail or wait, or no file can be made.
    Full,
}

/// How one role stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RoleReport {
    /// The role's id: `web-01/web`, `web-01/app/2`.
    pub id: String,
    /// The word of the file: `web`, `app`, `database`, `dns`.
    pub role: String,
    /// The app's name, for a copy of one.
    #[serde(default)]
    pub app: String,
    /// Where it is in its life.
    pub state: State,
    /// Why it is in that state, in words for a person: `200 in 1 ms`, `exit code 1: No module named 'stripe'`.
    pub reason: String,
    /// Since when it is in that state: milliseconds since 1970.
    pub since: u64,
    /// What it runs: `MariaDB 10.11.19`, `release 4f2c19a`.
    pub what: String,
    /// Its process number on its own server; 0: none.
    pub pid: u32,
    /// How often it was started again after an end that nobody asked for, since the server came up.
    pub restarts: u32,
    /// The generation of the plan that it runs.
    pub generation: u64,
    /// What it has done, where it counts.
    pub traffic: Option<Traffic>,
    /// The instances of the next tier, as this role sees them.
    pub upstreams: Vec<UpstreamReport>,
    /// Which log says more; `None`: its own.
    #[serde(default)]
    pub log: Option<Box<LogOf>>,
    /// Its place among the databases, if it is one.
    #[serde(default)]
    pub database: Option<Box<DatabaseReport>>,
    /// Which database takes writes, of the one that decides it.
    #[serde(default)]
    pub succession: Option<Box<Succession>>,
    /// What its own side has run out of.
    #[serde(default)]
    pub lacks: Vec<LackReport>,
    /// It runs what it ran before its plan changed.
    #[serde(default)]
    pub outdated: Option<Box<Outdated>>,
}

/// Why a copy of an app does not run yet what its plan says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outdated {
    /// In words for a person: `the migration ... ended with exit code 4`.
    pub reason: String,
    /// It was tried and failed; else it is under way.
    pub failed: bool,
}

/// Which of several databases takes writes, and which may replace it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Succession {
    /// The server of the primary.
    pub primary: String,
    /// The servers that hold every write that it has acknowledged: a failover to one of them loses nothing.
    pub heirs: Vec<String>,
    /// Another becomes the primary just now: writes wait.
    pub changes: bool,
}

impl RoleReport {
    /// It does its work as its plan says, and finds those behind it well.
    pub fn is_well(&self) -> bool {
        let reached = self.upstreams.iter().all(|upstream| upstream.healthy);
        self.state == State::Serving && reached && !self.has_failed()
    }

    /// It fails, or what its plan says has failed and it goes on with what it ran before.
    pub fn has_failed(&self) -> bool {
        self.state == State::Failing || self.outdated.as_ref().is_some_and(|one| one.failed)
    }

    /// Why it does not do what its plan says.
    pub fn trouble(&self) -> &str {
        self.outdated
            .as_ref()
            .map_or(&self.reason, |outdated| &outdated.reason)
    }

    /// The instances on a server that it sends requests to, and does not while the server is drained: a web server goes on
    /// with the apps beside it.
    pub fn drains(&self, server: &str) -> impl Iterator<Item = &UpstreamReport> {
        let obeys = match &*self.role {
            "load-balancer" => true,
            "web" => server_of(&self.id) != server,
            _ => false,
        };
        let upstreams = self.upstreams.iter().filter(move |_| obeys);
        upstreams.filter(move |upstream| server_of(&upstream.instance) == server)
    }
}

/// Which log says more of a role than its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogOf {
    /// That of another process, by its id: `web-01/app/migrate`.
    Process(String),
    /// That of the build of this app.
    Build(String),
}

impl RoleReport {
    /// What to ask `terrace logs` for: `web-01/app/1`, `--build foobar`.
    pub fn log_words(&self) -> String {
        match self.log.as_deref() {
            None => self.id.clone(),
            Some(LogOf::Process(id)) => id.clone(),
            Some(LogOf::Build(app)) => format!("--build {app}"),
        }
    }
}

/// Where a database stands among the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseReport {
    /// It takes writes.
    pub writable: bool,
    /// The server that it replicates from.
    pub source: Option<String>,
    /// Milliseconds that it is behind its source; `None`: not known, or it has none.
    pub lag: Option<u64>,
    /// The servers that replicate from it.
    pub replicas: Vec<String>,
}

/// What a process has run out of on its own side: it says nothing of who was to be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lack {
    /// File descriptors of the process.
    Descriptors,
    /// File descriptors of the whole machine.
    MachineDescriptors,
    /// The kernel's memory.
    Memory,
    /// Local ports to connect from.
    Ports,
}

impl Lack {
    /// All of them, each at its own place.
    pub const ALL: [Self; 4] = [
        Self::Descriptors,
        Self::MachineDescriptors,
        Self::Memory,
        Self::Ports,
    ];

    /// In words, as a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Self::Descriptors => "this process has no file descriptor left",
            Self::MachineDescriptors => "this machine has no file descriptor left",
            Self::Memory => "this machine has no memory left for a connection",
            Self::Ports => "this machine has no local port left",
        }
    }

    /// In a word, for logs and labels.
    pub fn word(self) -> &'static str {
        match self {
            Self::Descriptors => "descriptors",
            Self::MachineDescriptors => "machine-descriptors",
            Self::Memory => "memory",
            Self::Ports => "ports",
        }
    }
}

/// How often something was missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LackReport {
    /// What.
    pub what: Lack,
    /// How often since the process began.
    pub times: u64,
    /// The last time: milliseconds since 1970.
    pub last: u64,
}

/// Where a role is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It waits for something that is not its own: a release that is being built, a database.
    #[default]
    Waiting,
    /// Started, and not yet ready.
    Starting,
    /// It does its work. A database shows as `primary`.
    Serving,
    /// It ended and is started again after a pause.
    Restarting,
    /// It ends again and again.
    Failing,
    /// It finishes what is in flight.
    Draining,
    /// It does not run.
    Stopped,
}

/// What a role has done. Counts are since its start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// Requests (or queries) answered.
    pub requests: u64,
    /// Those answered with 5xx, or not at all though the visitor was still there.
    pub failed: u64,
    /// In flight now.
    pub in_flight: u64,
    /// Bytes sent to visitors.
    pub bytes: u64,
    /// Requests a second, over the last seconds.
    pub rate: f64,
    /// Median and 99th percentile over the last ten seconds, in µs; `None`: nothing was answered.
    pub p50: Option<u64>,
    /// 99th percentile, in µs.
    pub p99: Option<u64>,
    /// Bytes of bodies that wait in files now.
    pub spooled: u64,
    /// Requests whose body found no room there.
    pub unspooled: u64,
    /// Connections that were idle, or had half a head, and were closed to make room for others.
    pub pressed: u64,
    /// Connections that were not let in: their address had its share, and used all of it.
    pub turned_away: u64,
    /// When the last of those went: milliseconds since 1970.
    #[serde(default)]
    pub pressed_at: u64,
}

/// An instance of the next tier, as the one before sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UpstreamReport {
    /// The instance's id: `web-01/app/1`.
    pub instance: String,
    /// It gets requests.
    pub healthy: bool,
    /// The reason of the last check, in words: `200 in 1 ms`, `connection refused`.
    pub reason: String,
    /// Since when, in milliseconds since 1970.
    pub since: u64,
    /// Requests sent to it.
    pub requests: u64,
    /// Of those: failed.
    pub errors: u64,
    /// Requests that were tried again elsewhere, or on a new connection.
    pub retries: u64,
    /// Requests that it has now.
    #[serde(default)]
    pub in_flight: u64,
    /// Its share among the others; 0: shares do not count.
    #[serde(default)]
    pub weight: u32,
    /// It is used while no other is healthy.
    #[serde(default)]
    pub backup: bool,
    /// It is being emptied.
    #[serde(default)]
    pub drain: Option<DrainReport>,
}

impl UpstreamReport {
    /// What is told at once when it changes: whether it gets requests, which order empties it, and whether that is done.
    pub fn news(&self) -> (bool, Option<(u64, bool)>) {
        let drain = self.drain.as_ref();
        (self.healthy, drain.map(|drain| (drain.number, drain.done)))
    }
}

/// The server of a role's or an instance's id: `web-01` of `web-01/app/1`.
pub fn server_of(id: &str) -> &str {
    id.split_once('/').map_or(id, |(server, _)| server)
}

/// How far an instance has been emptied.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DrainReport {
    /// The number of the order.
    pub number: u64,
    /// Since when: milliseconds since 1970.
    pub since: u64,
    /// Nothing is in flight any more.
    pub done: bool,
    /// Milliseconds that what is in flight may still take; 0 and not done: the deadline has passed.
    pub left: u64,
}
