//! What keeps the site safe and in sight, or would: firewall, HTTPS, monitoring.

use super::prose::{Block, paragraph};
use crate::design::{Design, Element, Tier};

pub(super) fn security(design: &Design) -> Vec<Block> {
    vec![firewall(design), https(design)]
}

fn firewall(design: &Design) -> Block {
    let what = "A firewall is a list, kept by each server's kernel, of who may connect to which port; all else is refused.";
    let here = match design.firewall {
        Some(line) => format!(
            "Here it is there (line {line}): every server lets in what the wiring needs, and who may come by SSH."
        ),
        None => format!("Here there is none. {}", exposed(design)),
    };
    paragraph(format!("{what} {here}"))
}

/// The doors that stand open to more than their own server, and should not.
fn exposed(design: &Design) -> String {
    let outside = |element: &Element| {
        let mut listens = element.listens.iter();
        listens.find(|at| !at.starts_with("127.")).cloned()
    };
    let door = |tier: Tier| {
        let first = design.tier(tier).find_map(outside)?;
        Some(format!("the {} at {first}", tier.title()))
    };
    let doors: Vec<String> = [Tier::App, Tier::Database]
        .into_iter()
        .filter(|tier| design.entry_tier() != Some(*tier))
        .filter_map(door)
        .collect();
    if doors.is_empty() {
        return "Whatever else is started on the server, or listens there already, such as SSH, can be reached by everybody."
            .to_owned();
    }
    let passwords = if design.tier(Tier::Database).find_map(outside).is_some() {
        " A password is then all that stands before the data."
    } else {
        ""
    };
    format!(
        "Whoever reaches the servers' network can knock at every door that is meant for the servers alone, such as {}.{passwords}",
        super::and(&doors)
    )
}

fn https(design: &Design) -> Block {
    let what = "HTTPS encrypts what passes between visitor and site, and proves that the site is the one it says it is.";
    let here = match design.certificate {
        Some(line) => format!("Here it is there (line {line})."),
        None => "Here there is none: passwords and cookies cross the internet in clear, and whoever sits between can read and change \
                 every page."
            .to_owned(),
    };
    paragraph(format!("{what} {here}"))
}

pub(super) fn monitoring(design: &Design) -> Vec<Block> {
    let what = "Monitoring measures, second by second, what each server does: requests, failures, how long they took, processor, memory, \
                disk, how far a replica is behind. It keeps the figures and tells somebody when one is out of bounds.";
    let here = match design.monitor {
        Some(line) => {
            let collectors = design.servers_of(Tier::Collector);
            format!(
                "Here an agent on every server measures, and {} collects (line {line}).",
                super::and(&collectors)
            )
        }
        None => "Here nobody is told: `terrace status` answers whoever asks, but when something fails at night or a disk fills up, the \
                 visitors are the first to know, and there are no figures of yesterday to compare with."
            .to_owned(),
    };
    vec![paragraph(what), paragraph(here)]
}

pub(super) fn tls(design: &Design) -> Vec<Block> {
    let here = match (design.certificate.is_some(), design.has(Tier::LoadBalancer)) {
        (false, _) => {
            "Here nothing is encrypted: there is no line `certificate`, and visitors speak plain HTTP on port 80."
        }
        (true, true) => "Here the load balancer terminates it.",
        (true, false) => "Here the web server terminates it.",
    };
    vec![
        paragraph(
            "HTTPS is HTTP inside TLS (SSL is its older name): both ends agree on keys, and nobody between them can read or change what \
             passes. The part where the encrypted connection ends, and the request is in clear again, terminates TLS. It holds the \
             certificate with its private key, and does the work of decrypting. Behind it, requests travel in clear unless they are \
             encrypted anew.",
        ),
        paragraph(here),
    ]
}
