//! One connection and what was read from it.

use std::io;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;

/// The payload of a packet that another one continues.
pub const WHOLE: usize = 0xff_ffff;
/// What a buffer begins with, and shrinks to.
const SMALL: usize = 16 * 1024;
/// Between two looks, where the kernel says something that was not asked for.
const LOOK: Duration = Duration::from_millis(50);
/// A buffer that has grown beyond this shrinks when it is empty.
const LARGE: usize = 64 * 1024;
/// No packet is longer of a client that has not proven who it is.
pub const BEFORE_LOGIN: usize = 16 * 1024;

/// A connection with the bytes that were read and not yet used.
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The packet at the beginning that was waited for, with its header; 0: none, or it is used.
    current: usize,
    /// The packet that was used last goes on in the next one.
    continues: bool,
    /// Its number.
    sequence: u8,
    /// Longer packets are not taken.
    longest: usize,
}

impl Wire {
    /// Takes a connection over.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let buffer = vec![0; SMALL];
        Ok(Self {
            stream,
            buffer,
            start: 0,
            end: 0,
            current: 0,
            continues: false,
            sequence: 0,
            longest: WHOLE,
        })
    }

    /// From now on no longer packet is taken: it is an error.
    pub fn limit(&mut self, longest: usize) {
        self.longest = longest;
    }

    /// What was read and not used.
    pub fn data(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// The same, to be changed in place.
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.start..self.end]
    }

    /// These bytes are used.
    pub fn consume(&mut self, length: usize) {
        self.start = (self.start + length).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.buffer.len() > LARGE {
                self.buffer = vec![0; SMALL];
            }
        }
    }

    /// Reads more. The end of the connection is an error.
    pub async fn fill(&mut self) -> io::Result<()> {
        if self.end == self.buffer.len() {
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            }
            if self.end == self.buffer.len() {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
        }
        let read = self.stream.read(&mut self.buffer[self.end..]).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.end += read;
        Ok(())
    }

    /// Waits until so many bytes are there.
    pub async fn need(&mut self, length: usize) -> io::Result<()> {
        while self.data().len() < length {
            self.fill().await?;
        }
        Ok(())
    }

    /// Waits for the next packet, whole: the length of its payload, which begins 4 bytes into [`data`](Self::data).
    pub async fn packet(&mut self) -> io::Result<usize> {
        self.need(4).await?;
        let length = payload_length(self.data());
        if length > self.longest {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.need(4 + length).await?;
        self.current = 4 + length;
        Ok(length)
    }

    /// Uses the packet up that was waited for, if that was not done before.
    pub fn use_packet(&mut self) {
        if self.current > 0 {
            self.sequence = self.data()[3];
            self.continues = self.current == 4 + WHOLE;
            let used = std::mem::take(&mut self.current);
            self.consume(used);
        }
    }

    /// The payload that was begun goes on in the next packet.
    pub fn continues(&self) -> bool {
        self.continues
    }

    /// Uses up the packet that was waited for, and those that it goes on in. May be given up and called again.
    pub async fn finish(&mut self) -> io::Result<()> {
        self.use_packet();
        while self.continues {
            self.packet().await?;
            self.use_packet();
        }
        Ok(())
    }

    /// Answers what was used up last, with a payload that begins an answer.
    pub async fn answer(&mut self, payload: &[u8]) -> io::Result<()> {
        self.send_payload(self.sequence.wrapping_add(1), payload)
            .await
    }

    /// Waits for the next packet, and takes its payload out.
    pub async fn take_packet(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let length = self.packet().await?;
        let taken = (self.data()[3], self.data()[4..4 + length].to_vec());
        self.use_packet();
        Ok(taken)
    }

    /// Sends all of it.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Sends a payload as one packet, or several.
    pub async fn send_payload(&mut self, sequence: u8, payload: &[u8]) -> io::Result<()> {
        let mut out = Vec::with_capacity(payload.len() + 8);
        super::bytes::put_packets(&mut out, sequence, payload);
        self.send(&out).await
    }

    /// Waits until the other side has closed its half of the connection, or all of it. What it has sent before stays
    /// unread.
    pub async fn closed(&self) {
        loop {
            // Of what can be waited for, this wakes when the reading half has closed and not when there is something to
            // read: urgent data is not asked for.
            match self.stream.ready(Interest::PRIORITY).await {
                Ok(ready) if !ready.is_read_closed() => tokio::time::sleep(LOOK).await,
                _ => return,
            }
        }
    }

    /// The other side has closed its half of the connection, or all of it, by now.
    pub fn is_closed(&self) -> bool {
        let mut polled = [PollFd::new(&self.stream, PollFlags::RDHUP)];
        let asked = poll(&mut polled, Some(&Timespec::default()));
        asked.is_ok() && !polled[0].revents().is_empty()
    }

    /// Does this while the other side is there, and gives it up when that closes.
    pub async fn while_open<T>(&self, work: impl Future<Output = T>) -> io::Result<T> {
        tokio::select! {
            biased;
            () = self.closed() => Err(io::ErrorKind::ConnectionAborted.into()),
            done = work => Ok(done),
        }
    }

    /// What was sent and has not reached the other side never does: the connection ends with a reset.
    pub fn recall(&self) {
        // A connection that is gone already has nothing to recall.
        let _ = self.stream.set_zero_linger();
    }

    /// The other side has closed, or has spoken out of turn: nothing can be asked any more.
    pub fn is_stale(&self) -> bool {
        let mut byte = [0];
        !self.data().is_empty()
            || !matches!(self.stream.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// The length that a packet's header says.
pub fn payload_length(header: &[u8]) -> usize {
    usize::from(header[0]) | usize::from(header[1]) << 8 | usize::from(header[2]) << 16
}
