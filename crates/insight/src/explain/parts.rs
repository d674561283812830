//! What a server, a name and a connection are, and what the web server and the app server are for.

use super::and;
use super::prose::{Block, paragraph};
use super::walk::kinds;
use crate::design::{Design, Element, Tier};

pub(super) fn a_server(design: &Design) -> Vec<Block> {
    let what = |name: &str| {
        let on = design.on(name);
        let titles: Vec<&str> = on.map(|element| element.tier.title()).collect();
        (name.to_owned(), and(&titles))
    };
    let all = design.servers.iter().map(|server| what(&server.name));
    vec![
        paragraph(
            "A server is a computer, your own or a rented one, that is always on, waits for requests from other computers over a network, \
             and answers them. The programs on it that do so are called servers, too: that is why one server can host a web server and an \
             app server.",
        ),
        paragraph("Here they host:"),
        Block::Rows(all.collect()),
    ]
}

pub(super) fn domain(design: &Design) -> Vec<Block> {
    vec![paragraph(format!(
        "People remember names; computers dial addresses. The domain name {zone} belongs to the site, which rents it from a registrar. DNS, \
         the phone book of the internet, turns {site} into {entry}. When the site moves or grows, the address behind the name changes, \
         and no visitor has to learn anything new.",
        zone = design.zone,
        site = design.site,
        entry = and(&design.entry)
    ))]
}

pub(super) fn record(design: &Design) -> Vec<Block> {
    let label = design
        .site
        .strip_suffix(design.zone.as_str())
        .map_or("", |label| label.trim_end_matches('.'));
    let name = if label.is_empty() {
        design.zone.as_str()
    } else {
        label
    };
    vec![paragraph(format!(
        "`{name}` in {site} is an {kinds} record of the zone {zone}: a name that stands for an address, here {entry}. (A CNAME record \
         would stand for another name; an AAAA record for an IPv6 address.) `terrace records` prints what your registrar has to enter.",
        site = design.site,
        kinds = kinds(design),
        zone = design.zone,
        entry = and(&design.entry)
    ))]
}

/// The servers of a tier, each with where it listens.
pub(super) fn places(design: &Design, tier: Tier) -> String {
    let listen = |element: &Element| match element.listens.as_slice() {
        [] => element.server.clone(),
        listens => format!("{} ({})", element.server, listens.join(", ")),
    };
    let all: Vec<String> = design.tier(tier).map(listen).collect();
    and(&all)
}

/// The code bases, each once.
pub(super) fn codes(design: &Design) -> String {
    let mut found: Vec<&str> = Vec::new();
    for element in design.tier(Tier::App) {
        if !found.contains(&element.name.as_str()) {
            found.push(&element.name);
        }
    }
    and(&found)
}

pub(super) fn web(design: &Design) -> Vec<Block> {
    let files = design
        .tier(Tier::Web)
        .next()
        .filter(|_| design.serves_files);
    let files = match files {
        Some(element) => format!(
            "It sends the files of {} itself, quickly and to many at once",
            element.name
        ),
        None => "It has no files of its own here".to_owned(),
    };
    let hands_on = if design.has(Tier::App) {
        format!(
            ", and hands what is no file to the app server, which makes the page. It also shields the app: broken requests and uploads \
             that are too large end here, files are served even while the app is down, and {}",
            slow_visitors(design)
        )
    } else {
        String::new()
    };
    vec![paragraph(format!(
        "The web server speaks HTTP, the language of browsers{before}. {files}{hands_on}. Here it runs on {}.",
        places(design, Tier::Web),
        before = if design.has(Tier::LoadBalancer) {
            ", with the load balancer, which stands between it and them"
        } else {
            ""
        }
    ))]
}

/// Who keeps slow visitors from the app: whoever they talk to.
fn slow_visitors(design: &Design) -> String {
    let whole = "a request is taken whole before the app is asked, and an answer is read off as fast as it comes, as long as `limit spool` \
                 has room; a WebSocket keeps its place while it is open";
    let but = if design.streams {
        ", and so do the bodies that `stream=` lets through"
    } else {
        ""
    };
    if design.has(Tier::LoadBalancer) {
        format!("slow visitors do not get further than the load balancer: {whole}{but}")
    } else {
        format!("slow visitors hold no place at the app: {whole}{but}")
    }
}

pub(super) fn app(design: &Design) -> Vec<Block> {
    let data = if design.has(Tier::Database) {
        ", asks the database where it needs data"
    } else {
        ""
    };
    let one_of_many = design.servers_of(Tier::App).len() > 1 && design.has(Tier::Web);
    let rest = if one_of_many {
        " Each has the same code; when one fails, the web servers ask another."
    } else {
        ""
    };
    vec![paragraph(format!(
        "The app server runs the site's own code. For each request the code decides what the answer is: it checks what was sent{data}, and \
         makes a page of it. That is why a page can differ from visitor to visitor, and a file cannot. Here it runs {} on {}, where the \
         web server asks it over HTTP.{rest}",
        codes(design),
        places(design, Tier::App)
    ))]
}

pub(super) fn network(design: &Design) -> Vec<Block> {
    let entry = design.entry.first().map_or("its address", String::as_str);
    let port = if design.certificate.is_some() {
        "443 (HTTPS) or 80 (HTTP)"
    } else {
        "80 (HTTP)"
    };
    vec![paragraph(format!(
        "The internet, a network of networks whose common language is TCP/IP. IP brings single packets to an address, here {entry}. TCP \
         makes of them a reliable connection between two programs; the port says which program is meant, here {port}. On that connection \
         browser and site speak HTTP: a request, an answer."
    ))]
}
