//! What the balancer sends, our web server accepts: a visitor gets through both what it gets from the web server alone.

use std::net::SocketAddr;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::harness::Balancer;
use crate::upstream::{Reply, Seen, Upstream};
use crate::visitor::{Visitor, field};
use crate::web::Web;

/// An app, a web server before it, and a balancer before that; both servers stand on the same machine.
struct Path {
    app: Upstream,
    web: Web,
    balancer: Balancer,
}

impl Path {
    fn new() -> Self {
        Self::trusting(Vec::new())
    }

    fn trusting(fronts: Vec<(std::net::IpAddr, u8)>) -> Self {
        let app = Upstream::start(|_, _| Reply::ok("answer"));
        let web = Web::with(app.address, |plan| {
            plan.trust = vec![("127.0.0.0".parse().unwrap(), 8)];
        });
        let balancer = Balancer::under_addresses(&[web.address], |plan| plan.trust = fronts);
        Self { app, web, balancer }
    }

    /// The status, and what the app saw if it was asked.
    fn ask(&self, address: SocketAddr, request: &str) -> (u16, Option<Seen>) {
        let before = self.app.requests().len();
        let status = Visitor::to(address).ask(request).status;
        (status, self.app.requests().into_iter().nth(before))
    }

    fn through(&self, request: &str) -> (u16, Option<Seen>) {
        self.ask(self.balancer.address, request)
    }
}

fn with_fields(count: usize) -> String {
    let more: String = (1..count)
        .map(|number| format!("X-{number}: {number}\r\n"))
        .collect();
    format!("GET / HTTP/1.1\r\nHost: a.example\r\n{more}\r\n")
}

#[test]
fn a_request_without_a_host_is_for_the_site() {
    let path = Path::new();
    for request in [
        "GET / HTTP/1.0\r\n\r\n",
        "GET /x HTTP/1.0\r\nAccept: */*\r\n\r\n",
    ] {
        let (status, seen) = path.through(request);
        assert_eq!(status, 200);
        let head = seen.unwrap().head;
        assert_eq!(field(&head, "host"), Some("a.example"));
        assert_eq!(field(&head, "x-forwarded-host"), Some("a.example"));
    }
}

#[test]
fn as_many_fields_as_a_visitor_may_send() {
    let path = Path::new();
    for count in [1, 90, 95, 96, 97, 98, 99, 100] {
        let (status, seen) = path.through(&with_fields(count));
        assert_eq!(status, 200, "{count}");
        let head = seen.unwrap().head;
        assert!((1..count).all(|number| field(&head, &format!("x-{number}")).is_some()));
    }
    let old = with_fields(101)
        .replace("Host: a.example\r\n", "")
        .replace("HTTP/1.1", "HTTP/1.0");
    assert_eq!(path.through(&old).0, 200);
    for count in [101, 110, 120, 200] {
        assert_eq!(path.through(&with_fields(count)).0, 431, "{count}");
    }
    let upgrade = with_fields(98).replace(
        "Host: a.example\r\n",
        "Host: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
    );
    assert_eq!(path.through(&upgrade).0, 200);
}

#[test]
fn as_large_a_head_as_a_visitor_may_send() {
    let path = Path::new();
    // Without a space behind the colon, which costs a byte more for each field on the way.
    let head = |size: usize| {
        let fields: String = (0..98).map(|number| format!("X{number}:y\r\n")).collect();
        let head = format!("GET / HTTP/1.1\r\nHost:a.example\r\n{fields}X:\r\n\r\n");
        let fill = "z".repeat(size - head.len());
        head.replace("X:\r\n", &format!("X:{fill}\r\n"))
    };
    for size in [60_000, 65_000, 65_400, 65_500, 65_535, 65_536] {
        assert_eq!(path.through(&head(size)).0, 200, "{size}");
    }
    assert_eq!(path.through(&head(65_537)).0, 431);
    // Hosts and targets as long as they may be.
    let host = format!("a.example{}", ".x".repeat(123));
    let long = format!(
        "GET /{} HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "p".repeat(8_191)
    );
    assert_eq!(path.through(&long).0, path.ask(path.web.address, &long).0);
}

#[test]
fn long_ids_and_chains_of_a_front_that_is_trusted() {
    let path = Path::trusting(vec![("127.0.0.0".parse().unwrap(), 8)]);
    for length in [1, 127, 128, 129, 4_000] {
        let id = "i".repeat(length);
        let request = format!("GET / HTTP/1.1\r\nHost: a.example\r\nX-Request-Id: {id}\r\n\r\n");
        let (status, seen) = path.through(&request);
        assert_eq!(status, 200);
        let head = seen.unwrap().head;
        assert_eq!(field(&head, "x-request-id") == Some(&id), length <= 128);
    }
    // One that adds to a chain until no reader takes it gets the answer from the first of us.
    let chain = |size: usize| {
        let chain = "1.2.3.4, ".repeat(size / 9);
        format!("GET / HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: {chain}1.1.1.1\r\n\r\n")
    };
    for size in [
        1_000, 60_000, 65_000, 68_000, 69_000, 69_400, 69_500, 70_000,
    ] {
        let (status, seen) = path.through(&chain(size));
        assert_eq!(status == 200, seen.is_some(), "{size}");
        assert!(status == 200 || status == 431, "{size}: {status}");
        if status == 431 {
            path.balancer.log_line(&[" 431 "]);
        }
    }
    let web = std::fs::read_to_string(path.web.directory.path().join("access")).unwrap();
    assert!(!web.contains(" 431 "), "the web server refused: {web}");
}

/// A request that a visitor might send: most are good, some are not.
fn request() -> impl Strategy<Value = String> {
    let method = prop_oneof![
        4 => Just("GET"), 1 => Just("POST"), 1 => Just("HEAD"), 1 => Just("OPTIONS"), 1 => Just("PURGE")
    ];
    let host = prop_oneof![
        4 => Just("a.example"), 1 => Just("A.Example."), 1 => Just("b.example:8080"), 1 => Just("a.example:"),
        1 => Just("a.example:99999"), 1 => Just("other.example"), 1 => Just("[::1]:80"), 1 => Just("")
    ];
    let target = prop_oneof![
        4 => "/[a-z]{0,5}(/[a-z.]{0,3}){0,3}(\\?[a-z=/]{0,5})?",
        1 => "(/|/\\.\\.|/%2e|/x){1,5}",
        1 => "https?://(a\\.example|b\\.example\\.|c:1)(/[a-z]{0,3})?(\\?[a-z]{0,3})?",
        1 => Just("*".to_owned()),
    ];
    let name = prop_oneof![
        6 => "[A-Za-z][A-Za-z0-9-]{0,12}",
        1 => Just("X-Forwarded-For".to_owned()),
        1 => Just("X_Forwarded_For".to_owned()),
        1 => Just("X-Forwarded-Host".to_owned()),
        1 => Just("Forwarded".to_owned()),
        1 => Just("Cookie".to_owned()),
        1 => Just("Connection".to_owned()),
        1 => Just("TE".to_owned()),
        1 => Just("Accept".to_owned()),
    ];
    let value =
        prop_oneof![4 => "[ -~]{0,30}", 1 => "[a-z,\t ]{0,200}", 1 => Just("close".to_owned())];
    let fields = prop_oneof![
        4 => prop::collection::vec((name.clone(), value.clone()), 0..8),
        1 => prop::collection::vec((name, value), 90..102),
    ];
    let body = prop_oneof![
        3 => Just(String::new()),
        1 => "[a-z]{0,40}".prop_map(|body| format!("Content-Length: {}\r\n\r\n{body}", body.len())),
        1 => "[a-z]{1,40}".prop_map(|body| {
            let size = body.len();
            format!("Transfer-Encoding: chunked\r\n\r\n{size:x} ;x\r\n{body}\r\n0\r\nDigest: a\r\nHost-Ip: b\r\n\r\n")
        }),
    ];
    (method, host, target, any::<bool>(), fields, body).prop_map(
        |(method, host, target, old, fields, body)| {
            let version = if old { "1.0" } else { "1.1" };
            let host = match host {
                "" => String::new(),
                host => format!("Host: {host}\r\n"),
            };
            let fields: String = fields
                .iter()
                .map(|(name, value)| format!("{name}:{value}\r\n"))
                .collect();
            let end = if body.is_empty() { "\r\n" } else { "" };
            format!("{method} {target} HTTP/{version}\r\n{host}{fields}{body}{end}")
        },
    )
}

/// What a request means to the app: its line, its fields but for those of the way, and its content.
fn meaning(seen: &Seen) -> (String, Vec<String>, Vec<u8>) {
    let mut lines = seen.head.lines();
    let line = lines.next().unwrap_or_default().to_owned();
    let of_the_way = ["x-forwarded-for:", "x-request-id:"];
    let fields = lines
        .filter(|line| {
            let line = line.to_ascii_lowercase();
            !of_the_way.iter().any(|name| line.starts_with(name))
        })
        .map(str::to_owned);
    let mut fields: Vec<_> = fields.collect();
    // The order of different names means nothing.
    fields.sort();
    (line, fields, seen.body.clone())
}

#[test]
fn whatever_a_visitor_sends_means_the_same_through_both() {
    let path = Path::new();
    // To this one everybody is a stranger, as to the balancer.
    let alone = Web::with(path.app.address, |_| {});
    let config = Config {
        cases: 400,
        failure_persistence: None,
        ..Config::default()
    };
    let answered = std::cell::Cell::new(0);
    let ran = TestRunner::new(config).run(&request(), |request| {
        let (direct, seen) = path.ask(alone.address, &request);
        let (status, through) = path.through(&request);
        prop_assert_eq!(status, direct, "{:?}", request);
        prop_assert_eq!(through.as_ref().map(meaning), seen.as_ref().map(meaning));
        answered.set(answered.get() + usize::from(seen.is_some()));
        Ok(())
    });
    ran.unwrap();
    assert!(answered.get() > 100, "{} reached the app", answered.get());
}
