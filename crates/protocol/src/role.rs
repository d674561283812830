//! Node and role: the node connects to the role's control socket, gives it its plan and hears its reports.
//!
//! The role listens and the node dials, so a node that was killed finds its roles again.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::report::{RoleReport, ServerReport};

/// What the node says to a role.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToRole {
    /// Run this plan from now on. Health and drain state are kept.
    Configure(Configure),
    /// Send new requests elsewhere than to these servers, and to all others: for balancers and web servers.
    Divert(Vec<Divert>),
    /// Write the access log into the descriptor beside this from now on: for balancers and web servers.
    Log,
    /// How everything on this server stands: for agents.
    Facts(Box<ServerReport>),
    /// Take no new work, finish what is in flight, exit.
    Drain {
        /// After this many milliseconds what is left is cut off.
        within: u64,
    },
}

/// A server that is to be emptied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Divert {
    /// The server: all its instances.
    pub server: String,
    /// The order's number, which its reports bear: a later order has a higher one.
    pub number: u64,
    /// What is in flight may take so many milliseconds.
    pub within: u64,
}

/// A role's plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Configure {
    /// The plan's generation.
    pub generation: u64,
    /// The plan, in the shape that belongs to the role.
    pub plan: Box<RawValue>,
}

/// What a role says to its node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FromRole {
    /// How it stands: once a second, and at once when its state changes.
    Report(Box<RoleReport>),
    /// The plan cannot be run; the one before stays.
    Refused {
        /// The plan's generation.
        generation: u64,
        /// Why.
        reason: String,
    },
}
