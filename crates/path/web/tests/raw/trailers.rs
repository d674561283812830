//! Fields behind a body: the rules of heads hold for them too, in both directions.

use crate::harness::{Web, find};
use crate::upstream::{Reply, Upstream};

/// What only a front or the head itself may say. Some as CGI and WSGI would fold them.
const FORGED: &[&str] = &[
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Client-Cert",
    "X-FORWARDED-PORT",
    "X_Forwarded_For",
    "X.Forwarded.For",
    "Forwarded",
    "X-Real-IP",
    "X-Request-Id",
    "Terrace-Unsent",
    "Terrace-Anything",
    "True-Client-IP",
    "CF-Connecting-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-Remote-User",
    "SSL-Client-Verify",
    "Client-Cert",
    "X-Scheme",
    "Proxy",
    "Proxy-Authorization",
    "Authorization",
    "Cookie",
    "Set-Cookie",
    "Content-Type",
    "Content-Encoding",
    "Content-Range",
    "Cache-Control",
    "Expect",
    "Max-Forwards",
    "Range",
    "If-Match",
    "Keep-Alive",
    "TE",
    "Upgrade",
    "X-HTTP-Method-Override",
    "Date",
];

fn chunked(fields: &str, trailers: &str) -> String {
    format!(
        "POST /form HTTP/1.1\r\nHost: a.example\r\n{fields}Transfer-Encoding: chunked\r\n\r\n\
         5\r\nhello\r\n0\r\n{trailers}\r\n"
    )
}

/// The trailers of a chunked body.
fn trailers(body: &[u8]) -> String {
    let last = find(body, b"\r\n0\r\n").unwrap();
    String::from_utf8_lossy(&body[last + 5..]).into_owned()
}

#[test]
fn nobody_says_who_it_is_behind_a_body() {
    let upstream = Upstream::start(|_, _| Reply::ok("ok"));
    let strange = Web::before(&upstream);
    let trusting = Web::with(upstream.address, |plan| {
        plan.trust = vec![("127.0.0.0".parse().unwrap(), 8)];
    });
    let mut reached = Vec::new();
    for name in FORGED {
        for web in [&strange, &trusting] {
            let forged = format!("Digest: a\r\n{name}: forged\r\nX-Checksum: b\r\n");
            assert_eq!(web.ask(&chunked("", &forged)).status, 200, "{name}");
            let seen = upstream.requests().pop().unwrap();
            if trailers(&seen.body) != "Digest: a\r\nX-Checksum: b\r\n\r\n" {
                reached.push((*name, trailers(&seen.body)));
            }
        }
    }
    assert!(reached.is_empty(), "these reached the app: {reached:#?}");
}

#[test]
fn trailers_that_say_where_a_message_ends_or_whom_it_is_for_are_refused() {
    let upstream = Upstream::start(|_, _| Reply::ok("ok"));
    let web = Web::before(&upstream);
    for name in [
        "Content-Length",
        "transfer-encoding",
        "HOST",
        "Connection",
        "Trailer",
    ] {
        let request = chunked("", &format!("{name}: 1\r\n"));
        assert_eq!(web.ask(&request).status, 400, "{name}");
    }
    for line in [
        " folded: a",
        "no colon",
        "a b: c",
        ": none",
        "X : a",
        "X: a\rb",
    ] {
        let request = chunked("", &format!("{line}\r\n"));
        assert_eq!(web.ask(&request).status, 400, "{line:?}");
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_trailer_that_connection_names_ends_here() {
    let upstream = Upstream::start(|_, _| Reply::ok("ok"));
    let web = Web::before(&upstream);
    let request = chunked(
        "Connection: keep-alive, x-inner\r\n",
        "X-Inner: 1\r\nX-Outer: 2\r\n",
    );
    assert_eq!(web.ask(&request).status, 200);
    let seen = upstream.requests().pop().unwrap();
    assert_eq!(trailers(&seen.body), "X-Outer: 2\r\n\r\n");
}

#[test]
fn an_answers_trailers_are_held_to_the_same_rules() {
    let upstream = Upstream::start(|_, _| {
        Reply::keep(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: x-inner\r\n\r\n5\r\nhello\r\n0\r\n\
             Set-Cookie: a=b\r\nContent-Type: text/html\r\nTerrace-Unsent: 1\r\nLocation: /x\r\n\
             X-Inner: 1\r\nServer-Timing: db;dur=5\r\n\r\n",
        )
    });
    let answer = Web::before(&upstream).ask("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert!(answer.whole);
    assert_eq!(trailers(&answer.body), "Server-Timing: db;dur=5\r\n\r\n");
}

#[test]
fn a_proxy_is_not_for_visitors_to_name() {
    let upstream = Upstream::start(|_, _| {
        Reply::keep("HTTP/1.1 200 OK\r\nProxy: x\r\nContent-Length: 0\r\n\r\n")
    });
    let trusting = Web::with(upstream.address, |plan| {
        plan.trust = vec![("127.0.0.0".parse().unwrap(), 8)];
    });
    for web in [&Web::before(&upstream), &trusting] {
        let answer = web.ask("GET / HTTP/1.1\r\nHost: a.example\r\nproxy: http://evil\r\n\r\n");
        assert_eq!((answer.status, answer.field("proxy")), (200, None));
        let head = upstream.requests().pop().unwrap().head;
        assert_eq!(crate::harness::field(&head, "proxy"), None);
    }
}

#[test]
fn a_stranger_cannot_pass_for_one_of_the_known_fronts() {
    let upstream = Upstream::start(|_, _| Reply::ok("ok"));
    let web = Web::before(&upstream);
    let names = [
        "True-Client-IP",
        "CF-Connecting-IP",
        "X-Client-IP",
        "Client-IP",
        "X-Cluster-Client-IP",
        "X-Original-URL",
        "X-Rewrite-URL",
        "Remote-User",
        "X-Remote-User",
        "SSL-Client-Cert",
        "Client-Cert",
        "X-Forwarded",
        "Forwarded-For",
        "X.Forwarded.For",
        "X!Forwarded!Proto",
        "Front-End-Https",
    ];
    let forged: String = names.iter().map(|name| format!("{name}: x\r\n")).collect();
    let request = format!("GET / HTTP/1.1\r\nHost: a.example\r\n{forged}X-Kept: 1\r\n\r\n");
    assert_eq!(web.ask(&request).status, 200);
    let head = upstream.requests().pop().unwrap().head;
    let reached: Vec<_> = names
        .iter()
        .filter(|name| crate::harness::field(&head, name).is_some())
        .collect();
    assert!(reached.is_empty(), "these reached the app: {reached:?}");
    assert_eq!(crate::harness::field(&head, "x-kept"), Some("1"));
}
