//! What a web server tells the balancer before it: that it is well, and that nobody has seen a request.

use std::net::{IpAddr, Ipv4Addr, TcpListener};

use crate::harness::Web;
use crate::upstream::{Reply, Upstream};

const POST: &str = "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1\r\n\r\nx";
const FRONT: (IpAddr, u8) = (IpAddr::V4(Ipv4Addr::LOCALHOST), 32);

#[test]
fn only_a_trusted_front_hears_that_nothing_was_sent() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let gone = gone.unwrap();
    for trusts in [true, false] {
        let web = Web::with(gone, |plan| {
            plan.trust = trusts.then_some(FRONT).into_iter().collect();
        });
        let answer = web.ask(POST);
        assert_eq!(answer.status, 503);
        assert_eq!(
            answer.field("terrace-unsent").is_some(),
            trusts,
            "{}",
            answer.head
        );
    }
}

#[test]
fn it_is_well_whatever_becomes_of_its_app() {
    let upstream = Upstream::start(|_, _| Reply::close(""));
    let web = Web::before(&upstream);
    let path = terrace_site::plan::HEALTH_PATH;
    // By address, as a check may ask.
    let answer = web.ask(&format!("GET {path} HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n"));
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok\n"));
    assert!(upstream.requests().is_empty());
}

#[test]
fn what_an_app_may_have_seen_is_not_said_to_be_unsent() {
    let upstream = Upstream::start(|_, _| Reply::close(""));
    let web = Web::with(upstream.address, |plan| plan.trust = vec![FRONT]);
    let answer = web.ask(POST);
    assert_eq!((answer.status, answer.field("terrace-unsent")), (502, None));
}

#[test]
fn an_app_cannot_say_it() {
    let upstream = Upstream::start(|_, _| {
        Reply::keep("HTTP/1.1 503 No\r\nTerrace-Unsent: 1\r\nContent-Length: 2\r\n\r\nno")
    });
    let web = Web::with(upstream.address, |plan| plan.trust = vec![FRONT]);
    let answer = web.ask(POST);
    assert_eq!((answer.status, answer.field("terrace-unsent")), (503, None));
    assert_eq!(answer.text(), "no");
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_visitor_cannot_say_it() {
    for trust in [vec![], vec![FRONT]] {
        let upstream = Upstream::start(|_, _| Reply::ok("ok"));
        let web = Web::with(upstream.address, |plan| plan.trust = trust);
        for name in ["Terrace-Unsent", "terrace-unsent", "Terrace_Unsent"] {
            let request = format!("GET / HTTP/1.1\r\nHost: a.example\r\n{name}: 1\r\n\r\n");
            assert_eq!(web.ask(&request).status, 200);
        }
        for seen in upstream.requests() {
            assert!(
                !seen.head.to_lowercase().contains("unsent"),
                "{}",
                seen.head
            );
        }
    }
}

#[test]
fn the_mark_of_an_app_goes_no_further_whatever_it_answers() {
    let upstream = Upstream::start(|_, _| {
        Reply::keep("HTTP/1.1 200 OK\r\nterrace-UNSENT: 1\r\nContent-Length: 2\r\n\r\nok")
    });
    let web = Web::with(upstream.address, |plan| plan.trust = vec![FRONT]);
    let answer = web.ask(POST);
    assert_eq!((answer.status, answer.field("terrace-unsent")), (200, None));
}
