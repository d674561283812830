//! Connections that change their protocol, as WebSocket does: when they may, what passes, and how they end.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::harness::{SHORT, Visitor, Web, field, wait_for};
use crate::upstream::{Reply, Upstream};

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: a.example\r\nConnection: keep-alive, Upgrade\r\n\
                       Upgrade: websocket\r\nSec-WebSocket-Key: key\r\nSec-WebSocket-Version: 13\r\n\r\n";
const GET: &str = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
const CHANGED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/// Asks for WebSocket, and gets it.
fn changed(web: &Web) -> Visitor {
    let mut visitor = web.visit();
    let answer = visitor.ask(UPGRADE);
    assert_eq!(answer.status, 101, "{}", answer.head);
    visitor
}

/// A web server in front of a listener that is the test's own.
fn by_hand(idle: Duration) -> (Web, TcpListener) {
    let app = TcpListener::bind("127.0.0.1:0").unwrap();
    let web = Web::with(app.local_addr().unwrap(), |plan| {
        plan.routes[0].health.every = Duration::from_secs(60);
        plan.routes[0].timeouts.idle = idle;
    });
    (web, app)
}

/// The app's side of a connection that is to change, with the request read.
fn asked(app: &TcpListener) -> TcpStream {
    let stream = wait_for("the request", || {
        let (mut stream, _) = app.accept().unwrap();
        // A check closes without a byte.
        (stream.read(&mut [0; 4096]).unwrap() > 0).then_some(stream)
    });
    stream
        .set_read_timeout(Some(crate::harness::PATIENCE))
        .unwrap();
    stream
}

#[test]
fn bytes_pass_both_ways_through_one_server_and_through_two() {
    let app = Upstream::start(|_, _| Reply::echo("early"));
    let inner = Web::with(app.address, |plan| {
        plan.trust = vec![("127.0.0.1".parse().unwrap(), 32)];
    });
    let outer = Web::with(inner.address, |_| {});
    for web in [&inner, &outer] {
        let mut visitor = web.visit();
        visitor.send(format!("{UPGRADE}at once "));
        let answer = visitor.answer(false);
        assert_eq!(answer.status, 101);
        for (name, value) in [
            ("connection", Some("Upgrade")),
            ("upgrade", Some("websocket")),
            ("sec-websocket-accept", Some("yes")),
            ("server", Some("terrace")),
            ("content-length", None),
        ] {
            assert_eq!(answer.field(name), value, "{name}");
        }
        assert_eq!(visitor.exactly(5), b"early");
        assert_eq!(visitor.exactly(8), b"at once ");
        for text in ["one", "\r\n\r\nGET / HTTP/1.1\r\n", "\0\x01three"] {
            visitor.send(text);
            assert_eq!(visitor.exactly(text.len()), text.as_bytes());
        }
        // It has said all, and still gets what is to come.
        visitor.stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(visitor.until_end(), b"bye");
        let line = web.log_line(&[" GET ", " /chat 101 ", " 1 ok"]);
        let bytes: usize = line.split(' ').nth(7).unwrap().parse().unwrap();
        assert_eq!(bytes, answer.head.len() + 5 + 8 + 3 + 20 + 7 + 3, "{line}");
    }
    for seen in app.requests() {
        for (name, value) in [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-key", "key"),
            ("sec-websocket-version", "13"),
        ] {
            assert_eq!(field(&seen.head, name), Some(value), "{}", seen.head);
        }
    }
}

/// What may not change: its name, line and fields, body.
const ORDINARY: [(&str, &str, &str); 10] = [
    (
        "without the option",
        "GET / HTTP/1.1\r\nUpgrade: websocket\r\n",
        "",
    ),
    (
        "old",
        "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n",
        "",
    ),
    (
        "h2c",
        "GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n",
        "",
    ),
    (
        "h2c too",
        "GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket, H2C\r\n",
        "",
    ),
    (
        "http",
        "GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: HTTP/2.0\r\n",
        "",
    ),
    (
        "nothing",
        "GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: ,\r\n",
        "",
    ),
    (
        "twice",
        "GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\nUpgrade: x\r\n",
        "",
    ),
    (
        "a body",
        "GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n",
        "ab",
    ),
    (
        "chunks",
        "GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n",
        "0\r\n\r\n",
    ),
    (
        "another method",
        "POST / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n",
        "",
    ),
];

#[test]
fn what_may_not_change_goes_on_as_an_ordinary_request() {
    for (name, head, body) in ORDINARY {
        // Whoever changes all the same is not believed.
        let app = Upstream::start(|number, _| {
            if number == 0 {
                Reply::ok("ordinary")
            } else {
                Reply::echo("")
            }
        });
        let web = Web::before(&app);
        let request = format!("{head}Host: a.example\r\n\r\n{body}");
        assert_eq!(web.ask(&request).text(), "ordinary", "{name}");
        assert_eq!(web.ask(&request).status, 502, "{name}");
        for seen in app.requests() {
            assert_eq!(field(&seen.head, "upgrade"), None, "{name}");
            assert_eq!(field(&seen.head, "connection"), None, "{name}");
        }
        web.log_line(&[" 502 ", " 1 invalid"]);
    }
}

#[test]
fn only_to_what_was_asked_for() {
    for field in [
        "Upgrade: irc\r\n",
        "Upgrade: websocket, irc\r\n",
        "Upgrade: \r\n",
        "",
    ] {
        let app = Upstream::start(move |_, _| {
            let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade";
            Reply::stall(&format!("{head}\r\n{field}\r\nhello"))
        });
        let web = Web::before(&app);
        assert_eq!(web.ask(UPGRADE).status, 502, "{field}");
        assert_eq!(app.requests().len(), 1, "{field}");
    }
}

#[test]
fn an_answer_that_changes_nothing_is_an_ordinary_one() {
    let app = Upstream::start(|number, _| match number {
        0 => Reply::keep("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno"),
        _ => Reply::ok("next"),
    });
    let web = Web::before(&app);
    let mut visitor = web.visit();
    let answer = visitor.ask(UPGRADE);
    assert_eq!((answer.status, answer.text().as_str()), (426, "no"));
    assert_eq!(visitor.ask(GET).text(), "next");
    assert!(app.requests().iter().all(|seen| seen.connection == 0));
}

#[test]
fn a_connection_that_has_changed_serves_nothing_else() {
    let app = Upstream::start(|_, request| {
        if request.head.starts_with("GET /chat") {
            Reply::echo("")
        } else {
            Reply::ok("ordinary")
        }
    });
    let web = Web::before(&app);
    assert_eq!(web.ask(GET).text(), "ordinary");
    // Over the connection that was kept.
    let mut visitor = changed(&web);
    assert_eq!(web.ask(GET).text(), "ordinary");
    visitor.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(visitor.until_end(), b"bye");
    assert_eq!(web.ask(GET).text(), "ordinary");
    let seen = app.requests();
    let connections: Vec<_> = seen.iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [0, 0, 1, 1]);
}

#[test]
fn an_app_that_has_said_all_still_hears() {
    let (web, app) = by_hand(Duration::from_secs(8));
    let mut visitor = web.visit();
    visitor.send(UPGRADE);
    let mut stream = asked(&app);
    stream.write_all(CHANGED.as_bytes()).unwrap();
    stream.write_all(b"last").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(visitor.answer(false).status, 101);
    assert_eq!(visitor.until_end(), b"last");
    visitor.send("and you?");
    visitor.stream.shutdown(Shutdown::Write).unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "and you?");
    web.log_line(&[" 101 ", " ok"]);
}

#[test]
fn much_passes_both_ways_at_once() {
    const SIZE: usize = 8 << 20;
    let app = Upstream::start(|_, _| Reply::echo(""));
    let web = Web::with(app.address, |plan| {
        plan.routes[0].timeouts.idle = Duration::from_secs(8);
    });
    let mut visitor = changed(&web);
    let mut stream = visitor.stream.try_clone().unwrap();
    let sent: Vec<u8> = (0..SIZE).map(|at| (at % 251) as u8).collect();
    let sending = {
        let sent = sent.clone();
        std::thread::spawn(move || {
            stream.write_all(&sent).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
        })
    };
    let come = visitor.until_end();
    sending.join().unwrap();
    assert!(come == [&sent[..], b"bye"].concat(), "{} came", come.len());
}

#[test]
fn it_lasts_while_something_moves_and_no_longer() {
    let app = Upstream::start(|_, _| Reply::echo(""));
    let web = Web::with(app.address, |plan| {
        plan.routes[0].timeouts.total = Some(SHORT * 2);
        plan.timeouts.total = Some(SHORT * 2);
    });
    let mut visitor = changed(&web);
    let begun = Instant::now();
    while begun.elapsed() < SHORT * 4 {
        visitor.send("x");
        assert_eq!(visitor.exactly(1), b"x");
        std::thread::sleep(SHORT / 8);
    }
    let silent = Instant::now();
    assert!(visitor.is_closed());
    assert!(silent.elapsed() >= SHORT / 2 && silent.elapsed() < SHORT * 4);
    web.log_line(&[" 101 ", " 1 late-idle"]);
    wait_for("the end of the connection to the app", || {
        (app.left.load(Ordering::SeqCst) == 1).then_some(())
    });
}

#[test]
fn who_leaves_ends_it_for_the_other() {
    let (web, app) = by_hand(Duration::from_secs(8));
    let mut visitor = web.visit();
    visitor.send(UPGRADE);
    let mut stream = asked(&app);
    stream.write_all(CHANGED.as_bytes()).unwrap();
    assert_eq!(visitor.answer(false).status, 101);
    // What it has not read makes the end of it a reset.
    stream.write_all(&[b'x'; 1000]).unwrap();
    wait_for("the bytes", || {
        (visitor.stream.peek(&mut [0; 1000]).unwrap() > 0).then_some(())
    });
    drop(visitor);
    assert_eq!(stream.read(&mut [0; 16]).unwrap_or(0), 0);
    web.log_line(&[" 101 ", " gone"]);

    let mut visitor = web.visit();
    visitor.send(format!("{UPGRADE}unread"));
    let mut stream = asked(&app);
    stream.write_all(CHANGED.as_bytes()).unwrap();
    assert_eq!(visitor.answer(false).status, 101);
    visitor.send("also unread");
    wait_for("the bytes", || {
        (stream.peek(&mut [0; 1000]).unwrap() > 0).then_some(())
    });
    drop(stream);
    assert!(visitor.is_closed());
    wait_for("both lines", || {
        let log = std::fs::read_to_string(web.directory.path().join("access")).unwrap();
        (log.lines().filter(|line| line.contains(" 101 ")).count() == 2).then_some(())
    });
}

#[test]
fn an_app_that_is_gone_before_it_answers_is_a_bad_gateway() {
    let app = Upstream::start(|_, _| Reply::close(""));
    let web = Web::before(&app);
    let answer = web.ask(UPGRADE);
    assert_eq!(answer.status, 502);
    assert!(
        answer.text().contains("broke off without an answer"),
        "{}",
        answer.text()
    );
    assert_eq!(app.requests().len(), 1);
}
