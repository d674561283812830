//! What takes too long, who leaves, and how much memory it takes meanwhile.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::harness::{SHORT, Web, wait_for};
use crate::upstream::{Reply, Upstream};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.example\r\nAccept: text/html\r\n\r\n";

#[test]
fn a_head_that_does_not_come_in_time() {
    let upstream = Upstream::start(|_, _| Reply::ok("ok"));
    let web = Web::before(&upstream);
    let mut visitor = web.visit();
    visitor.send("GET / HTTP/1.1\r\nHost: a.exa");
    let begun = Instant::now();
    let answer = visitor.answer(false);
    assert_eq!(answer.status, 408);
    assert!(begun.elapsed() >= SHORT - Duration::from_millis(50));
    assert!(visitor.is_closed());
    web.log_line(&[" 408 ", " late"]);
}

#[test]
fn a_head_that_drips_does_not_live_longer() {
    let upstream = Upstream::start(|_, _| Reply::ok("ok"));
    let web = Web::before(&upstream);
    let mut visitor = web.visit();
    let mut stream = visitor.stream.try_clone().unwrap();
    let begun = Instant::now();
    let dripping = std::thread::spawn(move || {
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nX: ");
        while begun.elapsed() < SHORT * 5 && stream.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    assert_eq!(visitor.answer(false).status, 408);
    assert!(begun.elapsed() < SHORT * 4, "{:?}", begun.elapsed());
    dripping.join().unwrap();
}

#[test]
fn a_silent_connection_is_closed_without_a_word() {
    let upstream = Upstream::start(|_, _| Reply::ok("ok"));
    let web = Web::before(&upstream);
    assert!(web.visit().is_closed());
    let mut visitor = web.visit();
    assert_eq!(visitor.ask(GET).status, 200);
    assert!(visitor.is_closed());
}

#[test]
fn a_body_that_does_not_come_in_time() {
    let upstream = Upstream::start(|_, _| Reply::ok("ok"));
    let web = Web::before(&upstream);
    let mut visitor = web.visit();
    visitor.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 10\r\n\r\nhalf");
    assert_eq!(visitor.answer(false).status, 408);
    assert!(visitor.is_closed());
    assert!(upstream.requests().is_empty());
}

#[test]
fn an_app_that_does_not_answer_in_time() {
    let upstream = Upstream::start(|_, _| Reply::stall(""));
    let web = Web::before(&upstream);
    let answer = web.ask(GET);
    assert_eq!(answer.status, 504);
    let id = answer.field("x-request-id").unwrap();
    assert!(answer.text().contains(id) && answer.text().contains("<html"));
    web.log_line(&[id, " 504 ", " late"]);
    wait_for("the end of the connection to the app", || {
        (upstream.left.load(Ordering::SeqCst) == 1).then_some(())
    });
}

#[test]
fn an_answer_that_stops_half_way_is_not_passed_for_whole() {
    let halves = [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ];
    for half in halves {
        for closes in [false, true] {
            let upstream = Upstream::start(move |_, _| {
                if closes {
                    Reply::close(half)
                } else {
                    Reply::stall(half)
                }
            });
            let web = Web::before(&upstream);
            let mut visitor = web.visit();
            let answer = visitor.ask(GET);
            assert_eq!((answer.status, answer.whole), (200, false), "{half}");
            web.log_line(&[if closes { " cut" } else { " late" }]);
        }
    }
}

#[test]
fn an_app_that_reads_nothing_cannot_hold_us() {
    // It takes connections, by the kernel alone, and never reads.
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let web = Web::with(deaf.local_addr().unwrap(), |plan| {
        plan.limits.body = 1 << 30;
    });
    let mut visitor = web.visit();
    visitor.send(format!(
        "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: {}\r\n\r\n",
        1 << 25
    ));
    let mut stream = visitor.stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        let block = vec![b'x'; 1 << 16];
        while stream.write_all(&block).is_ok() {}
    });
    let status = visitor.answer(false).status;
    let _ = visitor.stream.shutdown(Shutdown::Both);
    sending.join().unwrap();
    assert_eq!(status, 504);
}

#[test]
fn a_visitor_that_leaves_takes_its_request_along() {
    let upstream = Upstream::start(|_, _| Reply::stall(""));
    let web = Web::with(upstream.address, |plan| {
        plan.routes[0].timeouts.first_byte = Duration::from_secs(60);
    });
    let mut visitor = web.visit();
    visitor.send(GET);
    wait_for("the request", || {
        (upstream.requests().len() == 1).then_some(())
    });
    drop(visitor);
    wait_for("the end of the connection to the app", || {
        (upstream.left.load(Ordering::SeqCst) == 1).then_some(())
    });
    web.log_line(&[" gone"]);
}

#[test]
fn an_answer_in_pieces_arrives_in_pieces() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let web = Web::with(listener.local_addr().unwrap(), |plan| {
        plan.routes[0].health.every = Duration::from_secs(60);
    });
    let mut visitor = web.visit();
    visitor.send(GET);
    let mut app = wait_for("the request", || {
        let (mut stream, _) = listener.accept().unwrap();
        // A check closes without a byte.
        (stream.read(&mut [0; 4096]).unwrap() > 0).then_some(stream)
    });
    app.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        .unwrap();
    let mut come = Vec::new();
    let begun = Instant::now();
    while crate::harness::find(&come, b"first").is_none() {
        let mut chunk = [0; 4096];
        let read = visitor.stream.read(&mut chunk).unwrap();
        assert!(read > 0);
        come.extend_from_slice(&chunk[..read]);
    }
    assert!(
        begun.elapsed() < Duration::from_millis(150),
        "the kernel held it back: {:?}",
        begun.elapsed()
    );
}

#[test]
fn large_bodies_pass_both_ways_in_little_memory() {
    const SIZE: usize = 96 << 20;
    let app = TcpListener::bind("127.0.0.1:0").unwrap();
    let web = Web::with(app.local_addr().unwrap(), |plan| {
        plan.limits.body = 1 << 30;
        plan.routes[0].health.every = Duration::from_secs(60);
        plan.timeouts.idle = Duration::from_secs(10);
        plan.routes[0].timeouts.idle = Duration::from_secs(10);
    });
    let serving = std::thread::spawn(move || {
        loop {
            let (mut stream, _) = app.accept().unwrap();
            let mut head = vec![0; 16 * 1024];
            let read = stream.read(&mut head).unwrap();
            let Some(end) = crate::harness::find(&head[..read], b"\r\n\r\n") else {
                continue;
            };
            let mut left = SIZE - (read - end - 4);
            while left > 0 {
                left -= stream.read(&mut head).unwrap();
            }
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n").unwrap();
            let block = vec![b'y'; 1 << 16];
            (0..SIZE / block.len()).for_each(|_| stream.write_all(&block).unwrap());
            return;
        }
    });
    let before = resident();
    let mut stream = web.visit().stream;
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: {SIZE}\r\n\r\n"
    )
    .unwrap();
    let block = vec![b'x'; 1 << 16];
    (0..SIZE / block.len()).for_each(|_| stream.write_all(&block).unwrap());
    let (mut come, mut most) = (0, 0);
    let mut chunk = vec![0; 1 << 16];
    while come < SIZE {
        let read = stream.read(&mut chunk).unwrap();
        assert!(read > 0, "the answer ended after {come} bytes");
        come += read;
        most = most.max(resident());
    }
    serving.join().unwrap();
    assert!(
        most < before + (32 << 20),
        "{} kB more",
        (most - before) >> 10
    );
}

/// Bytes of memory that this process has now.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
