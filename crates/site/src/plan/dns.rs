//! The plan of a name server.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

/// An authoritative name server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsPlan {
    /// Where it listens, UDP and TCP. The node makes the sockets and hands them over.
    pub listen: Vec<SocketAddr>,
    /// The zones that it answers for.
    pub zones: Vec<ZonePlan>,
}

/// One zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZonePlan {
    /// Its name without the last dot: `foobar.com`.
    pub name: String,
    /// The serial of its SOA: the generation of the plan that last changed it.
    pub serial: u32,
    /// The name of the primary name server, in SOA and NS.
    pub primary: String,
    /// The mailbox of the SOA, as a name: `hostmaster.foobar.com`.
    pub mailbox: String,
    /// Seconds that a missing name may be remembered.
    pub negative_ttl: u32,
    /// Its records, without the SOA.
    pub records: Vec<RecordPlan>,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RecordPlan {
    /// The full name without the last dot.
    pub name: String,
    /// Seconds that it may be remembered.
    pub ttl: u32,
    /// What it says.
    pub data: RecordData,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordData {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// Another name for it.
    Cname(String),
    /// A name server.
    Ns(String),
    /// A mail exchanger: preference, name.
    Mx(u16, String),
    /// Text.
    Txt(String),
    /// Who may issue certificates: flags, tag, value.
    Caa(u8, String, String),
    /// A service: priority, weight, port, target.
    Srv(u16, u16, u16, String),
}
