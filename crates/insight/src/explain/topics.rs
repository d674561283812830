//! Every question that can be asked, in the order of learning.

use serde::Serialize;

use super::prose::Block;
use super::{balance, data, elements, failing, guard, issues, parts, server, walk, words};
use crate::design::{Design, Tier};

/// A question that can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Topic {
    /// What to type: `database`.
    pub name: String,
    /// The question: `What is the role of the database?`.
    pub question: String,
}

struct Entry {
    name: &'static str,
    question: &'static str,
    answer: fn(&Design) -> Vec<Block>,
    /// Whether the site has something to say to it.
    applies: fn(&Design) -> bool,
}

const fn entry(
    name: &'static str,
    question: &'static str,
    answer: fn(&Design) -> Vec<Block>,
    applies: fn(&Design) -> bool,
) -> Entry {
    Entry {
        name,
        question,
        answer,
        applies,
    }
}

const ENTRIES: &[Entry] = &[
    entry(
        "request",
        "How does a request travel, from the visitor to the database and back?",
        walk::answer,
        always,
    ),
    entry(
        "elements",
        "Why is each element there?",
        elements::answer,
        always,
    ),
    entry("server", "What is a server?", parts::a_server, always),
    entry(
        "domain",
        "What is the role of the domain name?",
        parts::domain,
        always,
    ),
    entry(
        "record",
        "What type of DNS record is www?",
        parts::record,
        always,
    ),
    entry(
        "load-balancer",
        "What is the role of the load balancer?",
        balance::load_balancer,
        balanced,
    ),
    entry(
        "algorithm",
        "Which algorithm does the load balancer use, and how does it work?",
        balance::algorithm,
        balanced,
    ),
    entry(
        "active-active",
        "Is this active-active or active-passive, and what is the difference?",
        balance::active,
        balanced,
    ),
    entry(
        "web",
        "What is the role of the web server?",
        parts::web,
        |design| design.has(Tier::Web),
    ),
    entry(
        "app",
        "What is the role of the app server?",
        parts::app,
        |design| design.has(Tier::App),
    ),
    entry(
        "database",
        "What is the role of the database?",
        data::database,
        |design| design.has(Tier::Database),
    ),
    entry(
        "primary-replica",
        "How does a primary-replica cluster work?",
        data::primary_replica,
        always,
    ),
    entry(
        "router",
        "What does the app see of primary and replica?",
        data::router,
        |design| design.has(Tier::Router),
    ),
    entry(
        "network",
        "What does the server use to talk to the visitor's computer?",
        parts::network,
        always,
    ),
    entry("failures", "What fails when it fails?", failing, always),
    entry("issues", "What is wrong with this design?", issues, always),
    entry(
        "spof",
        "What is a single point of failure (SPOF), and where are they?",
        words::spof,
        always,
    ),
    entry("security", "Is it secure?", guard::security, always),
    entry(
        "monitoring",
        "Who notices when something fails?",
        guard::monitoring,
        always,
    ),
    entry(
        "round-robin",
        "What is round robin?",
        balance::round_robin,
        // Else it is the algorithm, and explained there.
        |design| !balanced(design),
    ),
    entry("tls", "What is TLS (SSL) termination?", guard::tls, always),
    entry("qps", "What are QPS?", words::qps, always),
];

fn always(_: &Design) -> bool {
    true
}

fn balanced(design: &Design) -> bool {
    design.has(Tier::LoadBalancer)
}

fn of_server(name: &str) -> String {
    format!("Why is {name} there, and what is lost with it?")
}

/// The topics of this site: those that it has a part for, and each of its servers.
pub fn topics(design: &Design) -> Vec<Topic> {
    let general = ENTRIES.iter().filter(|entry| (entry.applies)(design));
    let general = general.map(|entry| Topic {
        name: entry.name.to_owned(),
        question: entry.question.to_owned(),
    });
    let servers = design.servers.iter().map(|server| Topic {
        name: server.name.clone(),
        question: of_server(&server.name),
    });
    general.chain(servers).collect()
}

/// The question of a topic and its answer. Other names of the same thing lead there, too.
pub(super) fn find(design: &Design, topic: &str) -> Option<(String, Vec<Block>)> {
    let asked = topic.to_lowercase();
    if let Some(found) = design.server(&asked) {
        return Some((of_server(&found.name), server::answer(design, found)));
    }
    let asked = match asked.as_str() {
        "ssl" | "tls-termination" => "tls",
        "https" | "firewall" => "security",
        "monitor" => "monitoring",
        "www" | "dns" => "record",
        "replica" | "primary" | "replication" | "cluster" => "primary-replica",
        "mysql" | "mariadb" => "database",
        "database-url" | "database_url" | "sql" => "router",
        "active-passive" => "active-active",
        "round-robin" if balanced(design) => "algorithm",
        other => other,
    };
    let mut entries = ENTRIES.iter();
    let entry = entries.find(|entry| entry.name == asked && (entry.applies)(design))?;
    Some((entry.question.to_owned(), (entry.answer)(design)))
}
