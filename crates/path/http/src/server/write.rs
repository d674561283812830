//! A socket's bytes in and out, and those of a file to a socket; and whether the other side has left.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::net::{RecvFlags, SendFlags};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::head::Version;

/// How much is read at a time.
const CHUNK: usize = 16 * 1024;

/// Reads what is there; 0: the other side has closed. May be dropped at any time.
pub(super) async fn read(stream: &TcpStream, buffer: &mut Vec<u8>) -> io::Result<usize> {
    loop {
        match read_now(stream, buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => readable(stream).await?,
            read => return read,
        }
    }
}

/// Waits until there is something to read. A stream is read by one task alone, so it needs one waker and no list of them.
pub(super) async fn readable(stream: &TcpStream) -> io::Result<()> {
    poll_fn(|context| stream.poll_read_ready(context)).await
}

/// Reads what is there at once.
pub(super) fn read_now(stream: &TcpStream, buffer: &mut Vec<u8>) -> io::Result<usize> {
    if buffer.capacity() - buffer.len() < CHUNK / 4 {
        buffer.reserve(CHUNK);
    }
    let (room, mut read) = (buffer.capacity() - buffer.len(), None);
    let tried = stream.try_io(Interest::READABLE, || {
        let count = rustix::io::read(stream.as_fd(), spare_capacity(buffer))?;
        read = Some(count);
        // Room that is left means that nothing more is there: tokio need not ask the kernel to find that out.
        match (1..room).contains(&count) {
            true => Err(io::ErrorKind::WouldBlock.into()),
            false => Ok(()),
        }
    });
    match read {
        Some(count) => Ok(count),
        None => tried.map(|()| 0),
    }
}

/// A visitor that sends no more for this long while its answer is made is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(2);
/// The time that the refusal of an interim answer takes to come back.
const REFUSAL: Duration = Duration::from_millis(250);

/// Waits until the other side leaves. What it asks meanwhile stays unread; then it is not watched any more.
///
/// One that has said all that it has to say, and waits for the answer, looks like one that has closed: both end their
/// side. So it gets an interim answer, which any client of HTTP/1.1 takes (RFC 9110 §15.2), and which the kernel of one
/// that is gone refuses. To one of HTTP/1.0 it would mean nothing; that it is gone shows when it gets its answer.
pub(super) async fn left(stream: &TcpStream, version: Version) {
    match stream.peek(&mut [0]).await {
        Ok(0) if version == Version::Http11 => {}
        Ok(_) => std::future::pending().await,
        Err(_) => return,
    }
    loop {
        tokio::time::sleep(SILENCE).await;
        let interim = b"HTTP/1.1 100 Continue\r\n\r\n";
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        match rustix::net::send(stream.as_fd(), interim, flags) {
            Ok(sent) if sent == interim.len() => {}
            // It reads nothing at present.
            Err(rustix::io::Errno::AGAIN) => {}
            // Half of one would spoil what follows.
            Ok(_) | Err(_) => return,
        }
        tokio::time::sleep(REFUSAL).await;
        if rustix::net::recv(
            stream.as_fd(),
            &mut [0; 1],
            RecvFlags::PEEK | RecvFlags::DONTWAIT,
        )
        .is_err()
        {
            return;
        }
    }
}

/// Writes all of it; `more` follows at once, so the kernel may wait with a packet that is not full.
pub(super) async fn send(stream: &TcpStream, bytes: &[u8], more: bool) -> io::Result<()> {
    send_moving(stream, bytes, more, &|_| ()).await
}

/// The same, and tells how much has been taken whenever the other side takes no more for now.
pub(super) async fn send_moving(
    stream: &TcpStream,
    bytes: &[u8],
    more: bool,
    moved: &impl Fn(usize),
) -> io::Result<()> {
    let flags = if more {
        SendFlags::MORE
    } else {
        SendFlags::empty()
    };
    let mut sent = 0;
    loop {
        let before = sent;
        let all = send_now(stream, bytes, &mut sent, flags)?;
        if all {
            return Ok(());
        }
        moved(sent - before);
        stream.writable().await?;
    }
}

/// Writes what the other side takes at once, from `sent` on; whether that was all. In the common case it is: tokio asks
/// the kernel only after it has said "not now".
pub(super) fn send_now(
    stream: &TcpStream,
    bytes: &[u8],
    sent: &mut usize,
    flags: SendFlags,
) -> io::Result<bool> {
    while *sent < bytes.len() {
        let tried = stream.try_io(Interest::WRITABLE, || {
            let flags = flags | SendFlags::NOSIGNAL;
            Ok(rustix::net::send(stream.as_fd(), &bytes[*sent..], flags)?)
        });
        match tried {
            Ok(count) => *sent += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Writes a head and its body at once.
pub(super) async fn send_both(
    stream: &TcpStream,
    head: &[u8],
    body: &[u8],
    moved: &impl Fn(usize),
) -> io::Result<()> {
    let mut sent = 0;
    while sent < head.len() {
        let parts = [IoSlice::new(&head[sent..]), IoSlice::new(body)];
        match stream.try_write_vectored(&parts) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    send_moving(stream, &body[sent - head.len()..], false, moved).await
}

/// Sends a part of a file without bringing it into our memory.
pub(super) async fn send_file(
    stream: &TcpStream,
    file: &OwnedFd,
    offset: u64,
    length: u64,
    moved: &impl Fn(usize),
) -> io::Result<()> {
    let end = offset + length;
    let mut at = offset;
    while at < end {
        let before = at;
        if !send_file_now(stream, file, &mut at, end)? {
            moved(usize::try_from(at - before).unwrap_or(usize::MAX));
            stream.writable().await?;
        }
    }
    Ok(())
}

/// Sends what the other side takes at once of a file, from `at` to `end`; whether that was all.
pub(super) fn send_file_now(
    stream: &TcpStream,
    file: impl AsFd,
    at: &mut u64,
    end: u64,
) -> io::Result<bool> {
    while *at < end {
        let left = usize::try_from(end - *at).unwrap_or(usize::MAX);
        let tried = stream.try_io(Interest::WRITABLE, || {
            Ok(rustix::fs::sendfile(stream.as_fd(), &file, Some(at), left)?)
        });
        match tried {
            // The file has become shorter than it was: what was promised cannot be kept.
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
