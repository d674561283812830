//! An upstream that does what a case says.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::visitor::{Visitor, field, find};

/// What an upstream does about a request.
pub enum Reply {
    /// Send this, and wait for the next.
    Keep(Vec<u8>),
    /// Send this, and close.
    Close(Vec<u8>),
    /// Send this, then nothing, until the other side closes.
    Stall(Vec<u8>),
    /// Send this, then back what comes until the other side has said all, then `bye`, and close.
    Echo(Vec<u8>),
}

impl Reply {
    pub fn keep(text: &str) -> Self {
        Self::Keep(text.as_bytes().to_vec())
    }

    pub fn close(text: &str) -> Self {
        Self::Close(text.as_bytes().to_vec())
    }

    pub fn stall(text: &str) -> Self {
        Self::Stall(text.as_bytes().to_vec())
    }

    /// 101 to WebSocket with this behind it, then an echo.
    pub fn echo(early: &str) -> Self {
        let head = "HTTP/1.1 101 Switching Protocols\r\nServer: app\r\nConnection: Upgrade\r\n\
                    Upgrade: websocket\r\nSec-WebSocket-Accept: yes\r\nContent-Length: 7\r\n\r\n";
        Self::Echo(format!("{head}{early}").into_bytes())
    }

    /// 200 with this body.
    pub fn ok(body: &str) -> Self {
        Self::keep(&format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }
}

/// A request, as an upstream got it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Which connection it came on, from 0.
    pub connection: usize,
    pub head: String,
    pub body: Vec<u8>,
}

/// An upstream that answers by a script: from the number of the request and the request. Connections without a
/// byte are checks, and not counted.
pub struct Upstream {
    pub address: SocketAddr,
    pub seen: Arc<Mutex<Vec<Seen>>>,
    /// Connections that a request came on and that the other side has closed.
    pub left: Arc<AtomicUsize>,
    dead: Arc<AtomicBool>,
    /// Those that are open, to be broken.
    streams: Arc<Mutex<BTreeMap<usize, TcpStream>>>,
}

impl Upstream {
    /// One that reads whole requests.
    pub fn start(script: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::bound("127.0.0.1:0".parse().unwrap(), false, script)
    }

    /// One that answers as soon as it has the head.
    pub fn hasty(script: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::bound("127.0.0.1:0".parse().unwrap(), true, script)
    }

    pub fn bound(
        address: SocketAddr,
        hasty: bool,
        script: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let upstream = Self {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
            left: Arc::default(),
            dead: Arc::default(),
            streams: Arc::default(),
        };
        let (seen, left) = (Arc::clone(&upstream.seen), Arc::clone(&upstream.left));
        let (script, connections) = (Arc::new(script), Arc::new(AtomicUsize::new(0)));
        let (dead, streams) = (Arc::clone(&upstream.dead), Arc::clone(&upstream.streams));
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
                let copy = stream.try_clone().unwrap();
                streams.lock().unwrap().insert(number, copy);
                if dead.load(Ordering::SeqCst) {
                    return;
                }
                let (seen, left) = (Arc::clone(&seen), Arc::clone(&left));
                let (script, connections) = (Arc::clone(&script), Arc::clone(&connections));
                let streams = Arc::clone(&streams);
                std::thread::spawn(move || {
                    converse(stream, hasty, &seen, &left, &*script, &connections);
                    streams.lock().unwrap().remove(&number);
                });
            }
        });
        upstream
    }

    /// Refuses new connections and breaks all that it has, as when its process dies.
    pub fn kill(&self) {
        self.dead.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        crate::visitor::wait_for("the end of the listener", || {
            TcpStream::connect(self.address).is_err().then_some(())
        });
        for stream in self.streams.lock().unwrap().values() {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    pub fn requests(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn converse(
    stream: TcpStream,
    hasty: bool,
    seen: &Mutex<Vec<Seen>>,
    left: &AtomicUsize,
    script: &dyn Fn(usize, &Seen) -> Reply,
    connections: &AtomicUsize,
) {
    let mut visitor = Visitor {
        stream,
        rest: Vec::new(),
    };
    let mut connection = None;
    while let Some((head, body)) = next_request(&mut visitor, hasty) {
        let connection =
            *connection.get_or_insert_with(|| connections.fetch_add(1, Ordering::SeqCst));
        let request = Seen {
            connection,
            head,
            body,
        };
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(request.clone());
            seen.len() - 1
        };
        let (bytes, stays) = match script(number, &request) {
            Reply::Keep(bytes) => (bytes, true),
            Reply::Close(bytes) => (bytes, false),
            Reply::Stall(bytes) => {
                visitor.send(bytes);
                while visitor.more_or_reset() {}
                break;
            }
            Reply::Echo(bytes) => {
                visitor.send(bytes);
                echo(&mut visitor);
                break;
            }
        };
        visitor.send(bytes);
        if !stays {
            return;
        }
    }
    if connection.is_some() {
        left.fetch_add(1, Ordering::SeqCst);
    }
}

fn echo(visitor: &mut Visitor) {
    loop {
        let come = std::mem::take(&mut visitor.rest);
        visitor.send(come);
        if !visitor.more_or_reset() {
            visitor.send("bye");
            return;
        }
    }
}

impl Visitor {
    fn more_or_reset(&mut self) -> bool {
        let mut chunk = [0; 64 * 1024];
        let read = self.stream.read(&mut chunk).unwrap_or(0);
        self.rest.extend_from_slice(&chunk[..read]);
        read > 0
    }
}

fn next_request(visitor: &mut Visitor, hasty: bool) -> Option<(String, Vec<u8>)> {
    let end = loop {
        match find(&visitor.rest, b"\r\n\r\n") {
            Some(at) => break at + 4,
            None if visitor.more_or_reset() => {}
            None => return None,
        }
    };
    let head = String::from_utf8(visitor.rest.drain(..end).collect()).unwrap();
    if hasty {
        return Some((head, Vec::new()));
    }
    if field(&head, "transfer-encoding").is_some() {
        let mut body = Vec::new();
        while !(body.starts_with(b"0\r\n") || find(&body, b"\r\n0\r\n").is_some())
            || !body.ends_with(b"\r\n\r\n")
        {
            if visitor.rest.is_empty() && !visitor.more_or_reset() {
                return None;
            }
            body.append(&mut visitor.rest);
        }
        return Some((head, body));
    }
    let length = field(&head, "content-length").map_or(0, |length| length.parse().unwrap());
    while visitor.rest.len() < length {
        if !visitor.more_or_reset() {
            return None;
        }
    }
    let body = visitor.rest.drain(..length).collect();
    Some((head, body))
}
