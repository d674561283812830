//! What a process of ours says about itself: lines of `tracing`, its last words, and a panic. None of it ends or holds up
//! the process, wherever it goes and whatever becomes of that.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use crate::log::{Background, Log, OWN};

/// How long a process that ends waits for the disk to take its last words.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Where a process says it. For `tracing` it is a writer that never fails.
#[derive(Clone)]
pub struct Diagnostics(Arc<Mutex<Way>>);

enum Way {
    /// The process writes it itself.
    Own(Log),
    /// A thread does, which may have to wait for the disk.
    Background(Background),
}

impl Way {
    fn write(&mut self, mut lines: Vec<u8>) {
        match self {
            Way::Own(log) => log.write(&lines),
            Way::Background(log) => log.write(&mut lines),
        }
    }
}

impl Diagnostics {
    /// To the error output that the process was born with, panics too.
    pub fn begin() -> Self {
        let errors = io::stderr().as_fd().try_clone_to_owned().ok();
        let diagnostics = Self(Arc::new(Mutex::new(Way::Own(Log::given(errors, OWN)))));
        let panics = diagnostics.clone();
        std::panic::set_hook(Box::new(move |panic| {
            let thread = std::thread::current();
            let name = thread.name().unwrap_or("?").to_owned();
            panics.last_words(&format!("thread {name}: {panic}"));
        }));
        diagnostics
    }

    /// From now on to this file, which is begun anew when it has become long.
    pub fn move_to(&self, path: &Path) {
        match &mut *self.way() {
            Way::Own(log) => log.move_to(path),
            way @ Way::Background(_) => *way = Way::Own(Log::named(path, OWN)),
        }
    }

    /// From now on nothing in this process waits for the disk of that file: it has a second thread.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn write_in_background(&self) -> io::Result<()> {
        let mut way = self.way();
        if let Way::Own(log) = &mut *way {
            let log = std::mem::replace(log, Log::given(None, OWN));
            *way = Way::Background(Background::begin(log)?);
        }
        Ok(())
    }

    /// Says why the process ends, unless it ends in the midst of saying something.
    pub fn last_words(&self, text: &str) {
        let mut way = match self.0.try_lock() {
            Ok(way) => way,
            Err(TryLockError::Poisoned(way)) => way.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        way.write(line(text.as_bytes()));
        if let Way::Background(log) = &*way {
            log.finish(LAST_WORDS);
        }
    }

    fn way(&self) -> MutexGuard<'_, Way> {
        // A panic in the midst of a line leaves a log that can be written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Not longer than a line may be, and ended.
fn line(text: &[u8]) -> Vec<u8> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let mut line = text[..text.len().min(OWN.line)].to_vec();
    if line.len() < text.len() {
        line.extend_from_slice(b"...");
    }
    line.push(b'\n');
    line
}

impl io::Write for Diagnostics {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.way().write(line(text));
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_line_is_cut_and_what_is_said_never_fails() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node.log");
        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let mut diagnostics = Diagnostics(Arc::new(Mutex::new(Way::Own(Log::given(
            Some(full.into()),
            OWN,
        )))));
        diagnostics.write_all(b"lost\n").unwrap();
        diagnostics.move_to(&path);
        diagnostics.write_all(&[b'x'; 100_000]).unwrap();
        diagnostics.write_in_background().unwrap();
        diagnostics.write_all(b"beside\n").unwrap();
        diagnostics.last_words("the end");
        let text = std::fs::read_to_string(&path).unwrap();
        let long = "x".repeat(OWN.line);
        assert_eq!(
            text,
            format!("# lines dropped: 1 (no storage space)\n{long}...\nbeside\nthe end\n")
        );
    }
}
