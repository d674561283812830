//! A visitor that sends bytes, and what comes back.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

/// Nothing in these tests takes longer, unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Asks again until there is an answer.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(found) = ask() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{what} did not come");
}

/// A visitor's connection.
pub struct Visitor {
    pub stream: TcpStream,
    pub rest: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    /// The body came to the end that its head announced.
    pub whole: bool,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }
}

/// The value of a field in a head.
pub fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

impl Visitor {
    pub fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            rest: Vec::new(),
        }
    }

    /// One at 127.0.0.`number`.
    pub fn at(number: u8, to: SocketAddr) -> Self {
        let from = SocketAddr::from((Ipv4Addr::new(127, 0, 0, number), 0));
        let stream: OwnedFd = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&stream, &from).unwrap();
        connect(&stream, &to).unwrap();
        let stream = TcpStream::from(stream);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            rest: Vec::new(),
        }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // Whoever refuses a request may close before it has read all of it.
        let _ = self.stream.write_all(bytes.as_ref());
    }

    pub fn ask(&mut self, request: &str) -> Answer {
        self.send(request);
        self.answer(request.starts_with("HEAD "))
    }

    /// Reads one answer.
    pub fn answer(&mut self, bodiless: bool) -> Answer {
        let end = loop {
            match find(&self.rest, b"\r\n\r\n") {
                Some(at) => break at + 4,
                None => assert!(
                    self.more(),
                    "the connection ended within a head: {:?}",
                    String::from_utf8_lossy(&self.rest)
                ),
            }
        };
        let head = String::from_utf8(self.rest.drain(..end).collect()).unwrap();
        let status = head[9..12].parse().unwrap();
        let mut answer = Answer {
            status,
            head,
            body: Vec::new(),
            whole: true,
        };
        if bodiless || matches!(status, 100..200 | 204 | 304) {
            return answer;
        }
        if answer.field("transfer-encoding").is_some() {
            (answer.body, answer.whole) = self.chunks();
        } else if let Some(length) = answer.field("content-length") {
            let length: usize = length.parse().unwrap();
            while self.rest.len() < length && self.more() {}
            answer.whole = self.rest.len() >= length;
            answer.body = self.rest.drain(..length.min(self.rest.len())).collect();
        } else {
            while self.more() {}
            answer.body = std::mem::take(&mut self.rest);
        }
        answer
    }

    /// The raw chunks up to the last one, and whether it came.
    fn chunks(&mut self) -> (Vec<u8>, bool) {
        loop {
            let end = if self.rest.starts_with(b"0\r\n") {
                Some(0)
            } else {
                find(&self.rest, b"\r\n0\r\n").map(|at| at + 2)
            };
            if let Some(end) = end
                && let Some(last) = find(&self.rest[end..], b"\r\n\r\n")
            {
                return (self.rest.drain(..end + last + 4).collect(), true);
            }
            if !self.more() {
                return (std::mem::take(&mut self.rest), false);
            }
        }
    }

    /// The next bytes, as many as these are.
    pub fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.rest.len() < count {
            assert!(self.more(), "the connection ended after {:?}", self.rest);
        }
        self.rest.drain(..count).collect()
    }

    /// Everything up to the end.
    pub fn until_end(&mut self) -> Vec<u8> {
        while self.more() {}
        std::mem::take(&mut self.rest)
    }

    /// Whether the server closes without another byte.
    pub fn is_closed(&mut self) -> bool {
        self.rest.is_empty() && !self.more()
    }

    fn more(&mut self) -> bool {
        let mut chunk = [0; 64 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(read) => {
                self.rest.extend_from_slice(&chunk[..read]);
                read > 0
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("nothing came: {error}"),
        }
    }
}

pub fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}
