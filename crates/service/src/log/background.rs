//! A log that is written by a thread of its own: who has lines hands them over and goes on, whatever the disk does.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Log, count};

/// So many bytes may wait for the disk; what comes then is dropped.
const WAITING: usize = 4 << 20;
/// So many buffers are kept for the lines that come next.
const SPARE: usize = 4;
/// How often it is tried to say how much was dropped, while nothing else is written.
const CATCH_UP: Duration = Duration::from_secs(1);

/// The way to the thread that writes. It can be cloned; the thread writes what was handed over and ends with the last one.
#[derive(Clone)]
pub struct Background(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    goes_somewhere: AtomicBool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// There is something to do.
    handed_over: Condvar,
    /// Nothing is left to do.
    written: Condvar,
}

impl Background {
    /// Begins to write this log.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn begin(log: Log) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let handle = Handle {
            shared: Arc::clone(&shared),
            goes_somewhere: AtomicBool::new(log.is_written()),
        };
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || shared.write(log))?;
        Ok(Self(Arc::new(handle)))
    }

    /// Whether it goes anywhere.
    pub fn is_written(&self) -> bool {
        self.0.goes_somewhere.load(Ordering::Relaxed)
    }

    /// Takes whole lines out of this buffer, which is empty then and has room for more.
    pub fn write(&self, lines: &mut Vec<u8>) {
        if lines.is_empty() {
            return;
        }
        self.0.shared.queue().put(lines);
        self.0.shared.handed_over.notify_one();
    }

    /// Goes on where this descriptor leads: with what waits, too.
    pub fn give(&self, descriptor: OwnedFd) {
        self.0.goes_somewhere.store(true, Ordering::Relaxed);
        // A descriptor that the thread has not taken yet is closed here, after the lock is released.
        let before = self.0.shared.queue().target.replace(descriptor);
        self.0.shared.handed_over.notify_one();
        drop(before);
    }

    /// Waits until all is written, no longer than this.
    pub fn finish(&self, within: Duration) {
        let shared = &self.0.shared;
        let busy = |queue: &mut Queue| !queue.is_done();
        // What is not written by then is lost, and so is a queue that another thread's panic has left behind.
        let _ = shared
            .written
            .wait_timeout_while(shared.queue(), within, busy);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.queue().closed = true;
        self.shared.handed_over.notify_one();
    }
}

/// What is handed over and not written yet.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<Vec<u8>>,
    /// How many bytes that is.
    bytes: usize,
    /// Lines that found no room.
    missed: u64,
    /// Where the log is to go on.
    target: Option<OwnedFd>,
    spare: Vec<Vec<u8>>,
    /// Something is being written.
    busy: bool,
    /// Nothing will come any more.
    closed: bool,
}

/// What the thread does next.
enum Work {
    Move(OwnedFd),
    Count(u64),
    Write(Vec<u8>),
    CatchUp,
    End,
}

impl Queue {
    fn put(&mut self, lines: &mut Vec<u8>) {
        if self.bytes + lines.len() > WAITING {
            self.missed = self.missed.saturating_add(count(lines));
            lines.clear();
            return;
        }
        self.bytes += lines.len();
        let fresh = self.spare.pop();
        let fresh = fresh.unwrap_or_else(|| Vec::with_capacity(lines.capacity()));
        self.waiting.push_back(std::mem::replace(lines, fresh));
    }

    fn take(&mut self) -> Option<Work> {
        if let Some(target) = self.target.take() {
            return Some(Work::Move(target));
        }
        if self.missed > 0 {
            return Some(Work::Count(std::mem::take(&mut self.missed)));
        }
        if let Some(lines) = self.waiting.pop_front() {
            self.bytes -= lines.len();
            return Some(Work::Write(lines));
        }
        self.closed.then_some(Work::End)
    }

    fn give_back(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < SPARE {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    fn is_done(&self) -> bool {
        !self.busy && self.missed == 0 && self.waiting.is_empty() && self.target.is_none()
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // A panic elsewhere leaves the queue whole: each use is a few moves.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, mut log: Log) {
        loop {
            match self.next(log.dropped() > 0) {
                Work::Move(target) => log.give(target),
                Work::Count(missed) => log.miss(missed),
                Work::Write(lines) => {
                    log.write(&lines);
                    self.queue().give_back(lines);
                }
                Work::CatchUp => log.catch_up(),
                Work::End => return,
            }
        }
    }

    /// Waits for something to do.
    fn next(&self, catches_up: bool) -> Work {
        let mut queue = self.queue();
        queue.busy = false;
        loop {
            if let Some(work) = queue.take() {
                queue.busy = true;
                return work;
            }
            self.written.notify_all();
            if !catches_up {
                let woken = self.handed_over.wait(queue);
                queue = woken.unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let woken = self.handed_over.wait_timeout(queue, CATCH_UP);
            let (again, waited) = woken.unwrap_or_else(PoisonError::into_inner);
            queue = again;
            if waited.timed_out() {
                queue.busy = true;
                return Work::CatchUp;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::log::{Bounds, OWN, begin_anew, open};

    const MANY: Bounds = Bounds {
        rate: 1 << 30,
        length: 1 << 30,
        ..OWN
    };

    #[test]
    fn lines_are_written_in_order_and_before_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.log");
        let log = Background::begin(Log::given(Some(open(&path).unwrap().into()), MANY)).unwrap();
        let mut lines = Vec::new();
        for number in 0..1_000 {
            lines.extend_from_slice(format!("{number}\n").as_bytes());
            log.write(&mut lines);
            assert!(lines.is_empty());
        }
        log.finish(Duration::from_secs(20));
        let wanted: String = (0..1_000).map(|number| format!("{number}\n")).collect();
        assert_eq!(fs::read_to_string(&path).unwrap(), wanted);
        log.give(begin_anew(&path).unwrap().into());
        log.finish(Duration::from_secs(20));
        log.write(&mut b"next\n".to_vec());
        log.finish(Duration::from_secs(20));
        assert_eq!(fs::read_to_string(&path).unwrap(), "next\n");
    }

    /// As while the thread waits for a disk that does not answer.
    #[test]
    fn what_waits_has_a_bound_and_the_rest_is_counted() {
        let mut queue = Queue::default();
        let mut lines = Vec::new();
        for _ in 0..1_000 {
            lines.extend_from_slice(&[b'x'; 32_767]);
            lines.push(b'\n');
            queue.put(&mut lines);
            assert!(lines.is_empty());
        }
        let waiting = u64::try_from(queue.waiting.len()).unwrap();
        assert!(queue.bytes <= WAITING && queue.bytes > WAITING - 32_768);
        // It answers again: what was missed is said with what waited.
        let (Some(Work::Count(missed)), Some(Work::Write(first))) = (queue.take(), queue.take())
        else {
            panic!("nothing waits")
        };
        assert_eq!(missed, 1_000 - waiting);
        queue.give_back(first);
        lines.push(b'\n');
        queue.put(&mut lines);
        assert!(lines.capacity() >= 32_768, "the buffer is used again");
    }
}
