//! The plan of a web server.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{HealthPlan, millis};

/// Where a balancer asks a web server whether it is well: answered by the web server itself, whatever becomes of
/// the app behind it.
pub const HEALTH_PATH: &str = "/.well-known/terrace/health";

/// A web server: files first, all else to the app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebPlan {
    /// Where it listens. The node makes the sockets and hands them over.
    pub listen: Vec<SocketAddr>,
    /// How many threads serve, each with a listener of its own for every address.
    pub workers: usize,
    /// The site's own name: redirects lead here.
    pub name: String,
    /// All names that are served, the site's own first: its aliases too. Matched without case and port.
    pub names: Vec<String>,
    /// Names that are answered with a redirect to `name`.
    pub redirects: Vec<String>,
    /// In the lab every name N also answers as `N.localhost`, and redirects keep the name and port asked for.
    pub localhost: bool,
    /// The directory of static files, on the machine that deploys. The node opens it and hands over the descriptor `files`.
    pub files: Option<PathBuf>,
    /// Where what is no file goes, the longest prefix first. Empty: there is no app.
    pub routes: Vec<RoutePlan>,
    /// Networks in front of us whose `X-Forwarded-*` fields are believed: (address, prefix length).
    pub trust: Vec<(IpAddr, u8)>,
    /// What a request may take.
    pub limits: Limits,
    /// What a visitor's connection may take.
    pub timeouts: Timeouts,
}

/// The app that answers for a part of the paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutePlan {
    /// `/` or the app's `path=`.
    pub prefix: String,
    /// The app's name.
    pub app: String,
    /// The instances. Those that are `near` are used first, the others while none of the near ones is healthy.
    pub upstreams: Vec<UpstreamPlan>,
    /// How the instances are checked.
    pub health: HealthPlan,
    /// What the app may take.
    pub timeouts: Timeouts,
    /// Bodies larger than this go on to the app as they come, so that their visitor holds a place there; `None`: all are
    /// taken whole before.
    #[serde(default)]
    pub stream: Option<u64>,
}

/// One instance of the next tier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamPlan {
    /// Its role's id: `web-01/app/1`.
    pub instance: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// It runs on the same server.
    pub near: bool,
}

/// Bounds on a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of the request line and all fields; more is 431.
    pub head: usize,
    /// Bytes of the body; more is 413.
    pub body: u64,
    /// Open connections per worker. For one more the connection that has been idle longest is closed.
    pub connections: usize,
    /// Of those: from one address. Networks in front of us have no such bound.
    #[serde(default = "share")]
    pub share: usize,
    /// Bytes of bodies that wait in files, in all; a request that finds no room is answered with 503, an answer comes as
    /// slowly as its visitor reads.
    #[serde(default = "spool")]
    pub spool: u64,
}

impl Limits {
    /// Of the bytes that wait in files: from one address, a quarter, or one body.
    pub fn spool_share(&self) -> u64 {
        (self.spool / 4).max(self.body.min(self.spool))
    }
}

fn share() -> usize {
    1024
}

fn spool() -> u64 {
    1 << 30
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: 64 * 1024,
            body: 64 * 1024 * 1024,
            connections: 8192,
            share: share(),
            spool: spool(),
        }
    }
}

/// How long each phase may take. All but `total` are for lack of progress: what moves may last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// To connect to an upstream.
    #[serde(with = "millis")]
    pub connect: Duration,
    /// From the request sent to the first byte of the answer; on the visitor's side: to receive a whole head (408).
    #[serde(with = "millis")]
    pub first_byte: Duration,
    /// Without any byte in either direction; on the visitor's side also between requests.
    #[serde(with = "millis")]
    pub idle: Duration,
    /// For the whole request; `None`: as long as something moves.
    #[serde(default, with = "millis::maybe")]
    pub total: Option<Duration>,
    /// Bytes a second that a visitor has to send of a body, or take of an answer, counted over `idle`.
    #[serde(default = "rate")]
    pub rate: u64,
}

fn rate() -> u64 {
    500
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            first_byte: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            total: None,
            rate: rate(),
        }
    }
}
