//! What passes `check` and cannot run yet, each with its line.
//!
//! This list only shrinks; the day it is empty, the file goes.

use crate::model::{Balance, Launch, LoadBalancer, Member, MemberState, Origin, Site};
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
    problem.help("what runs: one load balancer; web, app and database on any servers")
}

/// Words that nothing carries out.
fn words(site: &Site) -> Vec<(String, Origin)> {
    let words = [
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

/// What tiers cannot do yet.
fn tiers(site: &Site) -> Vec<(String, Origin)> {
    let mut found = Vec::new();
    if let Some(balancer) = site.load_balancer() {
        found.extend(balancers(balancer));
    }
    found
}

fn balancers(balancer: &LoadBalancer) -> Vec<(String, Origin)> {
    let origin = balancer.origin();
    let known = [Balance::RoundRobin, Balance::LeastConnections];
    let mut found = Vec::new();
    let mut refuse = |what: String, refused: bool| {
        if refused {
            found.push((what, origin));
        }
    };
    let several = "`load-balancer` on more than one server".to_owned();
    refuse(several, balancer.members().len() > 1);
    let balance = balancer.balance();
    refuse(
        format!("`balance={}`", balance.word()),
        !known.contains(&balance),
    );
    refuse("`stick`".to_owned(), balancer.stick().is_some());
    refuse(
        "`address` of a cluster".to_owned(),
        !balancer.addresses().is_empty(),
    );
    let rate = balancer
        .limit()
        .is_some_and(|limit| limit.requests().is_some());
    refuse("`limit requests`".to_owned(), rate);
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
        // A web server takes the app beside it, then all others in turn.
        let unlike =
            |member: &&Member| member.weight() != 1 || member.state() == MemberState::Backup;
        if let Some(member) = app.members().iter().find(unlike)
            && site.web().is_some()
        {
            refuse(
                "weight` or `state` of an app's server behind `web",
                member.origin(),
            );
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
