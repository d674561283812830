//! What passes `check` and cannot run yet, each with its line.
//!
//! This list only shrinks; the day it is empty, the file goes.

use crate::model::{Launch, MemberState, Origin, Site};
use crate::problem::Problem;

/// Everything in the file that `up` refuses, in the order of the lines.
pub fn not_yet(site: &Site) -> Vec<Problem> {
    let mut found: Vec<(String, Origin)> = words(site);
    found.extend(tiers(site));
    found.extend(apps(site));
    found.sort_by_key(|(_, origin)| origin.span);
    found.dedup();
    found
        .into_iter()
        .map(|(what, origin)| refusal(&what, origin))
        .collect()
}

fn refusal(what: &str, origin: Origin) -> Problem {
    let message = format!("{what} passes `check`, but `up` cannot run it yet");
    let problem = Problem::error("not-yet", message, origin.span, "not yet");
    problem.help(
        "what runs: one server with web, app and database, as in stacks/0-simple_web_stack.kdl",
    )
}

/// Words that nothing carries out.
fn words(site: &Site) -> Vec<(String, Origin)> {
    let words = [
        (
            "load-balancer",
            site.load_balancer().map(|word| word.origin()),
        ),
        ("quorum", site.quorum().map(|word| word.origin())),
        ("certificate", site.certificate().map(|word| word.origin())),
        ("firewall", site.firewall().map(|word| word.origin())),
        ("monitor", site.monitor().map(|word| word.origin())),
        (
            "backup",
            site.database()
                .and_then(|database| database.backup())
                .map(|word| word.origin()),
        ),
    ];
    let words = words
        .into_iter()
        .filter_map(|(word, origin)| Some((format!("`{word}`"), origin?)));
    let promises = site
        .promises()
        .iter()
        .map(|origin| ("`promise`".to_owned(), *origin));
    words.chain(promises).collect()
}

/// Tiers on more than one server.
fn tiers(site: &Site) -> Vec<(String, Origin)> {
    let mut found = Vec::new();
    let mut tier = |word: &str, servers: usize, origin: Origin| {
        if servers > 1 {
            found.push((format!("`{word}` on more than one server"), origin));
        }
    };
    if let Some(web) = site.web() {
        tier("web", web.members().len(), web.origin());
    }
    for app in site.apps() {
        tier("app", app.members().len(), app.origin());
    }
    if let Some(database) = site.database() {
        tier("database", database.servers().len(), database.origin());
    }
    let mut used: Vec<_> = site
        .web()
        .into_iter()
        .flat_map(|web| web.members())
        .map(|member| member.server())
        .collect();
    used.extend(
        site.apps()
            .iter()
            .flat_map(|app| app.members())
            .map(|member| member.server()),
    );
    used.extend(
        site.database()
            .into_iter()
            .flat_map(|database| database.servers()),
    );
    if let Some(other) = used
        .iter()
        .find(|server| **server != used[0])
        .and_then(|name| site.server(name))
    {
        found.push(("a site on more than one server".to_owned(), other.origin()));
    }
    let members = site.web().into_iter().flat_map(|web| web.members());
    let members = members.chain(site.apps().iter().flat_map(|app| app.members()));
    let backup =
        members.filter(|member| member.state() == MemberState::Backup || member.weight() != 1);
    found.extend(backup.map(|member| ("`weight` and `state`".to_owned(), member.origin())));
    found
}

/// Settings of an app that nothing carries out.
fn apps(site: &Site) -> Vec<(String, Origin)> {
    let mut found = Vec::new();
    for app in site.apps() {
        let mut refuse = |what: &str, origin: Origin| found.push((format!("`{what}`"), origin));
        if matches!(app.launch(), Launch::Php { .. }) {
            refuse("php", app.origin());
        }
        if app.memory().is_some() {
            refuse("memory", app.origin());
        }
        if app.cpu().is_some() {
            refuse("cpu", app.origin());
        }
        if !app.reaches().is_empty() {
            refuse("reaches", app.origin());
        }
        if site.web().is_none() && site.load_balancer().is_none() {
            refuse("app` without `web", app.origin());
        }
        app.workers()
            .iter()
            .for_each(|worker| refuse("worker", worker.origin()));
        app.schedules()
            .iter()
            .for_each(|schedule| refuse("schedule", schedule.origin()));
    }
    found
}
