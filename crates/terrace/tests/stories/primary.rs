//! The data's half of a distributed site: everyone reads what they wrote, and the primary is moved and replaced while
//! visitors write, with what was acknowledged compared row by row.
//!
//! `make acceptance` repeats these (`TERRACE_ROUNDS`, `TERRACE_ENTRIES`, `TERRACE_ROWS`) and gathers the records (`TERRACE_RECORDS`).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use terrace_service::clock;

use crate::harness::{self, Site, both, from_environment, wait_until};
use crate::people::{Outside, Person, Writers, Written};

/// Visitors at a time who write and read.
const CLIENTS: usize = 16;
/// Visitors at a time who write while the primary changes.
const WRITERS: usize = 8;

/// So many rows are written before a change, and after it.
fn least() -> usize {
    from_environment("TERRACE_ROWS", 50)
}

/// Stage 1, up, with the guest book's table on both servers.
pub(crate) fn open_book() -> Site {
    let site = Site::stage1();
    site.up();
    site.on("internet", &["curl", "-sf", "http://www.foobar.com/"]);
    for server in ["web-01", "web-02"] {
        wait_until("the guest book is there", || {
            sql(&site, server, "SHOW TABLES FROM foobar").contains("entries")
        });
    }
    site
}

/// The server that takes writes.
pub(crate) fn primary(site: &Site) -> Option<String> {
    let writable = |server: &serde_json::Value| {
        harness::roles(server).any(|role| role["database"]["writable"] == true)
    };
    let found = site.servers().into_iter().find(writable)?;
    Some(found["name"].as_str().unwrap().to_owned())
}

pub(crate) fn other(server: &str) -> &'static str {
    if server == "web-01" {
        "web-02"
    } else {
        "web-01"
    }
}

/// Every role serves, and the replica holds what is acknowledged.
pub(crate) fn wait_until_well(site: &Site) {
    wait_until("every role serves", || {
        site.servers().iter().all(harness::serves)
    });
}

/// What a server's own database answers to this.
pub(crate) fn sql(site: &Site, server: &str, statement: &str) -> String {
    let secret = site.state().join("secrets/database/control");
    let password = format!("-p{}", std::fs::read_to_string(secret).unwrap());
    let socket = "--socket=/run/terrace/database/mysqld.sock";
    let client = [
        "mariadb",
        "--no-defaults",
        socket,
        "-u",
        "terrace",
        &password,
        "-N",
        "-e",
        statement,
    ];
    site.on(server, &client)
}

/// The messages in the guest book of a server that begin with this word.
pub(crate) fn rows(site: &Site, server: &str, word: &str) -> BTreeSet<String> {
    let question = format!("SELECT message FROM foobar.entries WHERE message LIKE '{word}-%'");
    sql(site, server, &question)
        .lines()
        .map(str::to_owned)
        .collect()
}

/// Nothing that was acknowledged is missing anywhere; the records go where `make acceptance` looks for them.
fn settle(site: &Site, round: &str, word: &str, written: &Written) {
    let acknowledged: BTreeSet<String> = written.acknowledged.iter().cloned().collect();
    let mut lost = BTreeSet::new();
    for server in ["web-01", "web-02"] {
        let missing = || &acknowledged - &rows(site, server, word);
        // A replica has it when it has applied what it has received.
        wait_until(&format!("{server} is asked what it has"), || {
            missing().is_empty() || primary(site).as_deref() == Some(server)
        });
        lost.extend(missing());
    }
    let millis = written.longest.as_secs_f64() * 1000.0;
    harness::record(&serde_json::json!({
        "round": round,
        "acknowledged": acknowledged.len(),
        "lost": lost.len(),
        "failures": written.failures.len(),
        "longest": millis,
    }));
    assert!(lost.is_empty(), "{round}: lost: {lost:?}");
}

#[test]
fn whoever_posts_sees_it_at_once_through_either_server() {
    if !harness::is_root() {
        return;
    }
    let entries = from_environment("TERRACE_ENTRIES", 800);
    let site = open_book();
    for cycles in [false, true] {
        let outside = Outside::of(&site);
        let people: Vec<_> = (0..CLIENTS)
            .map(|number| outside.spawn(move || posts_and_looks(number, entries / CLIENTS)))
            .collect();
        if cycles {
            let replica = other(&primary(&site).unwrap());
            while people.iter().any(|one| !one.is_finished()) {
                for (statement, lasts) in [
                    ("STOP REPLICA SQL_THREAD", 300),
                    ("START REPLICA SQL_THREAD", 300),
                ] {
                    sql(&site, replica, statement);
                    std::thread::sleep(Duration::from_millis(lasts));
                }
            }
        }
        let missed: Vec<String> = people
            .into_iter()
            .flat_map(|one| one.join().unwrap())
            .collect();
        assert!(
            missed.is_empty(),
            "{} of {entries}: {missed:?}",
            missed.len()
        );
        let round = if cycles {
            "own writes, replica stopped in cycles"
        } else {
            "own writes"
        };
        harness::record(
            &serde_json::json!({ "round": round, "acknowledged": entries / CLIENTS * CLIENTS, "failures": 0 }),
        );
    }
}

/// Posts, and looks twice: who has seen an entry once sees it again. What was missed, in words.
fn posts_and_looks(client: usize, entries: usize) -> Vec<String> {
    let (mut person, mut missed) = (Person::default(), Vec::new());
    for entry in 0..entries {
        let message = format!("own-{client}-{entry}-{:?}", std::thread::current().id());
        let message: String = message
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
            .collect();
        let posted = match person.post(&message) {
            Ok(answer) if answer.status == 303 => answer,
            Ok(answer) => {
                missed.push(format!(
                    "{message}: posting was answered with {}",
                    answer.status
                ));
                continue;
            }
            Err(error) => {
                missed.push(format!("{message}: {error}"));
                continue;
            }
        };
        let number: u64 = posted.location.rsplit('-').next().unwrap().parse().unwrap();
        for look in ["first", "second"] {
            match person.get(&format!("/?before={}", number + 1)) {
                Ok(answer) if answer.status == 200 && answer.body.contains(&message) => {}
                Ok(answer) => missed.push(format!("{message}: {look} look, {}", answer.status)),
                Err(error) => missed.push(format!("{message}: {look} look, {error}")),
            }
        }
    }
    missed
}

#[test]
fn a_switchover_loses_nothing_and_fails_nobody() {
    if !harness::is_root() {
        return;
    }
    let rounds = from_environment("TERRACE_ROUNDS", 2);
    let site = open_book();
    for round in 0..rounds {
        wait_until_well(&site);
        let to = other(&primary(&site).unwrap());
        let word = format!("switch{round}");
        let writers = Writers::start(&site, WRITERS, &word);
        wait_until("the load is under way", || {
            rows(&site, to, &word).len() > 50
        });
        let moved = site.terrace(&["switchover", to]);
        assert!(moved.status.success(), "{}", both(&moved));
        let after = rows(&site, to, &word).len();
        wait_until("writes go on", || {
            rows(&site, to, &word).len() > after + least()
        });
        let written = writers.end();
        assert_eq!(written.failures, Vec::<String>::new());
        assert_eq!(primary(&site).as_deref(), Some(to));
        settle(&site, "switchover", &word, &written);
    }
}

/// Breaks the primary under load, fails over on an operator's word, mends it, and waits until it is a replica again.
fn replaced(name: &str, fault: impl Fn(&Site, &str)) {
    if !harness::is_root() {
        return;
    }
    let rounds = from_environment("TERRACE_ROUNDS", 1);
    let site = open_book();
    for round in 0..rounds {
        wait_until_well(&site);
        let from = primary(&site).unwrap();
        let to = other(&from);
        let word = format!("{name}{round}").replace(['-', ' '], "");
        let writers = Writers::start(&site, WRITERS, &word);
        wait_until("the load is under way", || {
            rows(&site, to, &word).len() > 50
        });
        fault(&site, &from);
        let begun = Instant::now();
        let failed_over = loop {
            let said = site.terrace(&["failover", to]);
            if said.status.success() {
                break true;
            }
            // Until it is known to be gone it is said to work; one that was killed may be back before.
            assert!(
                both(&said).contains("answers and takes writes"),
                "{}",
                both(&said)
            );
            if begun.elapsed() > Duration::from_secs(5) {
                break false;
            }
        };
        assert!(
            failed_over || name == "kill -9",
            "{from} was never given up"
        );
        let now = if failed_over { to } else { &from };
        let before = rows(&site, now, &word).len();
        wait_until("writes go on", || {
            rows(&site, now, &word).len() > before + 50
        });
        let written = writers.end();
        site.does(&["fault", "mend"]);
        wait_until_well(&site);
        settle(&site, name, &word, &written);
    }
}

fn breaks(site: &Site, kind: &str, server: &str) {
    site.does(&["fault", kind, server]);
}

#[test]
fn a_killed_primary_is_replaced_and_nothing_acknowledged_is_lost() {
    replaced("kill -9", |site, server| {
        breaks(site, "kill", &format!("{server}/database"));
    });
}

#[test]
fn a_primary_that_is_switched_off_is_replaced_and_nothing_acknowledged_is_lost() {
    replaced("power-off", |site, server| {
        breaks(site, "power-off", server);
    });
}

#[test]
fn a_primary_that_is_cut_off_is_replaced_and_nothing_acknowledged_is_lost() {
    replaced("partition", |site, server| {
        breaks(site, "partition", server);
    });
}

#[test]
fn a_primary_that_stands_still_is_replaced_and_nothing_acknowledged_is_lost() {
    replaced("freeze", |site, server| breaks(site, "freeze", server));
}

/// Two servers and no third: what decides who is primary stands on one of them, and is lost with it.
const PAIR: &str = r#"site "www.foobar.com" {
    server web-01 "8.8.8.8"
    server web-02 "10.0.0.22"

    web      web-01 web-02 static="foobar/public"
    app      web-01 web-02 code="foobar" health="/health" {
        build "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt"
        run   ".venv/bin/granian --interface wsgi --host $HOST --port $PORT foobar:app"
    }
    database web-01 web-02
}
"#;

#[test]
fn two_servers_without_a_third_move_the_primary_and_need_the_one_that_decides() {
    if !harness::is_root() {
        return;
    }
    let site = Site::with_file("pair", PAIR);
    site.without_data();
    site.up();
    wait_until_well(&site);
    let posted = |message: &str| {
        let message = message.to_owned();
        let visit = Outside::of(&site).spawn(move || Person::default().post(&message));
        visit.join().unwrap().map_or(0, |answer| answer.status)
    };
    assert_eq!(posted("pair-1"), 303);
    let moved = site.terrace(&["switchover", "web-02"]);
    assert!(moved.status.success(), "{}", both(&moved));
    assert_eq!(primary(&site).as_deref(), Some("web-02"));
    assert_eq!(posted("pair-2"), 303);

    // The primary is lost while what decides works: an operator says who comes next.
    breaks(&site, "power-off", "web-02");
    wait_until("the failover is accepted", || {
        site.terrace(&["failover", "web-01"]).status.success()
    });
    assert_eq!(posted("pair-3"), 303);
    site.does(&["fault", "mend"]);
    wait_until_well(&site);

    // What decides is lost with the primary: nobody is made primary behind its back.
    breaks(&site, "power-off", "web-01");
    let refused = site.terrace(&["failover", "web-02", "--accept-data-loss"]);
    let said = both(&refused);
    assert!(
        !refused.status.success()
            && said.contains("web-01, which decides who is primary, cannot be reached"),
        "{said}"
    );
    site.does(&["fault", "mend"]);
    // A server that has its power back at once comes back once, and says nothing of the time before.
    for _ in 0..3 {
        let broken = clock::unix_millis();
        breaks(&site, "power-off", "web-01");
        assert_eq!(site.server("web-01")["up"], false);
        site.does(&["fault", "mend"]);
        let after = site.server("web-01");
        let since = |role: &serde_json::Value| role["since"].as_u64().unwrap();
        assert!(
            harness::roles(&after).all(|role| since(role) >= broken),
            "{after}"
        );
    }
    wait_until_well(&site);
    assert_eq!(posted("pair-4"), 303);
    let there: BTreeSet<String> = (1..=4).map(|number| format!("pair-{number}")).collect();
    for server in ["web-01", "web-02"] {
        wait_until("both hold everything", || {
            rows(&site, server, "pair") == there
        });
    }
}
