//! What moves may last, what stands still or drips may not: in both directions.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use terrace_site::plan::{Timeouts, WebPlan};

use crate::harness::{SHORT, Visitor, Web, find};
use crate::upstream::{Reply, Upstream};

/// Longer than every bound of these plans together, in which all is for lack of progress.
const LONG: Duration = Duration::from_millis(1_600);
/// Between two pieces: well within each bound.
const PAUSE: Duration = Duration::from_millis(100);

const GET: &str = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

#[test]
fn nothing_bounds_a_whole_exchange_unless_it_is_said() {
    assert_eq!(Timeouts::default().total, None);
}

#[test]
fn events_that_come_now_and_then_come_for_ever() {
    let app = TcpListener::bind("127.0.0.1:0").unwrap();
    let web = Web::with(app.local_addr().unwrap(), |_| {});
    std::thread::spawn(move || {
        for mut stream in app.incoming().map_while(Result::ok) {
            // A check closes without a byte.
            if stream.read(&mut [0; 4096]).unwrap_or(0) == 0 {
                continue;
            }
            std::thread::spawn(move || {
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
                stream.write_all(head.as_bytes()).unwrap();
                let begun = Instant::now();
                while begun.elapsed() < LONG {
                    stream.write_all(b":\n").unwrap();
                    std::thread::sleep(PAUSE * 2);
                }
                stream.write_all(b"data: end\n\n").unwrap();
            });
        }
    });
    let answer = web.visit().ask(GET);
    assert!(answer.whole && find(&answer.body, b"data: end").is_some());
}

/// Reads an answer slowly: so many bytes, then a pause. Returns its body.
fn sip(visitor: &mut Visitor, bytes: usize) -> Vec<u8> {
    let mut come = Vec::new();
    let mut chunk = vec![0; bytes];
    loop {
        match visitor.stream.read(&mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(read) => come.extend_from_slice(&chunk[..read]),
        }
        std::thread::sleep(PAUSE / 4);
    }
    let end = find(&come, b"\r\n\r\n").unwrap();
    come.split_off(end + 4)
}

#[test]
fn downloads_of_the_app_and_of_files_last_as_long_as_they_move() {
    const SIZE: usize = 24 << 20;
    let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\nConnection: close\r\n\r\n");
    let upstream =
        Upstream::start(move |_, _| Reply::Close([text.as_bytes(), &vec![b'y'; SIZE]].concat()));
    let web = Web::with(upstream.address, |plan| plan.files = Some("public".into()));
    std::fs::write(web.directory.path().join("public/file"), vec![b'y'; SIZE]).unwrap();
    let readers: Vec<_> = ["/file", "/app"]
        .into_iter()
        .map(|path| {
            let mut visitor = web.visit();
            visitor.send(format!(
                "GET {path} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"
            ));
            std::thread::spawn(move || {
                let begun = Instant::now();
                let body = sip(&mut visitor, SIZE / 64);
                (path, begun.elapsed(), body)
            })
        })
        .collect();
    for reader in readers {
        let (path, took, body) = reader.join().unwrap();
        assert!(took > LONG, "{path}: {took:?}");
        assert_eq!(body.len(), SIZE, "{path}");
    }
    web.log_line(&[" /app 200 ", " ok"]);
}

/// Sends a body in so many pieces, each with a pause behind it, and returns the status.
fn upload(web: &Web, pieces: usize, piece: usize) -> (u16, Duration) {
    let mut visitor = web.visit();
    let length = pieces * piece;
    visitor.send(format!(
        "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: {length}\r\n\r\n"
    ));
    let begun = Instant::now();
    let mut stream = visitor.stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        for _ in 0..pieces {
            std::thread::sleep(PAUSE);
            if stream.write_all(&vec![b'x'; piece]).is_err() {
                return;
            }
        }
    });
    let status = visitor.answer(false).status;
    let took = begun.elapsed();
    drop(visitor);
    sending.join().unwrap();
    (status, took)
}

/// Taken whole before, or handed on as they come.
fn both_ways(rate: u64) -> [Web; 2] {
    [None, Some(1)].map(|stream| {
        let app = crate::slow::one_at_a_time();
        Web::with(app, |plan: &mut WebPlan| {
            plan.timeouts.rate = rate;
            plan.routes[0].stream = stream;
            plan.routes[0].health.every = Duration::from_secs(60);
        })
    })
}

#[test]
fn uploads_last_as_long_as_they_move() {
    for web in both_ways(1_000) {
        let (status, took) = upload(&web, 16, 2_000);
        assert_eq!(status, 200);
        assert!(took > LONG, "{took:?}");
    }
}

#[test]
fn a_body_that_drips_ends_and_the_log_says_so() {
    for web in both_ways(1_000) {
        // A byte within every bound, but ten a second.
        let (status, took) = upload(&web, 40, 1);
        assert_eq!(status, 408);
        assert!(took >= SHORT && took < SHORT * 4, "{took:?}");
        web.log_line(&[" 408 ", " late"]);
    }
}

#[test]
fn an_answer_that_its_visitor_does_not_take_ends_and_the_log_says_so() {
    const SIZE: usize = 24 << 20;
    let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\nConnection: close\r\n\r\n");
    let upstream =
        Upstream::start(move |_, _| Reply::Close([text.as_bytes(), &vec![b'y'; SIZE]].concat()));
    let web = Web::with(upstream.address, |plan| plan.files = Some("public".into()));
    std::fs::write(web.directory.path().join("public/file"), vec![b'y'; SIZE]).unwrap();
    for path in ["/file", "/app"] {
        let mut visitor = web.visit();
        visitor.send(format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
        web.log_line(&[path, " 200 ", " late"]);
        assert!(visitor.until_end().len() < SIZE);
    }
}

#[test]
fn where_the_file_bounds_a_whole_exchange_it_ends_then() {
    let web = Web::with(crate::slow::one_at_a_time(), |plan| {
        plan.routes[0].timeouts.total = Some(SHORT);
    });
    let (status, took) = upload(&web, 40, 1_000);
    assert_eq!(status, 408);
    assert!(took < LONG, "{took:?}");
    web.log_line(&[" 408 ", " late-total"]);
}
