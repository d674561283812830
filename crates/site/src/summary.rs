//! A site's facts for a program: what `terrace check --json` prints.
//!
//! Only what the file says and what follows from it; nothing that runs is known here.

use std::net::IpAddr;

use serde::Serialize;

use crate::model::{ServerName, Site};
use crate::wiring::{Opening, Records, Wiring, openings, records, wire};

/// A site's facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Its name.
    pub name: String,
    /// The zone that holds its names.
    pub zone: String,
    /// Names that are served like its own.
    pub aliases: Vec<String>,
    /// Names that lead to its own.
    pub redirects: Vec<String>,
    /// Its servers.
    pub servers: Vec<ServerFact>,
    /// Who listens where, and who talks to whom.
    pub wiring: Wiring,
    /// What must be open on each server.
    pub openings: Vec<Opening>,
    /// What the zone must say.
    pub records: Records,
}

/// A server's facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerFact {
    /// Its name.
    pub name: ServerName,
    /// What other servers dial.
    pub addresses: Vec<IpAddr>,
    /// What the world dials.
    pub public: Vec<IpAddr>,
    /// Its line in the file.
    pub line: usize,
}

impl Summary {
    /// The facts of a site.
    pub fn of(site: &Site) -> Self {
        let wiring = wire(site);
        let names = |names: &[crate::model::Name]| {
            names.iter().map(|name| name.name().to_string()).collect()
        };
        let servers = site.servers().iter().map(|server| ServerFact {
            name: server.name().clone(),
            addresses: server.addresses().to_vec(),
            public: server.public().to_vec(),
            line: server.origin().line,
        });
        Self {
            name: site.name().to_string(),
            zone: site.zone().to_string(),
            aliases: names(site.aliases()),
            redirects: names(site.redirects()),
            servers: servers.collect(),
            openings: openings(site, &wiring),
            records: records(site),
            wiring,
        }
    }
}
