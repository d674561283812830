//! Both directions of an exchange at once: an app that speaks before it has heard all.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::harness::{PATIENCE, Visitor, Web, field, find};

/// What a test does with each connection on which something comes: its stream, the head, and what came behind it. The
/// connection is closed then, so an answer to a request that is followed by another says so.
fn app(script: impl Fn(&mut TcpStream, &str, Vec<u8>) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let script = std::sync::Arc::new(script);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let script = std::sync::Arc::clone(&script);
            std::thread::spawn(move || {
                let mut come = Vec::new();
                loop {
                    let mut chunk = [0; 4096];
                    let read = stream.read(&mut chunk).unwrap_or(0);
                    if read == 0 {
                        return;
                    }
                    come.extend_from_slice(&chunk[..read]);
                    if let Some(end) = find(&come, b"\r\n\r\n") {
                        let rest = come.split_off(end + 4);
                        let head = String::from_utf8(come).unwrap();
                        script(&mut stream, &head, rest);
                        return;
                    }
                }
            });
        }
    });
    address
}

/// Reads the rest of a body of this length.
fn rest(stream: &mut TcpStream, come: usize, length: usize) -> usize {
    let mut have = come;
    let mut chunk = vec![0; 64 * 1024];
    while have < length {
        match stream.read(&mut chunk) {
            Ok(read) if read > 0 => have += read,
            _ => break,
        }
    }
    have
}

fn patient(plan: &mut terrace_site::plan::WebPlan) {
    plan.limits.body = 64 << 20;
    plan.routes[0].health.every = Duration::from_secs(60);
    for timeouts in [&mut plan.timeouts, &mut plan.routes[0].timeouts] {
        timeouts.idle = PATIENCE;
        timeouts.first_byte = PATIENCE;
    }
}

const SIZE: usize = 8 << 20;

fn upload(web: &Web, version: &str) -> Visitor {
    let mut visitor = web.visit();
    visitor.send(format!(
        "POST / HTTP/{version}\r\nHost: a.example\r\nContent-Length: {SIZE}\r\n\r\n"
    ));
    visitor.send("x".repeat(SIZE));
    visitor
}

#[test]
fn interim_answers_during_the_body_are_passed_on_and_end_nothing() {
    let app = app(|stream, _, come| {
        for interim in [
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: X-Inner\r\nX-Inner: 1\r\n\r\n",
            "HTTP/1.1 102 Processing\r\n\r\n",
        ] {
            stream.write_all(interim.as_bytes()).unwrap();
        }
        let have = rest(stream, come.len(), SIZE);
        let text = format!("{have}");
        write!(
            stream,
            "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        )
        .unwrap();
    });
    let web = Web::with(app, patient);
    let mut visitor = upload(&web, "1.1");
    let interim: Vec<_> = (0..4).map(|_| visitor.answer(false)).collect();
    let statuses: Vec<_> = interim.iter().map(|one| one.status).collect();
    assert_eq!(statuses, [100, 103, 102, 103]);
    assert_eq!(interim[1].field("link"), Some("</a.css>; rel=preload"));
    assert_eq!(
        interim[1].field("x-inner"),
        None,
        "it is between neighbours"
    );
    let answer = visitor.answer(false);
    assert_eq!((answer.status, answer.text()), (200, SIZE.to_string()));

    let old = upload(&web, "1.0").answer(false);
    assert_eq!(
        (old.status, old.text()),
        (200, SIZE.to_string()),
        "HTTP/1.0 knows none"
    );
}

#[test]
fn an_answer_that_begins_before_the_body_ends() {
    let app = app(|stream, _, come| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n")
            .unwrap();
        // What is answered is on its way before more of the body is looked at.
        std::thread::sleep(Duration::from_millis(100));
        let text = format!(" {}", rest(stream, come.len(), SIZE));
        write!(stream, "{:x}\r\n{text}\r\n0\r\n\r\n", text.len()).unwrap();
    });
    let web = Web::with(app, patient);
    for _ in 0..2 {
        let answer = upload(&web, "1.1").answer(false);
        assert!(answer.whole, "{:?}", answer.text());
        assert_eq!(
            answer.text(),
            format!("5\r\nbegun\r\n8\r\n {SIZE}\r\n0\r\n\r\n")
        );
    }
}

#[test]
fn a_whole_answer_before_the_body_does_not_end_the_body() {
    let (tell, told) = std::sync::mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let app = app(move |stream, _, come| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\naccepted")
            .unwrap();
        std::thread::sleep(Duration::from_millis(100));
        let have = rest(stream, come.len(), SIZE);
        tell.lock().unwrap().send(have).unwrap();
    });
    let web = Web::with(app, patient);
    assert_eq!(upload(&web, "1.1").answer(false).text(), "accepted");
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), SIZE);
}

#[test]
fn a_refusal_arrives_although_the_app_takes_no_more() {
    let app = app(|stream, head, _| {
        assert!(field(head, "content-length").is_some());
        stream
            .write_all(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 8\r\nConnection: close\r\n\r\ntoo much")
            .unwrap();
        // Unread bytes make the kernel answer the next ones with a reset.
        let _ = stream.shutdown(Shutdown::Write);
    });
    let web = Web::with(app, patient);
    for round in 0..20 {
        let answer = upload(&web, "1.1").answer(false);
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (413, "too much"),
            "{round}"
        );
    }
}

#[test]
fn an_app_that_streams_may_hold_a_conversation() {
    let app = app(|stream, _, mut come| {
        stream
            .write_all(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            .unwrap();
        let mut chunk = [0; 4096];
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            .unwrap();
        loop {
            stream.write_all(&come).unwrap();
            if find(&come, b"0\r\n\r\n").is_some() {
                return;
            }
            let read = stream.read(&mut chunk).unwrap();
            come = chunk[..read].to_vec();
        }
    });
    let web = Web::with(app, |plan| {
        patient(plan);
        plan.routes[0].stream = Some(1);
    });
    let mut visitor = web.visit();
    visitor.send(
        "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n",
    );
    assert_eq!(visitor.answer(false).status, 103);
    // Each word comes back before the next is said.
    for word in ["one", "two", "six"] {
        if word != "one" {
            visitor.send(format!("3\r\n{word}\r\n"));
        }
        while find(&visitor.rest, word.as_bytes()).is_none() {
            let mut chunk = [0; 4096];
            let read = visitor.stream.read(&mut chunk).unwrap();
            assert!(read > 0, "{:?}", String::from_utf8_lossy(&visitor.rest));
            visitor.rest.extend_from_slice(&chunk[..read]);
        }
    }
    visitor.send("0\r\n\r\n");
    let answer = visitor.answer(false);
    assert!(answer.whole, "{:?}", answer.text());
}
