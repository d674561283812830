//! Whose fault it is when an answer does not come to its end, as the role counts it.

use terrace_protocol::report::RoleReport;
use terrace_protocol::role::ToRole;

use crate::drain::{configure, heard, node, runtime, start};
use crate::harness::{Visitor, plan, wait_for};
use crate::upstream::{Reply, Upstream};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

/// Asks once and reads as this does; returns the role's report afterwards, and the line in its log.
fn report_after(
    request: &str,
    reply: fn() -> Reply,
    read: impl FnOnce(&mut Visitor),
) -> (RoleReport, String) {
    let app = Upstream::start(move |_, _| reply());
    let directory = tempfile::tempdir().unwrap();
    let (address, role) = start(directory.path());
    let report = runtime().block_on(async {
        let mut node = node(directory.path()).await;
        configure(&mut node, 1, &plan(address, app.address)).await;
        let mut visitor = Visitor::to(address);
        visitor.send(request);
        read(&mut visitor);
        let ended = |report: &RoleReport| {
            let traffic = report.traffic.as_ref();
            traffic.is_some_and(|traffic| traffic.requests == 1)
        };
        let report = heard(&mut node, ended).await;
        let drain = ToRole::Drain { within: 100 };
        node.sender.send(&drain).await.unwrap();
        report
    });
    role.join().unwrap().unwrap();
    let log = std::fs::read_to_string(directory.path().join("access")).unwrap();
    (report, log)
}

fn failed(report: &RoleReport) -> (u64, u64) {
    (
        report.traffic.as_ref().unwrap().failed,
        report.upstreams[0].errors,
    )
}

#[test]
fn a_visitor_that_does_not_read_is_nobodys_fault() {
    const SIZE: usize = 32 << 20;
    let reply = || {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
        Reply::Keep([head.into_bytes(), vec![b'x'; SIZE]].concat())
    };
    let (report, log) = report_after(GET, reply, |visitor| {
        wait_for("some of it", || {
            (visitor.stream.peek(&mut [0]).unwrap() > 0).then_some(())
        });
    });
    assert_eq!(failed(&report), (0, 0));
    assert!(log.ends_with(" 1 late\n"), "{log}");
}

#[test]
fn an_app_that_stalls_within_its_answer_has_failed() {
    let reply = || Reply::stall("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    let (report, log) = report_after(GET, reply, |visitor| {
        assert!(!visitor.answer(false).whole);
    });
    assert_eq!(failed(&report), (1, 1));
    assert!(log.ends_with(" 1 late-idle\n"), "{log}");
}

#[test]
fn how_long_another_protocol_lasts_is_not_how_long_an_answer_takes() {
    let request =
        "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let reply = || Reply::echo("");
    // It is silent until its time is over.
    let (report, log) = report_after(request, reply, |visitor| {
        assert_eq!(visitor.answer(false).status, 101);
        assert!(visitor.is_closed());
    });
    assert_eq!(failed(&report), (0, 0));
    let longest = report.traffic.unwrap().p99.unwrap();
    assert!(longest < 200_000, "{longest}");
    assert!(log.ends_with(" 1 late-idle\n"), "{log}");
}

/// The role's report after these requests, where the neighbour is a balancer of ours or is not.
fn counted(is_balancer: bool, requests: &[&str]) -> RoleReport {
    let app = Upstream::start(move |_, _| {
        Reply::Keep(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".into())
    });
    let directory = tempfile::tempdir().unwrap();
    let (address, role) = start(directory.path());
    let report = runtime().block_on(async {
        let mut node = node(directory.path()).await;
        let mut plan = plan(address, app.address);
        if is_balancer {
            plan.trust.push((address.ip(), 32));
        }
        configure(&mut node, 1, &plan).await;
        for request in requests {
            let mut visitor = Visitor::to(address);
            visitor.send(request);
            visitor.answer(false);
        }
        // One more, so that all others have been counted.
        let mut last = Visitor::to(address);
        last.send(
            "GET /last HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: 198.51.100.10\r\n\r\n",
        );
        last.answer(false);
        let counted = |report: &RoleReport| {
            let traffic = report.traffic.as_ref();
            traffic.is_some_and(|traffic| traffic.failed > 0 && traffic.in_flight == 0)
        };
        let report = heard(&mut node, counted).await;
        node.sender
            .send(&ToRole::Drain { within: 100 })
            .await
            .unwrap();
        report
    });
    role.join().unwrap().unwrap();
    report
}

#[test]
fn the_checks_of_our_balancer_are_no_visitors_requests() {
    let path = terrace_site::plan::HEALTH_PATH;
    let own =
        format!("GET {path} HTTP/1.1\r\nHost: a.example\r\nUser-Agent: terrace-check\r\n\r\n");
    // The file gives checks a path that the app answers, here with 500.
    let of_app = "GET /well HTTP/1.1\r\nHost: a.example\r\n\r\n";
    let passed_on = format!(
        "{}X-Forwarded-For: 198.51.100.10\r\n\r\n",
        own.trim_end_matches("\r\n").to_owned() + "\r\n"
    );
    let cases: [(bool, &[&str], (u64, u64)); 3] = [
        (true, &[&own, of_app, &own], (1, 1)),
        // A visitor who asks for the same is passed on with his address, and counts.
        (true, &[&passed_on, &own], (2, 1)),
        // One who is no balancer of ours counts, whatever he writes.
        (false, &[&own, of_app], (3, 2)),
    ];
    for (is_balancer, requests, wanted) in cases {
        let traffic = counted(is_balancer, requests).traffic.unwrap();
        assert_eq!((traffic.requests, traffic.failed), wanted, "{requests:?}");
    }
}
