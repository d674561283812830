//! Whom requests go to.

use std::time::Duration;

use terrace_site::plan::Algorithm;

use crate::harness::{Balancer, GET, named};
use crate::upstream::{Reply, Upstream};
use crate::visitor::{field, wait_for};

#[test]
fn requests_alternate_strictly_however_they_come() {
    let (one, two) = (named("one"), named("two"));
    let balancer = Balancer::before(&[&one, &two]);
    let mut visitors = [balancer.visit(), balancer.visit()];
    let mut answers = Vec::new();
    for round in 0..30 {
        answers.push(match round % 3 {
            2 => balancer.ask(GET).text(),
            which => visitors[which].ask(GET).text(),
        });
    }
    let wanted: Vec<_> = (0..30).map(|round| ["one", "two"][round % 2]).collect();
    assert_eq!(answers, wanted);
    for upstream in [&one, &two] {
        let connections = upstream.requests().iter().map(|seen| seen.connection).max();
        assert_eq!(
            connections,
            Some(0),
            "one connection is enough, and is kept"
        );
    }
    balancer.log_line(&[" web-02/web ", " ok"]);
}

#[test]
fn weights_are_shares() {
    let (one, two) = (named("one"), named("two"));
    let balancer = Balancer::with(&[&one, &two], |tier| tier.members[0].weight = 3);
    let mut visitor = balancer.visit();
    (0..40).for_each(|_| drop(visitor.ask(GET)));
    assert_eq!((one.requests().len(), two.requests().len()), (30, 10));
}

#[test]
fn the_least_busy_one_is_asked() {
    let slow = Upstream::start(|_, _| Reply::stall(""));
    let quick = named("quick");
    let balancer = Balancer::with(&[&slow, &quick], |tier| {
        tier.algorithm = Algorithm::LeastConnections;
        tier.timeouts.first_byte = Duration::from_secs(8);
    });
    let mut visitor = balancer.visit();
    let mut waits = balancer.visit();
    waits.send(GET);
    wait_for("a request at either", || {
        (slow.requests().len() + quick.requests().len() > 0).then_some(())
    });
    // Whoever has it, from the second on all go to the one that answers.
    if slow.requests().is_empty() {
        waits.answer(false);
        waits.send(GET);
        wait_for("the request", || {
            (!slow.requests().is_empty()).then_some(())
        });
    }
    let answers = (0..6).map(|_| visitor.ask(GET).text());
    assert!(answers.into_iter().all(|text| text == "quick"));
}

#[test]
fn a_backup_is_asked_when_nobody_else_is_there() {
    let (one, two) = (named("one"), named("two"));
    let balancer = Balancer::with(&[&one, &two], |tier| tier.members[1].backup = true);
    let mut visitor = balancer.visit();
    assert!((0..4).all(|_| visitor.ask(GET).text() == "one"));
    one.kill();
    assert!((0..4).all(|_| visitor.ask(GET).text() == "two"));
}

#[test]
fn failures_in_a_row_take_a_server_out_and_it_comes_back() {
    let failing = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let fails = std::sync::Arc::clone(&failing);
    let one = Upstream::start(move |_, _| {
        if fails.load(std::sync::atomic::Ordering::SeqCst) {
            Reply::keep("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
        } else {
            Reply::ok("one")
        }
    });
    let two = named("two");
    let balancer = Balancer::with(&[&one, &two], |tier| {
        tier.ejection.in_a_row = 3;
        tier.ejection.first = Duration::from_millis(300);
    });
    let mut visitor = balancer.visit();
    let statuses: Vec<_> = (0..6).map(|_| visitor.ask(GET).status).collect();
    assert_eq!(statuses, [500, 200, 500, 200, 500, 200]);
    let seen = one.requests().len();
    assert!((0..6).all(|_| visitor.ask(GET).text() == "two"));
    assert_eq!(one.requests().len(), seen);
    failing.store(false, std::sync::atomic::Ordering::SeqCst);
    wait_for("its return", || {
        (visitor.ask(GET).text() == "one").then_some(())
    });
    let back: Vec<_> = (0..4).map(|_| visitor.ask(GET).text()).collect();
    assert_eq!(back, ["two", "one", "two", "one"]);
}

#[test]
fn who_the_visitor_is_goes_on() {
    let one = Upstream::start(|_, request| Reply::ok(&request.head));
    let balancer = Balancer::before(&[&one]);
    let answer = balancer.ask(
        "GET / HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: 1.2.3.4\r\nConnection: keep-alive\r\n\r\n",
    );
    let head = answer.text();
    assert_eq!(field(&head, "x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(field(&head, "x-forwarded-proto"), Some("http"));
    assert_eq!(field(&head, "host"), Some("a.example"));
    assert_eq!(field(&head, "connection"), None);
    balancer.log_line(&[field(&head, "x-request-id").unwrap(), " 1 ok"]);
}

#[test]
fn a_visitor_that_waits_for_leave_to_send_gets_it() {
    let one = Upstream::start(|_, request| Reply::ok(&String::from_utf8_lossy(&request.body)));
    let balancer = Balancer::before(&[&one]);
    let mut visitor = balancer.visit();
    visitor.send(
        "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
    );
    assert_eq!(visitor.answer(true).status, 100);
    visitor.send("hello");
    assert_eq!(visitor.answer(false).text(), "hello");
}
