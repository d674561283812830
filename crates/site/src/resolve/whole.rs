//! What only the whole site shows: addresses that meet, apps that claim the same paths, servers without work.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use crate::model::{App, LoadBalancer, Origin, Server, ServerName, Site};
use crate::plan::RecordData;
use crate::problem::Problem;
use crate::wiring::zone_records;

/// Each app has a hundred ports, from 8000; 9000 and above are others'.
const MOST_APPS: usize = 10;

/// Every problem that only the whole shows.
pub(super) fn check(site: &Site) -> Vec<Problem> {
    let mut found = Vec::new();
    addresses(site.servers(), site.load_balancer(), &mut found);
    apps(site.apps(), &mut found);
    tiers(site, &mut found);
    other_names(site, &mut found);
    idle(site, &mut found);
    found
}

/// An address belongs to one server, or to all balancers together.
fn addresses(servers: &[Server], balancer: Option<&LoadBalancer>, found: &mut Vec<Problem>) {
    let mut taken: HashMap<IpAddr, (Origin, String)> = HashMap::new();
    let own = servers.iter().flat_map(|server| {
        server
            .all_addresses()
            .into_iter()
            .map(|address| (address, server.origin(), server.name().to_string()))
    });
    let shared = balancer.into_iter().flat_map(LoadBalancer::addresses);
    let shared = shared.map(|shared| {
        (
            shared.address(),
            shared.origin(),
            "the load balancers".to_owned(),
        )
    });
    for (address, origin, holder) in own.chain(shared) {
        match taken.entry(address) {
            Entry::Vacant(free) => {
                free.insert((origin, holder));
            }
            Entry::Occupied(taken) => {
                let (first, other) = taken.get();
                let message = format!("{other} and {holder} have the same address {address}");
                let problem = Problem::error(
                    "address-twice",
                    message,
                    origin.span,
                    "another address is needed here",
                );
                found.push(problem.and(first.span, "here first"));
            }
        }
    }
}

fn apps(apps: &[App], found: &mut Vec<Problem>) {
    let (mut paths, mut names) = (HashMap::new(), HashMap::new());
    for app in apps {
        let first: &App = paths.entry(app.path()).or_insert(app);
        if !std::ptr::eq(first, app) {
            let problem = if app.path().as_str() == "/" {
                let message = "two apps answer for every path";
                let label = "say which paths are this one's: path=\"/api\"";
                Problem::error("path-twice", message, app.origin().span, label)
            } else {
                let message = format!("two apps answer for {}", app.path());
                Problem::error(
                    "path-twice",
                    message,
                    app.origin().span,
                    "another path is needed here",
                )
            };
            found.push(problem.and(first.origin().span, "here first"));
        }
        let first: &App = names.entry(app.name()).or_insert(app);
        if !std::ptr::eq(first, app) {
            let message = format!("two apps are called `{}`", app.name());
            let problem = Problem::error(
                "app-twice",
                message,
                app.origin().span,
                "add another name: name=api",
            );
            found.push(problem.and(first.origin().span, "here first"));
        }
    }
    if let Some(app) = apps.get(MOST_APPS) {
        let message = format!("a site has at most {MOST_APPS} apps");
        found.push(Problem::error(
            "out-of-range",
            message,
            app.origin().span,
            "one too many",
        ));
    }
}

fn tiers(site: &Site, found: &mut Vec<Problem>) {
    if let Some(balancer) = site.load_balancer()
        && site.web().is_none()
        && site.apps().is_empty()
    {
        let message = "`load-balancer` has nothing to balance over";
        let problem = Problem::error(
            "no-tier",
            message,
            balancer.origin().span,
            "there is neither `web` nor `app`",
        );
        found.push(problem.help("add: web web-01 web-02 static=\"foobar/public\""));
    }
    if let Some(balancer) = site.load_balancer()
        && let [address, ..] = balancer.addresses()
        && balancer.members().len() == 1
    {
        let message = "an address that moves needs a second server to move to";
        let problem = Problem::warning(
            "no-second",
            message,
            address.origin().span,
            "it can only stay",
        );
        found.push(problem.and(balancer.origin().span, "name a second server here"));
    }
}

/// A name with a CNAME has no other record (RFC 1034 §3.6.2).
fn other_names(site: &Site, found: &mut Vec<Problem>) {
    let Some(dns) = site.dns() else { return };
    let records = zone_records(site);
    let mut owners: HashMap<&str, usize> = HashMap::new();
    for record in &records {
        *owners.entry(&record.name).or_default() += 1;
    }
    for record in dns.records() {
        let owner = record.name().as_str();
        let also = owners.get(owner).copied().unwrap_or(0);
        if matches!(record.data(), RecordData::Cname(_))
            && (also > 1 || owner == site.zone().as_str())
        {
            let message = format!("`{owner}` has a CNAME and other records");
            let problem = Problem::error(
                "cname-beside",
                message,
                record.origin().span,
                "a CNAME stands alone at its name",
            );
            found.push(problem.help("write the address itself: A or AAAA"));
        }
    }
}

/// Servers that nothing stands on.
fn idle(site: &Site, found: &mut Vec<Problem>) {
    let busy = busy(site);
    for server in site.servers() {
        if !busy.contains(server.name()) {
            let message = format!("nothing stands on {}", server.name());
            let problem = Problem::warning(
                "idle-server",
                message,
                server.origin().span,
                "no word names it",
            );
            found.push(problem.help(format!("give it work, such as: web {}", server.name())));
        }
    }
}

fn busy(site: &Site) -> HashSet<&ServerName> {
    let members = site
        .load_balancer()
        .into_iter()
        .flat_map(|tier| tier.members());
    let members = members.chain(site.web().into_iter().flat_map(|tier| tier.members()));
    let members = members.chain(site.apps().iter().flat_map(|tier| tier.members()));
    let servers = site.database().into_iter().flat_map(|tier| tier.servers());
    let servers = servers.chain(site.quorum().into_iter().flat_map(|tier| tier.servers()));
    let servers = servers.chain(site.dns().into_iter().flat_map(|tier| tier.servers()));
    let servers = servers.chain(
        site.monitor()
            .into_iter()
            .flat_map(|tier| tier.collectors()),
    );
    members
        .map(|member| member.server())
        .chain(servers)
        .collect()
}
