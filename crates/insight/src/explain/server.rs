//! One server of the file: why it is there, what stands on it, what is lost with it.

use super::prose::{Block, paragraph};
use super::{and, server_fates};
use crate::design::{Design, Element, Server, Tier};

pub(super) fn answer(design: &Design, server: &Server) -> Vec<Block> {
    let roles: Vec<(String, String)> = design
        .on(&server.name)
        .map(|element| (title(element), purpose(design, element)))
        .collect();
    let known = ["load-balancer", "web", "app", "router", "database"];
    let known: Vec<&str> = known
        .into_iter()
        .filter(|topic| {
            let has = |tier| design.on(&server.name).any(|one| one.tier == tier);
            match *topic {
                "load-balancer" => has(Tier::LoadBalancer),
                "web" => has(Tier::Web),
                "app" => has(Tier::App),
                "router" => has(Tier::Router),
                _ => has(Tier::Database),
            }
        })
        .collect();
    let mut blocks = vec![paragraph(format!(
        "{} has the address {} (line {} of the file). {}",
        server.name,
        and(&server.addresses),
        server.line,
        beside(design, server)
    ))];
    blocks.push(Block::Rows(roles));
    blocks.push(paragraph("When it fails:"));
    blocks.push(Block::Rows(server_fates(design, &server.name)));
    if !known.is_empty() {
        blocks.push(paragraph(format!(
            "More about the parts: `terrace explain` {}.",
            super::prose::or(&known)
        )));
    }
    blocks
}

/// Which other servers do the same work.
fn beside(design: &Design, server: &Server) -> String {
    let tiers = |name: &str| -> Vec<Tier> {
        let on = design.on(name).map(|element| element.tier);
        on.filter(|tier| tier.on_the_path()).collect()
    };
    let here = tiers(&server.name);
    let same: Vec<&str> = design
        .servers
        .iter()
        .map(|other| other.name.as_str())
        .filter(|name| *name != server.name && tiers(name) == here)
        .collect();
    if same.is_empty() {
        "No other server does the same work. On it:".to_owned()
    } else {
        format!("{} does the same work. On it:", and(&same))
    }
}

fn title(element: &Element) -> String {
    let name = match element.tier {
        Tier::App => format!(" {}", element.name),
        _ => String::new(),
    };
    format!("{}{name}", element.tier.title())
}

fn purpose(design: &Design, element: &Element) -> String {
    let what = match element.tier {
        Tier::Dns => "answers which address the name has".to_owned(),
        Tier::LoadBalancer => "spreads the requests over the web servers".to_owned(),
        Tier::Web if design.serves_files => {
            format!(
                "sends the files of {}, and hands all else to the app",
                element.name
            )
        }
        Tier::Web => "hands every request to the app".to_owned(),
        Tier::App => "runs the site's own code".to_owned(),
        Tier::Router => "sends the app's statements to the database that they belong to".to_owned(),
        Tier::Database => database(design, element),
        Tier::Quorum => "has a vote in which database is the primary".to_owned(),
        Tier::Collector => "collects what every server measures".to_owned(),
    };
    match element.listens.as_slice() {
        [] => format!("{what} (line {})", element.line),
        listens => format!(
            "{what}; listens on {} (line {})",
            and(listens),
            element.line
        ),
    }
}

fn database(design: &Design, element: &Element) -> String {
    let all = design.servers_of(Tier::Database);
    match all.as_slice() {
        [_] => "keeps the data".to_owned(),
        [primary, ..] if *primary == element.server => {
            "keeps the data; the primary at birth, which accepts the changes".to_owned()
        }
        _ => "keeps a copy of the data; a replica at birth, which answers reads".to_owned(),
    }
}
