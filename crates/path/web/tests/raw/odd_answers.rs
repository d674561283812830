//! Answers of apps from the corners of RFC 9110 and 9112: those that have one meaning pass, and are written as they should be.

use crate::harness::{Answer, Web};
use crate::upstream::{Reply, Upstream};

/// The answer that a visitor gets to this one of an app, then the second to a plain one on the same connection.
fn passed(method: &str, raw: &'static str) -> (Answer, Answer) {
    let upstream = Upstream::start(move |number, _| match number {
        0 => Reply::keep(raw),
        _ => Reply::ok("second"),
    });
    let web = Web::before(&upstream);
    let mut visitor = web.visit();
    let first = visitor.ask(&format!("{method} / HTTP/1.1\r\nHost: a.example\r\n\r\n"));
    if first.field("connection") == Some("close") {
        visitor = web.visit();
    }
    let second = visitor.ask("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    (first, second)
}

#[test]
fn answers_without_a_body_promise_none() {
    for (raw, length) in [
        ("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", None),
        (
            "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
            None,
        ),
        (
            "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            None,
        ),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", None),
        // It is the length that a 200 would have (RFC 9110 §8.6).
        (
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
            Some("5"),
        ),
    ] {
        let (answer, second) = passed("GET", raw);
        assert_eq!(answer.field("content-length"), length, "{raw:?}");
        assert_eq!(answer.field("transfer-encoding"), None, "{raw:?}");
        assert_eq!(second.text(), "second", "{raw:?}");
    }
    let (answer, second) = passed("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(answer.field("content-length"), Some("5"));
    assert_eq!(second.text(), "second");
}

#[test]
fn answers_that_are_odd_and_have_one_meaning_pass() {
    let length = "Content-Length: 2\r\n\r\nok";
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let odd: Vec<(&str, String)> = vec![
        (
            "an empty line before",
            format!("\r\nHTTP/1.1 200 OK\r\n{length}"),
        ),
        ("no reason", format!("HTTP/1.1 200\r\n{length}")),
        ("an empty reason", format!("HTTP/1.1 200 \r\n{length}")),
        ("an old version", format!("HTTP/1.0 200 OK\r\n{length}")),
        (
            "lines that end with LF",
            "HTTP/1.1 200 OK\nContent-Length: 2\n\nok".to_owned(),
        ),
        (
            "a space before the colon",
            format!("HTTP/1.1 200 OK\r\nX-Odd : a\r\n{length}"),
        ),
        (
            "a size with spaces",
            format!("{chunks}2  \r\nok\r\n0 \r\n\r\n"),
        ),
        (
            "a size with a tab",
            format!("{chunks}2\t\r\nok\r\n0\r\n\r\n"),
        ),
        (
            "a size with zeros",
            format!("{chunks}00000000000000002\r\nok\r\n000\r\n\r\n"),
        ),
        (
            "spaces before an extension",
            format!("{chunks}2 ; a = \"b\"\r\nok\r\n0 ;c\r\n\r\n"),
        ),
        (
            "an extension",
            format!("{chunks}2;a=b;c\r\nok\r\n0;d\r\n\r\n"),
        ),
    ];
    for (name, raw) in odd {
        let (answer, second) = passed("GET", Box::leak(raw.into_boxed_str()));
        assert!(
            answer.head.starts_with("HTTP/1.1 200 "),
            "{name}: {:?}",
            answer.head
        );
        assert!(answer.whole && answer.text().contains("ok"), "{name}");
        assert_eq!(second.text(), "second", "{name}");
    }
    let (answer, _) = passed(
        "GET",
        "HTTP/1.1 200 OK\r\nX-Odd : a\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!(answer.field("x-odd"), Some("a"));
    assert!(answer.head.contains("X-Odd: a\r\n"), "{}", answer.head);
}

#[test]
fn answers_that_could_be_read_in_two_ways_are_a_bad_gateway() {
    for raw in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551618\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/2 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok",
        "\r\n\r\nok",
        "ok",
    ] {
        let upstream = Upstream::start(move |_, _| Reply::close(raw));
        let answer = Web::before(&upstream).ask("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
        assert_eq!(answer.status, 502, "{raw:?}");
        assert!(
            answer.text().contains("cannot be read"),
            "{raw:?}: {}",
            answer.text()
        );
    }
}

#[test]
fn an_old_app_that_sends_chunks_is_not_asked_again_on_that_connection() {
    let upstream = Upstream::start(|_, _| {
        Reply::keep(
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        )
    });
    let web = Web::before(&upstream);
    let mut visitor = web.visit();
    for _ in 0..2 {
        let answer = visitor.ask("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
        assert!(answer.whole && answer.text().contains("ok"));
    }
    assert_eq!(upstream.requests()[1].connection, 1);
}
