//! Every role on every server, and where it listens.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::model::{App, Member, Origin, ServerName, Site};

use super::{
    AGENT, APPS, COLLECTOR, DATABASE, DNS, HTTP, HTTP_BEHIND, HTTPS, Instance, QUORUM,
    QUORUM_PEERS, ROUTER, Tier,
};

pub(super) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The first tier present.
pub(super) fn entry_tier(site: &Site) -> Option<Tier> {
    if site.load_balancer().is_some() {
        Some(Tier::LoadBalancer)
    } else if site.web().is_some() {
        Some(Tier::Web)
    } else if !site.apps().is_empty() {
        Some(Tier::App)
    } else {
        None
    }
}

/// The addresses that visitors dial: those that the balancers share, else the public ones of the entry's servers.
pub(super) fn entry_addresses(site: &Site, entry: Option<Tier>) -> Vec<IpAddr> {
    let members: Vec<&Member> = match (entry, site.load_balancer(), site.web()) {
        (Some(Tier::LoadBalancer), Some(balancer), _) if !balancer.addresses().is_empty() => {
            return balancer
                .addresses()
                .iter()
                .map(|shared| shared.address())
                .collect();
        }
        (Some(Tier::LoadBalancer), Some(balancer), _) => balancer.members().iter().collect(),
        (Some(Tier::Web), _, Some(web)) => web.members().iter().collect(),
        (Some(Tier::App), ..) => site.apps().iter().flat_map(App::members).collect(),
        _ => Vec::new(),
    };
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    for address in members
        .iter()
        .flat_map(|member| public(site, member.server()))
    {
        if seen.insert(address) {
            found.push(address);
        }
    }
    found
}

/// Every role on every server, tier by tier.
pub(super) fn instances(site: &Site) -> Vec<Instance> {
    let mut found = Vec::new();
    dns(site, &mut found);
    load_balancers(site, &mut found);
    webs(site, &mut found);
    apps(site, &mut found);
    routers(site, &mut found);
    databases(site, &mut found);
    quorum(site, &mut found);
    monitor(site, &mut found);
    found
}

fn dns(site: &Site, found: &mut Vec<Instance>) {
    for (server, origin) in site
        .dns()
        .into_iter()
        .flat_map(|dns| with_origin(dns.servers(), dns.origin()))
    {
        let listens = sockets(public(site, server), &[DNS]);
        found.push(instance("dns", Tier::Dns, server, listens, origin));
    }
}

fn load_balancers(site: &Site, found: &mut Vec<Instance>) {
    let Some(balancer) = site.load_balancer() else {
        return;
    };
    for member in balancer.members() {
        let shared: Vec<IpAddr> = balancer
            .addresses()
            .iter()
            .map(|shared| shared.address())
            .collect();
        let addresses = if shared.is_empty() {
            public(site, member.server())
        } else {
            shared
        };
        let listens = sockets(addresses, entry_ports(site));
        found.push(instance(
            "load-balancer",
            Tier::LoadBalancer,
            member.server(),
            listens,
            member.origin(),
        ));
    }
}

fn webs(site: &Site, found: &mut Vec<Instance>) {
    let balancer = site.load_balancer();
    let members = balancer.into_iter().flat_map(|balancer| balancer.members());
    let balancing: HashSet<&ServerName> = members.map(Member::server).collect();
    for member in site.web().into_iter().flat_map(|web| web.members()) {
        let server = member.server();
        let listens = match balancer {
            None => sockets(public(site, server), entry_ports(site)),
            Some(_) => {
                let shares = balancing.contains(server);
                sockets(
                    address(site, server),
                    if shares { &[HTTP_BEHIND] } else { &[HTTP] },
                )
            }
        };
        found.push(instance("web", Tier::Web, server, listens, member.origin()));
    }
}

fn apps(site: &Site, found: &mut Vec<Instance>) {
    let before = users_of_apps(site);
    for (index, app) in site.apps().iter().enumerate() {
        for member in app.members() {
            let host = host(site, member.server(), &before);
            let listens = (1..=app.copies())
                .map(|copy| SocketAddr::new(host, app_port(index, copy)))
                .collect();
            let word = app_word(app);
            let mut instance =
                instance(&word, Tier::App, member.server(), listens, member.origin());
            instance.name = app.name().to_string();
            found.push(instance);
        }
    }
}

/// One on every app server, however many apps stand there, and also where there is one database and nothing to choose:
/// what apps dial never changes.
fn routers(site: &Site, found: &mut Vec<Instance>) {
    let Some(database) = site.database() else {
        return;
    };
    let mut seen = HashSet::new();
    for member in site.apps().iter().flat_map(App::members) {
        if !seen.insert(member.server()) {
            continue;
        }
        let listens = sockets(vec![LOOPBACK], &[ROUTER]);
        let mut instance = instance(
            "router",
            Tier::Router,
            member.server(),
            listens,
            database.origin(),
        );
        instance.name = database.name().to_string();
        found.push(instance);
    }
}

fn databases(site: &Site, found: &mut Vec<Instance>) {
    let Some(database) = site.database() else {
        return;
    };
    let users: Vec<&ServerName> = site
        .apps()
        .iter()
        .flat_map(App::members)
        .map(Member::server)
        .collect();
    for server in database.servers() {
        let alone = users.iter().all(|user| *user == server) && database.servers().len() == 1;
        let mut addresses = vec![LOOPBACK];
        if !alone {
            addresses.extend(address(site, server));
        }
        let listens = sockets(addresses, &[DATABASE]);
        let mut instance = instance(
            "database",
            Tier::Database,
            server,
            listens,
            database.origin(),
        );
        instance.name = database.name().to_string();
        found.push(instance);
    }
}

fn quorum(site: &Site, found: &mut Vec<Instance>) {
    for (server, origin) in site
        .quorum()
        .into_iter()
        .flat_map(|quorum| with_origin(quorum.servers(), quorum.origin()))
    {
        let listens = sockets(address(site, server), &[QUORUM, QUORUM_PEERS]);
        found.push(instance("quorum", Tier::Quorum, server, listens, origin));
    }
}

fn monitor(site: &Site, found: &mut Vec<Instance>) {
    let Some(monitor) = site.monitor() else {
        return;
    };
    for server in monitor.collectors() {
        let listens = sockets(vec![LOOPBACK], &[COLLECTOR]);
        found.push(instance(
            "collector",
            Tier::Collector,
            server,
            listens,
            monitor.origin(),
        ));
    }
    for server in site.servers() {
        let listens = sockets(address(site, server.name()), &[AGENT]);
        found.push(instance(
            "agent",
            Tier::Agent,
            server.name(),
            listens,
            monitor.origin(),
        ));
    }
}

/// The port of a copy, which counts from 1.
fn app_port(index: usize, copy: u32) -> u16 {
    // The resolver lets at most 10 apps and 64 copies pass.
    let offset = 100 * index + usize::try_from(copy).unwrap_or(usize::MAX);
    APPS + u16::try_from(offset).unwrap_or(0)
}

/// Where it is decided which of several databases takes writes, where no majority does: on the first server that
/// carries no database, so that it outlives the primary; else on the first that does. `None`: nothing is to decide.
pub fn controller(site: &Site) -> Option<&ServerName> {
    let database = site.database()?;
    if database.servers().len() < 2 || site.quorum().is_some() {
        return None;
    }
    let mut servers = site.servers().iter().map(|server| server.name());
    let carriers: HashSet<&ServerName> = database.servers().iter().collect();
    let apart = servers.find(|name| !carriers.contains(name));
    apart.or(database.servers().first())
}

/// The id of an app's role on a server.
pub(crate) fn app_id(app: &App, server: &ServerName) -> String {
    format!("{server}/{}", app_word(app))
}

/// The id of the SQL router's role on a server.
pub(crate) fn router_id(server: &ServerName) -> String {
    format!("{server}/router")
}

fn app_word(app: &App) -> String {
    match app.path().as_str() {
        "/" => "app".to_owned(),
        _ => format!("app-{}", app.name()),
    }
}

/// The servers of the tier before the apps. `None`: visitors come to them.
fn users_of_apps(site: &Site) -> Option<Vec<&ServerName>> {
    let members = match (site.web(), site.load_balancer()) {
        (Some(web), _) => web.members(),
        (None, Some(balancer)) => balancer.members(),
        (None, None) => return None,
    };
    Some(members.iter().map(Member::server).collect())
}

/// Loopback while only its own server uses it.
fn host(site: &Site, server: &ServerName, users: &Option<Vec<&ServerName>>) -> IpAddr {
    let addresses = match users {
        Some(users) if users.iter().all(|user| *user == server) => return LOOPBACK,
        Some(_) => address(site, server),
        None => public(site, server),
    };
    addresses.first().copied().unwrap_or(LOOPBACK)
}

/// The ports of the entry.
pub(super) fn entry_ports(site: &Site) -> &'static [u16] {
    if site.certificate().is_some() {
        &[HTTP, HTTPS]
    } else {
        &[HTTP]
    }
}

/// What other servers dial first.
pub(super) fn address(site: &Site, server: &ServerName) -> Vec<IpAddr> {
    site.server(server)
        .map(|server| server.address())
        .into_iter()
        .collect()
}

fn public(site: &Site, server: &ServerName) -> Vec<IpAddr> {
    site.server(server)
        .map(|server| server.public().to_vec())
        .unwrap_or_default()
}

fn sockets(addresses: Vec<IpAddr>, ports: &[u16]) -> Vec<SocketAddr> {
    let each = |address| {
        ports
            .iter()
            .map(move |port| SocketAddr::new(address, *port))
    };
    addresses.into_iter().flat_map(each).collect()
}

fn with_origin(
    servers: &[ServerName],
    origin: Origin,
) -> impl Iterator<Item = (&ServerName, Origin)> {
    servers.iter().map(move |server| (server, origin))
}

fn instance(
    word: &str,
    tier: Tier,
    server: &ServerName,
    listens: Vec<SocketAddr>,
    origin: Origin,
) -> Instance {
    Instance {
        id: format!("{server}/{word}"),
        tier,
        server: server.clone(),
        name: String::new(),
        listens,
        origin,
    }
}
