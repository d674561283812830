//! What upstreams answer, and what becomes of the site when they do not.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::harness::{Web, wait_for};
use crate::upstream::{Reply, Upstream};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

#[test]
fn answers_that_are_none_are_a_bad_gateway() {
    let cases = [
        ("no HTTP", "hello, world\r\n\r\n"),
        (
            "length and chunks",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok",
        ),
        (
            "two lengths",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        ),
        (
            "a length that is none",
            "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok",
        ),
        (
            "a coding that we do not know",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
        ),
        (
            "another protocol",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        ),
        ("half a head", "HTTP/1.1 200 OK\r\nContent-"),
    ];
    for (name, text) in cases {
        let upstream = Upstream::start(move |_, _| Reply::close(text));
        let web = Web::before(&upstream);
        let mut visitor = web.visit();
        let answer = visitor.ask(GET);
        assert_eq!(answer.status, 502, "{name}");
        let why = "foobar gave an answer that cannot be read";
        assert!(answer.text().contains(why), "{name}: {}", answer.text());
        assert_eq!(upstream.requests().len(), 1, "{name}");
        web.log_line(&[" 502 ", " invalid"]);
    }
}

#[test]
fn interim_answers_are_not_the_answer() {
    let upstream = Upstream::start(|_, _| {
        Reply::keep(
            "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n\
             HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfinal",
        )
    });
    let web = Web::before(&upstream);
    let mut visitor = web.visit();
    for _ in 0..2 {
        let early = visitor.ask(GET);
        assert_eq!((early.status, early.field("link")), (103, Some("</a.css>")));
        assert_eq!(early.field("server"), None);
        assert_eq!(visitor.answer(false).status, 100);
        assert_eq!(visitor.answer(false).text(), "final");
    }
}

#[test]
fn an_answer_that_ends_with_the_connection_is_framed_for_whom_it_is() {
    let upstream = Upstream::start(|_, _| Reply::close("HTTP/1.1 200 OK\r\n\r\nall of it"));
    let web = Web::before(&upstream);
    let mut visitor = web.visit();
    let answer = visitor.ask(GET);
    assert_eq!(answer.field("transfer-encoding"), Some("chunked"));
    assert_eq!(answer.text(), "9\r\nall of it\r\n0\r\n\r\n");
    let old = visitor.ask("GET / HTTP/1.0\r\nHost: a.example\r\n\r\n");
    assert_eq!(
        (old.field("transfer-encoding"), old.text().as_str()),
        (None, "all of it")
    );
}

#[test]
fn chunks_and_trailers_come_back() {
    let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Digest\r\n\r\n\
                5\r\nhello\r\n0\r\nDigest: x\r\n\r\n";
    let upstream = Upstream::start(move |_, _| Reply::keep(text));
    let web = Web::before(&upstream);
    let mut visitor = web.visit();
    assert_eq!(
        visitor.ask(GET).text(),
        "5\r\nhello\r\n0\r\nDigest: x\r\n\r\n"
    );
    let old = visitor.ask("GET / HTTP/1.0\r\nHost: a.example\r\n\r\n");
    assert_eq!(old.text(), "hello");
    assert!(upstream.requests().iter().all(|seen| seen.connection == 0));
}

#[test]
fn what_comes_after_an_answer_is_nobodys_answer() {
    let upstream = Upstream::start(|number, _| {
        if number == 0 {
            Reply::keep(
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst\
                 HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged",
            )
        } else {
            Reply::ok("second")
        }
    });
    let web = Web::before(&upstream);
    let mut visitor = web.visit();
    assert_eq!(visitor.ask(GET).text(), "first");
    assert_eq!(visitor.ask(GET).text(), "second");
}

#[test]
fn an_answer_before_the_request_is_whole_ends_the_connection() {
    let upstream = Upstream::hasty(|_, _| {
        Reply::stall("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
    });
    let web = Web::with(upstream.address, |plan| plan.routes[0].stream = Some(1));
    let mut visitor = web.visit();
    visitor.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 500000\r\n\r\nsome");
    let answer = visitor.answer(false);
    assert_eq!((answer.status, answer.text().as_str()), (403, "no"));
    assert_eq!(answer.field("connection"), Some("close"));
    assert!(visitor.is_closed());
}

#[test]
fn without_an_app_there_is_a_page_and_files_stay() {
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let web = Web::with(gone, |plan| plan.files = Some("public".into()));
    std::fs::write(web.directory.path().join("public/a.txt"), "a file").unwrap();
    let mut visitor = web.visit();
    let answer = visitor.ask("GET / HTTP/1.1\r\nHost: a.example\r\nAccept: text/html\r\n\r\n");
    assert_eq!(answer.status, 503);
    let id = answer.field("x-request-id").unwrap();
    assert!(answer.text().contains(id) && answer.text().contains("foobar"));
    let plain = visitor.ask(GET);
    assert_eq!(
        plain.field("content-type"),
        Some("text/plain; charset=utf-8")
    );
    let file = visitor.ask("GET /a.txt HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!((file.status, file.text().as_str()), (200, "a file"));
    web.log_line(&[id, " 503 ", " down"]);
}

#[test]
fn an_app_that_comes_back_is_used_at_once() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let web = Web::with(address, |_| {});
    assert_eq!(web.ask(GET).status, 503);
    let upstream = Upstream::bound(address, false, |_, _| Reply::ok("back"));
    let begun = Instant::now();
    wait_for("an answer of the app", || {
        (web.ask(GET).status == 200).then_some(())
    });
    assert!(
        begun.elapsed() < Duration::from_millis(200),
        "{:?}",
        begun.elapsed()
    );
    assert!(!upstream.requests().is_empty());
}
