//! A load balancer before two servers: requests are spread, and what goes away is not missed.

use std::net::SocketAddr;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use terrace_lab::load::{Kind, Load, Outcome, Record};

use crate::harness::{self, Site, both, from_environment, wait_until};
use crate::visits::Underway;

/// Two servers behind a balancer; the data is on the first.
const FILE: &str = r#"site "www.foobar.com" {
    server lb-01  "10.0.0.10" { public "8.8.8.8"; }
    server web-01 "10.0.0.21"
    server web-02 "10.0.0.22"

    load-balancer lb-01 balance=round-robin
    web      web-01 web-02 static="foobar/public"
    app      web-01 web-02 code="foobar" health="/health" {
        build "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt"
        run   ".venv/bin/granian --interface wsgi --host $HOST --port $PORT foobar:app"
    }
    database web-01
}
"#;

/// The app alone on two servers, behind a web server without a balancer.
const APPS: &str = r#"site "www.foobar.com" {
    server front  "10.0.0.10" { public "8.8.8.8"; }
    server web-01 "10.0.0.21"
    server web-02 "10.0.0.22"

    web      front static="foobar/public"
    app      web-01 web-02 code="foobar" health="/health" {
        build "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt"
        run   ".venv/bin/granian --interface wsgi --host $HOST --port $PORT foobar:app"
    }
    database web-01
}
"#;

fn up() -> Site {
    let site = Site::with_file("spread", FILE);
    site.up();
    site
}

/// A file over kept and over new connections, and a page that reads.
fn visits(seconds: u64) -> Load {
    let faster = from_environment("TERRACE_FASTER", 1) as f64;
    Load {
        target: SocketAddr::from(([8, 8, 8, 8], 80)),
        host: "www.foobar.com".to_owned(),
        lasts: Duration::from_secs(seconds),
        patience: Duration::from_secs(10),
        first: 0,
        kinds: vec![
            Kind::reading("static", "/style.css", 100.0 * faster).kept_alive(),
            Kind::reading("static, new connections", "/style.css", 50.0 * faster),
            Kind::reading("page", "/", 50.0).kept_alive(),
        ],
    }
}

/// The requests whose visitor noticed anything.
fn noticed(records: &[Record]) -> Vec<&Record> {
    let wrong =
        |record: &&Record| !matches!(record.outcome, Outcome::Answered(200)) || record.again;
    records.iter().filter(wrong).collect()
}

fn nobody_noticed(records: &[Record]) {
    let noticed = noticed(records);
    assert!(noticed.is_empty(), "of {}: {noticed:?}", records.len());
}

/// Which app server made a page.
fn server(page: &str) -> &str {
    let names = ["web-01", "web-02"];
    // The page names the app server first.
    let found = names
        .iter()
        .filter_map(|name| Some((page.find(name)?, *name)));
    found.min().expect("a page names its server").1
}

#[test]
fn requests_alternate_between_two_servers_and_the_visitor_is_known() {
    if !harness::is_root() {
        return;
    }
    let site = up();
    assert_eq!(
        site.on("internet", &["dig", "+short", "www.foobar.com"]),
        "8.8.8.8\n"
    );
    let pages: Vec<String> = (0..6)
        .map(|_| site.on("internet", &["curl", "-s", "http://www.foobar.com/"]))
        .collect();
    let servers: Vec<&str> = pages.iter().map(|page| server(page)).collect();
    assert!(
        servers.windows(2).all(|pair| pair[0] != pair[1]),
        "{servers:?}"
    );
    for server in ["lb-01", "web-01", "web-02"] {
        let log = site
            .state()
            .join(format!("servers/{server}/logs/access.log"));
        wait_until("the visitor is in every access log", || {
            std::fs::read_to_string(&log).is_ok_and(|log| log.contains("198.51.100.10"))
        });
    }
    let status = both(&site.terrace(&["status"]));
    assert!(status.contains("load-balancer"), "{status}");
}

#[test]
fn nobody_notices_that_a_web_server_is_killed() {
    if !harness::is_root() {
        return;
    }
    let site = up();
    let under_way = Underway::start(&site, &visits(4));
    let log = site.state().join("servers/web-02/logs/access.log");
    wait_until("the load is under way", || {
        std::fs::read_to_string(&log).is_ok_and(|log| log.lines().count() > 50)
    });
    let victim = site.pid("web-02", "web-02/web");
    kill(Pid::from_raw(victim.cast_signed()), Signal::SIGKILL).unwrap();
    nobody_noticed(&under_way.records());
}

#[test]
fn nobody_notices_that_a_server_is_drained_and_used_again() {
    if !harness::is_root() {
        return;
    }
    let site = up();
    let refused = both(&site.terrace(&["drain", "web-01"]));
    assert!(refused.contains("primary"), "{refused}");
    let wanted = from_environment("TERRACE_ROUNDS", 2);
    let least = from_environment("TERRACE_REQUESTS", 1_000);
    let (mut times, mut requests, mut failed) = (0, 0, Vec::new());
    while times < wanted || requests < least {
        let mut under_way = Underway::start(&site, &visits(LOAD));
        while under_way.goes_on() {
            maintained(&site);
            times += 1;
        }
        let records = under_way.records();
        failed.extend(noticed(&records).into_iter().copied());
        requests += records.len();
    }
    harness::record(&serde_json::json!({
        "round": "drained, stopped, started, used again",
        "times": times,
        "requests": requests,
        "failed": failed.len(),
    }));
    assert!(failed.is_empty(), "of {requests}: {failed:?}");
}

#[test]
fn servers_are_drained_one_after_another_without_a_pause() {
    if !harness::is_root() {
        return;
    }
    let site = up();
    let mut under_way = Underway::start(&site, &visits(4));
    while under_way.goes_on() {
        // The data stays where it is.
        site.does(&["drain", "web-01", "--force", "--deadline", "5s"]);
        site.does(&["undrain", "web-01"]);
        site.does(&["drain", "web-02", "--deadline", "5s"]);
        site.does(&["undrain", "web-02"]);
        site.does(&["drain", "web-02", "--deadline", "5s"]);
        let emptied = emptied(&site);
        for whose in ["lb-01/load-balancer web-02/web", "web-01/web web-02/app/1"] {
            assert!(emptied.iter().any(|one| one == whose), "{emptied:?}");
        }
        site.does(&["undrain", "web-02"]);
    }
    nobody_noticed(&under_way.records());
}

#[test]
fn a_refused_drain_leaves_nothing_and_an_undrain_is_never_lost() {
    if !harness::is_root() {
        return;
    }
    let site = up();
    site.does(&["drain", "web-01", "--force"]);
    let one = ["lb-01/load-balancer web-01/web", "web-02/web web-01/app/1"];
    let refuses = |arguments: &[&str], why: &str| {
        let output = site.terrace(arguments);
        let text = both(&output);
        assert!(!output.status.success() && text.contains(why), "{text}");
    };
    refuses(&["drain", "web-02"], "the last that serves");
    refuses(&["undrain", "web-02"], "is not drained");
    assert_eq!(emptied(&site), one);

    // A balancer that begins anew is told what was ordered, and that is not it.
    let before = site.pid("lb-01", BALANCER);
    kill(Pid::from_raw(before.cast_signed()), Signal::SIGKILL).unwrap();
    wait_until("another balancer has it from the beginning", || {
        let restarts = |role: &serde_json::Value| role["restarts"].as_u64();
        let role = site.roles().into_iter().find(|role| role["id"] == BALANCER);
        role.as_ref().and_then(restarts) == Some(1) && emptied(&site) == one
    });
    let page = || site.on("internet", &["curl", "-s", "http://www.foobar.com/"]);
    assert!((0..4).all(|_| server(&page()) == "web-02"));

    let node = site.beside("lb-01", " internal node ");
    kill(Pid::from_raw(node.cast_signed()), Signal::SIGKILL).unwrap();
    site.does(&["undrain", "web-01"]);
    wait_until("all hear of it", || emptied(&site).is_empty());
    wait_until("both serve", || server(&page()) == "web-01");
}

const BALANCER: &str = "lb-01/load-balancer";

#[test]
fn servers_with_an_app_alone_are_drained_by_the_web_server_before_them() {
    if !harness::is_root() {
        return;
    }
    let site = Site::with_file("spread", APPS);
    site.up();
    let front = site.terrace(&["drain", "front", "--force"]);
    assert!(
        both(&front).contains("no balancer sends"),
        "{}",
        both(&front)
    );
    // The data stays where it is.
    site.does(&["drain", "web-01", "--force"]);
    let page = || site.on("internet", &["curl", "-s", "http://www.foobar.com/"]);
    assert!((0..4).all(|_| server(&page()) == "web-02"));
    let last = site.terrace(&["drain", "web-02"]);
    assert!(
        both(&last).contains("the last that serves"),
        "{}",
        both(&last)
    );
    site.does(&["undrain", "web-01"]);
    site.does(&["drain", "web-02"]);
    assert!((0..4).all(|_| server(&page()) == "web-01"));
}

/// What gets nothing new, and from whom: `lb-01/load-balancer web-02/web`.
fn emptied(site: &Site) -> Vec<String> {
    let mut found = Vec::new();
    for role in site.roles() {
        for upstream in role["upstreams"].as_array().unwrap() {
            if upstream["drain"].is_object() {
                let names = [&role["id"], &upstream["instance"]];
                found.push(names.map(|name| name.as_str().unwrap()).join(" "));
            }
        }
    }
    found
}

/// Seconds of load at a time.
const LOAD: u64 = 10;

/// A server leaves the rounds, everything on it ends and starts again, and it comes back.
fn maintained(site: &Site) {
    site.does(&["drain", "web-02", "--deadline", "5s"]);
    let last = site.terrace(&["drain", "web-01", "--deadline", "5s"]);
    assert!(!last.status.success(), "{}", both(&last));
    let before = site.keeper("web-02");
    site.does(&["fault", "crash", "web-02"]);
    wait_until("every role of web-02 serves again", || {
        let comes_back = site.found_keeper("web-02").is_some_and(|now| now != before);
        let server = site.server("web-02");
        comes_back && harness::roles(&server).count() > 2 && harness::serves(&server)
    });
    site.does(&["undrain", "web-02"]);
}
