//! The plan of an SQL router.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{DatabaseUser, millis};
use crate::model::Reads;

/// A router: one address for the app, the primary for its writes, replicas for its reads. Epoch, primary, hold and lags
/// are those of a site's birth; a node that knows better fills in its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterPlan {
    /// Where it listens. The node makes the sockets and hands them over.
    pub listen: Vec<SocketAddr>,
    /// The server whose controller says who is primary, how far replicas are behind and when statements wait; `None`:
    /// there is one database, and what stands here holds.
    pub controller: Option<String>,
    /// The databases, the nearest first.
    pub targets: Vec<TargetPlan>,
    /// Counts the primaries of the site: a router never goes back to an older one.
    pub epoch: u64,
    /// The server that is primary in this epoch.
    pub primary: String,
    /// A switchover or failover is under way: statements wait.
    pub hold: bool,
    /// The controller has said nothing for a while: how far the replicas are is not known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
    /// Who may come in, and as whom the router goes on.
    pub users: Vec<DatabaseUser>,
    /// What a replica may answer.
    pub reads: Reads,
    /// A replica that is further behind is not read from while the primary serves.
    #[serde(with = "millis")]
    pub lag_limit: Duration,
    /// Every write that was acknowledged has been received by a replica.
    pub vouched: bool,
}

/// One database, as the node knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetPlan {
    /// Its server's name: `web-02`.
    pub server: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// It is a replica of this primary, whether it receives or not.
    pub replica: bool,
    /// Milliseconds that it was behind when last asked; `None`: it does not replicate now.
    pub lag: Option<u64>,
}

impl RouterPlan {
    /// Where the primary listens; `None`: it is not among the targets.
    pub fn primary(&self) -> Option<&TargetPlan> {
        self.targets.iter().find(|one| one.server == self.primary)
    }

    /// The replica to read from while the primary serves: the nearest that is not too far behind.
    pub fn replica(&self) -> Option<&TargetPlan> {
        let limit = self.lag_limit.as_millis();
        let near = |one: &&TargetPlan| one.lag.is_some_and(|lag| u128::from(lag) <= limit);
        self.replicas().find(near)
    }

    /// The replicas that can be read without the primary, with what they have: the nearest first.
    pub fn replicas(&self) -> impl Iterator<Item = &TargetPlan> {
        let read = self.reads != Reads::Primary;
        let of_primary = move |one: &&TargetPlan| read && one.replica && one.server != self.primary;
        self.targets.iter().filter(of_primary)
    }
}
