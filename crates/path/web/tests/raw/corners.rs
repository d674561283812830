//! Requests from the corners of RFC 9110 and 9112, each with what they say about it.

use std::net::Shutdown;
use std::time::Duration;

use crate::harness::{Web, field, wait_for};
use crate::upstream::{Reply, Upstream};

/// An app that answers with the request line and the host that it got.
fn echo() -> Upstream {
    Upstream::start(|_, request| {
        let line = request.head.lines().next().unwrap_or_default();
        let host = field(&request.head, "host").unwrap_or("none");
        let body = String::from_utf8_lossy(&request.body);
        Reply::ok(&format!("{line}|{host}|{body}"))
    })
}

/// Asks each, and says which answers are not as they should be.
fn hold(web: &Web, cases: &[(&str, &str, &str)]) {
    let mut wrong = Vec::new();
    for (name, request, expected) in cases {
        let answer = web.ask(request);
        let came = format!("{} {}", answer.status, answer.text());
        if !came.starts_with(expected) {
            wrong.push(format!("{name}: {came:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn hosts_and_ports() {
    let upstream = echo();
    let web = Web::before(&upstream);
    let cases: Vec<(String, String, &str)> = [
        ("a.example.", "200 GET / HTTP/1.1|a.example.|"),
        ("A.Example.:8080", "200 "),
        ("a.example.localhost.", "200 "),
        ("old.example.", "308 "),
        ("a.example..", "421 "),
        (".", "421 "),
        ("a.example:", "200 GET / HTTP/1.1|a.example:|"),
        ("a.example:0", "200 "),
        ("a.example:65535", "200 "),
        ("a.example:00080", "200 "),
        ("a.example:65536", "400 "),
        ("a.example:99999", "400 "),
        ("a.example:18446744073709551696", "400 "),
        ("a.example:evil", "400 "),
        ("a.example:80evil", "400 "),
        ("a.example:+80", "400 "),
        ("a.example:-1", "400 "),
        ("a.example:80:80", "400 "),
        (":80", "400 "),
        (":", "400 "),
        ("[::2]:80", "421 "),
        ("[::2]", "421 "),
        ("[::1]:evil", "400 "),
        ("[::1]x", "400 "),
        ("[::1", "400 "),
        ("[evil]", "400 "),
        ("::1", "400 "),
        ("a.example%zz", "400 "),
        ("a.example%", "400 "),
        ("user@a.example", "400 "),
        ("a.example\\x", "400 "),
    ]
    .into_iter()
    .flat_map(|(host, expected)| {
        let field = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let line = format!("GET http://{host}/ HTTP/1.1\r\nHost: x\r\n\r\n");
        [
            (host.to_owned(), field, expected),
            (format!("http://{host}/"), line, expected),
        ]
    })
    .collect();
    let cases: Vec<_> = cases
        .iter()
        .map(|(name, request, expected)| (&**name, &**request, *expected))
        .collect();
    hold(&web, &cases);
}

#[test]
fn forms_of_a_target() {
    let upstream = echo();
    let web = Web::before(&upstream);
    let line = |line: &str| format!("{line} HTTP/1.1\r\nHost: a.example\r\n\r\n");
    let cases = [
        ("GET http://a.example", "200 GET / HTTP/1.1|a.example|"),
        (
            "GET http://b.example?x=1",
            "200 GET /?x=1 HTTP/1.1|b.example|",
        ),
        (
            "GET http://b.example:80?x/y",
            "200 GET /?x/y HTTP/1.1|b.example:80|",
        ),
        ("GET HTTPS://b.example/x", "200 GET /x HTTP/1.1|b.example|"),
        ("GET http://", "400 "),
        ("GET http://?x", "400 "),
        ("GET http:///x", "400 "),
        ("GET http:/x", "400 "),
        ("GET ftp://a.example/x", "400 "),
        ("GET http://a.example#x", "400 "),
        ("GET *", "400 "),
        ("POST *", "400 "),
        ("OPTIONS **", "400 "),
        ("OPTIONS *?", "400 "),
        ("OPTIONS /x", "200 OPTIONS /x HTTP/1.1|"),
        ("OPTIONS http://a.example/", "200 OPTIONS / HTTP/1.1|"),
        ("GET /a/../b", "200 GET /b HTTP/1.1|"),
        ("GET /a/./b/", "200 GET /a/b/ HTTP/1.1|"),
        ("GET /a/b/..", "200 GET /a/ HTTP/1.1|"),
        ("GET /a/b/.", "200 GET /a/b/ HTTP/1.1|"),
        ("GET /../../b?c=/../d", "200 GET /b?c=/../d HTTP/1.1|"),
        ("GET /a/%2e%2E/.%2e/b", "200 GET /b HTTP/1.1|"),
        ("GET /..", "200 GET / HTTP/1.1|"),
        ("GET http://a.example/x/../y?z", "200 GET /y?z HTTP/1.1|"),
        ("GET /a//../b", "200 GET /a/b HTTP/1.1|"),
        ("GET /a/..b/...", "200 GET /a/..b/... HTTP/1.1|"),
        ("GET /a%2f../b", "200 GET /a%2f../b HTTP/1.1|"),
    ]
    .map(|(target, expected)| (target, line(target), expected));
    let cases: Vec<_> = cases
        .iter()
        .map(|(name, request, expected)| (*name, &**request, *expected))
        .collect();
    hold(&web, &cases);
}

#[test]
fn options_of_the_server_as_a_whole() {
    let upstream = echo();
    let web = Web::before(&upstream);
    for target in ["*", "http://a.example"] {
        let mut visitor = web.visit();
        let answer = visitor.ask(&format!(
            "OPTIONS {target} HTTP/1.1\r\nHost: a.example\r\n\r\n"
        ));
        assert_eq!(
            (answer.status, answer.field("content-length")),
            (200, Some("0")),
            "{target}"
        );
        assert!(answer.field("allow").unwrap().contains("OPTIONS"));
        let next = visitor.ask("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
        assert_eq!(next.status, 200);
    }
    web.log_line(&[" OPTIONS a.example * 200 "]);
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn a_path_with_dots_is_the_file_that_it_means() {
    let upstream = echo();
    let web = Web::with(upstream.address, |plan| plan.files = Some("public".into()));
    let public = web.directory.path().join("public");
    std::fs::create_dir(public.join("docs")).unwrap();
    std::fs::write(public.join("a.txt"), "a file").unwrap();
    for path in [
        "/docs/../a.txt",
        "/./a.txt",
        "/../a.txt",
        "/docs/%2e%2e/a.txt?x",
    ] {
        let answer = web.ask(&format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
        assert_eq!(answer.text(), "a file", "{path}");
    }
}

#[test]
fn a_visitor_that_has_said_all_gets_its_answer() {
    let upstream = Upstream::start(|number, _| {
        if number == 1 {
            std::thread::sleep(Duration::from_millis(300));
        }
        Reply::ok("answer")
    });
    let web = Web::before(&upstream);
    for (body, version) in [("", "1.1"), ("hello", "1.1"), ("hello", "1.0"), ("", "1.1")] {
        let mut visitor = web.visit();
        visitor.send(format!(
            "POST / HTTP/{version}\r\nHost: a.example\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        visitor.stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(visitor.answer(false).text(), "answer");
        assert!(visitor.is_closed());
    }
    // Several at once, the last of them slow.
    let mut visitor = web.visit();
    visitor.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n".repeat(3));
    visitor.stream.shutdown(Shutdown::Write).unwrap();
    (0..3).for_each(|_| assert_eq!(visitor.answer(false).text(), "answer"));
    let lines = wait_for("every line of the log", || {
        let log = std::fs::read_to_string(web.directory.path().join("access")).unwrap();
        (log.lines().count() == 7).then_some(log)
    });
    assert!(lines.lines().all(|line| line.ends_with(" ok")), "{lines}");
}

#[test]
fn chunks_of_a_visitor() {
    let upstream = echo();
    let web = Web::before(&upstream);
    let chunked = |body: &str| {
        format!("POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
    };
    let same = "200 POST / HTTP/1.1|a.example|5\r\nhello\r\n0\r\n\r\n";
    let cases = [
        ("spaces behind a size", "5  \r\nhello\r\n0\r\n\r\n", same),
        ("a tab behind a size", "5\t\r\nhello\r\n0\r\n\r\n", same),
        (
            "spaces and an extension",
            "5 ; a = b\r\nhello\r\n0\r\n\r\n",
            same,
        ),
        (
            "a quoted extension",
            "5;a=\"b c\"\r\nhello\r\n0;d\r\n\r\n",
            same,
        ),
        (
            "leading zeros",
            "00000000000000005\r\nhello\r\n000\r\n\r\n",
            same,
        ),
        ("capitals", "0A\r\nhellohello\r\n0\r\n\r\n", "200 "),
        ("a space before a size", " 5\r\nhello\r\n0\r\n\r\n", "400 "),
        ("a space within a size", "0 5\r\nhello\r\n0\r\n\r\n", "400 "),
        ("two sizes", "5 5\r\nhello\r\n0\r\n\r\n", "400 "),
        (
            "an extension that ends with LF",
            "5;a\nhello\r\n0\r\n\r\n",
            "400 ",
        ),
        (
            "an extension with CR",
            "5;a\rb\r\nhello\r\n0\r\n\r\n",
            "400 ",
        ),
        ("spaces that end with LF", "5 \nhello\r\n0\r\n\r\n", "400 "),
        (
            "2^64 and 5",
            "10000000000000005\r\nhello\r\n0\r\n\r\n",
            "400 ",
        ),
        (
            "2^64 less 1",
            "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
            "400 ",
        ),
        (
            "no size but an extension",
            ";a\r\nhello\r\n0\r\n\r\n",
            "400 ",
        ),
    ]
    .map(|(name, body, expected)| (name, chunked(body), expected));
    let cases: Vec<_> = cases
        .iter()
        .map(|(name, request, expected)| (*name, &**request, *expected))
        .collect();
    hold(&web, &cases);
    let endless = format!("5{}\r\nhello\r\n0\r\n\r\n", " ".repeat(10_000));
    assert_eq!(web.ask(&chunked(&endless)).status, 400);
    let zeros = format!("{}5\r\nhello\r\n0\r\n\r\n", "0".repeat(10_000));
    assert_eq!(web.ask(&chunked(&zeros)).status, 400);
}

#[test]
fn old_requests_and_empty_lines() {
    let upstream = echo();
    let web = Web::before(&upstream);
    hold(
        &web,
        &[
            (
                "HTTP/1.0 without a host is for the site's own name",
                "GET / HTTP/1.0\r\n\r\n",
                "200 GET / HTTP/1.1|a.example|",
            ),
            (
                "an empty line before",
                "\r\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
                "200 ",
            ),
            (
                "LF alone before",
                "\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
                "400 ",
            ),
            (
                "chunked in commas",
                "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: , chunked,\r\n\r\n0\r\n\r\n",
                "200 ",
            ),
            (
                "chunked twice",
                "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
                "400 ",
            ),
            (
                "a method of 100 letters",
                &format!("{} / HTTP/1.1\r\nHost: a.example\r\n\r\n", "M".repeat(100)),
                "414 ",
            ),
        ],
    );
}
