//! What a visitor has of a fault: something is killed with 200 requests a second under way.
//!
//! Every story asserts what the design promises of requests, and records what it measured. Times are recorded,
//! not asserted, but for one: what was killed comes back while the load lasts. `make acceptance` repeats them
//! (`TERRACE_ROUNDS`) and gathers the records (`TERRACE_RECORDS`, a file) into docs/acceptance.md.

use std::net::SocketAddr;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use terrace_lab::load::outage::{self, Outage};
use terrace_lab::load::{Kind, Load};
use terrace_service::clock;

use crate::harness::{self, Site, wait_until};
use crate::visits::Underway;

const STATIC: usize = 0;
const PAGE: usize = 1;

/// What a round came to: of files, of pages that read the database, and of all.
struct Measured {
    files: Outage,
    pages: Outage,
}

/// Half of 200 requests a second for a file, half for a page of the app; each over a connection of its own, so
/// that none that waits hides a refusal.
fn load() -> Load {
    Load {
        target: SocketAddr::from(([8, 8, 8, 8], 80)),
        host: "www.foobar.com".to_owned(),
        lasts: Duration::from_secs(7),
        patience: Duration::from_secs(10),
        first: 0,
        kinds: vec![
            Kind::reading("static", "/style.css", 100.0),
            Kind::reading("page", "/", 100.0),
        ],
    }
}

/// One round: a fresh site, the load, the fault in the midst of it.
fn round(fault: &dyn Fn(&Site) -> u32) -> Measured {
    let site = Site::stage0();
    site.up();
    let victim = fault(&site);
    let log = site.state().join("servers/web-01/logs/access.log");
    let lines = || std::fs::read_to_string(&log).map_or(0, |log| log.lines().count());
    let before = lines();
    let under_way = Underway::start(&site, &load());
    wait_until("the load is under way", || lines() > before + 200);
    let at = clock::unix_micros();
    kill(Pid::from_raw(victim.try_into().unwrap()), Signal::SIGKILL).unwrap();
    let records = under_way.records();
    Measured {
        files: outage::since(&records, at, Some(STATIC)),
        pages: outage::since(&records, at, Some(PAGE)),
    }
}

/// Repeats a fault, records each round, and holds each to what is promised.
fn story(name: &str, fault: impl Fn(&Site) -> u32, promised: impl Fn(&Measured)) {
    if !harness::is_root() {
        return;
    }
    let rounds = std::env::var("TERRACE_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap());
    for _ in 0..rounds {
        let measured = round(&fault);
        let line = serde_json::json!({
            "fault": name,
            "files": measured.files,
            "pages": measured.pages,
        });
        harness::record(&line);
        assert!(
            measured.files.requests > 100 && measured.pages.requests > 100,
            "the fault was not under load: {line}"
        );
        assert!(
            measured.files.back.is_some() && measured.pages.back.is_some(),
            "it did not come back: {line}"
        );
        promised(&measured);
    }
}

/// A failure of whoever came after the fault.
fn of_newcomers(outage: &Outage) -> u64 {
    outage.failed - outage.in_flight
}

#[test]
fn a_killed_web_server_refuses_nobody() {
    story(
        "web server",
        |site| site.pid("web-01", "web-01/web"),
        |measured| {
            assert_eq!(of_newcomers(&measured.files), 0);
            assert_eq!(of_newcomers(&measured.pages), 0);
        },
    );
}

#[test]
fn files_are_served_while_a_killed_app_starts_again() {
    story(
        "app copy",
        |site| site.pid("web-01", "web-01/app/1"),
        |measured| assert_eq!(measured.files.failed, 0),
    );
}

#[test]
fn files_are_served_while_a_killed_database_recovers() {
    story(
        "MariaDB",
        |site| site.pid("web-01", "web-01/database"),
        |measured| assert_eq!(measured.files.failed, 0),
    );
}

#[test]
fn a_killed_node_costs_nothing() {
    story(
        "node",
        |site| site.beside("web-01", " internal node"),
        |measured| {
            assert_eq!(measured.files.failed, 0);
            assert_eq!(measured.pages.failed, 0);
        },
    );
}

#[test]
fn a_host_whose_keeper_is_killed_comes_back_by_itself() {
    // Everything on it is gone at once; what is promised is that it returns, which every story asserts.
    story("keeper", |site| site.keeper("web-01"), |_| {});
}
