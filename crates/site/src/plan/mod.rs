//! What each server runs: the one thing that nodes reconcile towards.
//!
//! A plan leaves no choice to its executor: addresses, ports, names, limits and times are all written
//! out. It carries references to secrets, never their values. This file holds the envelope and what the
//! roles share; each role's own plan is in the file of its name. How a plan is derived from a site is in
//! `derive`.

mod agent;
mod app;
mod balancer;
mod database;
mod derive;
mod difference;
mod dns;
mod router;
mod web;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use agent::AgentPlan;
pub use app::{AppPlan, CopyPlan, DatabaseAccess, HealthPlan, KeepPlan, Launch};
pub use balancer::{
    Algorithm, BalancerPlan, EjectionPlan, MemberPlan, QueuePlan, StreamPlan, TierPlan,
};
pub use database::{ClusterPlan, ControllerPlan, DatabasePlan, DatabaseUser, Engine, PeerPlan};
pub use derive::{INTERNET, Inputs, REGISTRAR, VISITOR, plan};
pub use difference::{Change, difference};
pub use dns::{DnsPlan, RecordData, RecordPlan, ZonePlan};
pub use router::{RouterPlan, TargetPlan};
pub use web::{HEALTH_PATH, Limits, RoutePlan, Timeouts, UpstreamPlan, WebPlan};

/// The version of the plan's format. A node refuses a plan of another one.
pub const FORMAT: u32 = 1;

/// Everything that one server runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerPlan {
    /// [`FORMAT`] of the binary that wrote it.
    pub format: u32,
    /// The site's name: `www.foobar.com`.
    pub site: String,
    /// The server's name: `web-01`.
    pub server: String,
    /// Counts the plans of the site, from 1.
    pub generation: u64,
    /// Content hash of `roles`, hexadecimal: equal plans have equal hashes whatever their generation.
    pub hash: String,
    /// The addresses that this server owns.
    pub addresses: Vec<IpAddr>,
    /// What runs here, in start order (database first); stopped in reverse.
    pub roles: Vec<RolePlan>,
}

/// One role on one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolePlan {
    /// Stable name on the whole site: `web-01/web`, `web-01/app`, `web-01/database`, `internet/dns`.
    /// A copy of an app is `web-01/app/2`.
    pub id: String,
    /// What it does.
    pub part: Part,
}

/// What a role does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// A load balancer of ours.
    LoadBalancer(BalancerPlan),
    /// A web server of ours.
    Web(WebPlan),
    /// The site's own program.
    App(AppPlan),
    /// An SQL router of ours.
    Router(RouterPlan),
    /// MariaDB or MySQL.
    Database(DatabasePlan),
    /// Says which of several databases takes writes.
    Controller(ControllerPlan),
    /// A name server of ours.
    Dns(DnsPlan),
    /// Shows what the others count.
    Agent(AgentPlan),
}

impl Part {
    /// The word of the file for this part: `load-balancer`, `web`, `app`, `database`, `dns`; `agent`,
    /// `router` and `controller`, which have none.
    pub fn word(&self) -> &'static str {
        match self {
            Part::LoadBalancer(_) => "load-balancer",
            Part::Web(_) => "web",
            Part::App(_) => "app",
            Part::Router(_) => "router",
            Part::Database(_) => "database",
            Part::Controller(_) => "controller",
            Part::Dns(_) => "dns",
            Part::Agent(_) => "agent",
        }
    }
}

/// The password of the account with which a database's own node looks after it.
pub const CONTROL_SECRET: &str = "database/control";
/// The password of the accounts with which databases copy from each other.
pub const REPLICATION_SECRET: &str = "database/replication";
/// The password of the account with which SQL routers ask a database how it stands.
pub const ROUTER_SECRET: &str = "database/router";

impl ServerPlan {
    /// The secrets that this server needs, those of Terrace's own accounts among them.
    pub fn secrets(&self) -> BTreeSet<String> {
        let of = |role: &RolePlan| -> Vec<String> {
            let own = |name: &&str| (*name).to_owned();
            let name = |secret: &SecretName| secret.0.clone();
            match &role.part {
                Part::App(app) => {
                    let database = app.database.iter().map(|database| &database.password);
                    app.secrets.values().chain(database).map(name).collect()
                }
                Part::Database(database) => {
                    let accounts = database.users.iter().map(|user| name(&user.password));
                    let all = [CONTROL_SECRET, REPLICATION_SECRET, ROUTER_SECRET];
                    let count = if database.cluster.is_some() { 3 } else { 1 };
                    accounts.chain(all[..count].iter().map(own)).collect()
                }
                Part::Router(router) => {
                    let accounts = router.users.iter().map(|user| name(&user.password));
                    accounts.chain([ROUTER_SECRET.to_owned()]).collect()
                }
                _ => Vec::new(),
            }
        };
        self.roles.iter().flat_map(of).collect()
    }
}

/// A reference to a secret of the site, as plans carry it: `database/app`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretName(pub String);

/// Durations in plans are whole milliseconds.
pub(crate) mod millis {
    use super::Duration;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }

    /// Those that may be missing.
    pub mod maybe {
        use super::{Deserialize, Deserializer, Duration, Serializer};

        pub fn serialize<S: Serializer>(
            value: &Option<Duration>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match value {
                Some(value) => super::serialize(value, serializer),
                None => serializer.serialize_none(),
            }
        }

        pub fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Duration>, D::Error> {
            let millis = Option::<u64>::deserialize(deserializer)?;
            Ok(millis.map(Duration::from_millis))
        }
    }
}
