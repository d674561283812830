//! What follows from the roles: who listens where, who talks to whom, what the zone says, what must be open.
//!
//! Tiers stand in order: load balancer, web, app, database; the first one present is the entry. An instance
//! prefers the next tier's instance on its own server and uses the rest of that tier while it is not healthy;
//! where there is none on its server it balances over all. Between app and database stands the SQL router, on
//! every app server. All else on this page is computed from that rule.
//! How a role is configured is not known here: that is `plan`.

mod flows;
mod instances;
mod openings;
mod records;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Serialize, Serializer};

use crate::model::{Origin, ServerName, Site, Transport};

pub use instances::controller;
pub use openings::{Opening, Source, openings};
pub use records::{Records, records, zone_records};

pub(crate) use instances::{app_id, router_id};
pub(crate) use records::{NAME_SERVER, address_record, name_server, name_server_record, primary};

/// Where web servers and balancers listen.
pub const HTTP: u16 = 80;
/// The same, encrypted.
pub const HTTPS: u16 = 443;
/// Where a web server listens that shares its server with a balancer.
pub const HTTP_BEHIND: u16 = 8080;
/// App `n` of the file (from 0), copy `c` (from 1), listens on `8000 + 100 n + c`.
pub const APPS: u16 = 8000;
/// Where the SQL router listens, on loopback of every app server: what apps take for the database.
pub const ROUTER: u16 = 3306;
/// Where databases listen: 3306 belongs to the SQL router.
pub const DATABASE: u16 = 3307;
/// Where a database's own node comes in when all other places are taken. No other server dials it, and the account that it is
/// for logs in from its own server alone. MySQL listens there on loopback; MariaDB cannot, and listens on every address that it
/// has: a firewall between servers opens [`DATABASE`] and not this.
pub const DATABASE_OWN: u16 = 3308;
/// Where a database hands out a copy of itself to one that is to become its replica.
pub const SEED: u16 = 4444;
/// Where etcd's clients come in.
pub const QUORUM: u16 = 2379;
/// Where etcd's members meet.
pub const QUORUM_PEERS: u16 = 2380;
/// Where an agent shows its measurements.
pub const AGENT: u16 = 9100;
/// Where a collector answers.
pub const COLLECTOR: u16 = 9090;
/// Where name servers listen.
pub const DNS: u16 = 53;

/// What an instance is, from the visitor down; then what stands beside the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Answers for the zone.
    Dns,
    /// Stands before the web servers.
    LoadBalancer,
    /// Files, and hand-over.
    Web,
    /// The code base.
    App,
    /// Stands before the databases, on every app server.
    Router,
    /// MySQL or MariaDB.
    Database,
    /// Has a voice in who is primary.
    Quorum,
    /// Collects what the others measure.
    Collector,
    /// Measures its server.
    Agent,
}

/// A role on a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Instance {
    /// Stable on the whole site: `web-01/web`. The app that answers for `/` is `web-01/app`, another one
    /// `web-01/app-<name>`; so an app keeps its id when another one joins.
    pub id: String,
    /// What it is.
    pub tier: Tier,
    /// The server that it stands on.
    pub server: ServerName,
    /// The app's name, the database's name (of a router, too); else empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Where it listens; of an app, one for each copy in order.
    pub listens: Vec<SocketAddr>,
    /// Where its word, or its server's line in it, stands in the file.
    #[serde(skip)]
    pub origin: Origin,
}

/// One part talks to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flow {
    /// Who dials.
    pub from: Peer,
    /// The id of the instance that is dialled.
    pub to: String,
    /// What they speak.
    pub protocol: Protocol,
    /// The address that is dialled.
    pub address: IpAddr,
    /// The ports that are dialled; of an app, one for each copy. Empty: the protocol has none.
    pub ports: Vec<u16>,
    /// When this way is taken.
    pub preference: Preference,
}

/// Who dials.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// Somebody outside.
    Visitor,
    /// The instance of this id.
    Instance(String),
}

/// When a way is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preference {
    /// First: it stays on the server.
    Near,
    /// Together with the others of its tier; to a primary: for every write.
    Balanced,
    /// Only while what is preferred is not healthy, or no longer primary.
    Fallback,
}

/// What two parts speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// HTTP in the clear.
    Http,
    /// HTTP over TLS.
    Https,
    /// DNS, over UDP and TCP.
    Dns,
    /// MySQL's protocol, as clients speak it.
    Mysql,
    /// MySQL's protocol, as replicas speak it.
    Replication,
    /// etcd's clients.
    Quorum,
    /// etcd's members among themselves.
    QuorumPeers,
    /// VRRP, IP protocol 112.
    Vrrp,
    /// Measurements over HTTP.
    Metrics,
}

/// Everything that follows from the roles of one site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Wiring {
    /// The tier that visitors meet first.
    pub entry: Option<Tier>,
    /// The addresses that visitors dial, each once.
    pub addresses: Vec<IpAddr>,
    /// Every role on every server, tier by tier, each tier in the file's order.
    pub instances: Vec<Instance>,
    /// Who talks to whom, in the order of a request, then what goes on beside it.
    pub flows: Vec<Flow>,
}

/// The addresses that visitors dial, each once.
pub fn addresses(site: &Site) -> Vec<IpAddr> {
    instances::entry_addresses(site, instances::entry_tier(site))
}

/// Every role on every server, as in [`Wiring::instances`]: without the ways between them, of which there are as many as
/// pairs.
pub fn instances(site: &Site) -> Vec<Instance> {
    instances::instances(site)
}

/// Derives the wiring.
pub fn wire(site: &Site) -> Wiring {
    wire_some(site, |_| true)
}

/// As [`wire`], between these servers alone: the ways are as many as pairs.
pub fn wire_some(site: &Site, wanted: impl Fn(&ServerName) -> bool) -> Wiring {
    let mut instances = instances::instances(site);
    instances.retain(|instance| wanted(&instance.server));
    let entry = instances::entry_tier(site);
    Wiring {
        entry,
        addresses: instances::entry_addresses(site, entry),
        flows: flows::flows(site, entry, &instances),
        instances,
    }
}

impl Wiring {
    /// The instance of this id.
    pub fn instance(&self, id: &str) -> Option<&Instance> {
        self.instances.iter().find(|instance| instance.id == id)
    }

    /// The instances of a tier.
    pub fn tier(&self, tier: Tier) -> impl Iterator<Item = &Instance> {
        self.instances
            .iter()
            .filter(move |instance| instance.tier == tier)
    }
}

impl Protocol {
    /// As a person says it.
    pub fn title(self) -> &'static str {
        match self {
            Protocol::Http => "HTTP",
            Protocol::Https => "HTTPS",
            Protocol::Dns => "DNS",
            Protocol::Mysql => "MySQL",
            Protocol::Replication => "MySQL replication",
            Protocol::Quorum => "etcd",
            Protocol::QuorumPeers => "etcd peers",
            Protocol::Vrrp => "VRRP",
            Protocol::Metrics => "metrics",
        }
    }

    /// What carries it; none for VRRP, which IP itself carries.
    pub fn transports(self) -> &'static [Transport] {
        match self {
            Protocol::Vrrp => &[],
            Protocol::Dns => &[Transport::Udp, Transport::Tcp],
            _ => &[Transport::Tcp],
        }
    }
}

impl Serialize for Peer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Peer::Visitor => "visitor",
            Peer::Instance(id) => id,
        })
    }
}

/// One line a flow: `web-01/web -> web-01/app  HTTP 127.0.0.1 8001, near`.
impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} -> {}  {} {}",
            self.from,
            self.to,
            self.protocol.title(),
            self.address
        )?;
        for port in &self.ports {
            write!(f, " {port}")?;
        }
        match self.preference {
            Preference::Near => f.write_str(", near"),
            Preference::Balanced => Ok(()),
            Preference::Fallback => f.write_str(", fallback"),
        }
    }
}
