//! The way of a request, step by step, from the visitor to the database and back.

use super::prose::step;
use crate::design::{Design, Element, Tier};

pub(super) fn answer(design: &Design) -> String {
    let mut steps = vec![name(design), connection(design)];
    steps.extend(balancing(design));
    steps.extend(web(design));
    steps.extend(app(design));
    steps.extend(database(design));
    steps.push(back(design));
    steps
        .iter()
        .enumerate()
        .map(|(index, text)| step(index + 1, text))
        .collect()
}

fn name(design: &Design) -> String {
    format!(
        "The visitor's browser knows a name, {}, and needs an address. It asks DNS; the {} record of the name says {}.",
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
        (443, "speaks HTTPS: everything on it is encrypted")
    } else {
        (80, "sends an HTTP request, in clear")
    };
    format!(
        "It opens a TCP connection to {entry}, port {port}, across the internet (TCP/IP), and {how}."
    )
}

fn balancing(design: &Design) -> Option<String> {
    let balancers: Vec<&str> = design
        .tier(Tier::LoadBalancer)
        .map(|element| element.server.as_str())
        .collect();
    if balancers.is_empty() {
        return None;
    }
    let targets: Vec<&str> = design
        .tier(Tier::Web)
        .map(|element| element.server.as_str())
        .collect();
    let algorithm = design.balance.as_deref().unwrap_or("round-robin");
    Some(format!(
        "{} takes it as load balancer and chooses a web server, by {algorithm}: {}.",
        balancers.join(" or "),
        targets.join(", then ")
    ))
}

fn one_of(elements: &[&Element]) -> String {
    let servers: Vec<&str> = elements
        .iter()
        .map(|element| element.server.as_str())
        .collect();
    servers.join(" or ")
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
            "If the path names a file of {}, it sends the file, and that is all. ",
            first.name
        )
    } else {
        String::new()
    };
    let on = if design.has(Tier::App) {
        "What is no file it hands to the app server."
    } else {
        ""
    };
    Some(format!(
        "{}, web server on port {port}, reads the request. {files}{on}",
        one_of(&all)
    ))
}

fn app(design: &Design) -> Option<String> {
    let all: Vec<&Element> = design.tier(Tier::App).collect();
    let first = all.first()?;
    let listens = first
        .listens
        .first()
        .map(|listen| format!(" (HTTP on {listen})"))
        .unwrap_or_default();
    Some(format!(
        "{}, app server{listens}, runs the code base {} for this one request: it decides what the page says.",
        one_of(&all),
        first.name
    ))
}

fn database(design: &Design) -> Option<String> {
    let all: Vec<&Element> = design.tier(Tier::Database).collect();
    let first = all.first()?;
    let listens = first.listens.first().map_or("", String::as_str);
    let rest: Vec<&str> = all[1..]
        .iter()
        .map(|element| element.server.as_str())
        .collect();
    let replicas = if rest.is_empty() {
        String::new()
    } else {
        format!(
            " Changes go to the primary on {}; reading also goes to {}.",
            first.server,
            rest.join(", ")
        )
    };
    Some(format!(
        "Where the page needs data, the code asks the database {} in SQL: MySQL's protocol, on {listens} of {}.{replicas}",
        first.name, first.server
    ))
}

fn back(design: &Design) -> String {
    let mut way: Vec<&str> = Vec::new();
    for tier in [Tier::Database, Tier::App, Tier::Web, Tier::LoadBalancer] {
        if design.has(tier) {
            way.push(tier.title());
        }
    }
    format!(
        "And back the same way, {} to visitor: rows become a page, the page an HTTP answer, the answer packets on the same \
         TCP connection. The browser then asks for the pictures and style sheets that the page names.",
        way.join(" to ")
    )
}
