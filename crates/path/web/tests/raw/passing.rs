//! Requests that pass: what the app gets, and what the visitor gets back.

use std::net::Shutdown;

use crate::harness::{Visitor, Web, field};
use crate::upstream::{Reply, Seen, Upstream};

fn echo() -> Upstream {
    Upstream::start(|_, request| {
        let line = request.head.lines().next().unwrap_or_default();
        Reply::ok(&format!(
            "{line}|{}",
            String::from_utf8_lossy(&request.body)
        ))
    })
}

#[test]
fn requests_in_one_packet_are_answered_in_order_over_one_upstream_connection() {
    let upstream = echo();
    let web = Web::before(&upstream);
    let mut visitor = web.visit();
    visitor.send(
        "GET /1 HTTP/1.1\r\nHost: a.example\r\n\r\n\
         POST /2 HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello\
         POST /3 HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
         GET /4 HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n",
    );
    let bodies: Vec<String> = (0..4).map(|_| visitor.answer(false).text()).collect();
    assert_eq!(bodies[0], "GET /1 HTTP/1.1|");
    assert_eq!(bodies[1], "POST /2 HTTP/1.1|hello");
    assert_eq!(bodies[2], "POST /3 HTTP/1.1|3\r\nabc\r\n0\r\n\r\n");
    assert_eq!(bodies[3], "GET /4 HTTP/1.1|");
    assert!(visitor.is_closed());
    assert!(upstream.requests().iter().all(|seen| seen.connection == 0));
}

#[test]
fn a_request_byte_by_byte_is_the_same_request() {
    let upstream = echo();
    let web = Web::before(&upstream);
    let request = "POST /x?y=1 HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n\
                   5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nDigest: x\r\n\r\n";
    let mut visitor = web.visit();
    visitor.stream.set_nodelay(true).unwrap();
    request.bytes().for_each(|byte| visitor.send([byte]));
    assert_eq!(visitor.answer(false).status, 200);
    let seen = &upstream.requests()[0];
    assert!(seen.head.starts_with("POST /x?y=1 HTTP/1.1\r\n"));
    let (content, trailers) = content_of(&seen.body);
    assert_eq!(content, "hello world");
    assert_eq!(
        trailers, "Digest: x\r\n",
        "trailers pass, extensions do not"
    );
}

/// The content and the trailers of a chunked body.
fn content_of(mut body: &[u8]) -> (String, String) {
    let mut content = String::new();
    loop {
        let end = crate::harness::find(body, b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        body = &body[end + 2..];
        if length == 0 {
            let trailers = String::from_utf8_lossy(body).into_owned();
            return (content, trailers.strip_suffix("\r\n").unwrap().to_owned());
        }
        content += std::str::from_utf8(&body[..length]).unwrap();
        body = &body[length + 2..];
    }
}

#[test]
fn what_is_between_neighbours_stays_there() {
    let upstream = Upstream::start(|_, _| {
        Reply::keep(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive, X-Inner\r\nX-Inner: 1\r\n\
             Keep-Alive: timeout=5\r\nX-Outer: 2\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n\r\nok",
        )
    });
    let web = Web::before(&upstream);
    let answer = web.ask(
        "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: keep-alive, X-Secret, Host, Cookie, Content-Length\r\n\
         X-Secret: 1\r\nCookie: a=b\r\nTE: trailers\r\nUpgrade: websocket\r\nProxy-Authorization: x\r\nX-Kept: 2\r\n\r\n",
    );
    for name in ["x-inner", "keep-alive"] {
        assert_eq!(answer.field(name), None, "{name}");
    }
    assert_eq!(answer.field("x-outer"), Some("2"));
    assert_eq!(answer.field("server"), Some("terrace"));
    assert!(answer.field("date").is_some());
    assert_eq!(answer.head.matches("Set-Cookie: ").count(), 2);
    let head = upstream.requests()[0].head.clone();
    for name in [
        "x-secret",
        "te",
        "upgrade",
        "proxy-authorization",
        "connection",
    ] {
        assert_eq!(field(&head, name), None, "{name}");
    }
    assert_eq!(field(&head, "host"), Some("a.example"));
    assert_eq!(field(&head, "cookie"), Some("a=b"));
    assert_eq!(field(&head, "x-kept"), Some("2"));
}

const FORGED: &str = "GET / HTTP/1.1\r\nHost: a.example:8080\r\nX-Forwarded-For: 203.0.113.9\r\n\
                      X-Forwarded-Proto: https\r\nX_Forwarded_For: 203.0.113.9\r\nX-Request-Id: abc\r\n\r\n";

#[test]
fn a_stranger_cannot_say_who_it_is() {
    let upstream = echo();
    let web = Web::before(&upstream);
    assert_eq!(web.ask(FORGED).status, 200);
    let head = upstream.requests()[0].head.clone();
    assert_eq!(field(&head, "x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(field(&head, "x-forwarded-proto"), Some("http"));
    assert_eq!(field(&head, "x-forwarded-host"), Some("a.example:8080"));
    assert_eq!(
        field(&head, "x_forwarded_for"),
        None,
        "an app would take it for the other"
    );
    let id = field(&head, "x-request-id").unwrap();
    assert_ne!(id, "abc");
    web.log_line(&[
        id,
        " 127.0.0.1 ",
        " a.example:8080 / 200 ",
        " web-01/app/1 ",
        " ok",
    ]);
}

#[test]
fn a_stranger_says_nothing_that_a_front_would() {
    let upstream = echo();
    let fields = [
        "X-Forwarded-Port",
        "X-Forwarded-Ssl",
        "X-Forwarded-Prefix",
        "X-Forwarded-Client-Cert",
        "X-Forwarded-Proto-Version",
        "X-Real-IP",
        "X_Real_IP",
        "X-Real_IP",
        "Forwarded",
        "X_Forwarded_Host",
        "X_Request_Id",
    ];
    let forged: String = fields.iter().map(|name| format!("{name}: x\r\n")).collect();
    let request = format!("GET / HTTP/1.1\r\nHost: a.example\r\n{forged}\r\n");
    assert_eq!(Web::before(&upstream).ask(&request).status, 200);
    let trusting = Web::with(upstream.address, |plan| {
        plan.trust = vec![("127.0.0.0".parse().unwrap(), 8)];
    });
    assert_eq!(trusting.ask(&request).status, 200);
    let seen = upstream.requests();
    for name in fields {
        assert_eq!(field(&seen[0].head, name), None, "{name}");
        let believed = name.starts_with("X-Forwarded-").then_some("x");
        assert_eq!(field(&seen[1].head, name), believed, "{name}");
    }
}

#[test]
fn a_front_that_is_trusted_says_who_the_visitor_is() {
    let upstream = echo();
    let web = Web::with(upstream.address, |plan| {
        plan.trust = vec![("127.0.0.0".parse().unwrap(), 8)];
    });
    assert_eq!(web.ask(FORGED).status, 200);
    let head = upstream.requests()[0].head.clone();
    assert_eq!(
        field(&head, "x-forwarded-for"),
        Some("203.0.113.9, 127.0.0.1")
    );
    assert_eq!(field(&head, "x-forwarded-proto"), Some("https"));
    assert_eq!(field(&head, "x-request-id"), Some("abc"));
    web.log_line(&["203.0.113.9", " abc GET "]);

    // Several lines are one list; its last element was added by the front itself.
    let lines = "X-Forwarded-For: 203.0.113.1\r\nX-Forwarded-For: 203.0.113.2, 203.0.113.3\r\n";
    let answer = web.ask(&format!(
        "GET /two HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n"
    ));
    assert_eq!(answer.status, 200);
    let head = upstream.requests()[1].head.clone();
    assert_eq!(
        field(&head, "x-forwarded-for"),
        Some("203.0.113.1, 203.0.113.2, 203.0.113.3, 127.0.0.1")
    );
    web.log_line(&["203.0.113.3", " /two "]);
}

#[test]
fn the_whole_address_in_the_line_is_read_as_host_and_path() {
    let upstream = echo();
    let web = Web::before(&upstream);
    let answer = web.ask("GET http://b.example/p?q HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(answer.text(), "GET /p?q HTTP/1.1|");
    assert_eq!(
        field(&upstream.requests()[0].head, "host"),
        Some("b.example")
    );
}

#[test]
fn heads_and_answers_without_a_body_leave_the_connection_clean() {
    let upstream = Upstream::start(|number, _| match number {
        0 => Reply::keep("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        1 => Reply::keep("HTTP/1.1 204 No Content\r\n\r\n"),
        2 => Reply::keep("HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n"),
        _ => Reply::ok("end"),
    });
    let web = Web::before(&upstream);
    let mut visitor = web.visit();
    let answer = visitor.ask("HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(
        (answer.status, answer.field("content-length")),
        (200, Some("1000"))
    );
    for status in [204, 304, 200] {
        assert_eq!(
            visitor
                .ask("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
                .status,
            status
        );
    }
    assert!(upstream.requests().iter().all(|seen| seen.connection == 0));
}

#[test]
fn old_visitors_are_served_and_may_stay() {
    let upstream = echo();
    let web = Web::before(&upstream);
    let mut visitor = web.visit();
    let answer =
        visitor.ask("GET /1 HTTP/1.0\r\nHost: a.example\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(answer.field("connection"), Some("keep-alive"));
    let answer = visitor.ask("GET /2 HTTP/1.0\r\n\r\n");
    assert_eq!(answer.text(), "GET /2 HTTP/1.1|");
    assert!(visitor.is_closed());
}

#[test]
fn who_waits_for_a_word_before_its_body_gets_it() {
    let upstream = echo();
    let web = Web::before(&upstream);
    let mut visitor = web.visit();
    visitor.send(
        "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
    );
    assert_eq!(visitor.answer(false).status, 100);
    visitor.send("hello");
    assert_eq!(visitor.answer(false).text(), "POST / HTTP/1.1|hello");
    assert_eq!(field(&upstream.requests()[0].head, "expect"), None);
    let mut too_large = web.visit();
    too_large.send(
        "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2000000\r\nExpect: 100-continue\r\n\r\n",
    );
    assert_eq!(too_large.answer(false).status, 413, "without asking for it");
}

#[test]
fn a_visitor_that_has_said_all_still_gets_what_is_ours() {
    let upstream = echo();
    let web = Web::before(&upstream);
    let mut visitor = web.visit();
    visitor.send("GET /.well-known/terrace/health HTTP/1.1\r\nHost: a.example\r\n\r\n".repeat(2));
    visitor.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(visitor.answer(false).text(), "ok\n");
    assert_eq!(visitor.answer(false).text(), "ok\n");
    assert!(visitor.is_closed());
}

#[test]
fn names_that_lead_to_ours_keep_path_and_port() {
    let upstream = echo();
    let web = Web::before(&upstream);
    let location = |host: &str| {
        let answer = web.ask(&format!("GET /a?b HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(answer.status, 308);
        answer.field("location").unwrap().to_owned()
    };
    assert_eq!(location("old.example"), "http://a.example/a?b");
    assert_eq!(
        location("old.example.localhost:8080"),
        "http://a.example.localhost:8080/a?b"
    );
    let local = web.ask("GET / HTTP/1.1\r\nHost: A.Example.localhost:8080\r\n\r\n");
    assert_eq!(local.status, 200);
}

#[test]
fn the_front_doors_own_names_mean_the_site_and_addresses_do_not() {
    let upstream = echo();
    let web = Web::before(&upstream);
    let elsewhere = Web::with(upstream.address, |plan| plan.localhost = false);
    let status = |web: &Web, host: &str| {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        web.ask(&request).status
    };
    for door in [
        "localhost",
        "LocalHost:8080",
        "127.0.0.1",
        "127.0.0.1:8080",
        "[::1]",
        "[::1]:8080",
    ] {
        assert_eq!(status(&web, door), 200, "{door}");
        assert_eq!(
            status(&elsewhere, door),
            421,
            "{door} where there is no front door"
        );
    }
    for other in [
        "8.8.8.8",
        "10.0.0.21:80",
        "127.0.0.2",
        "[::2]",
        "::1",
        "localhost.evil.example",
        "evil.example",
        "evil.localhost:8080",
        "127.0.0.1.evil.example",
    ] {
        assert!(matches!(status(&web, other), 400 | 421), "{other}");
    }
    assert_eq!(web.ask("GET / HTTP/1.0\r\n\r\n").status, 200);
    // The app hears the name that was asked for, so that what it builds of it leads back to the door.
    let asked = upstream.requests();
    let named = |request: &Seen| request.head.contains("Host: 127.0.0.1:8080\r\n");
    assert!(asked.iter().any(named));
}

#[test]
fn files_are_served_and_the_rest_goes_to_the_app() {
    let upstream = echo();
    let web = Web::with(upstream.address, |plan| plan.files = Some("public".into()));
    let public = web.directory.path().join("public");
    std::fs::write(public.join("a.txt"), "a file").unwrap();
    std::fs::write(public.join("large.bin"), vec![7; 300_000]).unwrap();
    let mut visitor: Visitor = web.visit();
    let mut get =
        |path: &str| visitor.ask(&format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
    assert_eq!(get("/a.txt").text(), "a file");
    let large = get("/large.bin");
    assert!(large.whole && large.body == vec![7; 300_000]);
    assert_eq!(get("/b.txt").text(), "GET /b.txt HTTP/1.1|");
    let health = get("/.well-known/terrace/health");
    assert_eq!((health.status, health.text().as_str()), (200, "ok\n"));
    assert_eq!(upstream.requests().len(), 1);
}
