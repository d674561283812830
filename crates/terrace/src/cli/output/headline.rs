//! The first line of a status: what visitors get now, why, and what helps. Pure.

use terrace_protocol::control::{ServerStatus, Status};
use terrace_protocol::report::{RoleReport, State, Succession, Traffic};

use super::absence::Absence;
use super::{disks, latency};

/// The tiers that visitors may meet first, the outermost first.
const ENTRIES: [&str; 3] = ["load-balancer", "web", "app"];

/// The state of all, in a line.
pub(crate) fn sentence(status: &Status, now: u64) -> String {
    let mut sentence = format!("{}  {}", status.site, state(status, now));
    let (mut rate, mut failed, mut worst, mut counted) = (0.0, 0, None, false);
    for traffic in at_entry(status, now) {
        rate += traffic.rate;
        failed += traffic.failed;
        worst = worst.max(traffic.p99);
        counted = true;
    }
    if counted {
        sentence += &format!("  {rate:.0} requests/s  {failed} failed");
    }
    if let Some(worst) = worst {
        sentence += &format!("  p99 {}", latency(worst));
    }
    sentence
}

fn state(status: &Status, now: u64) -> String {
    let full = disks::full(status).join(", ");
    let troubles = troubled(status, now).count();
    let outage = outage(status, now);
    let absent: Vec<String> = absent(status, now)
        .map(|(server, absence)| format!("{}, which {}", server.name, absence.words()))
        .collect();
    match (outage, troubles) {
        _ if status.lost.iter().any(|lost| lost.moved.is_none()) => {
            "its state was removed".to_owned()
        }
        _ if !status.lost.is_empty() => "its state was moved".to_owned(),
        (Some(outage), _) if full.is_empty() => outage,
        (Some(outage), _) => format!("no room on the disk of {full}: {outage}"),
        _ if !full.is_empty() => format!("no room on the disk of {full}"),
        _ if !absent.is_empty() => format!("serves without {}", absent.join(" and ")),
        (None, 0) => "serving".to_owned(),
        (None, 1) => "1 part is not well".to_owned(),
        (None, many) => format!("{many} parts are not well"),
    }
}

/// The worst of what visitors do not get, with its cause and what helps; `None`: pages, files and writes are served.
fn outage(status: &Status, now: u64) -> Option<String> {
    let entry = *ENTRIES.iter().find(|word| has(status, word))?;
    if let Some(causes) = none_of(status, now, entry, serves) {
        return Some(format!("no visitor gets through: {causes}"));
    }
    let reaches = |role: &RoleReport| serves(role) && !is_cut_off(role);
    if entry == "load-balancer" && none_of(status, now, entry, reaches).is_some() {
        let causes = none_of(status, now, "web", serves);
        let causes = causes.unwrap_or_else(|| "no web server can be reached".to_owned());
        return Some(format!("every request fails: {causes}"));
    }
    if entry != "app" && none_of(status, now, "web", reaches).is_some() {
        return Some("pages of the app fail: no web server reaches an app".to_owned());
    }
    let is_there = |role: &RoleReport| {
        let ended = [State::Stopped, State::Waiting, State::Restarting];
        !ended.contains(&role.state)
    };
    if let Some(causes) = none_of(status, now, "database", is_there) {
        return Some(format!("no page gets anything of the database: {causes}"));
    }
    unwritten(status, now)
}

/// Why writes fail; `None`: a primary takes them.
fn unwritten(status: &Status, now: u64) -> Option<String> {
    if !has(status, "database") || primary(status, now).is_some() {
        return None;
    }
    let succession = succession(status, now);
    if succession.is_some_and(|succession| succession.changes) {
        return Some("writes wait: the primary changes".to_owned());
    }
    let last = |role: &&RoleReport| role.database.as_ref().is_some_and(|one| one.writable);
    let last_known = status
        .servers
        .iter()
        .find(|server| roles_of(server).any(|role| last(&role)));
    let named = succession.map(|succession| &*succession.primary);
    let Some(name) = named.or_else(|| last_known.map(|server| &*server.name)) else {
        let only = none_of(status, now, "database", writes).unwrap_or_default();
        return Some(format!("writes fail: {only}"));
    };
    let server = status.servers.iter().find(|server| server.name == name)?;
    let absence = Absence::of(server, now);
    let role = roles_of(server).find(|role| role.role == "database");
    let fails = role.is_some_and(|role| role.state == State::Failing);
    let replaceable = absence.map_or(fails, Absence::lasts);
    let heirs = succession
        .map(|succession| &succession.heirs[..])
        .unwrap_or_default();
    let heir = heirs.iter().find(|heir| is_present(status, heir, now));
    let cause = cause(server, role, now);
    Some(match heir.filter(|_| replaceable) {
        Some(heir) => format!(
            "writes fail: {cause}; `terrace failover {heir}` makes {heir} the primary, and loses nothing that was acknowledged"
        ),
        None => format!("writes fail: {cause}{}", remedy(server, now)),
    })
}

/// The one database that takes writes now: of several that say so, the one that the controller names, or else the one that
/// said it last.
pub(crate) fn primary(status: &Status, now: u64) -> Option<&RoleReport> {
    let named = succession(status, now).map(|succession| &*succession.primary);
    let claims = present(status, now).flat_map(|server| {
        let roles = roles_of(server).filter(|role| writes(role));
        roles.map(move |role| (server, role))
    });
    let rank = |(server, _): &(&ServerStatus, &RoleReport)| {
        (named != Some(server.name.as_str()), server.age)
    };
    claims.min_by_key(rank).map(|(_, role)| role)
}

fn succession(status: &Status, now: u64) -> Option<&Succession> {
    let mut roles = present(status, now).flat_map(roles_of);
    roles.find_map(|role| role.succession.as_deref())
}

/// Why none of the servers with this role does what is asked of it; `None`: one does, or none has the role.
fn none_of(
    status: &Status,
    now: u64,
    word: &str,
    does: impl Fn(&RoleReport) -> bool,
) -> Option<String> {
    let mut causes = Vec::new();
    for server in status
        .servers
        .iter()
        .filter(|server| has_role(server, word))
    {
        let roles: Vec<_> = roles_of(server).filter(|role| role.role == word).collect();
        if Absence::of(server, now).is_none() && roles.iter().any(|role| does(role)) {
            return None;
        }
        let cause = cause(server, roles.first().copied(), now);
        causes.push(format!("{cause}{}", remedy(server, now)));
    }
    (!causes.is_empty()).then(|| causes.join(", "))
}

/// What is wrong with a role of a server.
fn cause(server: &ServerStatus, role: Option<&RoleReport>, now: u64) -> String {
    match (Absence::of(server, now), role) {
        (Some(absence), _) => format!("{} {}", server.name, absence.words()),
        (None, None) => format!("{} has not reported on it yet", server.name),
        (None, Some(role)) => {
            let reason = role.reason.lines().next().unwrap_or_default();
            format!("{}: {reason}", role.id)
        }
    }
}

fn remedy(server: &ServerStatus, now: u64) -> String {
    let command = Absence::of(server, now).and_then(|absence| absence.command(&server.name));
    command.map_or_else(String::new, |command| format!(" (`{command}`)"))
}

/// What visitors had: the traffic of the first tier that there is, as far as it is known now.
fn at_entry(status: &Status, now: u64) -> impl Iterator<Item = &Traffic> {
    let entry = ENTRIES.into_iter().find(|word| has(status, word));
    let roles = present(status, now).flat_map(roles_of);
    let entry = roles.filter(move |role| Some(&*role.role) == entry);
    entry.filter_map(|role| role.traffic.as_ref())
}

/// Servers of which nothing is known now.
pub(crate) fn absent(status: &Status, now: u64) -> impl Iterator<Item = (&ServerStatus, Absence)> {
    let servers = status.servers.iter();
    servers.filter_map(move |server| Some((server, Absence::of(server, now)?)))
}

/// Roles that do not do their work, or that reach none of those behind them.
pub(crate) fn troubled(status: &Status, now: u64) -> impl Iterator<Item = &RoleReport> {
    let roles = present(status, now).flat_map(roles_of);
    roles.filter(|role| role.state != State::Serving || role.has_failed() || is_cut_off(role))
}

fn present(status: &Status, now: u64) -> impl Iterator<Item = &ServerStatus> {
    let servers = status.servers.iter();
    servers.filter(move |server| Absence::of(server, now).is_none())
}

fn is_present(status: &Status, name: &str, now: u64) -> bool {
    present(status, now).any(|server| server.name == name)
}

fn has(status: &Status, word: &str) -> bool {
    status.servers.iter().any(|server| has_role(server, word))
}

fn has_role(server: &ServerStatus, word: &str) -> bool {
    server.planned.iter().any(|role| role.role == word)
        || roles_of(server).any(|role| role.role == word)
}

fn roles_of(server: &ServerStatus) -> impl Iterator<Item = &RoleReport> {
    server.report.iter().flat_map(|report| &report.roles)
}

fn serves(role: &RoleReport) -> bool {
    matches!(role.state, State::Serving | State::Draining)
}

fn writes(role: &RoleReport) -> bool {
    let writable = role.database.as_ref().is_some_and(|one| one.writable);
    role.state == State::Serving && writable
}

fn is_cut_off(role: &RoleReport) -> bool {
    !role.upstreams.is_empty() && role.upstreams.iter().all(|upstream| !upstream.healthy)
}

#[cfg(test)]
mod tests;
