//! Visitors who remember: each with a connection of its own from the outside world, one request after the other.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};

use crate::harness::Site;

pub(crate) const SITE: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(8, 8, 8, 8)),
    80,
);
/// Who waits longer has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The way into the network of the outside world. It is taken by a thread for good.
#[derive(Clone)]
pub(crate) struct Outside(Arc<File>);

impl Outside {
    pub(crate) fn of(site: &Site) -> Self {
        let path = format!("/proc/{}/ns/net", site.keeper("internet"));
        Self(Arc::new(File::open(path).unwrap()))
    }

    /// Runs this outside.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let network = Arc::clone(&self.0);
        std::thread::spawn(move || {
            setns(&*network, CloneFlags::CLONE_NEWNET).unwrap();
            work()
        })
    }
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) location: String,
    pub(crate) body: String,
}

/// One visitor.
#[derive(Default)]
pub(crate) struct Person {
    connection: Option<BufReader<TcpStream>>,
}

impl Person {
    pub(crate) fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.ask(&format!("GET {path} HTTP/1.1\r\n"), "")
    }

    /// Signs the guest book.
    pub(crate) fn post(&mut self, message: &str) -> io::Result<Answer> {
        let form = format!("name=visitor&message={message}");
        let head = format!(
            "POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
            form.len()
        );
        self.ask(&head, &form)
    }

    fn ask(&mut self, head: &str, body: &str) -> io::Result<Answer> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let stream = TcpStream::connect_timeout(&SITE, PATIENCE)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                BufReader::new(stream)
            }
        };
        let mut connection = connection;
        let request = format!("{head}Host: www.foobar.com\r\n\r\n{body}");
        connection.get_mut().write_all(request.as_bytes())?;
        let (answer, closes) = answer(&mut connection)?;
        if !closes {
            self.connection = Some(connection);
        }
        Ok(answer)
    }
}

fn answer(connection: &mut impl BufRead) -> io::Result<(Answer, bool)> {
    let mut line = || {
        let mut line = String::new();
        connection.read_line(&mut line)?;
        if line.ends_with('\n') {
            return Ok(line.trim_end().to_owned());
        }
        Err(io::Error::from(io::ErrorKind::UnexpectedEof))
    };
    let status = line()?;
    let status = status.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.ok_or(io::ErrorKind::InvalidData)?;
    let (mut length, mut location, mut closes) = (0, String::new(), false);
    loop {
        let line = line()?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").unwrap_or((&line, ""));
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().map_err(io::Error::other)?,
            "location" => value.clone_into(&mut location),
            "connection" => closes = value.eq_ignore_ascii_case("close"),
            "transfer-encoding" => return Err(io::Error::other("the length is not said")),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    let body = String::from_utf8(body).map_err(io::Error::other)?;
    let answer = Answer {
        status,
        location,
        body,
    };
    Ok((answer, closes))
}

/// Visitors who write as fast as they can, and remember what was acknowledged.
pub(crate) struct Writers {
    stop: Arc<AtomicBool>,
    each: Vec<JoinHandle<Written>>,
}

/// What writers remember.
#[derive(Default)]
pub(crate) struct Written {
    /// The messages that were acknowledged.
    pub(crate) acknowledged: Vec<String>,
    /// What was said instead of an acknowledgement.
    pub(crate) failures: Vec<String>,
    /// The longest wait for one.
    pub(crate) longest: Duration,
}

impl Writers {
    /// Begins; every message begins with this word.
    pub(crate) fn start(site: &Site, count: usize, word: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let outside = Outside::of(site);
        let writer = |number| {
            let (stop, word) = (Arc::clone(&stop), word.to_owned());
            outside.spawn(move || write(&stop, &format!("{word}-{number}")))
        };
        let each = (0..count).map(writer).collect();
        Self { stop, each }
    }

    /// Ends them, and gathers what they remember.
    pub(crate) fn end(self) -> Written {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Written::default();
        for writer in self.each {
            let one = writer.join().unwrap();
            all.acknowledged.extend(one.acknowledged);
            all.failures.extend(one.failures);
            all.longest = all.longest.max(one.longest);
        }
        all
    }
}

fn write(stop: &AtomicBool, word: &str) -> Written {
    let (mut person, mut written) = (Person::default(), Written::default());
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let message = format!("{word}-{number}");
        let begun = Instant::now();
        match person.post(&message) {
            Ok(answer) if answer.status == 303 => {
                written.longest = written.longest.max(begun.elapsed());
                written.acknowledged.push(message);
            }
            Ok(answer) => written
                .failures
                .push(format!("{message}: {}", answer.status)),
            Err(error) => {
                written.failures.push(format!("{message}: {error}"));
                // Nobody listens, perhaps: not to be asked a thousand times a second.
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
    written
}
