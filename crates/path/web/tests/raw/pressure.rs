//! More visitors than places: who waits for nothing in particular makes room.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use crate::harness::{PATIENCE, Visitor, Web, wait_for};
use crate::upstream::{Reply, Upstream};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

fn app() -> Upstream {
    Upstream::start(|_, _| Reply::ok("ok"))
}

/// A visitor at 127.0.0.`number`.
pub fn visitor_at(number: u8, to: SocketAddr) -> Visitor {
    Visitor::at(number, to)
}

#[test]
fn the_longest_idle_make_room() {
    let app = app();
    let web = Web::with(app.address, |plan| plan.limits.connections = 4);
    let mut idle: Vec<_> = (0..4).map(|_| web.visit()).collect();
    for visitor in &mut idle {
        assert_eq!(visitor.ask(GET).status, 200);
    }
    // The second has been used last.
    wait_for("a moment of its own", || {
        idle[1].ask(GET);
        let before = std::time::Instant::now();
        std::thread::sleep(std::time::Duration::from_millis(120));
        (idle[1].ask(GET).status == 200 && before.elapsed().as_millis() > 100).then_some(())
    });
    let mut new: Vec<_> = (0..3).map(|_| web.visit()).collect();
    for visitor in &mut new {
        assert_eq!(visitor.ask(GET).status, 200);
    }
    for old in [0, 2, 3] {
        assert!(idle[old].is_closed(), "{old}");
    }
    assert_eq!(idle[1].ask(GET).status, 200, "it had not been idle longest");
}

#[test]
fn silent_ones_and_half_heads_go_and_requests_stay() {
    let (answer, answers) = channel();
    let answers = Mutex::new(answers);
    let app = Upstream::start(move |_, seen| {
        if seen.head.starts_with("GET /slow ") {
            let _ = answers.lock().unwrap().recv_timeout(PATIENCE);
        }
        Reply::ok("ok")
    });
    let web = Web::with(app.address, |plan| {
        plan.limits.connections = 4;
        plan.timeouts.first_byte = PATIENCE;
        plan.timeouts.idle = PATIENCE;
        plan.routes[0].timeouts.first_byte = PATIENCE;
    });
    let mut busy = web.visit();
    busy.send("GET /slow HTTP/1.1\r\nHost: a.example\r\n\r\n");
    wait_for("the request", || (!app.requests().is_empty()).then_some(()));
    let mut half: Vec<_> = (0..2).map(|_| web.visit()).collect();
    for visitor in &mut half {
        visitor.send("GET / HTTP/1.1\r\nHo");
    }
    let mut silent = web.visit();
    // Each in turn: all four places are taken whenever one comes.
    for _ in 0..8 {
        assert_eq!(web.ask(GET).status, 200);
    }
    assert!(silent.is_closed());
    let mut others: Vec<_> = (0..3).map(|_| web.visit()).collect();
    for visitor in &mut others {
        visitor.send("GET / HT");
    }
    assert_eq!(half[0].answer(false).status, 408);
    assert_eq!(web.ask(GET).status, 200);
    answer.send(()).unwrap();
    assert_eq!(busy.answer(false).text(), "ok");
}

#[test]
fn one_address_has_its_share_and_no_more() {
    let app = app();
    let web = Web::with(app.address, |plan| {
        plan.limits.share = 3;
        plan.timeouts.idle = PATIENCE;
    });
    let mut other = visitor_at(9, web.address);
    assert_eq!(other.ask(GET).status, 200);
    let mut many: Vec<_> = (0..10).map(|_| visitor_at(2, web.address)).collect();
    let mut last = visitor_at(2, web.address);
    assert_eq!(last.ask(GET).status, 200);
    for visitor in &mut many[..8] {
        assert!(visitor.is_closed());
    }
    assert_eq!(many[9].ask(GET).status, 200);
    assert_eq!(other.ask(GET).status, 200, "it is another's share");
    // A front brings everybody.
    let web = Web::with(app.address, |plan| {
        plan.limits.share = 3;
        plan.timeouts.idle = PATIENCE;
        plan.trust = vec![("127.0.0.0".parse().unwrap(), 8)];
    });
    let mut many: Vec<_> = (0..10).map(|_| web.visit()).collect();
    for visitor in &mut many {
        assert_eq!(visitor.ask(GET).status, 200);
    }
    for visitor in &mut many {
        assert_eq!(visitor.ask(GET).status, 200);
    }
}

#[test]
fn who_uses_all_of_its_share_is_turned_away() {
    let app = Upstream::start(|_, seen| {
        if seen.head.starts_with("GET /slow ") {
            Reply::stall("")
        } else {
            Reply::ok("ok")
        }
    });
    let web = Web::with(app.address, |plan| {
        plan.limits.share = 2;
        plan.routes[0].timeouts.first_byte = PATIENCE;
    });
    let mut slow: Vec<_> = (0..2).map(|_| visitor_at(2, web.address)).collect();
    for visitor in &mut slow {
        visitor.send("GET /slow HTTP/1.1\r\nHost: a.example\r\n\r\n");
    }
    wait_for("both", || (app.requests().len() == 2).then_some(()));
    // It is told why, before and after it has asked.
    let mut refused = visitor_at(2, web.address);
    let answer = refused.answer(false);
    assert_eq!(answer.status, 429);
    assert!(
        answer.whole && answer.text().contains("connections"),
        "{}",
        answer.text()
    );
    assert!(answer.field("retry-after").is_some() && refused.is_closed());
    assert_eq!(visitor_at(2, web.address).ask(GET).status, 429);
    assert_eq!(web.ask(GET).status, 200);
}

/// As many as a site has places, of an address that says nothing.
const CROWD: usize = 8_192;
/// On a busy machine.
const AT_ONCE: std::time::Duration = std::time::Duration::from_secs(2);

#[test]
fn a_crowd_of_one_address_or_of_many_keeps_no_newcomer_out() {
    terrace_service::descriptors::allow(3 * CROWD as u64).unwrap();
    let app = app();
    let web = Web::with(app.address, |plan| plan.timeouts.idle = PATIENCE);
    let newcomer = |number: u8| {
        let begun = std::time::Instant::now();
        assert_eq!(visitor_at(number, web.address).ask(GET).status, 200);
        let took = begun.elapsed();
        assert!(took < AT_ONCE, "{number} waited for {took:?}");
    };
    let places = terrace_site::plan::Limits::default();
    let mut crowd = Vec::new();
    // First one address, beyond its share; then others too, beyond all places.
    for number in 0..CROWD + places.share {
        let before = number < CROWD;
        let from = if before { 2 } else { 3 };
        crowd.push(visitor_at(from, web.address));
        if number % 512 == 0 {
            newcomer(9);
        }
    }
    newcomer(10);
    let open = crowd.iter_mut().filter(|one| {
        one.stream.set_nonblocking(true).unwrap();
        let read = one.stream.peek(&mut [0]);
        read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    });
    let open = open.count();
    assert!(open <= 2 * places.share, "{open} of two addresses are open");
}
