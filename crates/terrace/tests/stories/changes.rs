//! A site that runs takes over another file, or refuses it whole.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use terrace_lab::load::{Kind, Load};

use crate::harness::{self, Site, both, from_environment};
use crate::visits::Underway;

fn with(site: &Site, from: &str, to: &str) {
    let before = fs::read_to_string(&site.file).unwrap();
    assert!(before.contains(from), "{from} is not in the file");
    fs::write(&site.file, before.replace(from, to)).unwrap();
}

#[test]
pub(crate) fn a_changed_setting_is_taken_over_and_a_bad_file_changes_nothing() {
    if !harness::is_root() {
        return;
    }
    let site = Site::stage0();
    site.up();
    let nothing = site.terrace(&["apply"]);
    assert!(nothing.status.success(), "{}", both(&nothing));
    assert!(both(&nothing).contains("nothing to change"));

    // Another path to be asked for: both the app and the web server before it take it over.
    with(&site, "health=\"/health\"", "health=\"/health?deep=no\"");
    let applied = site.terrace(&["apply"]);
    let said = both(&applied);
    assert!(applied.status.success(), "{said}");
    // One line, in the words of the file, however many roles it counts for.
    let change = "~ app web-01 health: \"/health\" → \"/health?deep=no\"";
    assert_eq!(
        said.lines()
            .filter(|line| line.starts_with(['~', '+', '-']))
            .collect::<Vec<_>>(),
        [change]
    );
    harness::wait_until("every role runs the new plan", || {
        let status = site.status();
        let generation = &status["generation"];
        status["servers"]
            .as_array()
            .unwrap()
            .iter()
            .all(|server| server["report"]["generation"] == *generation && harness::serves(server))
    });
    let page = site.on("internet", &["curl", "-s", "http://www.foobar.com/"]);
    assert!(page.contains("<form"), "{page}");

    with(&site, "database web-01", "database web-01 name=\"other\"");
    let refused = site.terrace(&["apply"]);
    assert_eq!(refused.status.code(), Some(1), "{}", both(&refused));
    assert!(
        both(&refused).contains("take this over: + database web-01 name: \"other\""),
        "{}",
        both(&refused)
    );

    with(&site, "database web-01", "databse web-01");
    let wrong = site.terrace(&["apply"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", both(&wrong));
    assert!(
        both(&wrong).contains("keeps its last good file"),
        "{}",
        both(&wrong)
    );
    let page = site.on("internet", &["curl", "-s", "http://www.foobar.com/"]);
    assert!(page.contains("<form"), "{page}");
}

#[test]
fn nobody_notices_that_a_changed_file_is_taken_over() {
    if !harness::is_root() {
        return;
    }
    let site = Site::stage0();
    site.up();
    let faster = from_environment("TERRACE_FASTER", 1) as f64;
    let load = Load {
        target: SocketAddr::from(([8, 8, 8, 8], 80)),
        host: "www.foobar.com".to_owned(),
        lasts: Duration::from_secs(4),
        patience: Duration::from_secs(10),
        first: 0,
        kinds: vec![
            Kind::reading("static", "/style.css", 200.0 * faster).kept_alive(),
            Kind::reading("static, new connections", "/style.css", 100.0 * faster),
            Kind::reading("page", "/", 50.0).kept_alive(),
        ],
    };
    let (wanted, least) = (
        from_environment("TERRACE_ROUNDS", 5),
        from_environment("TERRACE_REQUESTS", 1_000),
    );
    let (mut times, mut requests, mut failed) = (0, 0, Vec::new());
    while times < wanted || requests < least {
        let mut visits = Underway::start(&site, &load);
        while visits.goes_on() {
            let (from, to) = [
                ("health=\"/health\"", "health=\"/health?a\""),
                ("health=\"/health?a\"", "health=\"/health\""),
            ][times % 2];
            with(&site, from, to);
            let applied = site.terrace(&["apply"]);
            assert!(applied.status.success(), "{}", both(&applied));
            times += 1;
        }
        let records = visits.records();
        requests += records.len();
        let noticed =
            |record: &terrace_lab::load::Record| !record.outcome.is_fine() || record.again;
        failed.extend(records.into_iter().filter(noticed));
    }
    harness::record(&serde_json::json!({
        "round": "changed file taken over",
        "times": times,
        "requests": requests,
        "failed": failed.len(),
    }));
    assert!(
        failed.is_empty(),
        "of {requests} requests, with {times} changes: {failed:?}"
    );
}
