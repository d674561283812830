//! The way of a request, step by step, from the visitor to the database and back.

use terrace_site::model::{Balance, Reads};

use super::and;
use super::prose::{Block, or};
use crate::design::{Design, Element, Flow, Tier};

pub(super) fn answer(design: &Design) -> Vec<Block> {
    let mut steps = vec![name(design), connection(design)];
    steps.extend(balancing(design));
    steps.extend(web(design));
    steps.extend(app(design));
    steps.extend(database(design));
    steps.push(back(design));
    vec![Block::Steps(steps)]
}

fn name(design: &Design) -> String {
    let holders = match design.entry_tier() {
        Some(tier) if design.servers.len() > 1 => {
            format!(", the address of {}", or(&design.servers_of(tier)))
        }
        _ => String::new(),
    };
    format!(
        "The visitor's browser knows a name, {}, and needs an address. It asks DNS: the {} record of the name says {}{holders}.",
        design.site,
        kinds(design),
        design.entry.join(" or ")
    )
}

/// `A`, `AAAA`, or both, by the addresses of the entry.
pub(super) fn kinds(design: &Design) -> &'static str {
    let six = design.entry.iter().any(|address| address.contains(':'));
    let four = design.entry.iter().any(|address| !address.contains(':'));
    match (four, six) {
        (true, true) => "A (and AAAA)",
        (false, true) => "AAAA",
        _ => "A",
    }
}

fn connection(design: &Design) -> String {
    let entry = design.entry.first().map_or("the address", String::as_str);
    let (port, how) = if design.certificate.is_some() {
        (443, "speaks HTTPS on it: everything is encrypted")
    } else {
        (80, "sends an HTTP request on it, unencrypted")
    };
    format!(
        "It opens a TCP connection to {entry}, port {port}, across the internet (TCP/IP), and {how}."
    )
}

fn balancing(design: &Design) -> Option<String> {
    let balancers = design.servers_of(Tier::LoadBalancer);
    let first = balancers.first()?;
    let holder = if design.shares_address {
        format!("{first}, the load balancer that holds this address,")
    } else {
        format!("{}, the load balancer,", or(&balancers))
    };
    let targets: Vec<&Element> = design.tier(Tier::Web).collect();
    let named: Vec<String> = targets.iter().map(|one| with_listen(one)).collect();
    let chosen = match (design.balance?, named.as_slice()) {
        (Balance::RoundRobin, [first, second, rest @ ..]) => {
            let rest = if rest.is_empty() {
                String::new()
            } else {
                format!(" and so on to {}", and(rest))
            };
            format!(
                "in turn (round robin): one request goes to {first}, the next to {second}{rest}, the one after that to {} again",
                targets[0].server
            )
        }
        (balance, _) => format!("by {}, to {}", balance.word(), or(&named)),
    };
    Some(format!(
        "{holder} takes the request and passes it on to a web server, {chosen}. A web server that is not healthy is left out."
    ))
}

/// `web-01 (10.0.0.21:80)`.
fn with_listen(element: &Element) -> String {
    match element.listens.first() {
        Some(listen) => format!("{} ({listen})", element.server),
        None => element.server.clone(),
    }
}

fn web(design: &Design) -> Option<String> {
    let all: Vec<&Element> = design.tier(Tier::Web).collect();
    let first = all.first()?;
    let port = first
        .listens
        .first()
        .and_then(|listen| listen.rsplit(':').next())
        .unwrap_or("80");
    let files = if design.serves_files {
        format!(
            " If its path names a file in {}, the web server sends the file, and that is all.",
            first.name
        )
    } else {
        String::new()
    };
    Some(format!(
        "The web server on {}, port {port}, reads the request.{files}{}",
        or(&design.servers_of(Tier::Web)),
        hand_over(design)
    ))
}

/// From the web servers to the app servers: the near one first, where there is one.
fn hand_over(design: &Design) -> String {
    let apps: Vec<&Element> = design.tier(Tier::App).collect();
    let near = design
        .tier(Tier::Web)
        .all(|web| apps.iter().any(|app| app.server == web.server));
    let named: Vec<String> = apps.iter().map(|app| with_listen(app)).collect();
    match named.as_slice() {
        [] => String::new(),
        [only] => format!(" Everything else it hands to the app server on {only}."),
        many if near => format!(
            " Everything else it hands to the app server on its own machine, {}; to another one only while its own is not healthy.",
            or(many)
        ),
        many => format!(
            " Everything else it hands to an app server, in turn: {}.",
            and(many)
        ),
    }
}

fn app(design: &Design) -> Option<String> {
    let mut codes: Vec<&str> = Vec::new();
    for element in design.tier(Tier::App) {
        if !codes.contains(&element.name.as_str()) {
            codes.push(&element.name);
        }
    }
    let code = (!codes.is_empty()).then(|| or(&codes))?;
    Some(format!(
        "The app server runs the code base {code} for this one request: the code decides what the page says."
    ))
}

fn database(design: &Design) -> Option<String> {
    let router = design.tier(Tier::Router).next()?;
    let listen = router.listens.first().map_or("", String::as_str);
    let port = data_port(design, router);
    let databases = design.servers_of(Tier::Database);
    let (primary, replicas) = databases.split_first()?;
    let route = if replicas.is_empty() {
        format!("it passes everything on to the database on {primary}, port {port}")
    } else if design.reads == Some(Reads::Primary) {
        format!("it passes everything on to the primary on {primary}, port {port}")
    } else {
        format!(
            "it passes what changes data on to the primary on {primary}, and what only reads to the replica on {}, port {port} on each",
            or(replicas)
        )
    };
    Some(format!(
        "Where the page needs data, the code asks the database {} in SQL, over MySQL's protocol, at {listen}, which is its own machine. There the SQL router listens: {route}.",
        router.name
    ))
}

fn data_port(design: &Design, router: &Element) -> u16 {
    let from = |flow: &&Flow| flow.from.as_deref() == Some(router.id.as_str());
    design
        .flows
        .iter()
        .find(from)
        .and_then(|flow| flow.port)
        .unwrap_or_default()
}

fn back(design: &Design) -> String {
    let tiers = [
        Tier::Database,
        Tier::Router,
        Tier::App,
        Tier::Web,
        Tier::LoadBalancer,
    ];
    let way: Vec<&str> = tiers
        .into_iter()
        .filter(|tier| design.has(*tier))
        .map(Tier::title)
        .collect();
    format!(
        "The answer takes the same way back, from {} to the visitor: rows become a page, the page becomes an HTTP answer on the same TCP connection. The browser then asks, each in a request of its own, for the pictures and style sheets that the page names.",
        way.join(" to ")
    )
}
