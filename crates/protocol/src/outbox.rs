//! What waits to be sent to a peer that may take its time, or take nothing at all: who sends never waits for it.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{mpsc, oneshot, watch};

use crate::channel::{Error, Sender};

/// So many messages may wait. A peer that lets more pile up is hung up on: it learns how things stand when it dials anew.
const WAITING: usize = 1024;
/// Who waits for the last message to be taken waits no longer than this.
const TAKEN_WITHIN: Duration = Duration::from_secs(1);

/// A bounded queue in front of a [`Sender`]. It can be cloned; the queue is the same one.
pub struct Outbox<S> {
    queue: mpsc::Sender<Item<S>>,
    newest: watch::Sender<Option<Arc<S>>>,
    sender: Sender<S>,
}

enum Item<S> {
    Message(S),
    /// Everything before this has been sent.
    Sent(oneshot::Sender<()>),
}

impl<S> Clone for Outbox<S> {
    fn clone(&self) -> Self {
        Self {
            queue: self.queue.clone(),
            newest: self.newest.clone(),
            sender: self.sender.clone(),
        }
    }
}

impl<S: Serialize + Send + Sync + 'static> Outbox<S> {
    /// Sends on this connection what is put in, from a task of its own; within a tokio runtime.
    pub fn open(sender: Sender<S>) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING);
        let (newest, changed) = watch::channel(None);
        tokio::spawn(deliver(sender.clone(), waiting, changed));
        Self {
            queue,
            newest,
            sender,
        }
    }

    /// Has a message sent after those that wait.
    ///
    /// # Errors
    /// [`Error::Closed`] when the other side is gone, or has taken nothing for so long that the connection is given up.
    pub fn put(&self, message: S) -> Result<(), Error> {
        match self.queue.try_send(Item::Message(message)) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Error::Closed),
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.sender.hang_up();
                Err(Error::Closed)
            }
        }
    }

    /// Has a message sent that may be missed: where much waits already it is left out.
    pub fn offer(&self, message: S) {
        if self.queue.capacity() > WAITING / 2 {
            // A peer that is gone has no use for it.
            let _ = self.put(message);
        }
    }

    /// Has a message sent when no other waits, in place of the one before of this kind if that has not gone.
    pub fn put_newest(&self, message: S) {
        self.newest.send_replace(Some(Arc::new(message)));
    }

    /// Waits until everything that was put in has been sent, or never will be; not for long.
    pub async fn sent(&self) {
        let (sent, all) = oneshot::channel();
        let everything = async {
            if self.queue.send(Item::Sent(sent)).await.is_ok() {
                // An error: the connection has ended.
                let _ = all.await;
            }
        };
        // A peer that takes nothing, as a command that was suspended, misses it.
        let _ = tokio::time::timeout(TAKEN_WITHIN, everything).await;
    }
}

async fn deliver<S: Serialize>(
    sender: Sender<S>,
    mut waiting: mpsc::Receiver<Item<S>>,
    mut newest: watch::Receiver<Option<Arc<S>>>,
) {
    loop {
        let sent = tokio::select! {
            biased;
            item = waiting.recv() => match item {
                Some(Item::Message(message)) => sender.send(&message).await,
                Some(Item::Sent(all)) => {
                    // Who waited may have given up.
                    let _ = all.send(());
                    Ok(())
                }
                None => return,
            },
            Ok(()) = newest.changed() => {
                let message = newest.borrow_and_update().clone();
                match message {
                    Some(message) => sender.send(&*message).await,
                    None => Ok(()),
                }
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixStream;

    use super::*;
    use crate::Channel;

    async fn pair() -> (Outbox<String>, Channel<(), String>) {
        let (one, two) = UnixStream::pair().unwrap();
        let (one, two) = tokio::join!(
            Channel::<String, ()>::open(one),
            Channel::<(), String>::open(two)
        );
        (Outbox::open(one.unwrap().sender), two.unwrap())
    }

    #[tokio::test]
    async fn what_is_put_in_comes_in_order_and_of_what_is_replaced_the_newest() {
        let (outbox, mut peer) = pair().await;
        outbox.put_newest("old".into());
        for number in 0..3 {
            outbox.put(number.to_string()).unwrap();
        }
        outbox.put_newest("new".into());
        let mut heard = Vec::new();
        for _ in 0..4 {
            heard.push(peer.receiver.receive().await.unwrap().message);
        }
        assert_eq!(heard, ["0", "1", "2", "new"]);
        outbox.put("last".into()).unwrap();
        outbox.sent().await;
        drop(outbox);
        assert_eq!(peer.receiver.receive().await.unwrap().message, "last");
        drop(peer);
    }

    #[tokio::test]
    async fn a_peer_that_takes_nothing_is_hung_up_on_and_holds_up_nobody() {
        let (outbox, mut peer) = pair().await;
        let long = "x".repeat(4_000);
        let taken = (0..100 * WAITING)
            .take_while(|_| outbox.put(long.clone()).is_ok())
            .count();
        assert_eq!(taken, WAITING);
        outbox.sent().await;
        assert!(outbox.put(long).is_err());
        // It hears what was on its way, and then the end.
        while peer.receiver.receive().await.is_ok() {}
    }
}
