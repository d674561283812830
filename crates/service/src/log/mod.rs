//! Logs that can be written for ever: no write blocks, none fails, and none takes more of the disk than it may.
//!
//! A log is bounded by the length of a line, by bytes a second and by its total: one that has become long is renamed and
//! begun anew, and the oldest is deleted. It gives way before the reserve of the disk is touched, which is the database's.
//! What cannot be written is dropped and counted, and the count is what is written next. A disk may take its time, or not
//! answer at all: who must not wait for that writes by way of a thread ([`Background`]).

mod background;
mod budget;
mod file;
mod lines;

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use terrace_protocol::report::Level;

use crate::disk;
pub use background::Background;
use budget::Budget;
use file::Open;
pub use file::{KEPT, begin_anew, open};
pub use lines::Lines;

/// After a log could not be opened or begun anew, until that is tried again.
const AGAIN: Duration = Duration::from_millis(250);

/// What a log may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of a line: the rest of a longer one is left out.
    pub line: usize,
    /// Bytes a second; four times as many at once.
    pub rate: u64,
    /// Bytes of a file, of which there are [`KEPT`] beside the one that is written.
    pub length: u64,
}

/// For what a process of ours says about itself.
pub const OWN: Bounds = Bounds {
    line: 8 << 10,
    rate: 1 << 20,
    length: 4 << 20,
};

/// For what an app or a database prints.
pub const OUTPUT: Bounds = Bounds {
    line: 16 << 10,
    rate: 2 << 20,
    length: 16 << 20,
};

/// A log, and how many lines of it were dropped.
pub struct Log {
    target: Target,
    budget: Budget,
    bounds: Bounds,
    dropped: Option<Dropped>,
    /// The last write ended within a line.
    torn: bool,
}

enum Target {
    /// The descriptor of another process, which hands out the next one when this has become long.
    Given(Option<Open>),
    Named(Named),
}

/// A file that need not be there, nor be possible yet.
struct Named {
    path: PathBuf,
    file: Option<Open>,
    /// Why it could not be opened, and when that is tried again.
    failed: Option<(Why, Instant)>,
}

struct Dropped {
    lines: u64,
    why: Why,
}

/// Why lines are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Disk,
    Rate,
    Slow,
    Length,
    Failed(io::ErrorKind),
}

impl std::fmt::Display for Why {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Why::Disk => out.write_str("the disk was nearly full"),
            Why::Rate => out.write_str("there were too many at once"),
            Why::Slow => out.write_str("the disk was too slow"),
            Why::Length => out.write_str("the log had become too long"),
            Why::Failed(io::ErrorKind::WouldBlock) => out.write_str("they were not read"),
            Why::Failed(kind) => write!(out, "{kind}"),
        }
    }
}

impl From<io::Error> for Why {
    fn from(error: io::Error) -> Self {
        Why::Failed(error.kind())
    }
}

impl Log {
    /// A log that goes where this descriptor leads; `None`: nowhere.
    pub fn given(descriptor: Option<OwnedFd>, bounds: Bounds) -> Self {
        Self::new(Target::Given(descriptor.map(Open::given)), bounds)
    }

    /// A log with a name, which is begun anew under that name when it has become long.
    pub fn named(path: &Path, bounds: Bounds) -> Self {
        Self::new(Target::named(path), bounds)
    }

    fn new(target: Target, bounds: Bounds) -> Self {
        Self {
            target,
            budget: Budget::new(bounds.rate, Instant::now()),
            bounds,
            dropped: None,
            torn: false,
        }
    }

    /// Goes on where this descriptor leads.
    pub fn give(&mut self, descriptor: OwnedFd) {
        self.target = Target::Given(Some(Open::given(descriptor)));
        self.torn = false;
    }

    /// Goes on in the file of this name.
    pub fn move_to(&mut self, path: &Path) {
        self.target = Target::named(path);
        self.torn = false;
    }

    /// Counts lines that were lost before they came here, because this log was not written as fast as they came.
    pub fn miss(&mut self, lines: u64) {
        self.lose(lines, Why::Slow);
    }

    /// Makes it, if it can: a log in which nothing is written yet is there to be looked at.
    pub fn begin(&mut self) {
        // What keeps it from being there is told with the first line.
        let _ = self.target.ready(0, self.bounds.length, Instant::now());
    }

    /// Whether it goes anywhere.
    pub fn is_written(&self) -> bool {
        !matches!(self.target, Target::Given(None))
    }

    /// Writes whole lines, or drops and counts them.
    pub fn write(&mut self, lines: &[u8]) {
        if lines.is_empty() || !self.is_written() {
            return;
        }
        match self.put(lines) {
            Ok(()) => self.dropped = None,
            Err(why) => self.lose(count(lines), why),
        }
    }

    fn lose(&mut self, lines: u64, why: Why) {
        if lines > 0 {
            let before = self.dropped();
            let lines = before.saturating_add(lines);
            self.dropped = Some(Dropped { lines, why });
        }
    }

    /// Says how many lines were dropped, if it can by now.
    pub fn catch_up(&mut self) {
        if self.dropped.is_some() && self.put(b"").is_ok() {
            self.dropped = None;
        }
    }

    /// How many lines were dropped and not told of yet.
    pub fn dropped(&self) -> u64 {
        self.dropped.as_ref().map_or(0, |dropped| dropped.lines)
    }

    fn put(&mut self, lines: &[u8]) -> Result<(), Why> {
        let now = Instant::now();
        let note = self.dropped.as_ref().map_or_else(String::new, |dropped| {
            let Dropped { lines, why } = dropped;
            format!("# lines dropped: {lines} ({why})\n")
        });
        let bytes = u64::try_from(lines.len() + note.len()).unwrap_or(u64::MAX);
        let file = self.target.ready(bytes, self.bounds.length, now)?;
        // A disk that says nothing of itself may have room.
        if disk::of_file(file).is_ok_and(|disk| disk.level != Level::Fine) {
            return Err(Why::Disk);
        }
        if !self.budget.takes(bytes, now) {
            return Err(Why::Rate);
        }
        let end = if self.torn { &b"\n"[..] } else { b"" };
        for part in [end, note.as_bytes(), lines] {
            let put = file.put(part);
            self.torn = match &put {
                Ok(()) => self.torn && part.is_empty(),
                Err((written, _)) => self.torn || *written > 0,
            };
            put.map_err(|(_, error)| Why::from(error))?;
        }
        Ok(())
    }
}

/// How many lines there are.
pub fn count(lines: &[u8]) -> u64 {
    let ends = lines.iter().filter(|byte| **byte == b'\n').count();
    u64::try_from(ends).unwrap_or(u64::MAX)
}

impl Target {
    fn named(path: &Path) -> Self {
        Target::Named(Named {
            path: path.to_owned(),
            file: None,
            failed: None,
        })
    }

    /// A file with room for so many bytes.
    fn ready(&mut self, bytes: u64, length: u64, now: Instant) -> Result<&Open, Why> {
        match self {
            Target::Given(None) => Err(Why::Failed(io::ErrorKind::NotFound)),
            Target::Given(Some(file)) => {
                let has_room = file.length()?.saturating_add(bytes) <= length;
                has_room.then_some(&*file).ok_or(Why::Length)
            }
            Target::Named(named) => named.ready(bytes, length, now),
        }
    }
}

impl Named {
    fn ready(&mut self, bytes: u64, length: u64, now: Instant) -> Result<&Open, Why> {
        if let Some((why, again)) = self.failed
            && now < again
        {
            return Err(why);
        }
        let is_there = self.file.as_ref().filter(|file| file.has_name());
        let long = match is_there {
            Some(file) => file.length()?.saturating_add(bytes) > length,
            None => false,
        };
        let fresh = match is_there {
            Some(_) if !long => None,
            Some(_) => Some(begin_anew(&self.path)),
            None => Some(open(&self.path)),
        };
        match fresh.transpose() {
            Ok(fresh) => {
                self.failed = None;
                if let Some(fresh) = fresh {
                    self.file = Some(Open::named(fresh));
                }
                self.file.as_ref().ok_or(Why::Length)
            }
            Err(error) => {
                let why = if long { Why::Length } else { error.into() };
                self.failed = Some((why, now + AGAIN));
                Err(why)
            }
        }
    }
}

#[cfg(test)]
mod tests;
