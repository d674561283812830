//! Connections that change their protocol: whom they go to, and that they count while they last.

use std::net::Shutdown;

use terrace_site::plan::QueuePlan;

use crate::harness::{Balancer, GET};
use crate::upstream::{Reply, Upstream};
use crate::visitor::wait_for;

const UPGRADE: &str =
    "GET /chat HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

#[test]
fn it_is_in_flight_while_it_lasts() {
    let app = Upstream::start(|number, _| match number {
        0 => Reply::echo("hello"),
        _ => Reply::ok("ordinary"),
    });
    let balancer = Balancer::with(&[&app], |tier| {
        tier.queue = QueuePlan {
            in_flight: Some(1),
            waiting: 0,
            ..QueuePlan::default()
        };
    });
    let mut visitor = balancer.visit();
    assert_eq!(visitor.ask(UPGRADE).status, 101);
    assert_eq!(visitor.exactly(5), b"hello");
    assert_eq!(balancer.ask(GET).status, 503);
    balancer.log_line(&[" 503 ", " full"]);
    visitor.send("x");
    assert_eq!(visitor.exactly(1), b"x");
    visitor.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(visitor.until_end(), b"bye");
    balancer.log_line(&[" /chat 101 ", " web-01/web ", " 1 ok"]);
    wait_for("room", || {
        (balancer.ask(GET).text() == "ordinary").then_some(())
    });
}

#[test]
fn one_that_got_no_answer_goes_elsewhere_and_one_that_did_does_not() {
    let gone = Upstream::start(|_, _| Reply::close(""));
    let app = Upstream::start(|_, _| Reply::echo(""));
    let balancer = Balancer::before(&[&gone, &app]);
    for _ in 0..2 {
        let mut visitor = balancer.visit();
        assert_eq!(visitor.ask(UPGRADE).status, 101);
        visitor.send("x");
        assert_eq!(visitor.exactly(1), b"x");
    }
    assert!(!gone.requests().is_empty());
    assert_eq!(app.requests().len(), 2);

    let changed =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let ends = Upstream::start(move |_, _| Reply::close(changed));
    let balancer = Balancer::before(&[&ends]);
    let mut visitor = balancer.visit();
    assert_eq!(visitor.ask(UPGRADE).status, 101);
    assert!(visitor.is_closed());
    assert_eq!(ends.requests().len(), 1);
}
