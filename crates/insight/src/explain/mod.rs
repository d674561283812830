//! Answers to a newcomer's questions, with this site's own names, addresses and ports.
//!
//! A topic is a question; [`overview`] is what `terrace explain` prints without one. The general words are
//! in `words`, the way of a request in `walk`, the parts in `parts`, one server in `server`.

mod parts;
mod prose;
mod server;
mod walk;
mod words;

pub use prose::and;
use prose::{heading, paragraph};
use serde::Serialize;

use crate::design::{Design, Tier};
use crate::failures::{Effect, Failure, Fault, failures, functions};
use crate::findings::findings;

/// A question that can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Topic {
    /// What to type: `database`.
    pub name: String,
    /// The question: `What is the role of the database?`.
    pub question: String,
}

type Answer = fn(&Design) -> String;

/// The questions that every site answers, in the order of learning.
const TOPICS: &[(&str, &str, Answer)] = &[
    (
        "request",
        "How does a request travel, from the visitor to the database and back?",
        walk::answer,
    ),
    ("server", "What is a server?", parts::a_server),
    (
        "domain",
        "What is the role of the domain name?",
        parts::domain,
    ),
    ("record", "What type of DNS record is www?", parts::record),
    (
        "load-balancer",
        "What is the role of the load balancer?",
        parts::load_balancer,
    ),
    ("web", "What is the role of the web server?", parts::web),
    ("app", "What is the role of the app server?", parts::app),
    (
        "database",
        "What is the role of the database?",
        parts::database,
    ),
    (
        "network",
        "What does the server use to talk to the visitor's computer?",
        parts::network,
    ),
    ("failures", "What fails when it fails?", failing),
    ("issues", "What is wrong with this design?", issues),
    (
        "spof",
        "What is a single point of failure (SPOF)?",
        words::spof,
    ),
    ("round-robin", "What is round robin?", words::round_robin),
    (
        "primary-replica",
        "What is a primary-replica cluster?",
        words::primary_replica,
    ),
    ("tls", "What is TLS (SSL) termination?", words::tls),
    ("qps", "What are QPS?", words::qps),
];

/// The topics of this site: those above that it has a part for, and each of its servers.
pub fn topics(design: &Design) -> Vec<Topic> {
    let general = TOPICS.iter().filter(|(name, ..)| applies(design, name));
    let general = general.map(|(name, question, _)| Topic {
        name: (*name).to_owned(),
        question: (*question).to_owned(),
    });
    let servers = design.servers.iter().map(|server| Topic {
        name: server.name.clone(),
        question: format!("Why is {} there, and what is lost with it?", server.name),
    });
    general.chain(servers).collect()
}

/// The answer to a topic; `None`: there is no such topic.
pub fn answer(design: &Design, topic: &str) -> Option<String> {
    let asked = topic.to_lowercase();
    if let Some(server) = design.server(&asked) {
        return Some(server::answer(design, server));
    }
    let asked = match asked.as_str() {
        "ssl" | "https" | "tls-termination" => "tls",
        "www" | "dns" => "record",
        "replica" | "primary" | "replication" => "primary-replica",
        "mysql" | "mariadb" => "database",
        other => other,
    };
    let (_, question, answer) = TOPICS
        .iter()
        .find(|(name, ..)| *name == asked && applies(design, name))?;
    Some(format!("{}{}", heading(question), answer(design)))
}

fn applies(design: &Design, topic: &str) -> bool {
    match topic {
        "load-balancer" => design.has(Tier::LoadBalancer),
        "web" => design.has(Tier::Web),
        "app" => design.has(Tier::App),
        "database" => design.has(Tier::Database),
        _ => true,
    }
}

/// The way of a request, what fails when it fails, what to worry about, and what else can be asked.
pub fn overview(design: &Design) -> String {
    let mut text = heading("How a request travels");
    text += &walk::answer(design);
    text += "\n";
    text += &heading("What fails when it fails");
    text += &failing(design);
    text += "\n";
    text += &heading("What is wrong with this design");
    text += &issues(design);
    text += "\n";
    text += &heading("Ask: terrace explain TOPIC");
    let topics = topics(design);
    let widest = topics
        .iter()
        .map(|topic| topic.name.len())
        .max()
        .unwrap_or(0);
    for Topic { name, question } in topics {
        text += &format!("  {name:widest$}  {question}\n");
    }
    text
}

/// A row per single fault.
fn failing(design: &Design) -> String {
    let all = failures(design);
    let titles: Vec<String> = all.iter().map(|failure| title(design, failure)).collect();
    let widest = titles
        .iter()
        .map(|title| title.chars().count())
        .max()
        .unwrap_or(0);
    let row = |(failure, title): (&Failure, &String)| {
        format!("  {title:widest$}  {}\n", fate(design, failure))
    };
    all.iter().zip(&titles).map(row).collect()
}

fn title(design: &Design, failure: &Failure) -> String {
    match &failure.fault {
        Fault::Server(name) => format!("{name}, the whole server"),
        Fault::Role(id) => match design.element(id) {
            Some(element) => format!("{} on {}", element.tier.title(), element.server),
            None => id.clone(),
        },
    }
}

fn fate(design: &Design, failure: &Failure) -> String {
    let all = functions(design);
    // What fares so, with the verb that fits one or many.
    let words = |effect: Effect, one: &str, many: &str| {
        let having = failure.having(effect);
        let titles: Vec<&str> = having.iter().map(|function| function.title()).collect();
        match titles.as_slice() {
            _ if having == all => format!("the whole site {one}"),
            [title @ ("reading" | "writing")] => format!("{title} {one}"),
            titles => format!("{} {many}", and(titles)),
        }
    };
    let mut parts = Vec::new();
    if failure.is_single_point() {
        parts.push(format!(
            "{} until somebody acts",
            words(Effect::Lost, "is lost", "are lost")
        ));
    }
    if !failure.having(Effect::Pause).is_empty() {
        let by = match failure.fault {
            Fault::Role(_) => "until it is started again, at once and by itself",
            Fault::Server(_) => "until another takes over, by itself",
        };
        parts.push(format!("{} {by}", words(Effect::Pause, "waits", "wait")));
    }
    match (parts.is_empty(), failure.having(Effect::Kept).is_empty()) {
        (true, _) => "nobody notices".to_owned(),
        (false, true) => parts.join("; "),
        (false, false) => format!(
            "{}; {}",
            parts.join("; "),
            words(Effect::Kept, "stays up", "stay up")
        ),
    }
}

/// The findings, each with its line and what mends it.
fn issues(design: &Design) -> String {
    let found = findings(design);
    if found.is_empty() {
        return paragraph("Nothing that we know of.");
    }
    let mut text = String::new();
    for finding in found {
        let line = finding
            .line
            .map(|line| format!("  (line {line})"))
            .unwrap_or_default();
        text += &format!("! {}{line}\n", finding.title);
        text += &prose::indented(&finding.text);
        text += &prose::indented(&format!("Mended by {}.", finding.remedy));
    }
    text
}
