//! Why each element is there: a row for each, from the visitor down, then what keeps them safe.

use super::prose::{Block, count, paragraph};
use super::{and, parts};
use crate::design::{Design, Tier};

pub(super) fn answer(design: &Design) -> Vec<Block> {
    let tiers = [
        Tier::Dns,
        Tier::LoadBalancer,
        Tier::Web,
        Tier::App,
        Tier::Router,
        Tier::Database,
        Tier::Quorum,
        Tier::Collector,
    ];
    let mut rows: Vec<(String, String)> = vec![servers(design)];
    for tier in tiers.into_iter().filter(|tier| design.has(*tier)) {
        let servers = design.servers_of(tier);
        match (tier, servers.as_slice()) {
            (Tier::Database, [primary, replicas @ ..]) if !replicas.is_empty() => {
                rows.extend(cluster(design, primary, replicas));
            }
            _ => {
                let plural = if servers.len() > 1 { "s" } else { "" };
                let title = format!("{}{plural} ({})", tier.title(), and(&servers));
                rows.push((title, why(design, tier)));
            }
        }
    }
    rows.extend(guards(design));
    vec![
        paragraph("Each is there for something that the others cannot do:"),
        Block::Rows(rows),
    ]
}

fn servers(design: &Design) -> (String, String) {
    let names: Vec<&str> = design
        .servers
        .iter()
        .map(|server| server.name.as_str())
        .collect();
    let text = match names.as_slice() {
        [only] => format!("everything stands on {only}: simple and cheap, and all of it depends on one machine"),
        _ => "several machines share the work, and one can fail or be maintained without taking everything with it".to_owned(),
    };
    (
        format!("{} ({})", count(names.len(), "server"), and(&names)),
        text,
    )
}

fn why(design: &Design, tier: Tier) -> String {
    let twins = |tier| design.servers_of(tier).len() > 1;
    match tier {
        Tier::Dns => "answers for the names of the site".to_owned(),
        Tier::LoadBalancer if twins(tier) => format!(
            "spreads the requests over the web servers; one holds {}, and another takes it over",
            and(&design.entry)
        ),
        Tier::LoadBalancer => format!(
            "visitors know one address, {}; it answers there and spreads the requests over {}. Without it a second web server would get \
             no visitors",
            and(&design.entry),
            and(&design.servers_of(Tier::Web))
        ),
        Tier::Web if twins(tier) => {
            "send the files and keep slow or broken requests away from the app; more than one, so that one may fail".to_owned()
        }
        Tier::Web => {
            "sends the files, and keeps slow or broken requests away from the app".to_owned()
        }
        Tier::App if twins(tier) => format!(
            "run the site's own code, {}; each has the same release, so any of them can answer any request",
            parts::codes(design)
        ),
        Tier::App => format!("runs the site's own code, {}", parts::codes(design)),
        Tier::Router => {
            "so that an app knows one address for the database: each statement is passed on to the server that it belongs to".to_owned()
        }
        Tier::Database => "keeps the data that must outlive a request".to_owned(),
        Tier::Quorum => "an odd number of voices decides who is primary, so that a replica can take over without a person, and never two at once".to_owned(),
        Tier::Collector => "collects what every server measures".to_owned(),
    }
}

fn cluster(design: &Design, primary: &str, replicas: &[&str]) -> [(String, String); 2] {
    let heir = if design.has(Tier::Quorum) {
        "takes the primary's place when that is lost"
    } else {
        "can take the primary's place when an operator says so"
    };
    [
        (
            format!("database, primary ({primary})"),
            "keeps the data, and is the one place where it is changed, so that no two changes contradict each other".to_owned(),
        ),
        (
            format!("database, replica ({})", and(replicas)),
            format!("follows the primary and so keeps a second copy of all data; answers reads, and {heir}"),
        ),
    ]
}

/// The words that concern all servers.
fn guards(design: &Design) -> Vec<(String, String)> {
    let words = [
        (
            design.certificate,
            "certificate",
            "HTTPS: nobody between visitor and site can read or change what passes",
        ),
        (
            design.firewall,
            "firewall",
            "every server lets in what its work needs, and nothing else",
        ),
        (
            design.monitor,
            "monitor",
            "measures every server and tells somebody before the visitors do",
        ),
    ];
    let there = words.into_iter().filter(|(line, ..)| line.is_some());
    there
        .map(|(_, word, why)| (word.to_owned(), why.to_owned()))
        .collect()
}
