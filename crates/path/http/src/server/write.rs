//! Bytes out: to a socket, from a file to a socket, and the few texts that HTTP wants made.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::SendFlags;
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::TcpStream;

/// How much is read at a time.
const CHUNK: usize = 16 * 1024;

/// Reads what is there; 0: the other side has closed.
pub(super) async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<usize> {
    if buffer.capacity() - buffer.len() < CHUNK / 4 {
        buffer.reserve(CHUNK);
    }
    stream.read_buf(buffer).await
}

/// The same beside something else that this stream does; may be dropped at any time.
pub(super) async fn come(stream: &TcpStream, buffer: &mut Vec<u8>) -> io::Result<usize> {
    loop {
        stream.readable().await?;
        if buffer.capacity() - buffer.len() < CHUNK / 4 {
            buffer.reserve(CHUNK);
        }
        match stream.try_read_buf(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return read,
        }
    }
}

/// Waits until the other side leaves. What it asks meanwhile stays unread; then it is not watched any more.
pub(super) async fn left(stream: &TcpStream) {
    if matches!(stream.peek(&mut [0]).await, Ok(1..)) {
        std::future::pending::<()>().await;
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

/// A time as HTTP writes it (RFC 9110 §5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn http_date(second: u64) -> String {
    let (days, rest) = (second / 86_400, second % 86_400);
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(days % 7) as usize];
    // Days since 1 March 0000, in eras of 400 years (Hinnant, "chrono-compatible low-level date algorithms").
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let name = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ][(month - 1) as usize];
    format!(
        "{weekday}, {day:02} {name} {year:04} {:02}:{:02}:{:02} GMT",
        rest / 3_600,
        rest / 60 % 60,
        rest % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (second, date) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_795_391_999, "Sun, 22 Nov 2026 23:59:59 GMT"),
        ] {
            assert_eq!(http_date(second), date);
        }
    }
}
