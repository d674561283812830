//! What a process of ours says about itself: lines of `tracing`, its last words, and a panic. None of it ends or holds up
//! the process, wherever it goes and whatever becomes of that.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use crate::log::{Log, OWN};

/// Where a process says it. For `tracing` it is a writer that never fails.
#[derive(Clone)]
pub struct Diagnostics(Arc<Mutex<Log>>);

impl Diagnostics {
    /// To the error output that the process was born with, panics too.
    pub fn begin() -> Self {
        let errors = io::stderr().as_fd().try_clone_to_owned().ok();
        let diagnostics = Self(Arc::new(Mutex::new(Log::given(errors, OWN))));
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
        self.log().move_to(path);
    }

    /// Says why the process ends, unless it ends in the midst of saying something.
    pub fn last_words(&self, text: &str) {
        let mut log = match self.0.try_lock() {
            Ok(log) => log,
            Err(TryLockError::Poisoned(log)) => log.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        log.write(line(text.as_bytes()).as_slice());
    }

    fn log(&self) -> MutexGuard<'_, Log> {
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
        if text.len() > OWN.line || !text.ends_with(b"\n") {
            self.log().write(&line(text));
        } else {
            self.log().write(text);
        }
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
        let mut diagnostics = Diagnostics(Arc::new(Mutex::new(Log::given(Some(full.into()), OWN))));
        diagnostics.write_all(b"lost\n").unwrap();
        diagnostics.move_to(&path);
        diagnostics.write_all(&[b'x'; 100_000]).unwrap();
        diagnostics.last_words("the end");
        let text = std::fs::read_to_string(&path).unwrap();
        let long = "x".repeat(OWN.line);
        assert_eq!(
            text,
            format!("# lines dropped: 1 (no storage space)\n{long}...\nthe end\n")
        );
    }
}
