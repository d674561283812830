//! The output of a process that the node waits for: its beginning and its end are kept, however much it prints between.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::OFlags;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::net::unix::pipe;

/// So much of the beginning is kept, and so much of the end.
const KEPT: usize = 32 << 10;
/// So much is read at once.
const PIECE: usize = 16 << 10;
/// So often it is read once the process has ended: what it has started may go on printing.
const AFTER: usize = 128;

/// A text of any length, in little room.
#[derive(Default)]
struct Excerpt {
    first: Vec<u8>,
    last: VecDeque<u8>,
    left_out: u64,
}

impl Excerpt {
    fn add(&mut self, piece: &[u8]) {
        let room = KEPT - self.first.len();
        let (first, rest) = piece.split_at(piece.len().min(room));
        self.first.extend_from_slice(first);
        self.last.extend(rest);
        let over = self.last.len().saturating_sub(KEPT);
        self.last.drain(..over);
        self.left_out += u64::try_from(over).unwrap_or(u64::MAX);
    }

    fn into_text(self) -> String {
        let mut text = self.first;
        if self.left_out > 0 {
            let note = format!("\n({} bytes are left out here)\n", self.left_out);
            text.extend_from_slice(note.as_bytes());
        }
        text.extend(self.last);
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// Reads what a process prints, without end.
pub(super) struct Output {
    pipe: pipe::Receiver,
    excerpt: Excerpt,
    /// No process has the other end of the pipe any more.
    closed: bool,
}

impl Output {
    /// A pipe, and its other end, which is the process's.
    pub(super) fn new() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
        rustix::fs::fcntl_setfl(&ours, OFlags::NONBLOCK)?;
        let output = Self {
            pipe: pipe::Receiver::from_owned_fd(ours)?,
            excerpt: Excerpt::default(),
            closed: false,
        };
        Ok((output, theirs))
    }

    /// Reads until this comes, and returns it with what was printed by then.
    pub(super) async fn until<T>(mut self, ended: impl Future<Output = T>) -> (T, String) {
        tokio::pin!(ended);
        let came = loop {
            tokio::select! {
                came = &mut ended => break came,
                ready = self.pipe.readable(), if !self.closed => {
                    let mut piece = [0; PIECE];
                    let read = ready.and_then(|()| self.pipe.try_read(&mut piece));
                    self.took(read, &piece);
                }
            }
        };
        // What is there now, whether or not it has been announced by now.
        for _ in 0..AFTER {
            let mut piece = [0; PIECE];
            let read = rustix::io::read(&self.pipe, &mut piece).map_err(io::Error::from);
            if !self.took(read, &piece) {
                break;
            }
        }
        (came, self.excerpt.into_text())
    }

    /// `false`: nothing is there.
    fn took(&mut self, read: io::Result<usize>, piece: &[u8]) -> bool {
        match read {
            Ok(0) => self.closed = true,
            Ok(length) => self.excerpt.add(&piece[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(_) => self.closed = true,
        }
        !self.closed
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[tokio::test]
    async fn a_short_text_is_kept_and_of_a_long_one_both_ends() {
        let (output, theirs) = Output::new().unwrap();
        let mut theirs = std::fs::File::from(theirs);
        theirs.write_all(b"one\ntwo\n").unwrap();
        assert_eq!(output.until(async {}).await.1, "one\ntwo\n");

        let (output, theirs) = Output::new().unwrap();
        let printing = tokio::task::spawn_blocking(move || {
            let mut theirs = std::fs::File::from(theirs);
            theirs.write_all(b"begun\n").unwrap();
            for _ in 0..1_000 {
                theirs.write_all(&[b'x'; 10_000]).unwrap();
            }
            theirs.write_all(b"\nended\n").unwrap();
        });
        let (_, text) = output.until(printing).await;
        assert!(text.len() < 2 * KEPT + 100, "{}", text.len());
        assert!(text.starts_with("begun\nxxx") && text.ends_with("xxx\nended\n"));
        let left_out = 10_000_013 - 2 * KEPT;
        assert!(text.contains(&format!("x\n({left_out} bytes are left out here)\nx")));
    }

    #[tokio::test]
    async fn what_outlives_the_process_is_not_waited_for() {
        let (output, theirs) = Output::new().unwrap();
        let goes_on = std::thread::spawn(move || {
            let mut theirs = std::fs::File::from(theirs);
            while theirs.write_all(&[b'x'; 10_000]).is_ok() {}
        });
        let (_, text) = output.until(async {}).await;
        assert!(text.len() < 2 * KEPT + 100);
        // Its next write fails: the pipe is closed.
        goes_on.join().unwrap();
    }
}
