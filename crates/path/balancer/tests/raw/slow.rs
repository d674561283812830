//! Slow visitors, and servers that stand still: who holds a place, and what a check that fails may end.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use terrace_site::plan::{BalancerPlan, HEALTH_PATH, QueuePlan, StreamPlan};

use crate::harness::{Balancer, GET, POST, named};
use crate::upstream::{Reply, Upstream};
use crate::visitor::{PATIENCE, Visitor, wait_for};

fn one_at_a_time(plan: &mut BalancerPlan) {
    plan.limits.body = 64 << 20;
    for timeouts in [&mut plan.timeouts, &mut plan.tiers[0].timeouts] {
        timeouts.idle = PATIENCE;
        timeouts.first_byte = PATIENCE;
    }
    plan.tiers[0].queue = QueuePlan {
        in_flight: Some(1),
        waiting: 8,
        within: PATIENCE,
    };
}

/// Of a tier of web servers, and of one of apps.
fn both_tiers(one: &Upstream, change: impl Fn(&mut BalancerPlan)) -> [Balancer; 2] {
    ["web-01/web", "web-01/app/1"].map(|id| {
        Balancer::under(&[one], |plan| {
            one_at_a_time(plan);
            plan.tiers[0].members[0].instance = id.to_owned();
            change(plan);
        })
    })
}

fn slow_form(balancer: &Balancer) -> Visitor {
    let mut visitor = balancer.visit();
    visitor.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 8\r\n\r\nslow");
    std::thread::sleep(Duration::from_millis(50));
    visitor
}

#[test]
fn who_sends_slowly_holds_no_place() {
    let one = named("one");
    for balancer in both_tiers(&one, |_| {}) {
        let mut slow = slow_form(&balancer);
        let begun = Instant::now();
        assert_eq!(balancer.ask(GET).text(), "one");
        assert!(begun.elapsed() < PATIENCE / 4, "{:?}", begun.elapsed());
        slow.send("form");
        assert_eq!(slow.answer(false).text(), "one");
    }
}

#[test]
fn who_reads_slowly_holds_no_place() {
    const SIZE: usize = 20 << 20;
    let large = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
    let one = Upstream::start(move |_, request| {
        if request.head.starts_with("GET /large ") {
            Reply::Keep([large.as_bytes(), &vec![b'y'; SIZE]].concat())
        } else {
            Reply::ok("one")
        }
    });
    for balancer in both_tiers(&one, |_| {}) {
        let mut slow = balancer.visit();
        slow.send("GET /large HTTP/1.1\r\nHost: a.example\r\n\r\n");
        std::thread::sleep(Duration::from_millis(50));
        let begun = Instant::now();
        assert_eq!(balancer.ask(GET).text(), "one");
        assert!(begun.elapsed() < PATIENCE / 4, "{:?}", begun.elapsed());
        let answer = slow.answer(false);
        assert!(answer.whole && answer.body.len() == SIZE);
    }
}

#[test]
fn a_path_that_streams_is_asked_at_once_and_no_other() {
    let one = Upstream::hasty(|_, _| {
        Reply::close("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\nfirst")
    });
    let streams = |plan: &mut BalancerPlan| {
        let stream = |prefix: &str, above| StreamPlan {
            prefix: prefix.to_owned(),
            above,
        };
        plan.tiers[0].streams = vec![stream("/live", Some(4)), stream("/", None)];
    };
    for balancer in both_tiers(&one, streams) {
        for (path, kind, length, streams) in [
            ("/live/x", "text/plain", 5, true),
            ("/live", "application/grpc+proto", 1, true),
            ("/live", "text/plain", 4, false),
            ("/lively", "text/plain", 5, false),
            ("/", "application/grpc", 5, false),
        ] {
            let known = one.requests().len();
            let mut visitor = balancer.visit();
            visitor.send(format!(
                "POST {path} HTTP/1.1\r\nHost: a.example\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
            ));
            if !streams {
                std::thread::sleep(Duration::from_millis(50));
                assert_eq!(one.requests().len(), known, "{path} {kind}");
                visitor.send("x".repeat(length));
            }
            assert_eq!(visitor.answer(false).status, 103, "{path} {kind}");
            assert_eq!(visitor.answer(false).status, 200, "{path} {kind}");
        }
    }
}

/// One whose checks are not answered from the first request on, which it answers late.
fn stands_still(check: &'static str) -> Upstream {
    let is_still = AtomicBool::new(false);
    Upstream::start(move |_, request| {
        if request.head.starts_with(&format!("GET {check} ")) {
            return if is_still.load(Ordering::SeqCst) {
                Reply::stall("")
            } else {
                Reply::ok("well")
            };
        }
        is_still.store(true, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(1_200));
        Reply::ok("late, and good")
    })
}

fn checked(path: &'static str) -> impl Fn(&mut BalancerPlan) {
    move |plan| {
        plan.tiers[0].queue.in_flight = None;
        plan.tiers[0].health.path = Some(path.to_owned());
        plan.tiers[0].health.every = Duration::from_millis(100);
        plan.tiers[0].health.within = Duration::from_millis(100);
    }
}

#[test]
fn an_app_that_leaves_its_checks_unanswered_for_a_while_loses_nothing() {
    // Through web servers of ours too: that path is not theirs.
    let one = stands_still("/health");
    for balancer in both_tiers(&one, checked("/health")) {
        for request in [POST, GET] {
            assert_eq!(balancer.ask(request).text(), "late, and good");
        }
    }
    // An app may answer at that path too.
    let one = stands_still(HEALTH_PATH);
    let [_, of_apps] = both_tiers(&one, checked(HEALTH_PATH));
    assert_eq!(of_apps.ask(POST).text(), "late, and good");
}

/// A server that answers nothing any more once it is told to stand still, not even its checks; before, those alone, and it begins
/// what is asked of `/begins`.
fn falls_silent() -> (Upstream, Arc<AtomicBool>) {
    let still = Arc::new(AtomicBool::new(false));
    let is_still = Arc::clone(&still);
    let one = Upstream::hasty(move |_, request| {
        if request.head.starts_with("GET /begins ") {
            return Reply::stall("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        }
        if is_still.load(Ordering::SeqCst) || !request.head.contains(HEALTH_PATH) {
            return Reply::stall("");
        }
        Reply::ok("well")
    });
    (one, still)
}

/// How many requests it has that are no checks.
fn asked(one: &Upstream) -> usize {
    let requests = one.requests();
    let others = requests.iter();
    others
        .filter(|seen| !seen.head.contains(HEALTH_PATH))
        .count()
}

fn checked_alone(plan: &mut BalancerPlan) {
    one_at_a_time(plan);
    checked(HEALTH_PATH)(plan);
    plan.tiers[0].streams = vec![StreamPlan {
        prefix: "/live".to_owned(),
        above: Some(4),
    }];
}

#[test]
fn what_cannot_be_asked_of_another_ends_when_its_server_falls_silent() {
    let (one, still) = falls_silent();
    let balancer = Balancer::under(&[&one], checked_alone);
    let fields = "HTTP/1.1\r\nHost: a.example\r\n";
    let mut waiting = [
        format!("POST /form {fields}Content-Length: 1\r\n\r\nx"),
        format!("GET /page {fields}\r\n"),
        format!("POST /live {fields}Content-Length: 8\r\n\r\nhalf"),
    ]
    .map(|request| {
        let mut visitor = balancer.visit();
        visitor.send(&request);
        (request, visitor)
    });
    let mut begun = balancer.visit();
    begun.send(format!("GET /begins {fields}\r\n"));
    begun.exactly(20);
    wait_for("all requests", || (asked(&one) == 4).then_some(()));

    still.store(true, Ordering::SeqCst);
    let since = Instant::now();
    for (request, visitor) in &mut waiting {
        let answer = visitor.answer(false);
        assert_eq!(answer.status, 504, "{request}");
        assert!(answer.text().contains("fallen silent"), "{}", answer.text());
        let took = since.elapsed();
        assert!(took < PATIENCE / 4, "{request}: {took:?}");
    }
    balancer.log_line(&[" /form ", " 504 ", " 1 silent"]);
    assert_eq!(asked(&one), 4);
    // An answer that has begun is not ended by that.
    begun.stream.set_nonblocking(true).unwrap();
    let end = loop {
        match begun.stream.read(&mut [0; 1024]) {
            Ok(1..) => {}
            end => break end,
        }
    };
    assert!(
        end.as_ref()
            .is_err_and(|error| error.kind() == ErrorKind::WouldBlock),
        "{end:?}"
    );
}

#[test]
fn a_form_at_a_server_that_falls_silent_is_not_sent_to_another() {
    let ((one, still), two) = (falls_silent(), named("two"));
    let balancer = Balancer::under(&[&one, &two], checked_alone);
    let mut visitors = [balancer.visit(), balancer.visit()];
    for visitor in &mut visitors {
        visitor.send(POST);
    }
    wait_for("a form at each", || {
        (asked(&one) == 1 && asked(&two) == 1).then_some(())
    });
    still.store(true, Ordering::SeqCst);
    let since = Instant::now();
    let mut statuses = visitors.each_mut().map(|one| one.answer(false).status);
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 504]);
    assert!(since.elapsed() < PATIENCE / 4, "{:?}", since.elapsed());
    assert_eq!((asked(&one), asked(&two)), (1, 1));
    assert!((0..4).all(|_| balancer.ask(POST).text() == "two"));
}

#[test]
fn bodies_that_wait_in_files_are_brought_to_another_server() {
    const SIZE: usize = 1 << 20;
    let one = Upstream::hasty(|_, _| Reply::close(""));
    let two = Upstream::start(|_, request| Reply::ok(&request.body.len().to_string()));
    let balancer = Balancer::under(&[&one, &two], one_at_a_time);
    for _ in 0..2 {
        let mut visitor = balancer.visit();
        visitor.send(format!(
            "PUT / HTTP/1.1\r\nHost: a.example\r\nContent-Length: {SIZE}\r\n\r\n"
        ));
        let _ = visitor.stream.write_all(&vec![b'x'; SIZE]);
        assert_eq!(visitor.answer(false).text(), SIZE.to_string());
    }
    assert!(!one.requests().is_empty());
}
