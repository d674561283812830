//! A connection between two of our processes: typed messages and descriptors over a unix socket.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::Mutex;

use crate::frame;

/// The version of all messages. Two processes of different versions do not talk.
pub const VERSION: u32 = 1;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The other side closed it.
    #[error("the other side closed the connection")]
    Closed,
    /// The socket failed.
    #[error("the socket between two processes failed")]
    Socket(#[from] io::Error),
    /// A message that is not one of ours.
    #[error("a message that cannot be understood")]
    Message(#[source] serde_json::Error),
    /// A length that no message of ours has.
    #[error("a message of {0} bytes is too long")]
    TooLong(usize),
    /// More descriptors than one message can carry.
    #[error("{0} descriptors are too many for one message")]
    TooManyDescriptors(usize),
    /// The other side is a binary of another version.
    #[error(
        "the other side speaks version {theirs}, this binary speaks {VERSION}: run both from one binary"
    )]
    Version {
        /// What the other side speaks.
        theirs: u32,
    },
    /// The other side runs as somebody else.
    #[error("the process on the other side belongs to user {0}, which may not speak here")]
    Stranger(u32),
}

/// The first message in each direction.
#[derive(Serialize, Deserialize)]
struct Greeting {
    version: u32,
}

/// A message and the descriptors that came with it.
#[derive(Debug)]
pub struct Incoming<M> {
    /// The message.
    pub message: M,
    /// In the order in which they were sent.
    pub descriptors: Vec<OwnedFd>,
}

/// A connection on which `S` is sent and `R` is received.
pub struct Channel<S, R> {
    /// The half that sends. It can be cloned.
    pub sender: Sender<S>,
    /// The half that receives.
    pub receiver: Receiver<R>,
}

impl<S: Serialize, R: DeserializeOwned> Channel<S, R> {
    /// Greets the other side and waits for its greeting.
    ///
    /// # Errors
    /// [`Error::Version`] when it is a binary of another version, or how the socket failed.
    pub async fn open(stream: UnixStream) -> Result<Self, Error> {
        let stream = Arc::new(stream);
        let greeter = Sender::<Greeting>::new(Arc::clone(&stream));
        greeter.send(&Greeting { version: VERSION }).await?;
        let mut receiver = Receiver::<Greeting>::new(Arc::clone(&stream));
        let theirs = receiver.receive().await?.message.version;
        if theirs != VERSION {
            return Err(Error::Version { theirs });
        }
        Ok(Self {
            sender: Sender::new(stream),
            receiver: receiver.retyped(),
        })
    }

    /// As [`open`](Self::open), once it is sure that the other process runs as root or as this process does.
    ///
    /// # Errors
    /// [`Error::Stranger`] names who else it is.
    pub async fn open_own(stream: UnixStream) -> Result<Self, Error> {
        let theirs = stream.peer_cred()?.uid();
        if theirs != 0 && theirs != rustix::process::geteuid().as_raw() {
            return Err(Error::Stranger(theirs));
        }
        Self::open(stream).await
    }
}

/// The half of a channel that sends.
pub struct Sender<S> {
    stream: Arc<UnixStream>,
    /// Messages of two tasks must not be interleaved.
    turn: Arc<Mutex<()>>,
    kind: PhantomData<fn(S)>,
}

impl<S> Clone for Sender<S> {
    fn clone(&self) -> Self {
        Self {
            stream: Arc::clone(&self.stream),
            turn: Arc::clone(&self.turn),
            kind: PhantomData,
        }
    }
}

impl<S: Serialize> Sender<S> {
    fn new(stream: Arc<UnixStream>) -> Self {
        Self {
            stream,
            turn: Arc::default(),
            kind: PhantomData,
        }
    }

    /// Ends the connection, both ways: the other side reads what was sent, and then its end.
    pub fn hang_up(&self) {
        // One that has ended already is no error.
        let _ = rustix::net::shutdown(&*self.stream, rustix::net::Shutdown::Both);
    }

    /// Sends one message.
    ///
    /// # Errors
    /// How the socket failed. The connection is of no use afterwards.
    pub async fn send(&self, message: &S) -> Result<(), Error> {
        self.send_with(message, &[]).await
    }

    /// Sends one message with descriptors beside it. The sender keeps its own copies.
    ///
    /// # Errors
    /// As [`send`](Self::send); [`Error::TooManyDescriptors`] from 129 on.
    pub async fn send_with(
        &self,
        message: &S,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), Error> {
        let bytes = frame::encode(message, descriptors.len())?;
        let _turn = self.turn.lock().await;
        let mut sent = 0;
        while sent < bytes.len() {
            // The descriptors go with the first bytes, so they are never later than their message.
            let beside = if sent == 0 { descriptors } else { &[] };
            sent += self
                .stream
                .async_io(Interest::WRITABLE, || {
                    send_some(&self.stream, &bytes[sent..], beside)
                })
                .await?;
        }
        Ok(())
    }
}

fn send_some(
    stream: &UnixStream,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    let mut space =
        [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(frame::MOST_DESCRIPTORS))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        beside.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    Ok(rustix::net::sendmsg(
        stream.as_fd(),
        &[IoSlice::new(bytes)],
        &mut beside,
        flags,
    )?)
}

/// The half of a channel that receives.
pub struct Receiver<R> {
    stream: Arc<UnixStream>,
    bytes: Vec<u8>,
    descriptors: VecDeque<OwnedFd>,
    kind: PhantomData<fn() -> R>,
}

impl<R: DeserializeOwned> Receiver<R> {
    fn new(stream: Arc<UnixStream>) -> Self {
        Self {
            stream,
            bytes: Vec::new(),
            descriptors: VecDeque::new(),
            kind: PhantomData,
        }
    }

    fn retyped<T>(self) -> Receiver<T> {
        Receiver {
            stream: self.stream,
            bytes: self.bytes,
            descriptors: self.descriptors,
            kind: PhantomData,
        }
    }

    /// Waits for the next message. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`Error::Closed`] when the other side is gone.
    pub async fn receive(&mut self) -> Result<Incoming<R>, Error> {
        loop {
            if let Some((message, count)) = frame::decode(&mut self.bytes)? {
                if count > self.descriptors.len() {
                    return Err(Error::TooManyDescriptors(count));
                }
                return Ok(Incoming {
                    message,
                    descriptors: self.descriptors.drain(..count).collect(),
                });
            }
            let Self {
                stream,
                bytes,
                descriptors,
                ..
            } = self;
            let read = stream
                .async_io(Interest::READABLE, || {
                    receive_some(stream, bytes, descriptors)
                })
                .await?;
            if read == 0 {
                return Err(Error::Closed);
            }
        }
    }
}

fn receive_some(
    stream: &UnixStream,
    bytes: &mut Vec<u8>,
    descriptors: &mut VecDeque<OwnedFd>,
) -> io::Result<usize> {
    let mut chunk = [0; 16 * 1024];
    let mut space =
        [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(frame::MOST_DESCRIPTORS))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let received = rustix::net::recvmsg(
        stream.as_fd(),
        &mut [IoSliceMut::new(&mut chunk)],
        &mut beside,
        flags,
    )?;
    for message in beside.drain() {
        if let RecvAncillaryMessage::ScmRights(more) = message {
            descriptors.extend(more);
        }
    }
    bytes.extend_from_slice(&chunk[..received.bytes]);
    Ok(received.bytes)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, Write};

    use super::*;

    #[tokio::test]
    async fn messages_and_descriptors_arrive_together_and_in_order() {
        let (one, two) = UnixStream::pair().unwrap();
        let (one, two) = tokio::join!(
            Channel::<String, u32>::open(one),
            Channel::<u32, String>::open_own(two)
        );
        let (one, mut two) = (one.unwrap(), two.unwrap());
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"by descriptor").unwrap();
        let long = "x".repeat(3_000_000);
        let sending = async {
            one.sender.send(&long).await.unwrap();
            one.sender
                .send_with(&"file".to_owned(), &[file.as_fd()])
                .await
                .unwrap();
        };
        let receiving = async {
            let first = two.receiver.receive().await.unwrap();
            assert_eq!(
                (first.message.len(), first.descriptors.len()),
                (3_000_000, 0)
            );
            two.receiver.receive().await.unwrap()
        };
        let ((), second) = tokio::join!(sending, receiving);
        assert_eq!(second.message, "file");
        let mut received = std::fs::File::from(second.descriptors.into_iter().next().unwrap());
        received.rewind().unwrap();
        let mut text = String::new();
        received.read_to_string(&mut text).unwrap();
        assert_eq!(text, "by descriptor");
        drop(one);
        assert!(matches!(two.receiver.receive().await, Err(Error::Closed)));
    }

    #[tokio::test]
    async fn another_version_is_refused_by_its_number() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let theirs = Sender::<Greeting>::new(Arc::new(theirs));
        theirs
            .send(&Greeting {
                version: VERSION + 1,
            })
            .await
            .unwrap();
        let refused = Channel::<u32, u32>::open(ours).await.err().unwrap();
        assert!(matches!(refused, Error::Version { theirs } if theirs == VERSION + 1));
    }
}
