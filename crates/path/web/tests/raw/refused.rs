//! Requests that could be read in two ways, are too large, or are none: each is answered with its status, the
//! connection ends, nothing of it reaches the app, and the request hidden behind it is never answered.

use crate::harness::Web;
use crate::upstream::{Reply, Upstream};

/// What an attacker would like to have answered on its own.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: a.example\r\n\r\n";

fn post(fields: &str, body: &str) -> String {
    format!("POST /form HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n{body}")
}

fn get(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n")
}

fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", body)
}

/// Sends each and holds the answer to its status.
fn refuse(cases: &[(&str, String, u16)]) {
    let upstream = Upstream::start(|_, _| Reply::ok("reached"));
    let web = Web::before(&upstream);
    let mut wrong = Vec::new();
    for (name, request, status) in cases {
        let mut visitor = web.visit();
        visitor.send(format!("{request}{HIDDEN}"));
        let answer = visitor.answer(false);
        let closes = answer.field("connection") == Some("close");
        if answer.status != *status || !closes || !visitor.is_closed() {
            wrong.push(format!("{name}: {} closes: {closes}", answer.status));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let reached = upstream.requests();
    assert!(reached.is_empty(), "these reached the app: {reached:#?}");
    assert_eq!(web.ask(&get("")).status, 200, "and it still serves");
}

#[test]
fn lengths_that_are_not_certain() {
    let both = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
    let other = "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n";
    let length = |value: &str| post(&format!("Content-Length: {value}\r\n"), "hello");
    refuse(&[
        ("length and chunks", post(both, "0\r\n\r\n"), 400),
        ("chunks and length", post(other, "0\r\n\r\n"), 400),
        (
            "two lengths",
            post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"),
            400,
        ),
        (
            "the same length twice",
            post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
            400,
        ),
        ("a list of lengths", length("5, 5"), 400),
        ("a signed length", length("+5"), 400),
        ("a negative length", length("-5"), 400),
        ("a hexadecimal length", length("0x5"), 400),
        ("an empty length", length(""), 400),
        (
            "a length beyond counting",
            length("99999999999999999999"),
            400,
        ),
        ("a length with a space in it", length("1 1"), 400),
    ]);
}

#[test]
fn transfer_codings_that_are_not_certain() {
    let coding = |value: &str| {
        post(
            &format!("Transfer-Encoding: {value}\r\n"),
            "5\r\nhello\r\n0\r\n\r\n",
        )
    };
    let old =
        "POST /form HTTP/1.0\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    refuse(&[
        ("chunked is not last", coding("chunked, identity"), 400),
        ("a coding that we do not know", coding("gzip, chunked"), 501),
        ("not quite chunked", coding("xchunked"), 400),
        ("chunked in quotes", coding("\"chunked\""), 400),
        ("chunked and a vertical tab", coding("chunked\u{b}"), 400),
        (
            "chunked twice",
            post(
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                "",
            ),
            400,
        ),
        (
            "a coding hidden behind a space",
            post(
                "Content-Length: 5\r\nTransfer-Encoding : chunked\r\n",
                "hello",
            ),
            400,
        ),
        ("chunks in HTTP/1.0", old.to_owned(), 400),
    ]);
}

#[test]
fn chunks_that_are_none() {
    let extension = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(10_000));
    let trailers = format!("0\r\nX: {}\r\n\r\n", "x".repeat(10_000));
    refuse(&[
        (
            "a length that is no number",
            chunked("g\r\nhello\r\n0\r\n\r\n"),
            400,
        ),
        (
            "a length with a sign",
            chunked("+5\r\nhello\r\n0\r\n\r\n"),
            400,
        ),
        (
            "a length with 0x",
            chunked("0x5\r\nhello\r\n0\r\n\r\n"),
            400,
        ),
        ("no length", chunked("\r\nhello\r\n0\r\n\r\n"), 400),
        (
            "a space before the length",
            chunked(" 5\r\nhello\r\n0\r\n\r\n"),
            400,
        ),
        (
            "a length that overflows",
            chunked("10000000000000005\r\nhello\r\n0\r\n\r\n"),
            400,
        ),
        (
            "a length that ends with LF alone",
            chunked("5\nhello\r\n0\r\n\r\n"),
            400,
        ),
        (
            "more than its length",
            chunked("5\r\nhelloo\r\n0\r\n\r\n"),
            400,
        ),
        (
            "no end after the content",
            chunked("5\r\nhello0\r\n\r\n"),
            400,
        ),
        ("an endless extension", chunked(&extension), 400),
        ("endless trailers", chunked(&trailers), 400),
    ]);
}

#[test]
fn lines_and_fields_that_are_none() {
    refuse(&[
        ("a folded line", get("X: a\r\n b\r\n"), 400),
        ("a line that ends with LF", get("X: a\nY: b\r\n"), 400),
        (
            "a head that ends with LF",
            "GET / HTTP/1.1\nHost: a.example\n\n".to_owned(),
            400,
        ),
        ("CR within a value", get("X: a\rY: b\r\n"), 400),
        ("a space before the colon", get("X : a\r\n"), 400),
        ("NUL in a value", get("X: a\0b\r\n"), 400),
        ("NUL in a name", get("X\0Y: a\r\n"), 400),
        ("no colon", get("nonsense\r\n"), 400),
        ("no name", get(": a\r\n"), 400),
        (
            "a space before the first field",
            "GET / HTTP/1.1\r\n Host: a.example\r\n\r\n".to_owned(),
            400,
        ),
    ]);
}

#[test]
fn request_lines_and_hosts_that_are_none() {
    let line = |line: &str| format!("{line}\r\nHost: a.example\r\n\r\n");
    let host = |fields: &str| format!("GET / HTTP/1.1\r\n{fields}\r\n");
    refuse(&[
        ("HTTP/0.9", "GET /\r\n\r\n".to_owned(), 400),
        ("HTTP/2 in an old line", line("GET / HTTP/2.0"), 505),
        ("HTTP/1.2", line("GET / HTTP/1.2"), 505),
        ("a TLS greeting", "\u{16}\u{3}\u{1}\0\0".to_owned(), 400),
        ("two spaces", line("GET  / HTTP/1.1"), 400),
        ("a tunnel", line("CONNECT a.example:443 HTTP/1.1"), 405),
        ("a trace", line("TRACE / HTTP/1.1"), 405),
        (
            "a path without a slash",
            line("GET index.html HTTP/1.1"),
            400,
        ),
        ("a fragment", line("GET /#a HTTP/1.1"), 400),
        ("no host", host(""), 400),
        (
            "two hosts",
            host("Host: a.example\r\nHost: b.example\r\n"),
            400,
        ),
        ("an empty host", host("Host:\r\n"), 400),
        ("a host with a path", host("Host: a.example/x\r\n"), 400),
        (
            "two hosts in one",
            host("Host: a.example, b.example\r\n"),
            400,
        ),
        ("an expectation", get("Expect: miracles\r\n"), 417),
    ]);
}

#[test]
fn what_is_too_large() {
    let long = "x".repeat(70_000);
    let many = "X: y\r\n".repeat(200);
    refuse(&[
        (
            "an address of 9 kB",
            format!(
                "GET /{} HTTP/1.1\r\nHost: a.example\r\n\r\n",
                &long[..9_000]
            ),
            414,
        ),
        ("an address that does not end", format!("GET /{long}"), 414),
        ("a field of 70 kB", get(&format!("X: {long}\r\n")), 431),
        ("200 fields", get(&many), 431),
        (
            "a body of 2 MB",
            post("Content-Length: 2000000\r\n", ""),
            413,
        ),
    ]);
}

#[test]
fn chunks_that_grow_too_large_end_what_was_begun() {
    let upstream = Upstream::start(|_, _| Reply::ok("reached"));
    let web = Web::before(&upstream);
    let mut visitor = web.visit();
    visitor.send(chunked(""));
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    (0..40).for_each(|_| visitor.send(&chunk));
    assert_eq!(visitor.answer(false).status, 413);
    assert!(visitor.is_closed());
    assert!(
        upstream.requests().is_empty(),
        "the upstream never had it whole"
    );
}

#[test]
fn a_name_that_is_not_served_is_misdirected() {
    let upstream = Upstream::start(|_, _| Reply::ok("reached"));
    let web = Web::before(&upstream);
    for request in [
        "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        // The address in the line counts, whatever the field says.
        "GET http://evil.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
    ] {
        let answer = web.ask(request);
        assert_eq!(answer.status, 421);
        assert!(answer.text().contains("a.example"), "{}", answer.text());
    }
    assert!(upstream.requests().is_empty());
}
