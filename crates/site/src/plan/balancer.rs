//! The plan of a load balancer.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{HealthPlan, Limits, Timeouts, millis};

/// A load balancer: every request goes to one of several instances of the next tier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalancerPlan {
    /// Where it listens. The node makes the sockets and hands them over.
    pub listen: Vec<SocketAddr>,
    /// How many threads serve, each with a listener of its own for every address.
    pub workers: usize,
    /// The site's own name: instances are checked by it.
    pub name: String,
    /// Whom requests go to, the longest prefix first: one tier of web servers, or each app where there are none.
    pub tiers: Vec<TierPlan>,
    /// Networks in front of us whose `X-Forwarded-*` fields are believed: (address, prefix length).
    pub trust: Vec<(IpAddr, u8)>,
    /// What a request may take.
    pub limits: Limits,
    /// What a visitor's connection may take.
    pub timeouts: Timeouts,
}

/// The instances that requests for a part of the paths are spread over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierPlan {
    /// `/`, or the app's `path=`.
    pub prefix: String,
    /// The tier in a word: `web`, or the app's name.
    pub name: String,
    /// How one is chosen.
    pub algorithm: Algorithm,
    /// The instances.
    pub members: Vec<MemberPlan>,
    /// How they are checked.
    pub health: HealthPlan,
    /// How they are judged by what they answer.
    pub ejection: EjectionPlan,
    /// How many requests each may have at a time.
    pub queue: QueuePlan,
    /// One that comes back gets its full share after this; 0: at once.
    #[serde(with = "millis")]
    pub slow_start: Duration,
    /// What an instance may take.
    pub timeouts: Timeouts,
    /// Which bodies go on as they come, by the prefix of the path, the longest first.
    #[serde(default)]
    pub streams: Vec<StreamPlan>,
}

/// Which bodies of requests for an app go on to it as they come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamPlan {
    /// `/`, or the app's `path=`.
    pub prefix: String,
    /// Those larger than this; `None`: none.
    pub above: Option<u64>,
}

/// How an instance is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// Each in turn, by weight.
    #[default]
    RoundRobin,
    /// The one with the fewest requests in flight for its weight.
    LeastConnections,
}

impl Algorithm {
    /// As the file writes it.
    pub fn word(self) -> &'static str {
        match self {
            Algorithm::RoundRobin => "round-robin",
            Algorithm::LeastConnections => "least-connections",
        }
    }
}

/// One instance that requests are spread over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberPlan {
    /// Its role's id: `web-01/web`.
    pub instance: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its share, from 1.
    pub weight: u32,
    /// It is used while no active one is healthy.
    pub backup: bool,
}

/// When an instance is taken out for what it answers, whatever its checks say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EjectionPlan {
    /// After so many failures in a row: answers of 5xx, connections that fail. 0: never.
    pub in_a_row: u32,
    /// For so long at first, and twice as long each time.
    #[serde(with = "millis")]
    pub first: Duration,
    /// And never longer.
    #[serde(with = "millis")]
    pub longest: Duration,
}

impl Default for EjectionPlan {
    fn default() -> Self {
        Self {
            in_a_row: 5,
            first: Duration::from_secs(1),
            longest: Duration::from_secs(30),
        }
    }
}

/// How many requests an instance may have at a time, and what becomes of the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuePlan {
    /// In flight at each instance; `None`: without bound.
    pub in_flight: Option<u32>,
    /// Waiting for the tier; more are answered with 503.
    pub waiting: u32,
    /// For so long; then 503.
    #[serde(with = "millis")]
    pub within: Duration,
}

impl Default for QueuePlan {
    fn default() -> Self {
        Self {
            in_flight: None,
            waiting: 1024,
            within: Duration::from_secs(5),
        }
    }
}
