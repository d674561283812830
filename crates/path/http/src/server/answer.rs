//! An answer of our own: head and body in one write; a large file by sendfile.

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use tokio::net::TcpStream;

use super::{Worker, write};
use crate::head::{Method, RequestHead, Version};

/// The field by which a server of ours tells the one before it that nobody has seen the request: it may be tried
/// elsewhere, whatever its method. It never leaves our own servers.
pub(super) const UNSENT: &[u8] = b"Terrace-Unsent";

/// A body in memory up to this size is copied behind its head: cheaper than telling the kernel of two parts.
const TOGETHER: usize = 16 * 1024;

/// An answer. Its head is shared: a file's is made once.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Status line and fields, `Content-Length` among them, each line with its end; without `Date`, `Server` and
    /// `Connection`, which are the connection's.
    pub head: Rc<[u8]>,
    /// What follows.
    pub body: Body,
}

/// The body of an answer.
pub enum Body {
    /// None.
    Empty,
    /// Bytes.
    Memory(Rc<[u8]>),
    /// A part of a file.
    File {
        /// The file.
        file: Rc<OwnedFd>,
        /// Where the part begins.
        offset: u64,
        /// How long it is.
        length: u64,
    },
}

impl Answer {
    /// An answer from a status line's rest (`404 Not Found`), fields, each with its end, and a body.
    pub fn new(status: &str, fields: &str, body: Vec<u8>) -> Self {
        let head = format!(
            "HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n",
            body.len()
        );
        Self {
            status: status
                .split(' ')
                .next()
                .and_then(|code| code.parse().ok())
                .unwrap_or(500),
            head: head.into_bytes().into(),
            body: if body.is_empty() {
                Body::Empty
            } else {
                Body::Memory(body.into())
            },
        }
    }
}

/// What the visitor is told beside the answer itself.
pub(super) struct Manner {
    /// It is the last on this connection.
    pub(super) close: bool,
    /// Nobody behind us has seen the request.
    pub(super) unsent: bool,
}

/// Sends an answer; returns how many bytes that were. `moved` hears how much the visitor takes, when
/// it does not take all at once.
pub(super) async fn send(
    worker: &Worker,
    stream: &TcpStream,
    output: &mut Vec<u8>,
    answer: &Answer,
    request: &RequestHead,
    manner: Manner,
    moved: &impl Fn(usize),
) -> io::Result<u64> {
    output.clear();
    output.extend_from_slice(&answer.head);
    if manner.unsent {
        output.extend_from_slice(UNSENT);
        output.extend_from_slice(b": 1\r\n");
    }
    finish_head(worker, output, request.version, manner.close);
    if request.method == Method::Head {
        write::send_moving(stream, output, false, moved).await?;
        return Ok(output.len() as u64);
    }
    let head = output.len() as u64;
    match &answer.body {
        Body::Empty => write::send_moving(stream, output, false, moved).await?,
        Body::Memory(bytes) if bytes.len() <= TOGETHER => {
            output.extend_from_slice(bytes);
            write::send_moving(stream, output, false, moved).await?;
        }
        Body::Memory(bytes) => {
            write::send_both(stream, output, bytes, moved).await?;
        }
        Body::File {
            file,
            offset,
            length,
        } => {
            write::send_moving(stream, output, true, moved).await?;
            write::send_file(stream, file, *offset, *length, moved).await?;
            return Ok(head + length);
        }
    }
    Ok(match &answer.body {
        Body::Memory(bytes) => head + bytes.len() as u64,
        _ => head,
    })
}

/// The fields that are the connection's, and the line that ends a head.
pub(super) fn finish_head(worker: &Worker, output: &mut Vec<u8>, version: Version, close: bool) {
    output.extend_from_slice(b"Server: terrace\r\n");
    output.extend_from_slice(&worker.date.borrow().line);
    if close {
        output.extend_from_slice(b"Connection: close\r\n");
    } else if version == Version::Http10 {
        output.extend_from_slice(b"Connection: keep-alive\r\n");
    }
    output.extend_from_slice(b"\r\n");
}
