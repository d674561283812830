//! What must be open on each server: derived from the flows, so that nobody writes it twice.
//!
//! Everything else is shut where the file has a `firewall`. How openings become a ruleset is not known here.

use std::net::IpAddr;

use serde::Serialize;

use crate::model::{Network, Port, ServerName, Site, Transport};

use super::{Peer, Protocol, Wiring};

/// Something that may come in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Opening {
    /// Where.
    pub server: ServerName,
    /// Which port; `None`: VRRP, IP protocol 112, which has none.
    pub port: Option<Port>,
    /// From where.
    pub from: Source,
    /// What for: `HTTP`, `MySQL`, `ssh`.
    pub purpose: String,
}

/// From where something may come in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// From everywhere.
    Everywhere,
    /// From a network.
    Network(Network),
    /// From these addresses of our own servers.
    Servers(Vec<IpAddr>),
}

/// What must be open, server by server in the file's order.
pub fn openings(site: &Site, wiring: &Wiring) -> Vec<Opening> {
    let mut found: Vec<Opening> = Vec::new();
    for server in site.servers() {
        let mut here = from_flows(site, wiring, server.name());
        here.extend(from_file(site, server.name()));
        found.extend(here);
    }
    found
}

/// Flows that cross from one server to another, or come from outside.
fn from_flows(site: &Site, wiring: &Wiring, server: &ServerName) -> Vec<Opening> {
    let mut found: Vec<Opening> = Vec::new();
    for flow in &wiring.flows {
        if wiring
            .instance(&flow.to)
            .is_none_or(|to| to.server != *server)
        {
            continue;
        }
        let from = match &flow.from {
            Peer::Visitor => Source::Everywhere,
            Peer::Instance(id) => match wiring.instance(id).filter(|from| from.server != *server) {
                Some(from) => Source::Servers(
                    site.server(&from.server)
                        .map(|from| from.all_addresses())
                        .unwrap_or_default(),
                ),
                None => continue,
            },
        };
        for port in ports(flow.protocol, &flow.ports) {
            join(&mut found, server, port, &from, flow.protocol.title());
        }
    }
    found
}

fn ports(protocol: Protocol, ports: &[u16]) -> Vec<Option<Port>> {
    if protocol.transports().is_empty() {
        return vec![None];
    }
    let each = |number: &u16| {
        let number = *number;
        protocol.transports().iter().map(move |transport| {
            Some(Port {
                number,
                transport: *transport,
            })
        })
    };
    ports.iter().flat_map(each).collect()
}

/// One opening for each port: further servers join it.
fn join(
    found: &mut Vec<Opening>,
    server: &ServerName,
    port: Option<Port>,
    from: &Source,
    purpose: &str,
) {
    for opening in found.iter_mut().filter(|opening| opening.port == port) {
        match (&mut opening.from, from) {
            (Source::Everywhere, _) => return,
            (Source::Servers(known), Source::Servers(new)) => {
                let new: Vec<IpAddr> = new
                    .iter()
                    .filter(|address| !known.contains(address))
                    .copied()
                    .collect();
                known.extend(new);
                if !opening.purpose.split(", ").any(|known| known == purpose) {
                    opening.purpose = format!("{}, {purpose}", opening.purpose);
                }
                return;
            }
            _ => {}
        }
    }
    found.push(Opening {
        server: server.clone(),
        port,
        from: from.clone(),
        purpose: purpose.to_owned(),
    });
}

/// What the file's `firewall` lets in.
fn from_file(site: &Site, server: &ServerName) -> Vec<Opening> {
    let Some(firewall) = site.firewall() else {
        return Vec::new();
    };
    let opening = |port: Port, from: Source, purpose: &str| Opening {
        server: server.clone(),
        port: Some(port),
        from,
        purpose: purpose.to_owned(),
    };
    let ssh = firewall.ssh().iter().flat_map(|ssh| {
        let port = Port {
            number: ssh.port(),
            transport: Transport::Tcp,
        };
        ssh.networks()
            .iter()
            .map(move |network| opening(port, Source::Network(*network), "ssh"))
    });
    let allow = firewall
        .allow()
        .iter()
        .filter(|allow| allow.servers().contains(server))
        .flat_map(|allow| {
            let from = allow
                .from()
                .map_or(Source::Everywhere, |network| Source::Network(*network));
            allow
                .ports()
                .iter()
                .map(move |port| opening(*port, from.clone(), "allow"))
        });
    ssh.chain(allow).collect()
}
