//! The plan of an agent.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Shows what a server's roles count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentPlan {
    /// Where it listens: on loopback, unless the file has a `monitor` that asks from elsewhere.
    pub listen: Vec<SocketAddr>,
}
