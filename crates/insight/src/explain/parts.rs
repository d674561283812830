//! What each part is for.

use super::prose::paragraph;
use super::walk::kinds;
use super::{and, words};
use crate::design::{Design, Element, Tier};

pub(super) fn a_server(design: &Design) -> String {
    let what = |name: &str| {
        let on = design
            .elements
            .iter()
            .filter(|element| element.server == name);
        let titles: Vec<&str> = on.map(|element| element.tier.title()).collect();
        format!("{name} hosts {}", and(&titles))
    };
    let all: Vec<String> = design
        .servers
        .iter()
        .map(|server| what(&server.name))
        .collect();
    paragraph(
        "A server is a computer, real or rented by the hour, that is always on and waits for requests from other computers over a \
         network, and answers them. The programs on it that do so are called servers too: that is why one server can host a \
         web server and an app server.",
    ) + &paragraph(&format!("Here {}.", all.join("; ")))
}

pub(super) fn domain(design: &Design) -> String {
    paragraph(&format!(
        "People remember names, computers dial addresses. The domain name {zone} is the site's own, rented from a registrar; \
         DNS, the phone book of the internet, turns {site} into {entry}. The address behind the name can change, when the site \
         moves or grows, and no visitor has to learn anything new.",
        zone = design.zone,
        site = design.site,
        entry = and(&design.entry.iter().map(String::as_str).collect::<Vec<_>>())
    ))
}

pub(super) fn record(design: &Design) -> String {
    let label = design
        .site
        .strip_suffix(design.zone.as_str())
        .map_or("", |label| label.trim_end_matches('.'));
    let name = if label.is_empty() {
        design.zone.as_str()
    } else {
        label
    };
    paragraph(&format!(
        "`{name}` in {site} is an {kinds} record of the zone {zone}: a name that holds an address, {entry}. (A CNAME would hold \
         another name instead; an AAAA holds an IPv6 address.) `terrace records` prints what the zone must say, for your \
         registrar.",
        site = design.site,
        kinds = kinds(design),
        zone = design.zone,
        entry = design.entry.join(", ")
    ))
}

fn places(design: &Design, tier: Tier) -> String {
    let listen = |element: &Element| match element.listens.as_slice() {
        [] => element.server.clone(),
        listens => format!("{} ({})", element.server, listens.join(", ")),
    };
    let all: Vec<String> = design.tier(tier).map(listen).collect();
    and(&all.iter().map(String::as_str).collect::<Vec<_>>())
}

pub(super) fn load_balancer(design: &Design) -> String {
    let webs: Vec<&str> = design
        .tier(Tier::Web)
        .map(|element| element.server.as_str())
        .collect();
    let clustered = design.tier(Tier::LoadBalancer).count() > 1;
    let cluster = if clustered {
        "The balancers are active-passive: one holds the address and works, the other listens for it and takes the address over \
         when it falls silent."
    } else {
        ""
    };
    paragraph(&format!(
        "The load balancer takes every request and passes it to one of the web servers that are well. So more servers can share \
         the work, and one may fail or be maintained without a visitor noticing. Here it stands on {} and chooses among {} by {}. \
         {cluster}",
        places(design, Tier::LoadBalancer),
        and(&webs),
        design.balance.as_deref().unwrap_or("round-robin")
    )) + &paragraph(
        "The web servers are active-active: all of them work at the same time, and a failed one's share goes to the others. In an \
         active-passive pair one works and the other waits, ready to take its place.",
    ) + &words::round_robin(design)
}

pub(super) fn web(design: &Design) -> String {
    let files = design
        .tier(Tier::Web)
        .next()
        .filter(|_| design.serves_files);
    let files = match files {
        Some(element) => format!(
            "It sends the files of {} by itself, quickly and to many at once",
            element.name
        ),
        None => "It has no files of its own here".to_owned(),
    };
    let hands_on = if design.has(Tier::App) {
        ", and hands what is no file to the app server, which makes the page. It also shields the app: slow visitors, broken requests \
         and too large uploads end here, and files are served even while the app is down."
    } else {
        "."
    };
    paragraph(&format!(
        "The web server speaks HTTP with the visitors' browsers. {files}{hands_on} Here it runs on {}.",
        places(design, Tier::Web)
    ))
}

pub(super) fn app(design: &Design) -> String {
    let codes: Vec<&str> = {
        let mut names: Vec<&str> = design
            .tier(Tier::App)
            .map(|element| element.name.as_str())
            .collect();
        names.dedup();
        names
    };
    let data = if design.has(Tier::Database) {
        ", asks the database where it needs data,"
    } else {
        ""
    };
    paragraph(&format!(
        "The app server runs the site's own code. For each request the code decides what the answer is: it checks what was sent{data} \
         and makes a page of it. That is why the page can differ from visitor to visitor, and a file cannot. Here it runs {} on {}; \
         the web server reaches it there over HTTP.",
        and(&codes),
        places(design, Tier::App)
    ))
}

pub(super) fn database(design: &Design) -> String {
    let name = design
        .tier(Tier::Database)
        .next()
        .map_or("", |element| element.name.as_str());
    paragraph(&format!(
        "The database keeps what must outlive a request: entries, accounts, orders. The app asks it in SQL, to find, to count, to \
         change; it makes sure that two changes at once do not spoil each other, and that what it has confirmed is still there \
         after a power cut. Here it is MySQL (or MariaDB, which speaks the same), on {}, with the database {name}.",
        places(design, Tier::Database)
    )) + &words::primary_replica(design)
}

pub(super) fn network(design: &Design) -> String {
    let entry = design.entry.first().map_or("its address", String::as_str);
    let port = if design.certificate.is_some() {
        "443 (HTTPS) and 80 (HTTP)"
    } else {
        "80 (HTTP)"
    };
    paragraph(&format!(
        "A network, the internet, by its common language TCP/IP. IP brings single packets to an address, here {entry}; TCP makes of \
         them a reliable connection between two programs, and the port says which program is meant: {port}. On that connection \
         browser and web server speak HTTP: a request, an answer."
    ))
}
