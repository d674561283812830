//! Syntax tree to model: what the words mean, and every mistake at once.
//!
//! The shape of each word is checked against the vocabulary, each value is parsed where its word is read, and
//! what only the whole shows is checked last. Whatever is wrong is reported, and the rest is looked at all the
//! same. How the text is read is not known here.

mod app;
mod context;
mod database;
mod entry;
mod guard;
mod names;
mod not_yet;
mod servers;
mod values;
pub(crate) mod vocabulary;
mod whole;

use std::collections::HashMap;

use crate::model::{DomainName, Origin, Places, Server, ServerName, Site};
use crate::problem::{Problem, Severity, nearest};
use crate::read::tree::{Document, Node, Span};

use context::Context;
use values::{child, children};
use vocabulary::{SITE, Word};

pub use not_yet::not_yet;

/// What became of a text.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The site, when there is no error.
    pub site: Option<Site>,
    /// Everything that is wrong or worth a warning, in the order of the text.
    pub problems: Vec<Problem>,
}

/// Reads a text and makes sure that the site it describes can be.
pub fn load(source: &str) -> Loaded {
    let reading = crate::read::read(source);
    let mut context = Context::new(source);
    let site = resolve(
        &mut context,
        &reading.document,
        !reading.problems.is_empty(),
    );
    let mut problems = reading.problems;
    problems.extend(context.problems);
    problems.sort_by_key(Problem::span);
    let good = problems
        .iter()
        .all(|problem| problem.severity == Severity::Warning);
    Loaded {
        site: site.filter(|_| good),
        problems,
    }
}

/// The one site of a document. `broken`: the text has mistakes, so what is missing may be their consequence.
fn resolve(context: &mut Context<'_>, document: &Document, broken: bool) -> Option<Site> {
    let sites: Vec<&Node> = document
        .nodes
        .iter()
        .filter(|node| node.name.value == SITE.name)
        .collect();
    for node in document
        .nodes
        .iter()
        .filter(|node| node.name.value != SITE.name)
    {
        let problem = outside(node, sites.first().copied());
        context.report(problem);
    }
    if let [first, rest @ ..] = sites.as_slice() {
        for second in rest {
            let problem = Problem::error(
                "stands-twice",
                "a file describes one site",
                second.name.span,
                "move it to a file of its own",
            );
            context.report(problem.and(first.name.span, "here first"));
        }
        return site(context, first);
    }
    if !broken && document.nodes.is_empty() {
        let problem = Problem::error(
            "missing",
            "there is no `site` in the file",
            Span::default(),
            "",
        );
        context.report(
            problem.help(
                "a file begins with: site \"www.foobar.com\" { … }; `terrace init` writes one",
            ),
        );
    }
    None
}

/// A word at the top that is not `site`.
fn outside(node: &Node, site: Option<&Node>) -> Problem {
    let name = &node.name.value;
    let span = node.name.span;
    if SITE.child(name).is_some() {
        let problem = Problem::error(
            "outside-site",
            format!("`{name}` stands inside `site`"),
            span,
            "move it between the braces of `site`",
        );
        return match site {
            Some(site) => problem.and(site.name.span, "this is the site"),
            None => problem.help("a file begins with: site \"www.foobar.com\" { … }"),
        };
    }
    let label = match nearest(name, [SITE.name]) {
        Some(_) => "did you mean `site`?",
        None => "only `site` stands here",
    };
    Problem::error(
        "unknown-word",
        format!("there is no word `{name}` outside `site`"),
        span,
        label,
    )
}

fn site(context: &mut Context<'_>, node: &Node) -> Option<Site> {
    context.define_servers(node);
    context.check_shape(node, &SITE);
    let names = context.site_name(node);
    // Where the name is wrong the words are looked at all the same, under a name that cannot be anyone's.
    let (name, zone) = names.clone().unwrap_or_else(|| {
        let stand_in = DomainName("site.invalid".to_owned());
        (stand_in.clone(), stand_in)
    });
    let servers = servers(context, node);
    let mut site = Site {
        places: Places::of(&servers),
        servers,
        ..empty(name, zone, context.origin(node.span))
    };
    if names.is_some() {
        let mut taken = HashMap::new();
        site.aliases = context.other_names(node, "alias", &site.name, &site.zone, &mut taken);
        site.redirects = context.other_names(node, "redirect", &site.name, &site.zone, &mut taken);
        site.dns = child(node, "dns").map(|dns| context.dns(dns, word("dns"), &site.zone));
    }
    path(context, node, &mut site);
    site.certificate = child(node, "certificate").and_then(|word| context.certificate(word));
    site.firewall = child(node, "firewall").map(|word| context.firewall(word));
    let entry = entry_server(&site);
    site.monitor = child(node, "monitor").map(|word| context.monitor(word, entry.as_ref()));
    site.promises = children(node, "promise")
        .map(|promise| context.origin(promise.span))
        .collect();
    whole(context, node, &site);
    names.map(|_| site)
}

fn servers(context: &mut Context<'_>, node: &Node) -> Vec<Server> {
    if children(node, "server").next().is_none() {
        context.missing(
            node,
            "a server",
            "server web-01 \"10.0.0.21\" inside { }",
            &SITE,
        );
    }
    children(node, "server")
        .filter_map(|server| context.server(server, word("server")))
        .collect()
}

/// The tiers of a request.
fn path(context: &mut Context<'_>, node: &Node, site: &mut Site) {
    let apps = children(node, "app").count();
    site.load_balancer =
        child(node, "load-balancer").map(|tier| context.load_balancer(tier, word("load-balancer")));
    site.web = child(node, "web").map(|tier| context.web(tier, word("web"), apps));
    site.apps = children(node, "app")
        .filter_map(|tier| context.app(tier, word("app")))
        .collect();
    site.database = child(node, "database").map(|tier| context.database(tier, &site.name));
    site.quorum = child(node, "quorum").map(|tier| context.quorum(tier, site.database.as_ref()));
}

/// What only the whole shows. A mistake found before may have left a gap, which is no mistake of its own.
fn whole(context: &mut Context<'_>, node: &Node, site: &Site) {
    let apps = children(node, "app").count() == site.apps.len();
    let faultless = context
        .problems
        .iter()
        .all(|problem| problem.severity == Severity::Warning);
    let found = whole::check(site);
    let gap = |code: &str| (code == "no-tier" && !apps) || (code == "idle-server" && !faultless);
    context
        .problems
        .extend(found.into_iter().filter(|problem| !gap(problem.code)));
}

/// The first server of the entry, else the first one.
fn entry_server(site: &Site) -> Option<ServerName> {
    let tiers = [
        site.load_balancer.as_ref().map(|tier| &tier.members),
        site.web.as_ref().map(|tier| &tier.members),
    ];
    let tiers = tiers
        .into_iter()
        .flatten()
        .chain(site.apps.first().map(|app| &app.members));
    let members = tiers.flatten().map(|member| &member.server);
    members
        .chain(site.servers.iter().map(|server| &server.name))
        .next()
        .cloned()
}

/// A site of which only the name is known.
fn empty(name: DomainName, zone: DomainName, origin: Origin) -> Site {
    Site {
        name,
        zone,
        aliases: Vec::new(),
        redirects: Vec::new(),
        servers: Vec::new(),
        places: Places::default(),
        load_balancer: None,
        web: None,
        apps: Vec::new(),
        database: None,
        quorum: None,
        dns: None,
        certificate: None,
        firewall: None,
        monitor: None,
        promises: Vec::new(),
        origin,
    }
}

/// A word of the site, by its name.
fn word(name: &str) -> &'static Word {
    SITE.child(name)
        .expect("each caller names a word of the vocabulary, and a test reads all of them")
}

#[cfg(test)]
mod tests;
