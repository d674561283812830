//! From a site to what each server runs.
//!
//! Addresses and ports come from the wiring; here they become the settings of each role. What has no part in
//! the plan yet (PHP, the monitor) is left out: [`not_yet`](crate::not_yet) says so before.

mod balancer;
mod database;
mod roles;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::model::{Server, Site};
use crate::wiring::{
    AGENT, DNS, NAME_SERVER, Wiring, address_record, name_server, name_server_record, primary,
    wire, zone_records,
};

use super::{AgentPlan, DnsPlan, FORMAT, Part, RolePlan, ServerPlan, ZonePlan};

/// Where the visitor of a rehearsal stands.
pub const VISITOR: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 10));
/// The name server that stands for the registrar's, in a rehearsal.
pub const REGISTRAR: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 53));
/// The host of a rehearsal that stands for the world outside.
pub const INTERNET: &str = "internet";

/// Seconds that a missing name may be remembered.
const NEGATIVE_TTL: u32 = 60;

/// What a plan needs to know beside the site.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// Counts the plans of the site, from 1.
    pub generation: u64,
    /// The directory of the file, for `static=` and `code=`.
    pub base: PathBuf,
    /// The release of each app that has one.
    pub releases: BTreeMap<String, String>,
    /// MySQL's server-id of each server. A server without one gets none that another has.
    pub server_ids: BTreeMap<String, u32>,
    /// Threads of each web server and balancer.
    pub workers: usize,
    /// It is a rehearsal: names answer as `N.localhost` too, and there is a world outside.
    pub lab: bool,
}

/// What each server runs, in the file's order; in a rehearsal without `dns` the world outside comes last.
pub fn plan(site: &Site, inputs: &Inputs) -> Vec<ServerPlan> {
    let wiring = wire(site);
    let mut plans: Vec<ServerPlan> = site
        .servers()
        .iter()
        .map(|server| server_plan(site, &wiring, inputs, server))
        .collect();
    if inputs.lab && site.dns().is_none() {
        let dns = RolePlan {
            id: format!("{INTERNET}/dns"),
            part: Part::Dns(registrar(site, inputs)),
        };
        plans.push(sealed(
            site,
            inputs,
            INTERNET,
            vec![VISITOR, REGISTRAR],
            vec![dns],
        ));
    }
    plans
}

fn server_plan(site: &Site, wiring: &Wiring, inputs: &Inputs, server: &Server) -> ServerPlan {
    let mut roles = vec![agent(wiring, server)];
    roles.extend(database::controller(site, wiring, server));
    roles.extend(database::database(site, wiring, inputs, server));
    roles.extend(database::router(site, wiring, server));
    roles.extend(roles::apps(site, wiring, inputs, server));
    roles.extend(roles::web(site, wiring, inputs, server));
    roles.extend(balancer::load_balancer(site, wiring, inputs, server));
    roles.extend(own_dns(site, wiring, inputs, server));
    sealed(
        site,
        inputs,
        server.name().as_str(),
        server.all_addresses(),
        roles,
    )
}

fn sealed(
    site: &Site,
    inputs: &Inputs,
    server: &str,
    addresses: Vec<IpAddr>,
    roles: Vec<RolePlan>,
) -> ServerPlan {
    ServerPlan {
        format: FORMAT,
        site: site.name().to_string(),
        server: server.to_owned(),
        generation: inputs.generation,
        hash: content_hash(&roles),
        addresses,
        roles,
    }
}

/// Fields stand in the order of their declaration and maps in the order of their keys, so equal roles give
/// equal text.
fn content_hash(roles: &[RolePlan]) -> String {
    let text =
        serde_json::to_vec(roles).expect("a plan holds nothing that JSON cannot: keys are strings");
    blake3::hash(&text).to_hex().to_string()
}

/// Where the file asks for measurements, else on loopback: whoever is on the server can look.
fn agent(wiring: &Wiring, server: &Server) -> RolePlan {
    let id = format!("{}/agent", server.name());
    let listen = wiring.instance(&id).map_or_else(
        || vec![SocketAddr::from(([127, 0, 0, 1], AGENT))],
        |instance| instance.listens.clone(),
    );
    RolePlan {
        id,
        part: Part::Agent(AgentPlan { listen }),
    }
}

/// The site's own name server on one of its servers.
fn own_dns(site: &Site, wiring: &Wiring, inputs: &Inputs, server: &Server) -> Option<RolePlan> {
    let dns = site
        .dns()
        .filter(|dns| dns.servers().contains(server.name()))?;
    let id = format!("{}/dns", server.name());
    let listen = wiring.instance(&id)?.listens.clone();
    let zone = zone(site, inputs, primary(dns.servers(), site.zone()));
    Some(RolePlan {
        id,
        part: Part::Dns(DnsPlan {
            listen,
            zones: vec![zone],
        }),
    })
}

/// The name server that stands for the registrar's.
fn registrar(site: &Site, inputs: &Inputs) -> DnsPlan {
    let name = name_server(NAME_SERVER, site.zone());
    let mut zone = zone(site, inputs, name.clone());
    // A name of the site that is called `ns` keeps its own addresses.
    if !zone.records.iter().any(|record| record.name == name) {
        zone.records.push(address_record(&name, REGISTRAR));
    }
    zone.records.push(name_server_record(site.zone(), name));
    zone.records.sort();
    DnsPlan {
        listen: vec![SocketAddr::new(REGISTRAR, DNS)],
        zones: vec![zone],
    }
}

fn zone(site: &Site, inputs: &Inputs, primary: String) -> ZonePlan {
    let name = site.zone();
    ZonePlan {
        name: name.to_string(),
        // Serial numbers wrap around (RFC 1982), so the low bits are the serial.
        serial: u32::try_from(inputs.generation & u64::from(u32::MAX)).unwrap_or(1),
        primary,
        mailbox: format!("hostmaster.{name}"),
        negative_ttl: NEGATIVE_TTL,
        records: zone_records(site),
    }
}
