//! What connections cost: one that waits for nothing in particular, and many of them when they are gone. A process of its
//! own: its memory is measured.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[allow(dead_code, unused_imports, reason = "the raw tests use all of it")]
#[path = "raw/harness.rs"]
mod harness;
#[allow(dead_code, reason = "the raw tests use all of it")]
#[path = "raw/upstream.rs"]
mod upstream;
#[allow(dead_code, reason = "the raw tests use all of it")]
#[path = "raw/visitor.rs"]
mod visitor;

use std::time::Duration;

use harness::{PATIENCE, Visitor, Web, wait_for};
use upstream::{Reply, Upstream};

const MANY: usize = 4_000;
/// Bytes of memory for each that is idle, and for each that has half a head.
const MOST: usize = 3 * 1024;
/// So many send a body at the same time.
const BUSY: usize = 1_500;
/// Bytes that may be left of all that when it is over.
const LEFT: usize = 4 << 20;

/// Bytes of memory that this process has for data: not its program's.
fn memory() -> usize {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
    kilobytes.parse::<usize>().unwrap() * 1024
}

fn megabytes(bytes: usize) -> String {
    format!("{:.1} MB", bytes as f64 / f64::from(1 << 20))
}

#[test]
fn an_idle_connection_costs_little_and_what_many_had_is_given_back() {
    terrace_service::descriptors::allow(3 * MANY as u64).unwrap();
    assert!(
        terrace_service::descriptors::limit() > 2 * MANY as u64 + 500,
        "this test needs descriptors: raise the hard limit"
    );
    let app = Upstream::start(|_, _| Reply::ok("ok"));
    let web = Web::with(app.address, |plan| {
        plan.limits.share = MANY + 100;
        plan.limits.connections = MANY + 100;
        plan.timeouts.idle = Duration::from_secs(60);
        plan.timeouts.first_byte = Duration::from_secs(60);
    });
    let fields: String = (0..20)
        .map(|number| format!("X-{number}: {}\r\n", "v".repeat(40)))
        .collect();
    let request = format!("GET / HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n");
    let warm = |count: usize| -> Vec<Visitor> {
        let visitors = (0..count).map(|_| {
            let mut visitor = web.visit();
            assert_eq!(visitor.ask(&request).status, 200);
            visitor.rest = Vec::new();
            visitor
        });
        visitors.collect()
    };
    let _first = warm(50);
    let before = memory();
    let mut visitors = warm(MANY);
    *app.seen.lock().unwrap() = Vec::new();
    let each = memory().saturating_sub(before) / MANY;
    println!("{each} bytes for each of {MANY} that are idle");
    assert!(each <= MOST, "{each} bytes for each, more than {MOST}");

    for visitor in &mut visitors {
        visitor.send("GET / HTTP/1.1\r\nHos");
    }
    // The last of them have come when all have.
    assert_eq!(web.ask(&request).status, 200);
    let each = memory().saturating_sub(before) / MANY;
    println!("{each} bytes for each of {MANY} with half a head");
    assert!(each <= MOST, "{each} bytes for each, more than {MOST}");

    let body = "x".repeat(20_000);
    for visitor in &mut visitors[..BUSY] {
        visitor.send("t: a.example\r\nContent-Length: 50000\r\n\r\n");
        visitor.send(&body);
    }
    let most = wait_for("bodies on their way", || {
        let now = memory().saturating_sub(before);
        (now > BUSY * body.len()).then_some(now)
    });
    drop(visitors);
    let begun = std::time::Instant::now();
    let mut left = most;
    while left > LEFT && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(50));
        left = memory().saturating_sub(before);
    }
    let (most, left, took) = (megabytes(most), megabytes(left), begun.elapsed());
    println!("{most} for {BUSY} bodies and {MANY} connections, {left} after {took:.1?}");
    assert!(begun.elapsed() < PATIENCE, "{left} are left of {most}");
}
