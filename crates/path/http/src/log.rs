//! The access log: one line a request, always the same fields, written in batches.
//!
//! ```text
//! time visitor id method host target status bytes took instance waited tries end
//! ```
//!
//! `time` is in µs since 1970, `took` and `waited` (for the upstream's first byte) in µs; `tries` counts
//! upstreams; what is not there is `-`. `end` says how it ended: `ok`, `bad` (the request was refused),
//! `gone` (the visitor left), `down` (no upstream), `full` (too many wait for one), `cut` (the upstream broke off), `invalid` (what it
//! answered cannot be read, 502), `silent` (it stopped answering its checks, 504), `no-room` (for the visitor's body, 503), `lack-descriptors`,
//! `lack-machine-descriptors`, `lack-memory`, `lack-ports` (this server had none left to ask an upstream with, or to open a
//! file; 503), and what took too long: `late` (the visitor's head or body, 408; or the visitor to take its answer),
//! `late-queue` (for room at an upstream, 503), `late-connect` (to connect to one, 503), `late-first-byte` (its answer,
//! 504), `late-idle` (nothing moved; 504 before an answer, else it ends there), `late-total` (all of it; likewise).
//! A connection that changed its protocol is one request of status 101 until it ends: `ok` (both sides said all), `gone`,
//! `cut`, `late-idle`, `late-total` (the time to drain was over).
//! Spaces and what cannot be printed are percent-encoded; what is very long ends in `...`. A visitor chooses how long a line
//! is and how many there are, so both are bounded, and what is left out is counted in a line that begins with `#`.

use std::io::Write;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use terrace_protocol::report::Lack;
use terrace_service::log::{Background, Bounds, Log as Lines};

/// A batch is handed over when it is as large as this, or at the next tick.
const BATCH: usize = 32 * 1024;

/// What the log of a process may take. A line is shorter than this by the bounds of its words.
const BOUNDS: Bounds = Bounds {
    line: 2 << 10,
    rate: 8 << 20,
    length: 32 << 20,
};

/// The longest that is written of a path and query,
const TARGET: usize = 1024;
/// and of every other word that the visitor chooses. What is longer ends in `...`.
const WORD: usize = 256;

/// A worker's part in the log of its process. A thread of the process writes it, so that no request waits for a disk.
pub struct Log {
    log: Background,
    batch: Vec<u8>,
}

/// Begins the log of a process in this file, opened for appending; `None`: it goes nowhere yet.
///
/// # Errors
/// When no thread can be started.
pub fn begin(file: Option<OwnedFd>) -> std::io::Result<Background> {
    Background::begin(Lines::given(file, BOUNDS))
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was answered.
    Ok,
    /// It was refused: it is no request that we understand or take.
    Bad,
    /// Something took too long.
    Late(Phase),
    /// The visitor left.
    Gone,
    /// There was no upstream to ask.
    Down,
    /// Too many wait for an upstream.
    Full,
    /// The upstream broke off.
    Cut,
    /// What the upstream answered cannot be read.
    Invalid,
    /// The upstream stopped answering its checks.
    Silent,
    /// Something was missing here.
    Lack(Lack),
    /// There was no room for the visitor's body.
    NoRoom,
    /// The visitor's address has its share of that room.
    Share,
}

/// What took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The visitor's head or body, or the visitor to take its answer.
    Visitor,
    /// To get room at an upstream.
    Queue,
    /// To connect to one.
    Connect,
    /// Its first byte.
    FirstByte,
    /// Nothing moved.
    Idle,
    /// All of it.
    Total,
}

impl End {
    fn word(self) -> &'static [u8] {
        match self {
            End::Ok => b"ok",
            End::Bad => b"bad",
            End::Late(Phase::Visitor) => b"late",
            End::Late(Phase::Queue) => b"late-queue",
            End::Late(Phase::Connect) => b"late-connect",
            End::Late(Phase::FirstByte) => b"late-first-byte",
            End::Late(Phase::Idle) => b"late-idle",
            End::Late(Phase::Total) => b"late-total",
            End::Full => b"full",
            End::Silent => b"silent",
            End::Lack(Lack::Descriptors) => b"lack-descriptors",
            End::Lack(Lack::MachineDescriptors) => b"lack-machine-descriptors",
            End::Lack(Lack::Memory) => b"lack-memory",
            End::Lack(Lack::Ports) => b"lack-ports",
            End::NoRoom => b"no-room",
            End::Share => b"share",
            End::Gone => b"gone",
            End::Down => b"down",
            End::Cut => b"cut",
            End::Invalid => b"invalid",
        }
    }
}

/// What is logged of a request.
pub struct Entry<'a> {
    /// When it began, in µs since 1970.
    pub time: u64,
    /// Who asked.
    pub visitor: IpAddr,
    /// Its id.
    pub id: &'a [u8],
    /// The method.
    pub method: &'a [u8],
    /// The host that it named.
    pub host: &'a [u8],
    /// Path and query.
    pub target: &'a [u8],
    /// What it was answered with; 0: nothing.
    pub status: u16,
    /// Bytes sent.
    pub bytes: u64,
    /// How long it took, in µs.
    pub took: u64,
    /// The upstream that answered.
    pub instance: &'a str,
    /// How long the upstream took to its first byte, in µs.
    pub waited: u64,
    /// How many upstreams were tried.
    pub tries: u32,
    /// How it ended.
    pub end: End,
}

impl Log {
    /// A worker's part in this log.
    pub fn new(log: Background) -> Self {
        Self {
            log,
            batch: Vec::with_capacity(BATCH + 1024),
        }
    }

    /// Takes a line.
    pub fn line(&mut self, entry: &Entry<'_>) {
        if !self.log.is_written() {
            return;
        }
        let out = &mut self.batch;
        number(out, entry.time);
        out.push(b' ');
        address(out, entry.visitor);
        let words = [entry.id, entry.method, entry.host].map(|text| (text, WORD));
        for (text, longest) in words.into_iter().chain([(entry.target, TARGET)]) {
            out.push(b' ');
            word(out, text, longest);
        }
        for value in [u64::from(entry.status), entry.bytes, entry.took] {
            out.push(b' ');
            number(out, value);
        }
        out.push(b' ');
        word(out, entry.instance.as_bytes(), WORD);
        for value in [entry.waited, u64::from(entry.tries)] {
            out.push(b' ');
            number(out, value);
        }
        out.push(b' ');
        out.extend_from_slice(entry.end.word());
        out.push(b'\n');
        if out.len() >= BATCH {
            self.flush();
        }
    }

    /// Hands over what has gathered.
    pub fn flush(&mut self) {
        self.log.write(&mut self.batch);
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Appends a number in decimal.
pub fn number(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends an address.
pub fn address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (index, part) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                number(out, u64::from(part));
            }
        }
        // Writing to a Vec cannot fail.
        IpAddr::V6(address) => drop(write!(out, "{address}")),
    }
}

/// Without a branch per byte: nearly always all of them are.
fn is_graphic(text: &[u8]) -> bool {
    text.iter()
        .fold(true, |graphic, byte| graphic & byte.is_ascii_graphic())
}

fn word(out: &mut Vec<u8>, text: &[u8], longest: usize) {
    let shown = &text[..text.len().min(longest)];
    let end = out.len() + longest;
    if shown.is_empty() {
        out.push(b'-');
    } else if is_graphic(shown) {
        out.extend_from_slice(shown);
    } else {
        for byte in shown {
            if byte.is_ascii_graphic() {
                out.push(*byte);
            } else {
                let hex = |digit: u8| b"0123456789ABCDEF"[usize::from(digit)];
                out.extend_from_slice(&[b'%', hex(byte >> 4), hex(byte & 15)]);
            }
        }
    }
    if text.len() > longest || out.len() > end {
        out.truncate(end);
        out.extend_from_slice(b"...");
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};
    use std::time::Duration;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[test]
    fn a_line_has_all_fields_whatever_is_in_them() {
        let mut file = tempfile::tempfile().unwrap();
        let shared = begin(Some(file.try_clone().unwrap().into())).unwrap();
        let mut log = Log::new(shared.clone());
        let entry = Entry {
            time: 1_700_000_000_000_001,
            visitor: "198.51.100.10".parse().unwrap(),
            id: b"abc",
            method: b"GET",
            host: b"",
            target: b"/a b\n",
            status: 200,
            bytes: 1_234,
            took: 5,
            instance: "",
            waited: 0,
            tries: 0,
            end: End::Ok,
        };
        log.line(&entry);
        drop(log);
        shared.finish(PATIENCE);
        file.rewind().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(
            text,
            "1700000000000001 198.51.100.10 abc GET - /a%20b%0A 200 1234 5 - 0 0 ok\n"
        );
    }

    fn entry<'a>(target: &'a [u8]) -> Entry<'a> {
        Entry {
            time: 1_700_000_000_000_001,
            visitor: "198.51.100.10".parse().unwrap(),
            id: b"abc",
            method: b"GET",
            host: b"www.foobar.com",
            target,
            status: 200,
            bytes: 1_234,
            took: 5,
            instance: "",
            waited: 0,
            tries: 0,
            end: End::Ok,
        }
    }

    #[test]
    fn a_line_is_bounded_whatever_a_visitor_asks_for() {
        for target in [[b'x'; 60_000], [b' '; 60_000]] {
            let file = tempfile::tempfile().unwrap();
            let mut log = Log::new(begin(Some(file.into())).unwrap());
            log.line(&entry(&target));
            let line = String::from_utf8(log.batch.clone()).unwrap();
            assert!(
                line.len() < BOUNDS.line && line.ends_with("... 200 1234 5 - 0 0 ok\n"),
                "{line}"
            );
            assert_eq!(line.split(' ').count(), 13, "no field is lost");
        }
    }

    #[test]
    fn a_visitor_with_long_paths_fills_no_disk() {
        let file = tempfile::tempfile().unwrap();
        let shared = begin(Some(file.try_clone().unwrap().into())).unwrap();
        let mut log = Log::new(shared.clone());
        let path = vec![b'x'; 30_000];
        let begun = std::time::Instant::now();
        // 900 MB of paths.
        for _ in 0..30_000 {
            log.line(&entry(&path));
        }
        drop(log);
        shared.finish(PATIENCE);
        let bound = BOUNDS.rate * (begun.elapsed().as_secs() + 5);
        let length = file.metadata().unwrap().len();
        assert!(length <= bound.min(BOUNDS.length), "{length}");
    }
}
