//! What to worry about in a design, each with the line it comes from and what mends it.

use serde::Serialize;

use crate::design::{Design, Element, Tier};
use crate::failures::{self, Fault, lose, predict};

/// A weakness of the design.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its stable name: `single-point-of-failure`.
    pub code: &'static str,
    /// What is wrong, in a line.
    pub title: String,
    /// Why it matters, with this site's names.
    pub text: String,
    /// What mends it, or makes it less bad: a sentence without its full stop.
    pub remedy: String,
    /// The line of the file that it comes from; `None`: something that is not there.
    pub line: Option<usize>,
}

/// Everything to worry about, the worst first.
pub fn findings(design: &Design) -> Vec<Finding> {
    let mut found = single_points(design);
    found.extend(maintenance(design));
    found.extend(scale(design));
    found.extend(one_writer(design));
    found.extend(same_components(design));
    found.extend(absent(design));
    found.extend(tls_ends(design));
    found
}

fn single_points(design: &Design) -> Vec<Finding> {
    let finding = |name: String| {
        let prediction = predict(design, Fault::PowerOff(name.clone()));
        Finding {
            code: "single-point-of-failure",
            title: format!("single point of failure: {name}"),
            text: format!("When {name} is lost, {}.", lose(design, &prediction)),
            remedy: remedy_of(design, &name),
            line: design.server(&name).map(|server| server.line),
        }
    };
    failures::single_points(design)
        .into_iter()
        .map(finding)
        .collect()
}

fn remedy_of(design: &Design, server: &str) -> String {
    let holds = |tier| design.tier(tier).any(|element| element.server == server);
    if design.servers.len() == 1 {
        "Mended by a second server and a load balancer before both (stage 1)".to_owned()
    } else if holds(Tier::LoadBalancer) {
        "Mended by a second load balancer that takes the address over (stage 3)".to_owned()
    } else if holds(Tier::Database) && design.tier(Tier::Database).count() > 1 {
        "Mended by a `quorum` of three servers, so that a replica takes over by itself (stage 3)"
            .to_owned()
    } else {
        "Mended by another server for the same work".to_owned()
    }
}

fn maintenance(design: &Design) -> Option<Finding> {
    let app = design.tier(Tier::App).next()?;
    let alone = design
        .tier(Tier::App)
        .filter(|other| other.name == app.name)
        .count()
        == 1;
    let (server, name) = (&app.server, &app.name);
    // Copies change to a new release one after the other.
    let code = if app.listens.len() > 1 {
        ""
    } else {
        "new code restarts it, and while "
    };
    alone.then(|| Finding {
        code: "downtime-when-maintained",
        title: "downtime when maintained".to_owned(),
        text: format!(
            "{server} is the only server that runs {name}. Its pages fail while {code}a new kernel restarts all of {server}."
        ),
        remedy: "Mended by a second server, so that one serves while the other is maintained (stage 1)".to_owned(),
        line: Some(app.line),
    })
}

fn scale(design: &Design) -> Option<Finding> {
    let [server] = design.servers.as_slice() else {
        return None;
    };
    let sharing: Vec<&str> = design
        .elements
        .iter()
        .filter(|element| element.tier != Tier::Router)
        .map(|element| element.tier.title())
        .collect();
    Some(Finding {
        code: "cannot-scale",
        title: "cannot scale: one server takes all the traffic".to_owned(),
        text: format!(
            "{} share the processors, the memory and the disk of {}. When more visitors come than it can serve, all of them \
             wait. A larger machine helps for a while; the largest one is soon reached.",
            crate::explain::and(&sharing),
            server.name
        ),
        remedy: "Mended by servers side by side behind a load balancer (stage 1)".to_owned(),
        line: Some(server.line),
    })
}

fn one_writer(design: &Design) -> Option<Finding> {
    let members: Vec<_> = design.tier(Tier::Database).collect();
    let primary = members.first().filter(|_| members.len() > 1)?;
    let on_the_path = |element: &&Element| element.tier.on_the_path();
    let shares = design.on(&primary.server).filter(on_the_path).count() > 1;
    let own = if shares {
        " and a primary with a server of its own (stage 3)"
    } else {
        ""
    };
    Some(Finding {
        code: "one-writer",
        title: format!("one server accepts writes: {}", primary.server),
        text: format!(
            "All changes go through the primary on {}. Replicas share the reading, not the writing: a second one makes no write \
             faster, and when the primary is slow or away, so is every change.",
            primary.server
        ),
        remedy: format!("Made easier by short transactions{own}"),
        line: Some(primary.line),
    })
}

fn same_components(design: &Design) -> Option<Finding> {
    let tiers = |server: &str| -> Vec<Tier> {
        let of = design
            .elements
            .iter()
            .filter(|element| element.server == server);
        of.map(|element| element.tier)
            .filter(|tier| tier.on_the_path())
            .collect()
    };
    let mixed: Vec<&str> = design
        .servers
        .iter()
        .filter(|server| {
            tiers(&server.name).contains(&Tier::Database) && tiers(&server.name).len() > 1
        })
        .map(|server| server.name.as_str())
        .collect();
    (mixed.len() > 1).then(|| Finding {
        code: "same-components",
        title: "every server has all the same components".to_owned(),
        text: format!(
            "On {} the web server, the app and the database fight for the same processors, memory and disk, and one that \
             grows takes the others along. They cannot be scaled, tuned or protected apart.",
            crate::explain::and(&mixed)
        ),
        remedy: "Mended by servers of their own for web, app and database (stage 3)".to_owned(),
        line: design.server(mixed[0]).map(|server| server.line),
    })
}

fn absent(design: &Design) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut miss = |there: bool, code, title: &str, text: &str, word: &str| {
        if !there {
            found.push(Finding {
                code,
                title: title.to_owned(),
                text: text.to_owned(),
                remedy: format!("Mended by the word `{word}` (stage 2)"),
                line: None,
            });
        }
    };
    miss(
        design.firewall.is_some(),
        "no-firewall",
        "no firewall",
        "Every port that a program opens is open to whoever reaches the server.",
        "firewall",
    );
    miss(
        design.certificate.is_some(),
        "no-https",
        "no HTTPS",
        "What visitors send and read, passwords too, crosses the internet in clear, and can be changed on the way.",
        "certificate",
    );
    miss(
        design.monitor.is_some(),
        "no-monitoring",
        "no monitoring",
        "Nobody is told when something fails or fills up; the visitors are the first to know.",
        "monitor",
    );
    found
}

fn tls_ends(design: &Design) -> Option<Finding> {
    let line = design.certificate?;
    let balancer = design.tier(Tier::LoadBalancer).next()?;
    (!design.encrypted_inside).then(|| Finding {
        code: "tls-ends-at-the-balancer",
        title: "HTTPS ends at the load balancer".to_owned(),
        text: format!(
            "{} decrypts; behind it requests travel in clear. Whoever listens in that network reads passwords and cookies.",
            balancer.server
        ),
        remedy: "Mended by `certificate inside=mutual`".to_owned(),
        line: Some(line),
    })
}
