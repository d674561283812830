use terrace_protocol::control::{Broken, Lasting, PlannedRole};
use terrace_protocol::report::{DatabaseReport, ServerReport, UpstreamReport};

use super::*;

const NOW: u64 = 100_000;

fn role(server: &str, word: &str) -> RoleReport {
    RoleReport {
        id: format!("{server}/{word}"),
        role: word.into(),
        state: State::Serving,
        traffic: (word == "load-balancer").then(|| Traffic {
            rate: 10.0,
            failed: 427,
            ..Traffic::default()
        }),
        ..RoleReport::default()
    }
}

fn server(name: &str, words: &[&str]) -> ServerStatus {
    let report = ServerReport {
        roles: words.iter().map(|word| role(name, word)).collect(),
        ..ServerReport::default()
    };
    let planned = words.iter().map(|word| PlannedRole {
        id: format!("{name}/{word}"),
        role: (*word).into(),
    });
    ServerStatus {
        name: name.into(),
        up: true,
        planned: planned.collect(),
        report: Some(report),
        ..ServerStatus::default()
    }
}

/// A balancer with the controller, and two servers of which the first takes writes.
fn pair() -> Status {
    let mut status = Status {
        site: "foobar".into(),
        servers: vec![
            server("lb-01", &["load-balancer", "controller"]),
            server("web-01", &["web", "app", "database"]),
            server("web-02", &["web", "app", "database"]),
        ],
        ..Status::default()
    };
    role_of(&mut status, "lb-01", "controller").succession = Some(Box::new(Succession {
        primary: "web-01".into(),
        heirs: vec!["web-02".into()],
        changes: false,
    }));
    for (server, writable) in [("web-01", true), ("web-02", false)] {
        role_of(&mut status, server, "database").database = Some(Box::new(DatabaseReport {
            writable,
            ..DatabaseReport::default()
        }));
    }
    status
}

fn server_of<'a>(status: &'a mut Status, name: &str) -> &'a mut ServerStatus {
    let mut servers = status.servers.iter_mut();
    servers.find(|server| server.name == name).unwrap()
}

fn role_of<'a>(status: &'a mut Status, server: &str, word: &str) -> &'a mut RoleReport {
    let report = server_of(status, server).report.as_mut().unwrap();
    report
        .roles
        .iter_mut()
        .find(|role| role.role == word)
        .unwrap()
}

fn breaks(status: &mut Status, name: &str, how: Lasting) {
    let server = server_of(status, name);
    server.broken = Some(Broken { how, since: 42_000 });
    if how == Lasting::Off {
        (server.up, server.report) = (false, None);
    }
}

fn cut_off(status: &mut Status, server: &str, word: &str) {
    let upstream = UpstreamReport::default();
    role_of(status, server, word).upstreams = vec![upstream];
}

/// What is done to a site, and what its headline says then.
type Case = (&'static str, fn(&mut Status), &'static str);

const CASES: [Case; 18] = [
    ("nothing", |_| {}, "serving  10 requests/s  427 failed"),
    (
        "the entry is frozen",
        |site| breaks(site, "lb-01", Lasting::Frozen),
        "no visitor gets through: lb-01 has been frozen for 58 s (`terrace fault mend`)",
    ),
    (
        "the entry is off",
        |site| breaks(site, "lb-01", Lasting::Off),
        "no visitor gets through: lb-01 has been switched off for 58 s (`terrace fault mend`)",
    ),
    (
        "the entry is cut off",
        |site| breaks(site, "lb-01", Lasting::Cut),
        "no visitor gets through: lb-01 has been cut off for 58 s (`terrace fault mend`)",
    ),
    (
        "the entry is silent",
        |site| server_of(site, "lb-01").age = 14_000,
        "no visitor gets through: lb-01 has not reported for 14 s (`terrace logs lb-01/keeper`)",
    ),
    (
        "the entry's host has died",
        |site| (server_of(site, "lb-01").up, server_of(site, "lb-01").report) = (false, None),
        "no visitor gets through: lb-01 is down, and is started again",
    ),
    (
        "the balancer ends again and again",
        |site| {
            let balancer = role_of(site, "lb-01", "load-balancer");
            (balancer.state, balancer.reason) = (State::Failing, "exit code 1".into());
        },
        "no visitor gets through: lb-01/load-balancer: exit code 1  10 requests/s",
    ),
    (
        "the primary's server is off",
        |site| breaks(site, "web-01", Lasting::Off),
        "writes fail: web-01 has been switched off for 58 s; `terrace failover web-02` makes web-02 the primary, and loses nothing",
    ),
    (
        "the primary's server is frozen, and was the primary a moment ago",
        |site| breaks(site, "web-01", Lasting::Frozen),
        "writes fail: web-01 has been frozen for 58 s; `terrace failover web-02`",
    ),
    (
        "the primary's server is off, and no other holds everything",
        |site| {
            breaks(site, "web-01", Lasting::Off);
            let controller = role_of(site, "lb-01", "controller");
            controller.succession.as_mut().unwrap().heirs.clear();
        },
        "writes fail: web-01 has been switched off for 58 s (`terrace fault mend`)  10 requests/s",
    ),
    (
        "the primary's host has died, and comes back by itself",
        |site| {
            (
                server_of(site, "web-01").up,
                server_of(site, "web-01").report,
            ) = (false, None);
        },
        "writes fail: web-01 is down, and is started again  10 requests/s",
    ),
    (
        "the primary's database ends again and again",
        |site| {
            let database = role_of(site, "web-01", "database");
            (database.state, database.reason) = (State::Failing, "exit code 1".into());
        },
        "writes fail: web-01/database: exit code 1; `terrace failover web-02`",
    ),
    (
        "it was replaced",
        |site| {
            breaks(site, "web-01", Lasting::Frozen);
            let database = &mut role_of(site, "web-02", "database").database;
            database.as_mut().unwrap().writable = true;
        },
        "serves without web-01, which has been frozen for 58 s  10 requests/s",
    ),
    (
        "the primary is being moved",
        |site| {
            role_of(site, "web-01", "database").database = None;
            let controller = role_of(site, "lb-01", "controller");
            controller.succession.as_mut().unwrap().changes = true;
        },
        "writes wait: the primary changes",
    ),
    (
        "a replica's server is off",
        |site| breaks(site, "web-02", Lasting::Off),
        "serves without web-02, which has been switched off for 58 s  10 requests/s",
    ),
    (
        "both web servers' machines are off",
        |site| {
            breaks(site, "web-01", Lasting::Off);
            breaks(site, "web-02", Lasting::Off);
            cut_off(site, "lb-01", "load-balancer");
        },
        "every request fails: web-01 has been switched off for 58 s (`terrace fault mend`), web-02 has",
    ),
    (
        "no web server reaches an app",
        |site| {
            ["web-01", "web-02"]
                .iter()
                .for_each(|one| cut_off(site, one, "web"));
        },
        "pages of the app fail: no web server reaches an app",
    ),
    (
        "one part is not well",
        |site| role_of(site, "web-02", "app").state = State::Failing,
        "1 part is not well  10 requests/s",
    ),
];

#[test]
fn the_first_line_says_what_visitors_get_why_and_what_helps() {
    for (what, done, said) in CASES {
        let mut site = pair();
        done(&mut site);
        let sentence = sentence(&site, NOW);
        assert!(
            sentence.starts_with(&format!("foobar  {said}")),
            "{what}: {sentence}"
        );
        let through = !sentence.contains("no visitor") || what.contains("balancer");
        assert_eq!(
            sentence.contains("requests/s"),
            through,
            "{what}: {sentence}"
        );
    }
}

#[test]
fn a_site_on_one_server_is_told_by_its_web_server_and_its_database() {
    let mut site = Status {
        servers: vec![server("web-01", &["web", "app", "database"])],
        ..Status::default()
    };
    let database = role_of(&mut site, "web-01", "database");
    database.database = Some(Box::new(DatabaseReport {
        writable: true,
        ..DatabaseReport::default()
    }));
    assert!(sentence(&site, NOW).ends_with("  serving"));
    let database = role_of(&mut site, "web-01", "database");
    (database.state, database.reason) = (State::Restarting, "exit code 1".into());
    let said = sentence(&site, NOW);
    assert!(
        said.contains("no page gets anything of the database: web-01/database: exit code 1"),
        "{said}"
    );
    role_of(&mut site, "web-01", "database").state = State::Failing;
    let said = sentence(&site, NOW);
    assert!(
        said.contains("writes fail: web-01/database: exit code 1"),
        "{said}"
    );
    breaks(&mut site, "web-01", Lasting::Off);
    let said = sentence(&site, NOW);
    assert!(
        said.contains("no visitor gets through: web-01 has been switched off"),
        "{said}"
    );
}

#[test]
fn of_two_that_say_they_take_writes_one_is_the_primary() {
    let mut site = pair();
    let database = &mut role_of(&mut site, "web-02", "database").database;
    database.as_mut().unwrap().writable = true;
    let name = |site: &Status| primary(site, NOW).map(|role| role.id.clone());
    assert_eq!(name(&site).as_deref(), Some("web-01/database"));
    role_of(&mut site, "lb-01", "controller").succession = None;
    server_of(&mut site, "web-01").age = 1_000;
    assert_eq!(name(&site).as_deref(), Some("web-02/database"));
    breaks(&mut site, "web-02", Lasting::Cut);
    assert_eq!(name(&site).as_deref(), Some("web-01/database"));
}
