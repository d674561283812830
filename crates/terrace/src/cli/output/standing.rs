//! How a site stands, at a glance: a summary in a line, then a row per role with the reason of its state.

use std::collections::BTreeSet;
use std::time::Duration;

use terrace_protocol::control::{ServerStatus, Status};
use terrace_protocol::report::{LogOf, RoleReport, State, Traffic, UpstreamReport};

use super::{Table, builds, disks, lacks, latency, span};

/// A report that is older than this is marked with its age.
const STALE: u64 = 3_000;

/// The whole page. `hint` gives the command that shows more of a role, where there is more.
pub(crate) fn page(
    status: &Status,
    now: u64,
    hint: impl Fn(&RoleReport) -> Option<String>,
) -> String {
    let mut text = format!("{}\n", sentence(status));
    if let Some(open) = &status.front_door {
        text += &format!("Open  {open}\n");
    }
    if let Some(crowd) = status.door.as_ref().and_then(lacks::crowd) {
        text += &format!("      {crowd}\n");
    }
    text += &format!("\n{}", table(status, now));
    for disk in disks::short(status) {
        text += &format!("\n! {disk}\n");
    }
    for lack in lacks::recent(status, now) {
        text += &format!("\n! {lack}\n");
    }
    text += &builds::lost(status);
    text += &builds::text(status, now);
    let of_build = |role: &&RoleReport| matches!(role.log.as_deref(), Some(LogOf::Build(_)));
    for role in troubled(status).filter(|role| !of_build(role)) {
        text += &format!("\n! {}  {}\n", role.id, role.reason);
        if let Some(command) = hint(role) {
            text += &format!("  {command}\n");
        }
    }
    text
}

/// Every server is up, every role does its work, and every disk has room.
pub(crate) fn is_well(status: &Status) -> bool {
    let all_up = status
        .servers
        .iter()
        .all(|server| server.up && server.report.is_some());
    all_up
        && status.lost.is_empty()
        && troubled(status).next().is_none()
        && disks::full(status).is_empty()
}

/// The state of all, in a line.
pub(crate) fn sentence(status: &Status) -> String {
    let troubles = troubled(status).count();
    let missing = status
        .servers
        .iter()
        .filter(|server| !server.up || server.report.is_none())
        .count();
    let full = disks::full(status).join(", ");
    let state = match (missing, troubles) {
        (0, _) if !status.lost.is_empty() => "its state was removed".to_owned(),
        (0, _) if !full.is_empty() => format!("no room on the disk of {full}"),
        (0, 0) => "serving".to_owned(),
        (0, 1) => "1 part is not well".to_owned(),
        (0, many) => format!("{many} parts are not well"),
        (1, _) => "1 server is down".to_owned(),
        (many, _) => format!("{many} servers are down"),
    };
    let mut sentence = format!("{}  {state}", status.site);
    let (mut rate, mut failed, mut worst) = (0.0, 0, None);
    for traffic in at_entry(status) {
        rate += traffic.rate;
        failed += traffic.failed;
        worst = worst.max(traffic.p99);
    }
    sentence += &format!("  {rate:.0} requests/s  {failed} failed");
    if let Some(worst) = worst {
        sentence += &format!("  p99 {}", latency(worst));
    }
    sentence
}

/// What visitors had: the traffic of the first tier that there is.
fn at_entry(status: &Status) -> impl Iterator<Item = &Traffic> {
    let is = |word: &'static str| move |role: &&RoleReport| role.role == word;
    let mut tiers = ["load-balancer", "web", "app"].into_iter();
    let entry = tiers.find(|word| roles(status).any(|role| role.role == *word));
    let entry = roles(status).filter(is(entry.unwrap_or_default()));
    entry.filter_map(|role| role.traffic.as_ref())
}

/// A row per role, and one for each server behind it that it does without.
pub(crate) fn table(status: &Status, now: u64) -> Table {
    let headings = [
        "SERVER", "ROLE", "STATE", "SINCE", "REQ/S", "FAILED", "P99", "RESTARTS", "WHY",
    ];
    let mut table = Table::new(&headings, &[3, 4, 5, 6, 7]);
    for server in &status.servers {
        match &server.report {
            Some(report) if server.up => {
                // An agent is of interest when something is wrong with it.
                let shown = report
                    .roles
                    .iter()
                    .filter(|role| role.role != "agent" || role.state != State::Serving);
                let apps: BTreeSet<&str> = report.roles.iter().map(|role| &*role.app).collect();
                let named = apps.iter().filter(|name| !name.is_empty()).count() > 1;
                for role in shown {
                    table.row(row(server, role, named, now));
                    for upstream in role.upstreams.iter().filter(|one| is_left_out(one)) {
                        table.row(left_out(upstream, now));
                    }
                }
            }
            _ => {
                let why = if server.up {
                    "no report yet"
                } else {
                    "its host is gone"
                };
                let dash = || "–".to_owned();
                let state = if server.up { "starting" } else { "down" };
                let cells = [
                    server.name.clone(),
                    dash(),
                    state.into(),
                    dash(),
                    dash(),
                    dash(),
                    dash(),
                    dash(),
                    why.into(),
                ];
                table.row(cells.to_vec());
            }
        }
    }
    table
}

/// `named`: there are several apps on the server, so that each is shown with its name.
fn row(server: &ServerStatus, role: &RoleReport, named: bool, now: u64) -> Vec<String> {
    let dash = || "–".to_owned();
    let traffic = role.traffic.as_ref();
    let since = Duration::from_millis(now.saturating_sub(role.since));
    let age = if server.age > STALE {
        format!("(as of {} ago) ", span(Duration::from_millis(server.age)))
    } else {
        String::new()
    };
    let what = if role.what.is_empty() || role.reason.is_empty() {
        ""
    } else {
        ": "
    };
    let local = role.id.strip_prefix(&format!("{}/", server.name));
    let mut local = local.unwrap_or(&role.id).to_owned();
    if named && !role.app.is_empty() {
        local += &format!(" ({})", role.app);
    }
    vec![
        server.name.clone(),
        local,
        state(role).to_owned(),
        if role.since == 0 { dash() } else { span(since) },
        traffic.map_or_else(dash, |traffic| format!("{:.0}", traffic.rate)),
        traffic.map_or_else(dash, |traffic| traffic.failed.to_string()),
        traffic
            .and_then(|traffic| traffic.p99)
            .map_or_else(dash, latency),
        role.restarts.to_string(),
        format!(
            "{age}{}{what}{}",
            role.what,
            role.reason.lines().next().unwrap_or_default()
        ),
    ]
}

fn is_left_out(upstream: &UpstreamReport) -> bool {
    !upstream.healthy || upstream.drain.is_some()
}

/// Whom the role above does without, since when and why.
fn left_out(upstream: &UpstreamReport, now: u64) -> Vec<String> {
    let (state, why) = match &upstream.drain {
        Some(drain) if drain.done => ("drained", "nothing is in flight".to_owned()),
        Some(drain) => {
            let left = span(Duration::from_millis(drain.left));
            let in_flight = upstream.in_flight;
            ("draining", format!("{in_flight} in flight, {left} left"))
        }
        None => ("out", upstream.reason.clone()),
    };
    let since = Duration::from_millis(now.saturating_sub(upstream.since));
    let mut cells = vec![String::new(); 9];
    cells[1] = format!("→ {}", upstream.instance);
    state.clone_into(&mut cells[2]);
    cells[3] = if upstream.since == 0 {
        "–".to_owned()
    } else {
        span(since)
    };
    cells[8] = why;
    cells
}

fn state(role: &RoleReport) -> &'static str {
    match role.state {
        State::Waiting => "waiting",
        State::Starting => "starting",
        State::Serving => match &role.database {
            Some(database) if database.writable => "primary",
            Some(_) => "replica",
            None => "serving",
        },
        State::Restarting => "restarting",
        State::Failing => "failing",
        State::Draining => "draining",
        State::Stopped => "stopped",
    }
}

fn roles(status: &Status) -> impl Iterator<Item = &RoleReport> {
    let reports = status
        .servers
        .iter()
        .filter_map(|server| server.report.as_ref());
    reports.flat_map(|report| &report.roles)
}

/// Roles that do not do their work, or that find nobody behind them who would.
fn troubled(status: &Status) -> impl Iterator<Item = &RoleReport> {
    roles(status).filter(|role| role.state != State::Serving || is_cut_off(role))
}

fn is_cut_off(role: &RoleReport) -> bool {
    !role.upstreams.is_empty() && role.upstreams.iter().all(|upstream| !upstream.healthy)
}

#[cfg(test)]
mod tests {
    use terrace_protocol::report::{DatabaseReport, DrainReport, ServerReport};

    use super::*;

    fn status(state: State) -> Status {
        let role = |role: &str, state| RoleReport {
            id: format!("web-01/{role}"),
            role: role.into(),
            state,
            reason: "200 in 1 ms".into(),
            since: 1_000,
            database: (role == "database").then(|| {
                Box::new(DatabaseReport {
                    writable: true,
                    ..DatabaseReport::default()
                })
            }),
            traffic: (role == "web").then(|| Traffic {
                rate: 412.4,
                p99: Some(21_300),
                ..Traffic::default()
            }),
            ..RoleReport::default()
        };
        let report = ServerReport {
            server: "web-01".into(),
            generation: 1,
            roles: vec![
                role("web", State::Serving),
                role("app", state),
                role("database", State::Serving),
            ],
            ..ServerReport::default()
        };
        let server = ServerStatus {
            name: "web-01".into(),
            report: Some(report),
            up: true,
            ..ServerStatus::default()
        };
        Status {
            site: "www.foobar.com".into(),
            servers: vec![server],
            ..Status::default()
        }
    }

    fn roles_of(status: &mut Status) -> &mut Vec<RoleReport> {
        &mut status.servers[0].report.as_mut().unwrap().roles
    }

    fn upstream(healthy: bool) -> UpstreamReport {
        UpstreamReport {
            instance: "web-02/app/1".into(),
            healthy,
            reason: "connection refused".into(),
            since: 11_000,
            in_flight: 3,
            ..UpstreamReport::default()
        }
    }

    #[test]
    fn whom_a_role_does_without_is_named_with_the_reason() {
        let mut site = status(State::Serving);
        let emptied = UpstreamReport {
            drain: Some(DrainReport {
                left: 21_000,
                ..DrainReport::default()
            }),
            ..upstream(true)
        };
        roles_of(&mut site)[0].upstreams = vec![upstream(true), upstream(false), emptied];
        let text = page(&site, 15_000, |_| None);
        let rows: Vec<&str> = text.lines().filter(|line| line.contains('→')).collect();
        assert_eq!(rows.len(), 2, "{text}");
        assert!(
            rows[0].contains("out") && rows[0].ends_with("connection refused"),
            "{text}"
        );
        assert!(
            rows[1].contains("draining") && rows[1].ends_with("3 in flight, 21 s left"),
            "{text}"
        );
        assert!(is_well(&site), "the others stand in");
    }

    #[test]
    fn several_apps_on_a_server_are_shown_with_their_names() {
        let mut site = status(State::Serving);
        "shop".clone_into(&mut roles_of(&mut site)[1].app);
        assert!(!page(&site, 15_000, |_| None).contains("shop"));
        roles_of(&mut site).push(RoleReport {
            id: "web-01/app-api/1".into(),
            app: "api".into(),
            state: State::Serving,
            ..RoleReport::default()
        });
        let text = page(&site, 15_000, |_| None);
        assert!(
            text.contains("app (shop) ") && text.contains("app-api/1 (api) "),
            "{text}"
        );
    }

    #[test]
    fn the_first_line_is_true() {
        let serving = sentence(&status(State::Serving));
        assert_eq!(
            serving,
            "www.foobar.com  serving  412 requests/s  0 failed  p99 21 ms"
        );
        assert!(
            sentence(&status(State::Failing)).starts_with("www.foobar.com  1 part is not well")
        );
        let mut cut_off = status(State::Serving);
        roles_of(&mut cut_off)[0].upstreams = vec![upstream(false)];
        assert!(sentence(&cut_off).starts_with("www.foobar.com  1 part is not well"));
        let mut gone = status(State::Serving);
        gone.servers[0].up = false;
        assert!(sentence(&gone).starts_with("www.foobar.com  1 server is down"));
    }

    #[test]
    fn what_visitors_had_is_told_by_the_first_tier() {
        let mut site = status(State::Serving);
        roles_of(&mut site).push(RoleReport {
            role: "load-balancer".into(),
            traffic: Some(Traffic {
                rate: 500.0,
                failed: 7,
                ..Traffic::default()
            }),
            state: State::Serving,
            ..RoleReport::default()
        });
        assert!(sentence(&site).contains("500 requests/s  7 failed"));
    }

    #[test]
    fn what_is_wrong_comes_with_the_next_command() {
        let more = |role: &RoleReport| Some(format!("terrace logs {}", role.id));
        let text = page(&status(State::Failing), 15_000, more);
        assert!(text.contains("app       failing   14 s"), "{text}");
        assert!(text.contains("database  primary   14 s"), "{text}");
        assert!(
            text.ends_with("! web-01/app  200 in 1 ms\n  terrace logs web-01/app\n"),
            "{text}"
        );
    }
}
