//! One server of the file: why it is there, what stands on it, what is lost with it.

use super::fate;
use super::prose::{heading, paragraph};
use crate::design::{Design, Server, Tier};
use crate::failures::{Fault, failures};

pub(super) fn answer(design: &Design, server: &Server) -> String {
    let mut text = heading(&format!(
        "{} ({}), line {} of the file",
        server.name,
        server.addresses.join(", "),
        server.line
    ));
    for element in design
        .elements
        .iter()
        .filter(|element| element.server == server.name)
    {
        let listens = match element.listens.as_slice() {
            [] => String::new(),
            listens => format!(" on {}", listens.join(", ")),
        };
        let name = if element.name.is_empty() {
            String::new()
        } else {
            format!(" {}", element.name)
        };
        text += &format!(
            "  {}{name}{listens} (line {}): {}\n",
            element.tier.title(),
            element.line,
            purpose(element.tier)
        );
    }
    text += "\n";
    let lost = failures(design)
        .into_iter()
        .find(|failure| failure.fault == Fault::Server(server.name.clone()));
    if let Some(failure) = lost {
        text += &paragraph(&format!("When it fails: {}.", fate(design, &failure)));
    }
    text + &hint(design)
}

fn hint(design: &Design) -> String {
    let known: Vec<&str> = ["web", "app", "database"]
        .into_iter()
        .filter(|word| super::applies(design, word))
        .collect();
    paragraph(&format!(
        "More about the parts: terrace explain {}.",
        known.join(" | ")
    ))
}

fn purpose(tier: Tier) -> &'static str {
    match tier {
        Tier::Dns => "answers which address the name has",
        Tier::LoadBalancer => "spreads the requests over the web servers",
        Tier::Web => "sends files, and hands all else to the app",
        Tier::App => "runs the site's own code",
        Tier::Database => "keeps the data",
        Tier::Quorum => "has a vote in which database is the primary",
        Tier::Collector => "collects what every server measures",
    }
}
