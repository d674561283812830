//! What happens to a request when the upstream's connection turns out to be dead.

use crate::harness::Web;
use crate::upstream::{Reply, Upstream};

/// Answers the first request of each connection, and closes on the second without a word.
fn forgetful() -> Upstream {
    let answered = std::sync::Mutex::new(std::collections::BTreeSet::new());
    Upstream::start(move |_, request| {
        if answered.lock().unwrap().insert(request.connection) {
            Reply::ok("once")
        } else {
            Reply::close("")
        }
    })
}

fn request(method: &str) -> String {
    let body = if matches!(method, "POST" | "PATCH" | "PUT") {
        "Content-Length: 1\r\n\r\nx"
    } else {
        "\r\n"
    };
    format!("{method} /again HTTP/1.1\r\nHost: a.example\r\n{body}")
}

#[test]
fn what_may_be_repeated_is_tried_once_more_on_a_new_connection() {
    for method in ["GET", "HEAD", "OPTIONS", "DELETE"] {
        let upstream = forgetful();
        let web = Web::before(&upstream);
        let mut visitor = web.visit();
        visitor.ask("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
        assert_eq!(visitor.ask(&request(method)).status, 200, "{method}");
        let seen: Vec<usize> = upstream
            .requests()
            .iter()
            .map(|seen| seen.connection)
            .collect();
        assert_eq!(seen, [0, 0, 1], "{method}");
    }
}

#[test]
fn what_must_not_be_repeated_is_sent_once() {
    for method in ["POST", "PATCH", "PUT"] {
        let upstream = forgetful();
        let web = Web::before(&upstream);
        let mut visitor = web.visit();
        visitor.ask("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
        assert_eq!(visitor.ask(&request(method)).status, 502, "{method}");
        assert_eq!(upstream.requests().len(), 2, "{method}");
    }
}

#[test]
fn a_request_that_a_new_connection_loses_is_not_sent_again() {
    let upstream = Upstream::start(|_, _| Reply::close(""));
    let web = Web::before(&upstream);
    let answer = web.ask("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(answer.status, 502);
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn connections_that_were_closed_meanwhile_are_not_used() {
    let upstream =
        Upstream::start(|_, _| Reply::close("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    let web = Web::before(&upstream);
    let mut visitor = web.visit();
    // Nothing is known of the close in time perhaps, but a form is never lost to it once it is.
    for number in 0..5 {
        let answer = visitor.ask("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
        assert_eq!(answer.status, 200, "{number}");
    }
    assert_eq!(upstream.requests().len(), 5);
}
