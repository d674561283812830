//! How many connections, over which addresses, by how many workers.

use std::net::TcpListener;
use std::time::Duration;

use crate::harness::{PATIENCE, Web, wait_for};
use crate::upstream::{Reply, Upstream};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.example\r\nX-Request-Id: from-here\r\n\r\n";

#[test]
fn who_comes_when_all_places_are_in_use_waits_for_one() {
    let (answer, answers) = std::sync::mpsc::channel();
    let answers = std::sync::Mutex::new(answers);
    let upstream = Upstream::start(move |_, _| {
        let _ = answers.lock().unwrap().recv_timeout(PATIENCE);
        Reply::ok("ok")
    });
    let web = Web::with(upstream.address, |plan| {
        plan.limits.connections = 2;
        plan.routes[0].timeouts.first_byte = PATIENCE;
    });
    let (mut first, mut second) = (web.visit(), web.visit());
    first.send(GET);
    second.send(GET);
    wait_for("both", || (upstream.requests().len() == 2).then_some(()));
    // The kernel accepts it; nobody reads it.
    let mut third = web.visit();
    third.send(GET);
    third
        .stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    assert!(
        third.stream.peek(&mut [0]).is_err(),
        "it was not to be answered yet"
    );
    (0..3).for_each(|_| answer.send(()).unwrap());
    assert_eq!(first.answer(false).status, 200);
    third.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(third.answer(false).status, 200);
}

#[test]
fn a_visitor_over_ipv6_is_known_by_that_address() {
    let upstream = Upstream::start(|_, seen| Reply::ok(&seen.head));
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let web = Web::on(vec![listener], upstream.address, |_| {});
    let answer = web.ask(GET);
    assert_eq!(answer.status, 200);
    assert!(
        answer.text().contains("X-Forwarded-For: ::1"),
        "{}",
        answer.text()
    );
    web.log_line(&["::1"]);
}

#[test]
fn every_worker_serves() {
    let upstream = Upstream::start(|_, _| Reply::ok("ok"));
    let listeners: Vec<TcpListener> = (0..2)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let addresses: Vec<_> = listeners
        .iter()
        .map(|listener| listener.local_addr().unwrap())
        .collect();
    let web = Web::on(listeners, upstream.address, |plan| plan.workers = 2);
    for address in addresses {
        let mut visitor = crate::harness::Visitor::to(address);
        assert_eq!(visitor.ask(GET).status, 200);
    }
    let lines = wait_for("a line of each", || {
        let log = std::fs::read_to_string(web.directory.path().join("access")).unwrap();
        (log.lines().count() == 2).then_some(2)
    });
    assert_eq!(lines, 2);
}
