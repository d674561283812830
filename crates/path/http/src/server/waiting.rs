//! A connection while nothing is under way on it: most of its life. What it has then is small, as there may be thousands:
//! its socket, its slot, and what has come of a head that is not whole.

use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use super::handler::Work;
use super::{Worker, write};
use crate::timer::{Slot, Stage};

/// After its last answer a visitor may go on sending for so long, and be silent for so long.
const LINGER: Duration = Duration::from_secs(30);
const SILENT: Duration = Duration::from_millis(500);

/// A visitor's connection that waits for its next request.
pub(super) struct Waiting {
    pub(super) stream: TcpStream,
    pub(super) peer: IpAddr,
    pub(super) slot: Rc<Slot>,
    /// What has come of the next head.
    pub(super) rest: Vec<u8>,
    /// When that head has to be whole.
    pub(super) due: Option<Instant>,
}

/// What a connection goes on with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It waits for its next request, or for the rest of it.
    Wait,
    /// It has come to its end.
    End,
}

/// What a wait came to.
enum Came {
    /// Something to be read.
    Something,
    /// Not all of a head, and its time is over.
    Late,
    /// The end of the connection.
    End,
}

/// Serves a connection to its end.
pub(super) async fn serve(worker: &Rc<Worker>, mut waiting: Waiting) {
    loop {
        let late = match waiting.wait(worker).await {
            Came::Something => false,
            Came::Late => true,
            Came::End => break,
        };
        let mut handler = worker.handlers.take().unwrap_or_default();
        let work = Work {
            worker: Rc::clone(worker),
            waiting,
            late,
        };
        let (back, next) = handler.serve(work).await;
        worker.handlers.give(handler);
        waiting = back;
        if next == Next::End {
            break;
        }
    }
    // Who has to make room does so at once.
    if !waiting.slot.is_ended() {
        waiting.close().await;
    }
}

impl Waiting {
    /// A new connection.
    pub(super) fn new(stream: TcpStream, peer: IpAddr, slot: Rc<Slot>) -> Self {
        // Our writes are whole messages: none is to wait for the next.
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            peer,
            slot,
            rest: Vec::new(),
            due: None,
        }
    }

    /// Between requests the visitor may be silent for long, within a head not.
    async fn wait(&mut self, worker: &Worker) -> Came {
        let (idle, head) = {
            let service = worker.service();
            (service.timeouts().idle, service.timeouts().first_byte)
        };
        let between = self.rest.is_empty();
        if between && worker.draining.get() {
            return Came::End;
        }
        let due = if between {
            self.slot.set_stage(Stage::Idle);
            self.due = None;
            self.slot.after(idle)
        } else {
            self.slot.set_stage(Stage::Head);
            *self.due.get_or_insert_with(|| self.slot.after(head))
        };
        match self.slot.by(due, write::readable(&self.stream)).await {
            Ok(Ok(())) => Came::Something,
            Ok(Err(_)) => Came::End,
            Err(_) if between => Came::End,
            Err(_) => Came::Late,
        }
    }

    /// Closes so that the last answer arrives: what still comes is read for a moment, or the kernel would answer it
    /// with a reset that overtakes our answer.
    async fn close(self) {
        let _ = rustix::net::shutdown(&self.stream, rustix::net::Shutdown::Write);
        self.slot.set_stage(Stage::Idle);
        let end = self.slot.after(LINGER);
        loop {
            let silent = self.slot.after(SILENT).min(end);
            let Ok(Ok(())) = self.slot.by(silent, write::readable(&self.stream)).await else {
                return;
            };
            match self.discard() {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(0) | Err(_) => return,
            }
        }
    }

    fn discard(&self) -> io::Result<usize> {
        self.stream.try_read(&mut [0; 16 * 1024])
    }
}
