//! How a site stands, at a glance: a summary in a line, then a row per role with the reason of its state.

use std::collections::BTreeSet;
use std::time::Duration;

use terrace_protocol::control::{ServerStatus, Status};
use terrace_protocol::report::{LogOf, RoleReport, State, UpstreamReport};

use super::absence::Absence;
use super::headline::{absent, primary, sentence, troubled};
use super::{Table, builds, disks, lacks, latency, span};

/// The whole page. `hint` gives the command that shows more of a role, where there is more.
pub(crate) fn page(
    status: &Status,
    now: u64,
    hint: impl Fn(&RoleReport) -> Option<String>,
) -> String {
    let mut text = format!("{}\n", sentence(status, now));
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
    text += &builds::text(status, now);
    let of_build = |role: &&RoleReport| matches!(role.log.as_deref(), Some(LogOf::Build(_)));
    for (server, absence) in absent(status, now).filter(|(_, absence)| absence.lasts()) {
        text += &format!("\n! {}  {}\n", server.name, absence.words());
        if let Some(command) = absence.command(&server.name) {
            text += &format!("  {command}\n");
        }
    }
    for role in troubled(status, now).filter(|role| !of_build(role)) {
        text += &format!("\n! {}  {}\n", role.id, role.trouble());
        if let Some(command) = hint(role) {
            text += &format!("  {command}\n");
        }
    }
    text
}

/// Every server is there, every role does its work, and every disk has room.
pub(crate) fn is_well(status: &Status, now: u64) -> bool {
    status.lost.is_empty()
        && absent(status, now).next().is_none()
        && troubled(status, now).next().is_none()
        && disks::full(status).is_empty()
}

/// A row per role, and one for each server behind it that it does without.
pub(crate) fn table(status: &Status, now: u64) -> Table {
    let headings = [
        "SERVER", "ROLE", "STATE", "SINCE", "REQ/S", "FAILED", "P99", "RESTARTS", "WHY",
    ];
    let mut table = Table::new(&headings, &[3, 4, 5, 6, 7]);
    let primary = primary(status, now).map(|role| &*role.id);
    for server in &status.servers {
        let absence = Absence::of(server, now);
        let Some(report) = server.report.as_ref().filter(|_| server.up) else {
            table.row(nothing_known(server, absence));
            continue;
        };
        // An agent is of interest when something is wrong with it.
        let roles = report.roles.iter();
        let shown = roles.filter(|role| role.role != "agent" || role.state != State::Serving);
        let apps: BTreeSet<&str> = report.roles.iter().map(|role| &*role.app).collect();
        let named = apps.iter().filter(|name| !name.is_empty()).count() > 1;
        for role in shown {
            let state = match absence {
                Some(_) => "unknown",
                None => state(role, primary),
            };
            table.row(row(server, role, named, (state, absence), now));
            // What it did without is of the past too.
            let upstreams = role.upstreams.iter().filter(|_| absence.is_none());
            for upstream in upstreams.filter(|one| is_left_out(one)) {
                table.row(left_out(upstream, now));
            }
        }
    }
    table
}

/// The row of a server that has no report.
fn nothing_known(server: &ServerStatus, absence: Option<Absence>) -> Vec<String> {
    let mut cells = vec!["–".to_owned(); 9];
    cells[0].clone_from(&server.name);
    cells[2] = match absence {
        Some(Absence::Starting) => "starting".to_owned(),
        _ if server.up => "unknown".to_owned(),
        _ => "down".to_owned(),
    };
    cells[8] = absence.map(Absence::words).unwrap_or_default();
    cells
}

/// `named`: there are several apps on the server, so that each is shown with its name. Of a server that is absent only what it
/// was is shown, and nothing as present.
fn row(
    server: &ServerStatus,
    role: &RoleReport,
    named: bool,
    (state, absence): (&str, Option<Absence>),
    now: u64,
) -> Vec<String> {
    let dash = || "–".to_owned();
    let traffic = role.traffic.as_ref().filter(|_| absence.is_none());
    let since = Duration::from_millis(now.saturating_sub(role.since));
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
    let reason = role.reason.lines().next().unwrap_or_default();
    let why = match absence {
        Some(absence) => format!("{}; before: {}{what}{reason}", absence.words(), role.what),
        None => format!("{}{what}{reason}", role.what),
    };
    vec![
        server.name.clone(),
        local,
        state.to_owned(),
        if role.since == 0 || absence.is_some() {
            dash()
        } else {
            span(since)
        },
        traffic.map_or_else(dash, |traffic| format!("{:.0}", traffic.rate)),
        traffic.map_or_else(dash, |traffic| traffic.failed.to_string()),
        traffic
            .and_then(|traffic| traffic.p99)
            .map_or_else(dash, latency),
        role.restarts.to_string(),
        why,
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
    let began = upstream
        .drain
        .as_ref()
        .map_or(upstream.since, |drain| drain.since);
    let since = Duration::from_millis(now.saturating_sub(began));
    let mut cells = vec![String::new(); 9];
    cells[1] = format!("→ {}", upstream.instance);
    state.clone_into(&mut cells[2]);
    cells[3] = if began == 0 {
        "–".to_owned()
    } else {
        span(since)
    };
    cells[8] = why;
    cells
}

/// `primary`: the role that takes writes, which only one does at a time.
fn state(role: &RoleReport, primary: Option<&str>) -> &'static str {
    match role.state {
        State::Waiting => "waiting",
        State::Starting => "starting",
        State::Serving => match &role.database {
            Some(database) if database.writable && primary != Some(&*role.id) => "unknown",
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

#[cfg(test)]
mod tests {
    use terrace_protocol::report::{DatabaseReport, DrainReport, ServerReport, Traffic};

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
        assert!(is_well(&site, 15_000), "the others stand in");
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
    fn what_is_of_the_past_is_not_shown_as_present() {
        let mut site = status(State::Serving);
        let mut other = site.servers[0].clone();
        "web-02".clone_into(&mut other.name);
        for role in &mut other.report.as_mut().unwrap().roles {
            role.id = role.id.replace("web-01", "web-02");
        }
        site.servers.push(other);
        site.servers[0].age = 58_000;
        let text = page(&site, 60_000, |_| None);
        assert!(!is_well(&site, 60_000), "{text}");
        let of_first = |line: &&str| line.starts_with("web-01");
        for row in text.lines().filter(of_first) {
            assert!(row.contains("unknown") && !row.contains("412"), "{text}");
        }
        assert_eq!(text.matches(" primary ").count(), 1, "{text}");
        assert!(text.contains("412 requests/s"), "{text}");
        assert!(
            text.contains("\n! web-01  has not reported for 58 s\n  terrace logs web-01/keeper\n"),
            "{text}"
        );
        // Also when both have just reported.
        site.servers[0].age = 1_000;
        let text = page(&site, 60_000, |_| None);
        assert_eq!(text.matches(" primary ").count(), 1, "{text}");
    }

    #[test]
    fn a_drain_is_shown_since_it_was_ordered() {
        let emptied = UpstreamReport {
            drain: Some(DrainReport {
                since: 12_000,
                ..DrainReport::default()
            }),
            ..upstream(true)
        };
        assert_eq!(left_out(&emptied, 15_000)[3], "3.0 s");
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
