//! What must hold for the wiring of any site, whichever servers its tiers stand on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use proptest::prelude::*;
use terrace_site::load;
use terrace_site::model::Site;
use terrace_site::plan::{Inputs, Part, ServerPlan, plan};
use terrace_site::wiring::{
    Flow, Instance, Peer, Preference, Protocol, Source, Tier, Wiring, openings, wire,
};

const SERVERS: [&str; 4] = ["a", "b", "c", "d"];

/// Some of the servers, at least one, in the file's order.
fn some() -> impl Strategy<Value = String> {
    proptest::sample::subsequence(SERVERS.to_vec(), 1..=4).prop_map(|servers| servers.join(" "))
}

/// A word on some servers, or no such word.
fn maybe(line: impl Fn(String) -> String) -> impl Strategy<Value = String> {
    prop_oneof![1 => Just(None), 3 => some().prop_map(Some)]
        .prop_map(move |servers| servers.map(&line).unwrap_or_default())
}

/// A site whose tiers stand anywhere.
fn site() -> impl Strategy<Value = Site> {
    let words = (
        maybe(|on| format!("load-balancer {on} {{ address \"8.8.8.8\"; }}")),
        maybe(|on| format!("load-balancer {on}")),
        some().prop_map(|on| format!("web {on} static=\"public\"")),
        maybe(|on| format!("app {on} code=\"shop\" copies=3 {{ run \"shop\"; }}")),
        maybe(|on| format!("app {on} code=\"api\" path=\"/api\" {{ run \"api\"; }}")),
        maybe(|on| format!("database {on}")),
        maybe(|on| format!("quorum {on}")),
        maybe(|on| format!("dns {on}")),
        maybe(|on| format!("monitor {{ collect {on}; }}")),
        prop_oneof![Just(""), Just("certificate")],
    );
    words.prop_filter_map(
        "`quorum` stands without `database`, or two balancers",
        |words| {
            let (shared, own, web, shop, api, database, quorum, dns, monitor, certificate) = words;
            let balancer = if shared.is_empty() { own } else { shared };
            let lines = [
                &balancer, &web, &shop, &api, &database, &quorum, &dns, &monitor,
            ];
            let servers = SERVERS.iter().zip(1..).map(|(name, number)| {
                format!("server {name} \"10.0.0.{number}\" \"fd00::{number}\"")
            });
            let lines: Vec<String> = servers.chain(lines.into_iter().cloned()).collect();
            load(&format!(
                "site \"www.foobar.com\" {{\n{}\n{certificate}\n}}",
                lines.join("\n")
            ))
            .site
        },
    )
}

/// Who dials, where the file says who.
fn from<'a>(wiring: &'a Wiring, flow: &Flow) -> Option<&'a Instance> {
    match &flow.from {
        Peer::Visitor => None,
        Peer::Instance(id) => Some(wiring.instance(id).unwrap()),
    }
}

proptest! {
    #[test]
    fn whoever_is_dialled_listens_there(site in site()) {
        let wiring = wire(&site);
        for flow in &wiring.flows {
            let to = wiring.instance(&flow.to).unwrap();
            prop_assert_eq!(flow.ports.is_empty(), flow.protocol == Protocol::Vrrp, "{}", flow);
            for port in &flow.ports {
                prop_assert!(to.listens.contains(&SocketAddr::new(flow.address, *port)), "{}", flow);
            }
        }
    }

    #[test]
    fn loopback_is_dialled_only_from_the_same_server(site in site()) {
        let wiring = wire(&site);
        for flow in wiring.flows.iter().filter(|flow| flow.address.is_loopback()) {
            prop_assert_eq!(&from(&wiring, flow).unwrap().server, &wiring.instance(&flow.to).unwrap().server, "{}", flow);
        }
    }

    #[test]
    fn no_two_listen_in_the_same_place(site in site()) {
        let wiring = wire(&site);
        let mut taken = Vec::new();
        for instance in &wiring.instances {
            for listen in &instance.listens {
                prop_assert!(!listen.ip().is_unspecified());
                let place = (&instance.server, listen);
                prop_assert!(!taken.contains(&place), "{} at {}", instance.id, listen);
                taken.push(place);
            }
        }
    }

    #[test]
    fn the_near_one_is_preferred_and_every_other_one_is_reached(site in site()) {
        let wiring = wire(&site);
        for flow in &wiring.flows {
            let Some(from) = from(&wiring, flow) else { continue };
            let to = wiring.instance(&flow.to).unwrap();
            let next: Vec<&Flow> = wiring.flows.iter().filter(|other| other.from == flow.from && other.protocol == flow.protocol).collect();
            if flow.protocol == Protocol::Http {
                let same_app = wiring.tier(to.tier).filter(|other| other.name == to.name).count();
                let reached = next.iter().filter(|other| wiring.instance(&other.to).unwrap().name == to.name).count();
                prop_assert_eq!(reached, same_app, "{}", flow);
            }
            if flow.protocol == Protocol::Http {
                prop_assert_eq!(flow.preference == Preference::Near, from.server == to.server, "{}", flow);
            }
        }
    }

    #[test]
    fn an_app_asks_its_own_router_and_that_reaches_every_database(site in site()) {
        let wiring = wire(&site);
        let databases = wiring.tier(Tier::Database).count();
        for app in wiring.tier(Tier::App) {
            let asks = |id: &str| -> Vec<&Flow> {
                let from = Peer::Instance(id.to_owned());
                wiring.flows.iter().filter(|flow| flow.protocol == Protocol::Mysql && flow.from == from).collect()
            };
            let router = format!("{}/router", app.server);
            let to: Vec<&str> = asks(&app.id).iter().map(|flow| flow.to.as_str()).collect();
            if databases == 0 {
                prop_assert!(to.is_empty());
                continue;
            }
            prop_assert_eq!(to, [router.as_str()]);
            prop_assert_eq!(asks(&router).len(), databases);
            prop_assert!(asks(&router).iter().all(|flow| flow.preference == Preference::Balanced));
        }
    }

    #[test]
    fn every_way_between_servers_is_open_and_no_other(site in site()) {
        let wiring = wire(&site);
        let openings = openings(&site, &wiring);
        let mut used = vec![false; openings.len()];
        for flow in &wiring.flows {
            let to = wiring.instance(&flow.to).unwrap();
            let from = from(&wiring, flow);
            if from.is_some_and(|from| from.server == to.server) {
                continue;
            }
            let address = from.map(|from| site.server(&from.server).unwrap().address());
            let ports: Vec<Option<u16>> = if flow.ports.is_empty() { vec![None] } else { flow.ports.iter().copied().map(Some).collect() };
            for port in ports {
                let fits = |opening: &terrace_site::wiring::Opening| {
                    let known = match (&opening.from, address) {
                        (Source::Everywhere, _) => true,
                        (Source::Servers(servers), Some(address)) => servers.contains(&address),
                        _ => false,
                    };
                    opening.server == to.server && opening.port.map(|port| port.number) == port && known
                };
                let mut open = false;
                for (opening, used) in openings.iter().zip(&mut used).filter(|(opening, _)| fits(opening)) {
                    let _ = opening;
                    *used = true;
                    open = true;
                }
                prop_assert!(open, "{}", flow);
            }
        }
        prop_assert!(used.iter().all(|used| *used), "an opening that no flow needs");
    }

    #[test]
    fn plans_agree_with_each_other(site in site(), lab: bool) {
        let inputs = Inputs {
            generation: 3,
            base: PathBuf::from("/stacks"),
            releases: BTreeMap::new(),
            server_ids: BTreeMap::from([("a".to_owned(), 9)]),
            workers: 1,
            lab,
        };
        let plans = plan(&site, &inputs);
        let roles = || plans.iter().flat_map(|plan: &ServerPlan| plan.roles.iter().map(move |role| (plan, role)));
        let mut ids: Vec<u32> = Vec::new();
        let copies: BTreeMap<String, SocketAddr> = roles()
            .filter_map(|(_, role)| match &role.part { Part::App(app) => Some(&app.copies), _ => None })
            .flatten()
            .map(|copy| (copy.id.clone(), copy.listen))
            .collect();
        for (plan, role) in roles() {
            prop_assert_eq!(role.id.split('/').next(), Some(plan.server.as_str()));
            match &role.part {
                Part::Web(web) => {
                    for upstream in web.routes.iter().flat_map(|route| &route.upstreams) {
                        prop_assert_eq!(copies.get(&upstream.instance), Some(&upstream.address));
                    }
                    let near: Vec<bool> = web.routes.iter().flat_map(|route| &route.upstreams).map(|upstream| upstream.near).collect();
                    prop_assert!(web.routes.len() > 1 || near.is_sorted_by(|a, b| a >= b));
                }
                Part::Database(database) => {
                    prop_assert!(!ids.contains(&database.server_id));
                    ids.push(database.server_id);
                }
                Part::App(app) => prop_assert_eq!(app.database.is_some(), site.database().is_some()),
                Part::LoadBalancer(balancer) => {
                    let listens = |id: &str| wire(&site).instance(id).map(|instance| instance.listens.clone());
                    for member in balancer.tiers.iter().flat_map(|tier| &tier.members) {
                        let known = copies.get(&member.instance).map(|address| vec![*address]);
                        let known = known.or_else(|| listens(&member.instance)).unwrap_or_default();
                        prop_assert!(known.contains(&member.address), "{}", member.instance);
                    }
                }
                Part::Router(router) => {
                    let targets = router.targets.iter().map(|target| &target.server);
                    let servers = site.database().map(|database| database.servers().len());
                    prop_assert_eq!(Some(targets.count()), servers);
                    prop_assert!(router.targets.iter().any(|target| target.server == router.primary));
                }
                Part::Controller(controller) => prop_assert!(controller.members.len() > 1),
                Part::Dns(dns) => prop_assert_eq!(dns.zones.len(), 1),
                Part::Agent(agent) => prop_assert!(agent.listen.iter().all(|place| !place.ip().is_unspecified())),
            }
        }
    }
}

/// The instance's sockets, as text.
fn listens(inside: &str, id: &str) -> String {
    let loaded = load(&format!("site \"www.foobar.com\" {{\n{inside}\n}}"));
    let wiring = wire(
        &loaded
            .site
            .unwrap_or_else(|| panic!("{:?}", loaded.problems)),
    );
    let sockets = &wiring.instance(id).unwrap().listens;
    sockets
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn a_database_leaves_loopback_when_another_server_uses_it() {
    let alone = "server a \"10.0.0.1\"\nserver b \"10.0.0.2\"\nweb a static=\"p\"\ndatabase b\napp b code=\"x\" { run \"x\"; }";
    assert_eq!(listens(alone, "b/database"), "127.0.0.1:3307");
    assert_eq!(listens(alone, "b/app"), "10.0.0.2:8001");
    let used = alone.replace("app b", "app a");
    assert_eq!(listens(&used, "b/database"), "127.0.0.1:3307 10.0.0.2:3307");
    assert_eq!(listens(&used, "a/app"), "127.0.0.1:8001");
}

#[test]
fn a_web_server_makes_room_for_the_balancer_beside_it() {
    let both =
        "server a \"10.0.0.1\"\nserver b \"10.0.0.2\"\nload-balancer a\nweb a b static=\"p\"";
    assert_eq!(listens(both, "a/load-balancer"), "10.0.0.1:80");
    assert_eq!(listens(both, "a/web"), "10.0.0.1:8080");
    assert_eq!(listens(both, "b/web"), "10.0.0.2:80");
}

#[test]
fn an_app_keeps_its_id_and_ports_when_another_joins() {
    let one = "server a \"10.0.0.1\"\nweb static=\"p\"\napp code=\"shop\" copies=2 { run \"x\"; }";
    let two = format!("{one}\napp code=\"api\" path=\"/api\" {{ run \"y\"; }}");
    assert_eq!(listens(one, "a/app"), "127.0.0.1:8001 127.0.0.1:8002");
    assert_eq!(listens(&two, "a/app"), listens(one, "a/app"));
    assert_eq!(listens(&two, "a/app-api"), "127.0.0.1:8101");
}

#[test]
fn the_world_dials_the_public_address() {
    let site = "server a \"10.0.0.1\" { public \"8.8.8.8\" \"2001:db8::8\"; }\nweb static=\"p\"\nalias \"foobar.com\"\nredirect \"old.foobar.com\"";
    assert_eq!(listens(site, "a/web"), "8.8.8.8:80 [2001:db8::8]:80");
    let site = load(&format!("site \"www.foobar.com\" {{\n{site}\ndns\n}}"))
        .site
        .unwrap();
    let wanted = [
        "a.foobar.com.     300 IN A     8.8.8.8",
        "a.foobar.com.     300 IN AAAA  2001:db8::8",
        "foobar.com.       300 IN A     8.8.8.8",
        "foobar.com.       300 IN AAAA  2001:db8::8",
        "foobar.com.      3600 IN NS    a.foobar.com.",
        "old.foobar.com.   300 IN A     8.8.8.8",
        "old.foobar.com.   300 IN AAAA  2001:db8::8",
        "www.foobar.com.   300 IN A     8.8.8.8",
        "www.foobar.com.   300 IN AAAA  2001:db8::8",
    ];
    assert_eq!(
        terrace_site::records(&site)
            .to_string()
            .lines()
            .collect::<Vec<_>>(),
        wanted
    );
}
