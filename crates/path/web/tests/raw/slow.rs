//! Slow visitors hold nobody but themselves: an app that answers one request at a time has its place free while they
//! send and read.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use terrace_site::plan::UpstreamPlan;

use crate::harness::{PATIENCE, Visitor, Web, field, find, wait_for};
use crate::upstream::{Reply, Upstream};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

/// An app with one place: it reads a request whole, answers with as many bytes as the path says, or with how many times
/// `x` is in the body, closes, and only then looks at the next.
pub fn one_at_a_time() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            serve(stream);
        }
    });
    address
}

fn serve(mut stream: TcpStream) -> Option<()> {
    let mut come = Vec::new();
    let end = loop {
        if let Some(at) = find(&come, b"\r\n\r\n") {
            break at + 4;
        }
        more(&mut stream, &mut come)?;
    };
    let head = String::from_utf8(come.drain(..end).collect()).unwrap();
    let length = field(&head, "content-length").map_or(0, |length| length.parse().unwrap());
    let chunked = field(&head, "transfer-encoding").is_some();
    while come.len() < length || (chunked && !come.ends_with(b"0\r\n\r\n")) {
        more(&mut stream, &mut come)?;
    }
    let content = come.iter().filter(|byte| **byte == b'x').count();
    let size = head
        .split([' ', '/'])
        .find_map(|part| part.parse::<usize>().ok());
    let body = size.map_or_else(|| content.to_string().into_bytes(), |size| vec![b'y'; size]);
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )
    .ok()?;
    stream.write_all(&body).ok()
}

fn more(stream: &mut TcpStream, come: &mut Vec<u8>) -> Option<()> {
    let mut chunk = [0; 64 * 1024];
    let read = stream.read(&mut chunk).ok().filter(|read| *read > 0)?;
    come.extend_from_slice(&chunk[..read]);
    Some(())
}

/// Everything may take long, and nothing is asked beside the tests.
fn patient(plan: &mut terrace_site::plan::WebPlan) {
    plan.limits.body = 64 << 20;
    plan.routes[0].health.every = Duration::from_secs(60);
    for timeouts in [&mut plan.timeouts, &mut plan.routes[0].timeouts] {
        timeouts.idle = PATIENCE;
        timeouts.first_byte = PATIENCE;
    }
}

#[test]
fn who_sends_a_body_slowly_does_not_hold_the_app() {
    let web = Web::with(one_at_a_time(), patient);
    for fields in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
        let mut slow: Vec<Visitor> = (0..2).map(|_| web.visit()).collect();
        for visitor in &mut slow {
            visitor.send(format!(
                "POST / HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n\r\n"
            ));
            visitor.send(if fields.starts_with('C') {
                "half"
            } else {
                "4\r\nhalf\r\n"
            });
        }
        // They are known before the next is.
        std::thread::sleep(Duration::from_millis(50));
        let begun = Instant::now();
        assert_eq!(web.ask(GET).text(), "0", "{fields}");
        assert!(begun.elapsed() < PATIENCE / 4, "{:?}", begun.elapsed());
        slow[0].send(if fields.starts_with('C') {
            "1 more"
        } else {
            "6\r\n1 more\r\n0\r\n\r\n"
        });
        assert_eq!(slow[0].answer(false).status, 200);
    }
}

#[test]
fn who_reads_slowly_does_not_hold_the_app() {
    const SIZE: usize = 24 << 20;
    let web = Web::with(one_at_a_time(), patient);
    let mut slow: Vec<Visitor> = (0..2).map(|_| web.visit()).collect();
    for visitor in &mut slow {
        visitor.send(format!("GET /{SIZE} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
    }
    std::thread::sleep(Duration::from_millis(50));
    let begun = Instant::now();
    assert_eq!(web.ask(GET).text(), "0");
    assert!(begun.elapsed() < PATIENCE / 4, "{:?}", begun.elapsed());
    // And they lose nothing by it.
    for visitor in &mut slow {
        let answer = visitor.answer(false);
        assert!(answer.whole && answer.body.iter().all(|byte| *byte == b'y'));
        assert_eq!(answer.body.len(), SIZE);
    }
    assert_eq!(
        slow[0].ask(GET).text(),
        "0",
        "the connection is good for more"
    );
}

#[test]
fn a_large_body_is_taken_whole_and_brought_to_another_when_the_first_dies() {
    const SIZE: usize = 9 << 20;
    let dies = Upstream::hasty(|_, _| Reply::close(""));
    let web = Web::with(dies.address, |plan| {
        patient(plan);
        plan.routes[0].upstreams.push(UpstreamPlan {
            instance: "web-02/app/1".to_owned(),
            address: one_at_a_time(),
            near: false,
        });
    });
    // `delete` may be repeated, and may have a body.
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let chunked = format!("{}0\r\n\r\n", chunk.repeat(SIZE / 0x10000));
    for (fields, body) in [
        (format!("Content-Length: {SIZE}"), "x".repeat(SIZE)),
        ("Transfer-Encoding: chunked".to_owned(), chunked),
    ] {
        let mut visitor = web.visit();
        let known = dies.requests().len();
        visitor.send(format!(
            "DELETE / HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n\r\n"
        ));
        visitor.send(&body);
        let answer = visitor.answer(false);
        assert_eq!(answer.text(), SIZE.to_string(), "{fields}");
        assert_eq!(dies.requests().len(), known + 1);
    }
}

#[test]
fn a_check_that_fails_by_time_out_cuts_nothing() {
    let silent = Arc::new(AtomicBool::new(false));
    let is_silent = Arc::clone(&silent);
    let app = Upstream::start(move |_, request| {
        if request.head.starts_with("GET /health") {
            return if is_silent.load(Ordering::SeqCst) {
                Reply::stall("")
            } else {
                Reply::ok("well")
            };
        }
        is_silent.store(true, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(1_500));
        Reply::ok("late, and good")
    });
    let web = Web::with(app.address, |plan| {
        patient(plan);
        plan.routes[0].health.path = Some("/health".to_owned());
        plan.routes[0].health.every = Duration::from_millis(100);
        plan.routes[0].health.within = Duration::from_millis(100);
    });
    let mut form = web.visit();
    form.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1\r\n\r\nx");
    wait_for("the form", || silent.load(Ordering::SeqCst).then_some(()));
    let page = web.ask(GET);
    assert_eq!((page.status, page.text().as_str()), (200, "late, and good"));
    assert_eq!(form.answer(false).text(), "late, and good");
}

#[test]
fn an_app_that_reads_its_body_late_is_alive() {
    const SIZE: usize = 4 << 20;
    let app = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = app.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in app.incoming().map_while(Result::ok) {
            // A check closes without a byte.
            if stream.peek(&mut [0]).is_ok_and(|come| come > 0) {
                // As one does that is busy: longer than a peer may leave a packet unanswered.
                std::thread::sleep(Duration::from_millis(2_600));
                serve(stream);
            }
        }
    });
    let web = Web::with(address, patient);
    let mut visitor = web.visit();
    visitor.send(format!(
        "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: {SIZE}\r\n\r\n"
    ));
    visitor.send("x".repeat(SIZE));
    assert_eq!(visitor.answer(false).status, 200);
}
