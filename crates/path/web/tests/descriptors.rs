//! A web server that has no descriptor left: newcomers get in as long as somebody can go for them, and nothing spins while
//! nobody can. A process of its own: its limit is lowered.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[allow(dead_code, unused_imports, reason = "the raw tests use all of it")]
#[path = "raw/harness.rs"]
mod harness;
#[allow(dead_code, reason = "the raw tests use all of it")]
#[path = "raw/upstream.rs"]
mod upstream;
#[allow(dead_code, reason = "the raw tests use all of it")]
#[path = "raw/visitor.rs"]
mod visitor;

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use harness::{PATIENCE, Visitor, Web};
use rustix::net::{AddressFamily, SocketType, connect, socket};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use terrace_site::plan::HEALTH_PATH;

/// So many connections are open when the last descriptor is taken.
const PLACES: usize = 24;
const NEWCOMERS: usize = 8;
/// Visitors' own descriptors have numbers from here on: beyond what the web server has.
const VISITORS: i32 = 2_000;
/// On a busy machine.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Visitors' sockets, made while there are descriptors.
struct Sockets(Vec<OwnedFd>);

impl Sockets {
    fn new(count: usize) -> Self {
        let make = |_| {
            let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
            rustix::io::fcntl_dupfd_cloexec(&socket, VISITORS).unwrap()
        };
        Self((0..count).map(make).collect())
    }

    fn visit(&mut self, to: SocketAddr) -> Visitor {
        let socket = self.0.pop().unwrap();
        connect(&socket, &to).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Visitor {
            stream,
            rest: Vec::new(),
        }
    }
}

/// From now on nothing can be opened here that does not take the place of something else.
fn use_up_descriptors() {
    // It has the lowest number that is free.
    let free = File::open("/dev/null").unwrap();
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let current = u64::try_from(free.as_raw_fd()).ok();
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();
    drop(free);
    File::open("/dev/null").unwrap_err();
}

/// What all threads of this process have used of the processors.
fn processor_time() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(used).unwrap()
}

#[test]
fn without_a_descriptor_newcomers_get_in_and_nothing_spins() {
    terrace_service::descriptors::allow(4_096).unwrap();
    assert!(
        terrace_service::descriptors::limit() > VISITORS as u64 + 200,
        "this test needs descriptors: raise the hard limit"
    );
    let mut sockets = Sockets::new(2 * PLACES + NEWCOMERS + 1);
    let app = TcpListener::bind("127.0.0.1:0").unwrap();
    let web = Web::with(app.local_addr().unwrap(), |plan| {
        plan.routes[0].health.every = Duration::from_secs(60);
        plan.timeouts.idle = PATIENCE;
    });
    // The one check has come and gone: nothing else opens anything.
    let (mut check, _) = app.accept().unwrap();
    assert_eq!(check.read(&mut [0]).unwrap(), 0);
    drop(check);
    let well = format!("GET {HEALTH_PATH} HTTP/1.1\r\nHost: a.example\r\n\r\n");
    let mut idle = Vec::new();
    for _ in 0..PLACES {
        let mut one = sockets.visit(web.address);
        assert_eq!(one.ask(&well).status, 200);
        idle.push(one);
    }
    use_up_descriptors();
    for number in 0..NEWCOMERS {
        let begun = Instant::now();
        let mut newcomer = sockets.visit(web.address);
        assert_eq!(newcomer.ask(&well).status, 200);
        let took = begun.elapsed();
        assert!(took < AT_ONCE, "{number} waited for {took:?}");
        assert!(idle[number].is_closed(), "the longest idle goes");
        idle.push(newcomer);
    }

    // Each of these has something under way and does not go.
    let form = "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 8\r\n\r\nhalf";
    let mut busy = Vec::new();
    for _ in 0..PLACES {
        let mut one = sockets.visit(web.address);
        one.send(form);
        busy.push(one);
    }
    assert!(idle.iter_mut().all(Visitor::is_closed));
    let mut late = sockets.visit(web.address);
    late.send(&well);
    let (begun, before) = (Instant::now(), processor_time());
    std::thread::sleep(Duration::from_millis(500));
    let (wall, used) = (begun.elapsed(), processor_time() - before);
    late.stream.set_nonblocking(true).unwrap();
    let heard = late.stream.peek(&mut [0]);
    assert!(
        heard
            .as_ref()
            .is_err_and(|error| error.kind() == ErrorKind::WouldBlock),
        "there was room: {heard:?}"
    );
    println!("{used:?} of a processor in {wall:?} without a descriptor");
    assert!(10 * used < 3 * wall, "{used:?} in {wall:?}");
    late.stream.set_nonblocking(false).unwrap();
    let begun = Instant::now();
    drop(busy.pop());
    assert_eq!(late.answer(false).status, 200);
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
}
