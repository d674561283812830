//! One build command: run by `sh -c`, its output told line by line.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{self, PipeReader, Read};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{ioctl_fionread, retry_on_intr};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// How many lines of a command's end are kept for a person.
const KEPT_LINES: usize = 20;
/// Longer lines are told in pieces.
const LINE_LENGTH: usize = 8 * 1024;

/// What came of a command.
pub(super) struct Finished {
    pub status: ExitStatus,
    /// The last lines that it wrote.
    pub lines: Vec<String>,
}

/// Runs a command in a directory with this PATH, and tells each line as it comes.
pub(super) fn run(
    command: &str,
    directory: &Path,
    path: &OsStr,
    tell: &mut dyn FnMut(&str),
) -> io::Result<Finished> {
    let (output, writer) = io::pipe()?;
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", command])
        .current_dir(directory)
        .env("PATH", path)
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    let mut child = shell.spawn()?;
    // It holds the pipe's other end: what the child closes is to be closed.
    drop(shell);
    let mut lines = Lines::new(tell);
    let ended = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
    listen(output, &ended, &mut lines)?;
    let status = child.wait()?;
    let lines = lines.end();
    Ok(Finished { status, lines })
}

/// Hears what it writes until the program has ended, and not longer: what it has left running may hold the output open.
fn listen(mut output: PipeReader, ended: &OwnedFd, lines: &mut Lines<'_>) -> io::Result<()> {
    let mut buffer = [0; 8 * 1024];
    loop {
        let mut both = [
            PollFd::new(&output, PollFlags::IN),
            PollFd::new(ended, PollFlags::IN),
        ];
        retry_on_intr(|| poll(&mut both, None))?;
        if !both[1].revents().is_empty() {
            // All that it wrote is in the pipe.
            let mut rest = Vec::new();
            let length = ioctl_fionread(&output)?;
            output.take(length).read_to_end(&mut rest)?;
            lines.hear(&rest);
            return Ok(());
        }
        let length = output.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        lines.hear(&buffer[..length]);
    }
}

/// Makes lines of what is read.
struct Lines<'t> {
    tell: &'t mut dyn FnMut(&str),
    /// Of the line that has no end yet.
    begun: Vec<u8>,
    last: VecDeque<String>,
}

impl<'t> Lines<'t> {
    fn new(tell: &'t mut dyn FnMut(&str)) -> Self {
        Self {
            tell,
            begun: Vec::new(),
            last: VecDeque::with_capacity(KEPT_LINES),
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            for piece in part.chunks(LINE_LENGTH) {
                self.begun.extend_from_slice(piece);
                if piece.ends_with(b"\n") || self.begun.len() >= LINE_LENGTH {
                    self.end_line();
                }
            }
        }
    }

    fn end_line(&mut self) {
        let bytes = std::mem::take(&mut self.begun);
        let text = String::from_utf8_lossy(&bytes);
        let line = text.trim_end();
        (self.tell)(line);
        if line.is_empty() {
            return;
        }
        if self.last.len() == KEPT_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line.to_owned());
    }

    /// The last lines. One without an end is a line too.
    fn end(mut self) -> Vec<String> {
        if !self.begun.is_empty() {
            self.end_line();
        }
        self.last.into()
    }
}
