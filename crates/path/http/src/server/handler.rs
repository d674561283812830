//! What a connection has only while a request is under way: its buffers, and all that is remembered between the steps of
//! serving it.
//!
//! A handler is lent to a connection whenever something has come on it, and goes back as soon as that is served. So an idle
//! connection is little more than its socket, and a worker has as many handlers as requests at a time: they are used again
//! and again, and a request allocates nothing.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use super::Worker;
use super::connection::{Connection, Parts};
use super::waiting::{Next, Waiting};

/// Serves one connection at a time.
pub(super) struct Handler {
    desk: Rc<Desk>,
    serving: Pin<Box<dyn Future<Output = Infallible>>>,
}

/// What it is given, and what comes of that.
#[derive(Default)]
struct Desk {
    work: Cell<Option<Work>>,
    done: Cell<Option<(Waiting, Next)>>,
}

/// A connection on which something has come.
pub(super) struct Work {
    pub(super) worker: Rc<Worker>,
    pub(super) waiting: Waiting,
    /// What has come is the time in which its head had to be whole.
    pub(super) late: bool,
}

impl Default for Handler {
    fn default() -> Self {
        let desk = Rc::<Desk>::default();
        Self {
            serving: Box::pin(serve(Rc::clone(&desk))),
            desk,
        }
    }
}

impl Handler {
    /// Serves what has come, in the caller's own task. Who gives this up gives up the handler with it.
    pub(super) async fn serve(&mut self, work: Work) -> (Waiting, Next) {
        self.desk.work.set(Some(work));
        poll_fn(|context| {
            let Poll::Pending = self.serving.as_mut().poll(context);
            self.desk.done.take().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// Serves one connection after the other, each polled by its own task.
async fn serve(desk: Rc<Desk>) -> Infallible {
    let mut parts = Parts::default();
    loop {
        let work = poll_fn(|_| desk.work.take().map_or(Poll::Pending, Poll::Ready));
        let Work {
            worker,
            waiting,
            late,
        } = work.await;
        let mut connection = Connection::of(waiting, parts);
        let next = connection.serve(&worker, late).await;
        let (waiting, used) = connection.split();
        parts = used;
        desk.done.set(Some((waiting, next)));
    }
}
