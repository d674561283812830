//! The one way to standard output and standard error, for every command.
//!
//! A reader that has gone (`terrace status | head -0`) is no failure of the command, which goes on to its end and has the exit
//! code that it would have had. What cannot be written for another reason (a full disk) is a failure, and is told once, when
//! the command has done its work.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Where a command writes.
pub(crate) struct Output {
    standard: Box<dyn Write>,
    errors: Box<dyn Write>,
    /// Nothing more can be written to standard output.
    closed: bool,
    /// Why not, unless its reader has gone.
    failure: Option<io::Error>,
}

impl Output {
    /// The process' own.
    pub(crate) fn of_process() -> Self {
        Self::new(Box::new(io::stdout()), Box::new(io::stderr()))
    }

    fn new(standard: Box<dyn Write>, errors: Box<dyn Write>) -> Self {
        Self {
            standard,
            errors,
            closed: false,
            failure: None,
        }
    }

    /// Writes to standard output, and at once, also where that is a pipe.
    pub(crate) fn print(&mut self, text: impl Display) {
        self.bytes(text.to_string().as_bytes());
    }

    /// Writes a line to standard output.
    pub(crate) fn line(&mut self, text: impl Display) {
        self.bytes(format!("{text}\n").as_bytes());
    }

    /// Writes bytes to standard output as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        if self.closed {
            return;
        }
        let written = self.standard.write_all(bytes);
        if let Err(error) = written.and_then(|()| self.standard.flush()) {
            self.closed = true;
            self.failure = (error.kind() != ErrorKind::BrokenPipe).then_some(error);
        }
    }

    /// Writes facts for a program to standard output.
    ///
    /// # Errors
    /// When a value has no JSON, which is a fault of ours.
    pub(crate) fn json(&mut self, value: &impl serde::Serialize) -> anyhow::Result<()> {
        self.line(serde_json::to_string_pretty(value)?);
        Ok(())
    }

    /// Writes to standard error. Where that is not possible there is no place to tell of it.
    pub(crate) fn warn(&mut self, text: impl Display) {
        let _ = self.errors.write_all(text.to_string().as_bytes());
        let _ = self.errors.flush();
    }

    /// Writes a line to standard error.
    pub(crate) fn note(&mut self, text: impl Display) {
        self.warn(format_args!("{text}\n"));
    }

    /// Nothing that is written to standard output arrives any more: a command that would go on for ever can end, even
    /// if it has nothing to write.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed || has_no_reader()
    }

    /// Why something that was to be written was not.
    pub(crate) fn failure(&self) -> Option<&io::Error> {
        self.failure.as_ref()
    }
}

/// Standard output is a pipe or a terminal whose other end is gone.
fn has_no_reader() -> bool {
    let standard = io::stdout();
    let mut polled = [PollFd::new(&standard, PollFlags::empty())];
    let now = Timespec::default();
    let gone = PollFlags::ERR | PollFlags::HUP;
    poll(&mut polled, Some(&now)).is_ok_and(|_| polled[0].revents().intersects(gone))
}

/// Writes a line to standard output: `say!(out, "{name} is down")`.
macro_rules! say {
    ($out:expr, $($words:tt)+) => { $out.line(format_args!($($words)+)) };
}

/// Writes a line to standard error.
macro_rules! note {
    ($out:expr, $($words:tt)+) => { $out.note(format_args!($($words)+)) };
}

pub(crate) use {note, say};

/// Whether standard error shows colours.
pub(crate) fn errors_coloured() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    /// Fails from the second write on, and counts what is tried.
    struct Failing(Rc<RefCell<usize>>, ErrorKind);

    impl Write for Failing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            *self.0.borrow_mut() += 1;
            match *self.0.borrow() {
                1 => Ok(bytes.len()),
                _ => Err(self.1.into()),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn after_three_lines(kind: ErrorKind) -> (Output, usize) {
        let tried = Rc::new(RefCell::new(0));
        let mut out = Output::new(Box::new(Failing(tried.clone(), kind)), Box::new(io::sink()));
        for number in 0..3 {
            say!(out, "line {number}");
        }
        let tried = *tried.borrow();
        (out, tried)
    }

    #[test]
    fn a_reader_that_has_gone_is_no_failure() {
        let (out, tried) = after_three_lines(ErrorKind::BrokenPipe);
        assert!(out.is_closed() && out.failure().is_none());
        assert_eq!(tried, 2, "nothing is tried after that");
    }

    #[test]
    fn a_full_disk_is_a_failure_that_is_remembered() {
        let (out, tried) = after_three_lines(ErrorKind::StorageFull);
        let failure = out.failure().map(io::Error::kind);
        assert!(out.is_closed() && failure == Some(ErrorKind::StorageFull));
        assert_eq!(tried, 2);
    }
}
