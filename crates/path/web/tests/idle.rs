//! What a connection costs that waits for nothing in particular. A process of its own: its memory is measured.
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

use harness::{Visitor, Web};
use upstream::{Reply, Upstream};

const MANY: usize = 4_000;
/// Bytes of memory for each. Most of it is the task; a build without optimisation makes larger ones.
const MOST: usize = 12 * 1024;

/// Bytes of memory that this process has.
fn memory() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[test]
fn an_idle_connection_costs_little() {
    terrace_service::descriptors::allow(3 * MANY as u64).unwrap();
    assert!(
        terrace_service::descriptors::limit() > 2 * MANY as u64 + 500,
        "this test needs descriptors: raise the hard limit"
    );
    let app = Upstream::start(|_, _| Reply::ok("ok"));
    let web = Web::with(app.address, |plan| {
        plan.limits.share = MANY + 10;
        plan.limits.connections = MANY + 10;
        plan.timeouts.idle = Duration::from_secs(60);
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
    let visitors = warm(MANY);
    let each = memory().saturating_sub(before) / visitors.len();
    println!("{each} bytes for each of {MANY}");
    assert!(each <= MOST, "{each} bytes for each, more than {MOST}");
}
