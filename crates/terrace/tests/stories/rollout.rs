//! Another file starts the copies of an app anew: one server after the other, and no visitor notices, whatever the file is worth.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use terrace_lab::load::{Kind, Load, Record};

use crate::harness::{self, Site, both, wait_until};
use crate::visits::Underway;

const LINE: &str = "        run   \"";

fn visits() -> Load {
    Load {
        target: SocketAddr::from(([8, 8, 8, 8], 80)),
        host: "www.foobar.com".to_owned(),
        lasts: Duration::from_secs(12),
        patience: Duration::from_secs(10),
        first: 0,
        kinds: vec![
            Kind::reading("page", "/", 20.0).kept_alive(),
            Kind::reading("page, new connections", "/", 10.0),
        ],
    }
}

/// Applies what becomes of the file, while visitors read; what was said, with the exit code.
fn applies(site: &Site, change: impl Fn(&str) -> String) -> (Option<i32>, String) {
    let before = fs::read_to_string(&site.file).unwrap();
    fs::write(&site.file, change(&before)).unwrap();
    let output = site.terrace(&["apply"]);
    (output.status.code(), both(&output))
}

fn nobody_noticed(visits: Underway, when: &str) {
    let records = visits.records();
    let noticed = |record: &&Record| !record.outcome.is_fine() || record.again;
    let noticed: Vec<&Record> = records.iter().filter(noticed).collect();
    assert!(
        noticed.is_empty(),
        "{when}, of {}: {noticed:?}",
        records.len()
    );
}

#[test]
fn copies_start_anew_on_one_server_after_the_other_and_a_bad_command_stops_at_the_first() {
    if !harness::is_root() {
        return;
    }
    let site = Site::stage1();
    site.up();
    let pids = || ["web-01", "web-02"].map(|server| site.pid(server, &format!("{server}/app/1")));
    let first = pids();
    let seen = Underway::start(&site, &visits());
    let with = |file: &str| file.replace(LINE, &format!("        env COLOUR=\"red\"\n{LINE}"));
    let (code, said) = applies(&site, with);
    assert_eq!(code, Some(0), "{said}");
    let second = pids();
    assert!(first[0] != second[0] && first[1] != second[1]);
    let without = |file: &str| file.replace("        env COLOUR=\"red\"\n", "");
    let (code, said) = applies(&site, without);
    assert_eq!(code, Some(0), "{said}");
    nobody_noticed(seen, "a variable came and went");

    let before = pids()[1];
    let seen = Underway::start(&site, &visits());
    let (code, said) = applies(&site, |file| file.replace(LINE, "        run   \"false "));
    assert_eq!(code, Some(1), "{said}");
    for word in [
        "web-01/app",
        "exit code 1",
        "what ran before runs on at web-02",
        "terrace logs",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert_eq!(site.pid("web-02", "web-02/app/1"), before, "it serves on");
    let shown = both(&site.terrace(&["status"]));
    assert!(
        shown.contains("! web-01/app") && shown.contains("web-02 waits"),
        "{shown}"
    );
    let (code, said) = applies(&site, str::to_owned);
    assert_eq!(code, Some(1), "it is said again: {said}");
    let (code, said) = applies(&site, |file| file.replace("\"false ", "\""));
    assert_eq!(code, Some(0), "the file before heals: {said}");
    assert_eq!(site.pid("web-02", "web-02/app/1"), before, "it ran that");
    wait_until("all is well", || site.terrace(&["status"]).status.success());
    nobody_noticed(seen, "a bad command came and went");
}

#[test]
fn a_migration_that_fails_when_a_file_is_applied_is_told_and_what_ran_runs_on() {
    if !harness::is_root() {
        return;
    }
    let text = |migrate: &str| {
        format!(
            "site \"www.foobar.com\" {{\n    server web-01 \"8.8.8.8\"\n    web web-01 static=\"foobar/public\"\n    \
             app web-01 code=\"foobar\" {{\n{migrate}        run \"exec python3 -m http.server --bind $HOST $PORT\"\n    }}\n}}\n"
        )
    };
    let site = Site::with_file("applied-migration", &text(""));
    site.up();
    let pid = site.pid("web-01", "web-01/app/1");
    let failing = text("        migrate \"echo no such table >&2; exit 4\"\n");
    let (code, said) = applies(&site, |_| failing.clone());
    assert_eq!(code, Some(1), "{said}");
    let words = [
        "the migration",
        "exit code 4",
        "no such table",
        "terrace logs web-01/app/migrate",
    ];
    for word in words {
        assert!(said.contains(word), "{word}: {said}");
    }
    let status = site.terrace(&["status"]);
    let shown = both(&status);
    assert_eq!(status.status.code(), Some(1), "{shown}");
    for word in [
        "1 part is not well",
        "! web-01/app/1  the migration",
        "exit code 4",
    ] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    assert_eq!(site.pid("web-01", "web-01/app/1"), pid, "it serves on");
    let (code, said) = applies(&site, |_| text("        migrate \"true\"\n"));
    assert_eq!(code, Some(0), "{said}");
    wait_until("all is well", || site.terrace(&["status"]).status.success());
}
