//! What a visitor sees of stage 0, and what stays.

use std::collections::BTreeSet;
use std::process::Command;

use crate::harness::{self, Site, both, finish, program, wait_until};
use crate::primary::sql;

#[test]
fn a_visitor_finds_the_guest_book_and_what_is_posted_stays() {
    if !harness::is_root() {
        return;
    }
    let mut site = Site::stage0();
    let said = site.up();
    assert!(said.contains("Rehearsal of www.foobar.com"), "{said}");
    as_the_readme_shows(&said);

    assert_eq!(
        site.on("internet", &["dig", "+short", "www.foobar.com"]),
        "8.8.8.8\n"
    );
    let page = site.on("internet", &["curl", "-s", "http://www.foobar.com/"]);
    assert!(page.contains("web-01") && page.contains("<form"), "{page}");
    let style = site.on(
        "internet",
        &["curl", "-si", "http://www.foobar.com/style.css"],
    );
    assert!(
        style.starts_with("HTTP/1.1 200") && style.contains("text/css"),
        "{style}"
    );

    let entry = "A first entry, with <tags> & quotes'";
    let fields = [
        "--data-urlencode",
        "name=Ada",
        "--data-urlencode",
        &format!("message={entry}"),
    ]
    .map(str::to_owned);
    let mut post = vec!["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}"];
    post.extend(fields.iter().map(String::as_str));
    post.push("http://www.foobar.com/");
    assert_eq!(site.on("internet", &post), "303");
    let shown = "A first entry, with &lt;tags&gt; &amp; quotes&#39;";
    assert!(
        site.on("internet", &["curl", "-s", "http://www.foobar.com/"])
            .contains(shown)
    );

    let log = site.state().join("servers/web-01/logs/access.log");
    wait_until("the visitor's address is in the access log", || {
        std::fs::read_to_string(&log)
            .is_ok_and(|log| log.contains("198.51.100.10") && log.contains("/style.css"))
    });

    site.does(&["down"]);
    site.up();
    assert!(
        site.on("internet", &["curl", "-s", "http://www.foobar.com/"])
            .contains(shown),
        "the entry did not stay"
    );

    // The next stage finds the data, and its replica has it too.
    site.does(&["down"]);
    site.file = site
        .directory
        .join("stacks/1-distributed_web_infrastructure.kdl");
    site.up();
    for server in ["web-01", "web-02"] {
        wait_until("both databases have the entry", || {
            sql(&site, server, "SELECT message FROM foobar.entries").contains(entry)
        });
    }
}

/// What README.md shows of the first `up` is what it says: all of it. Times, versions and releases differ, and so does
/// whether a release was built before; steps that do not wait for each other come in any order.
fn as_the_readme_shows(said: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (_, after) = page.split_once("The first time:\n\n```\n").unwrap();
    let shown = after.split_once("```").unwrap().0;
    let told = |text: &str| -> BTreeSet<String> {
        let lines = text
            .lines()
            .filter(|line| line.contains('✓') || line.starts_with("Open "));
        // Until a build has been needed, nobody is told that one begins.
        let lines = lines.filter(|line| !line.contains("is being built"));
        lines.map(alike).collect()
    };
    assert_eq!(told(said), told(shown), "{said}");
}

/// A line without what differs from run to run.
fn alike(line: &str) -> String {
    let line = line
        .split_once(": built before")
        .map_or(line, |(line, _)| line);
    let line = line
        .split_once(": build (once)")
        .map_or(line, |(line, _)| line);
    let words = line.split_whitespace().collect::<Vec<_>>();
    let words = match words.as_slice() {
        [words @ .., _, "s"] => words,
        words => words,
    };
    let alike = |word: &&str| match *word {
        word if word.contains(".localhost:") => "http://www.foobar.com.localhost:PORT/".to_owned(),
        word if word.starts_with("10.11.") => "VERSION".to_owned(),
        word if word.len() == 7 && word.chars().all(|c| c.is_ascii_hexdigit()) => "ID".to_owned(),
        word => word.to_owned(),
    };
    words.iter().map(alike).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_browser_on_this_machine_comes_through_the_front_door() {
    if !harness::is_root() {
        return;
    }
    let site = Site::stage0();
    site.up();
    let address = site.status()["front_door"].as_str().unwrap().to_owned();
    assert!(
        address.starts_with("http://www.foobar.com.localhost:"),
        "{address}"
    );
    let directory = tempfile::tempdir().unwrap();
    let mut browser = Command::new("chromium");
    browser
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", directory.path().display()))
        .arg(&address);
    let seen = both(&finish(browser));
    assert!(seen.contains("<form") && seen.contains("web-01"), "{seen}");
}

#[test]
fn status_logs_and_exec_speak_of_what_runs() {
    if !harness::is_root() {
        return;
    }
    let site = Site::stage0();
    site.up();
    let status = site.status();
    let roles = &status["servers"][0]["report"]["roles"];
    let states: Vec<_> = roles
        .as_array()
        .unwrap()
        .iter()
        .map(|role| role["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["serving"; 5], "{status:#}");
    wait_until("those are counted of which `explain qps` says so", || {
        let roles = site.roles();
        let counted = roles.iter().filter(|role| role["traffic"].is_object());
        let counted: BTreeSet<&str> = counted.filter_map(|role| role["role"].as_str()).collect();
        counted == BTreeSet::from(["dns", "web"])
    });
    let metrics = ["curl", "-sf", "http://127.0.0.1:9100/metrics"];
    wait_until("the agent shows what the web server counted", || {
        let output = site.terrace(&[&["exec", "web-01", "--"], &metrics[..]].concat());
        both(&output).contains("terrace_web_requests_total{server=\"web-01\",role=\"web\"")
    });
    let page = both(&site.terrace(&["status"]));
    assert!(
        page.starts_with("www.foobar.com  serving") && page.contains("primary"),
        "{page}"
    );

    assert_eq!(site.on("web-01", &["hostname"]), "web-01\n");
    let output = site.terrace(&["exec", "web-01", "--", "sh", "-c", "exit 7"]);
    assert_eq!(output.status.code(), Some(7), "{}", both(&output));
    let output = site.terrace(&["exec", "web-09", "--", "true"]);
    assert!(
        both(&output).contains("web-01"),
        "the servers there are should be named: {}",
        both(&output)
    );

    let logs = both(&site.terrace(&["logs", "web-01/database"]));
    assert!(logs.contains("ready for connections"), "{logs}");
    // A second `up` of a site that runs is no harm.
    let again = site.terrace(&["up", "--detach"]);
    assert!(both(&again).contains("runs"), "{}", both(&again));
}

#[test]
pub(crate) fn without_a_file_the_running_site_is_meant() {
    if !harness::is_root() {
        return;
    }
    let site = Site::stage0();
    site.up();
    let elsewhere = tempfile::tempdir().unwrap();
    let mut command = program();
    command
        .args(["exec", "internet", "--", "dig", "+short", "www.foobar.com"])
        .current_dir(elsewhere.path());
    let output = finish(command);
    assert_eq!(both(&output), "8.8.8.8\n");
}
