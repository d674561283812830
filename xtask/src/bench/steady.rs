//! A steady load: requests at a fixed rate over kept connections, whatever becomes of the ones before.
//!
//! wrk asks as fast as it is answered, so a server that stands still for a moment is simply asked less. Here each
//! request has its time, and what waits counts from then. One thread on the second core, no runtime: what the load
//! itself costs must not be what is measured.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use rustix::event::{Timespec, epoll};

use super::load::FIELDS;

/// Connections that are kept open.
const CONNECTIONS: usize = 64;
/// How long requests are begun.
const SECONDS: u32 = 5;
/// After the last one was begun.
const PATIENCE: Duration = Duration::from_secs(10);
/// The core of the load.
const CORE: usize = 1;

/// What visitors waited, in ms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// One round at so many requests a second.
///
/// # Errors
/// When a request fails: a figure with failures in it says nothing.
pub(crate) fn round(port: u16, path: &str, rate: f64) -> io::Result<Waits> {
    let path = path.to_owned();
    let asking = std::thread::spawn(move || {
        let mut cores = CpuSet::new();
        cores.set(CORE)?;
        sched_setaffinity(Pid::from_raw(0), &cores)?;
        ask(port, &path, rate)
    });
    let ended = asking.join();
    let mut waits = ended.map_err(|_| io::Error::other("the load panicked"))??;
    waits.sort_unstable();
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    Ok(Waits {
        p50: at(0.5),
        p99: at(0.99),
    })
}

fn ask(port: u16, path: &str, rate: f64) -> io::Result<Vec<Duration>> {
    let request = format!("GET {path} HTTP/1.1\r\n{}\r\n\r\n", FIELDS.join("\r\n"));
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut connections = Vec::with_capacity(CONNECTIONS);
    for number in 0..CONNECTIONS {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let data = epoll::EventData::new_u64(number as u64);
        epoll::add(&poll, &stream, data, epoll::EventFlags::IN)?;
        connections.push(Connection::new(stream));
    }
    let total = (rate * f64::from(SECONDS)) as usize;
    let start = Instant::now();
    let due = |number: usize| start + Duration::from_secs_f64(number as f64 / rate);
    let last = due(total) + PATIENCE;
    let (mut begun, mut waits) = (0, Vec::with_capacity(total));
    let mut events = Vec::with_capacity(CONNECTIONS);
    while waits.len() < total {
        let now = Instant::now();
        if now > last {
            let text = format!("{} of {total} requests had no answer", total - waits.len());
            return Err(io::Error::other(text));
        }
        while begun < total && due(begun) <= now {
            let connection = &mut connections[begun % CONNECTIONS];
            connection.due.push_back(due(begun));
            connection.send(&request)?;
            begun += 1;
        }
        let next = if begun < total { due(begun) } else { last };
        let timeout = next.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: timeout.as_secs().cast_signed(),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        events.clear();
        epoll::wait(
            &poll,
            rustix::buffer::spare_capacity(&mut events),
            Some(&timeout),
        )?;
        for event in &events {
            let connection = &mut connections[event.data.u64() as usize];
            if let Some(wait) = connection.receive()? {
                waits.push(wait);
                connection.send(&request)?;
            }
        }
    }
    Ok(waits)
}

/// A connection, with the requests that are its turn and not answered yet: the first may be under way.
struct Connection {
    stream: TcpStream,
    due: VecDeque<Instant>,
    under_way: bool,
    answer: Vec<u8>,
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            due: VecDeque::new(),
            under_way: false,
            answer: Vec::with_capacity(1024),
        }
    }

    /// Sends the next request, unless one is under way.
    fn send(&mut self, request: &str) -> io::Result<()> {
        if !self.under_way && !self.due.is_empty() {
            self.stream.write_all(request.as_bytes())?;
            self.under_way = true;
        }
        Ok(())
    }

    /// Reads what there is. The wait of a request whose answer is whole now.
    fn receive(&mut self) -> io::Result<Option<Duration>> {
        let mut buffer = [0; 4096];
        let read = self.stream.read(&mut buffer)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.answer.extend_from_slice(&buffer[..read]);
        let Some(length) = length(&self.answer) else {
            return Ok(None);
        };
        if !self.answer.starts_with(b"HTTP/1.1 200") || self.answer.len() > length {
            let said = String::from_utf8_lossy(&self.answer).into_owned();
            return Err(io::Error::other(format!("a request failed: {said}")));
        }
        if self.answer.len() < length {
            return Ok(None);
        }
        self.answer.clear();
        self.under_way = false;
        let due = self.due.pop_front();
        Ok(due.map(|due| due.elapsed()))
    }
}

/// How long an answer is, with its head; `None`: the head is not whole yet.
fn length(answer: &[u8]) -> Option<usize> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().ok())?
    };
    Some(end + head.lines().find_map(field).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_length_says() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabcde";
        assert_eq!(length(answer), Some(answer.len()));
        assert_eq!(length(&answer[..20]), None);
    }
}
