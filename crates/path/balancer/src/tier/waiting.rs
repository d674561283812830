//! One request in line for room: a future that gives the server, and gives up its place when it is dropped.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::sync::oneshot;

use super::Tier;
use crate::limit::Ticket;

/// One in line, as the line sees it.
pub(super) struct Waiter {
    /// Whom it was brought to before.
    pub(super) tried: Vec<usize>,
    pub(super) place: oneshot::Sender<usize>,
}

/// One in line, as the request sees it.
pub(super) struct Waiting {
    tier: Arc<Tier>,
    ticket: Ticket,
    turn: oneshot::Receiver<usize>,
    served: bool,
}

impl Waiting {
    pub(super) fn new(tier: Arc<Tier>, ticket: Ticket, turn: oneshot::Receiver<usize>) -> Self {
        Self {
            tier,
            ticket,
            turn,
            served: false,
        }
    }
}

impl Future for Waiting {
    type Output = usize;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<usize> {
        match Pin::new(&mut self.turn).poll(context) {
            Poll::Ready(Ok(index)) => {
                self.served = true;
                Poll::Ready(index)
            }
            // Whoever waits here is in line until it leaves: nobody drops its place.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.served {
            return;
        }
        let mut line = self.tier.line();
        line.leave(self.ticket);
        self.tier.waiting.store(line.len(), Ordering::SeqCst);
        drop(line);
        self.turn.close();
        if let Ok(index) = self.turn.try_recv() {
            self.tier.release(index, Instant::now());
        }
    }
}
