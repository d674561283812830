//! What is tried again, where, and what never is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use terrace_site::plan::HEALTH_PATH;

use crate::harness::{Balancer, GET, POST, SHORT, named};
use crate::upstream::{Reply, Upstream};
use crate::visitor::Visitor;

const PUT: &str = "PUT / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\nbody";

#[test]
fn a_server_that_dies_costs_no_request_that_may_be_repeated() {
    let pause = |name: &'static str| {
        Upstream::start(move |_, request| {
            std::thread::sleep(Duration::from_millis(2));
            Reply::ok(&format!("{name}{}", String::from_utf8_lossy(&request.body)))
        })
    };
    let (one, two) = (pause("one"), pause("two"));
    let balancer = Balancer::before(&[&one, &two]);
    let address = balancer.address;
    let visitors: Vec<_> = [GET, PUT, GET, PUT]
        .map(|request| {
            std::thread::spawn(move || {
                let mut visitor = Visitor::to(address);
                let statuses = (0..150).map(|_| visitor.ask(request).status);
                statuses.filter(|status| *status != 200).count()
            })
        })
        .into_iter()
        .collect();
    crate::visitor::wait_for("some requests", || {
        (two.requests().len() > 50).then_some(())
    });
    two.kill();
    let failed: usize = visitors.into_iter().map(|one| one.join().unwrap()).sum();
    assert_eq!(failed, 0);
    // Each was done, and none twice where it was answered.
    assert!(one.requests().len() + two.requests().len() >= 600);
}

#[test]
fn what_may_not_be_repeated_is_sent_once() {
    let breaks = || Upstream::start(|_, _| Reply::close(""));
    let (one, two) = (breaks(), breaks());
    let balancer = Balancer::before(&[&one, &two]);
    for _ in 0..6 {
        assert_eq!(balancer.ask(POST).status, 502);
    }
    assert_eq!(one.requests().len() + two.requests().len(), 6);
    assert_eq!(balancer.ask(GET).status, 502);
    let all = one.requests().len() + two.requests().len();
    assert_eq!(all, 8, "never twice to the same server");
    balancer.log_line(&[" GET ", " 502 ", " 2 cut"]);
}

#[test]
fn what_nobody_has_seen_goes_elsewhere_whatever_it_is() {
    let (one, two) = (named("one"), named("two"));
    one.kill();
    let balancer = Balancer::before(&[&one, &two]);
    assert!((0..6).all(|_| balancer.ask(POST).text() == "two"));
    assert_eq!(two.requests().len(), 6);

    let unsent = || {
        Upstream::start(|_, _| {
            Reply::keep("HTTP/1.1 503 No\r\nterrace-unsent: 1\r\nContent-Length: 2\r\n\r\nno")
        })
    };
    let (three, four) = (unsent(), unsent());
    let balancer = Balancer::before(&[&three, &two]);
    assert!((0..4).all(|_| balancer.ask(POST).text() == "two"));
    assert!(!three.requests().is_empty());
    let balancer = Balancer::before(&[&three, &four]);
    let answer = balancer.ask(POST);
    assert_eq!((answer.status, answer.text().as_str()), (503, "no"));
    assert_eq!(
        answer.field("terrace-unsent"),
        None,
        "it stays among ourselves"
    );
}

#[test]
fn an_app_that_says_it_has_seen_nothing_is_not_believed() {
    let unsent = || {
        Upstream::start(|_, _| {
            Reply::keep("HTTP/1.1 503 No\r\nTerrace-Unsent: 1\r\nContent-Length: 2\r\n\r\nno")
        })
    };
    let (one, two) = (unsent(), unsent());
    let balancer = Balancer::with(&[&one, &two], |tier| {
        for (member, copy) in tier.members.iter_mut().zip(1..) {
            member.instance = format!("web-01/app/{copy}");
        }
    });
    let answer = balancer.ask(POST);
    assert_eq!((answer.status, answer.field("terrace-unsent")), (503, None));
    assert_eq!(one.requests().len() + two.requests().len(), 1);
}

#[test]
fn nobody_before_us_is_told_that_nothing_was_sent() {
    let one = named("one");
    one.kill();
    let balancer = Balancer::under(&[&one], |plan| {
        plan.trust = vec![("127.0.0.1".parse().unwrap(), 32)];
    });
    let answer = balancer.ask(POST);
    assert_eq!((answer.status, answer.field("terrace-unsent")), (503, None));
}

#[test]
fn a_server_that_stalls_within_its_answer_is_taken_out() {
    let stalls = || Reply::stall("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    let (one, two) = (Upstream::start(move |_, _| stalls()), named("two"));
    let balancer = Balancer::with(&[&one, &two], |tier| {
        tier.ejection.in_a_row = 1;
        tier.ejection.first = Duration::from_secs(60);
        tier.ejection.longest = Duration::from_secs(60);
    });
    assert!((0..2).any(|_| !balancer.ask(GET).whole));
    balancer.log_line(&[" 200 ", " 1 late-idle"]);
    assert!((0..6).all(|_| balancer.ask(GET).text() == "two"));
    assert_eq!(one.requests().len(), 1);
}

#[test]
fn a_body_that_came_in_pieces_is_sent_again_whole() {
    let one = Upstream::start(|_, _| Reply::close(""));
    let two = Upstream::start(|_, request| Reply::ok(&request.body.len().to_string()));
    let balancer = Balancer::before(&[&one, &two]);
    for size in [20_000, 40_000] {
        let mut visitor = balancer.visit();
        let head = format!("PUT / HTTP/1.1\r\nHost: a.example\r\nContent-Length: {size}\r\n\r\n");
        visitor.send(head);
        (0..size / 1000).for_each(|_| visitor.send([b'x'; 1000]));
        assert_eq!(visitor.answer(false).text(), size.to_string());
    }
    assert!(!one.requests().is_empty());
}

#[test]
fn a_server_that_falls_silent_gives_back_what_it_has() {
    let silent = Arc::new(AtomicBool::new(false));
    let is_silent = Arc::clone(&silent);
    let one = Upstream::start(move |_, _| {
        if is_silent.load(Ordering::SeqCst) {
            Reply::stall("")
        } else {
            Reply::ok("one")
        }
    });
    let two = named("two");
    let balancer = Balancer::with(&[&one, &two], |tier| {
        tier.health.path = Some(HEALTH_PATH.to_owned());
        tier.health.within = Duration::from_millis(200);
        tier.timeouts.first_byte = Duration::from_secs(8);
    });
    let mut visitors = [balancer.visit(), balancer.visit()];
    assert_eq!(visitors[0].ask(GET).text(), "one");
    assert_eq!(visitors[1].ask(GET).text(), "two");
    silent.store(true, Ordering::SeqCst);
    let begun = Instant::now();
    assert_eq!(visitors[0].ask(GET).text(), "two");
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    balancer.log_line(&[" 2 ok"]);
    // From now on it is out.
    let begun = Instant::now();
    assert!((0..6).all(|_| visitors[1].ask(GET).text() == "two"));
    assert!(begun.elapsed() < SHORT, "{:?}", begun.elapsed());
}

#[test]
fn an_answer_that_is_merely_late_is_not_asked_for_twice() {
    let slow = || Upstream::start(|_, _| Reply::stall(""));
    let (one, two) = (slow(), slow());
    let balancer = Balancer::before(&[&one, &two]);
    assert_eq!(balancer.ask(GET).status, 504);
    assert_eq!(one.requests().len() + two.requests().len(), 1);
    balancer.log_line(&[" 504 ", " 1 late-first-byte"]);
    let balancer = Balancer::with(&[&one], |tier| tier.timeouts.total = Some(SHORT / 2));
    assert_eq!(balancer.ask(GET).status, 504);
    balancer.log_line(&[" 504 ", " 1 late-total"]);
}

#[test]
fn a_kept_connection_that_closes_is_no_failure_of_the_only_server() {
    let one = Upstream::start(|number, _| {
        if number % 2 == 0 {
            Reply::ok("one")
        } else {
            Reply::close("")
        }
    });
    let balancer = Balancer::before(&[&one]);
    let mut visitor = balancer.visit();
    assert_eq!(visitor.ask(GET).text(), "one");
    assert_eq!(visitor.ask(GET).text(), "one");
    assert_eq!(one.requests().len(), 3);
}
