//! Who waits for room, and for how long.

use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use terrace_site::plan::QueuePlan;

use crate::harness::{Balancer, GET, SHORT};
use crate::upstream::{Reply, Upstream};
use crate::visitor::{PATIENCE, wait_for};

/// An upstream that answers when it is told to.
fn held() -> (Upstream, Sender<()>) {
    let (answer, answers) = channel();
    let answers = Mutex::new(answers);
    let upstream = Upstream::start(move |_, _| {
        let _ = answers.lock().unwrap().recv_timeout(PATIENCE);
        Reply::ok("held")
    });
    (upstream, answer)
}

fn one_each(waiting: u32, within: Duration) -> QueuePlan {
    QueuePlan {
        in_flight: Some(1),
        waiting,
        within,
    }
}

#[test]
fn one_at_a_time_then_a_line_then_no_more() {
    let (one, answer) = held();
    let balancer = Balancer::with(&[&one], |tier| {
        tier.queue = one_each(1, PATIENCE);
        tier.timeouts.first_byte = PATIENCE;
    });
    let mut first = balancer.visit();
    first.send(GET);
    wait_for("the request", || (one.requests().len() == 1).then_some(()));
    let mut second = balancer.visit();
    second.send(GET);
    let refused = wait_for("the end of the line", || {
        let mut third = balancer.visit();
        third.stream.set_read_timeout(Some(SHORT)).unwrap();
        third.send(GET);
        // Until the second stands in line this one may take its place.
        (third.stream.peek(&mut [0]).unwrap_or(0) > 0).then(|| third.answer(false))
    });
    assert_eq!(refused.status, 503);
    assert!(refused.field("retry-after").is_some());
    balancer.log_line(&[" 503 ", " full"]);
    assert_eq!(one.requests().len(), 1, "one at a time");
    answer.send(()).unwrap();
    assert_eq!(first.answer(false).text(), "held");
    wait_for("the second", || (one.requests().len() == 2).then_some(()));
    answer.send(()).unwrap();
    assert_eq!(second.answer(false).text(), "held");
}

#[test]
fn nobody_waits_for_ever() {
    let (one, answer) = held();
    let balancer = Balancer::with(&[&one], |tier| {
        tier.queue = one_each(8, SHORT);
        tier.timeouts.first_byte = PATIENCE;
    });
    let mut first = balancer.visit();
    first.send(GET);
    wait_for("the request", || (one.requests().len() == 1).then_some(()));
    let begun = Instant::now();
    let late = balancer.ask(GET);
    assert_eq!(late.status, 503);
    assert!(late.field("retry-after").is_some() && begun.elapsed() >= SHORT);
    balancer.log_line(&[" 503 ", " late-queue"]);
    answer.send(()).unwrap();
    assert_eq!(first.answer(false).text(), "held");
    answer.send(()).unwrap();
    assert_eq!(balancer.ask(GET).text(), "held", "the place is free again");
}
