//! What has come of an answer and its visitor has not taken: first in memory, then in a file, so that whoever answers is
//! done when it has said all, however slowly that is read.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use rustix::net::SendFlags;
use terrace_site::plan::Limits;
use tokio::net::TcpStream;

use super::upload::HELD;
use super::write;
use crate::spool::{Bounds, Spool, Spooled};

/// One answer may have this part of the role's files, all answers together half of them: bodies of requests find room
/// beside them.
const OF_ONE: u64 = 16;
const OF_ALL: u64 = 2;

/// The answer's bytes in their order: those in memory, those in the file, then those that found no room there.
pub(super) struct Backlog {
    front: Vec<u8>,
    sent: usize,
    spooled: Option<Spooled>,
    from: u64,
    tail: Vec<u8>,
    /// Where files are made; `None`: nowhere, or not any more.
    spool: Option<Arc<Spool>>,
    /// Whose share of them it takes, and how much may wait there.
    owner: Option<IpAddr>,
    of_one: u64,
    bounds: Bounds,
}

impl Backlog {
    /// One that begins with these bytes, some of them sent.
    pub(super) fn new(
        front: Vec<u8>,
        sent: usize,
        spool: Option<Arc<Spool>>,
        owner: Option<IpAddr>,
        limits: &Limits,
    ) -> Self {
        Self {
            front,
            sent,
            spooled: None,
            from: 0,
            tail: Vec::new(),
            spool,
            owner,
            of_one: limits.spool / OF_ONE,
            bounds: Bounds {
                all: limits.spool / OF_ALL,
                each: limits.spool_share() / OF_ALL,
            },
        }
    }

    /// Everything has been taken.
    pub(super) fn is_empty(&self) -> bool {
        self.sent == self.front.len() && self.in_file() == 0 && self.tail.is_empty()
    }

    /// More may be read for it; `slow`: also what has to wait in the file.
    pub(super) fn has_room(&self, slow: bool) -> bool {
        let in_memory = self.front.len() - self.sent < HELD && self.in_file() == 0;
        self.tail.is_empty() && (in_memory || (slow && self.may_spool()))
    }

    /// The buffer, to be used again, when all is sent.
    pub(super) fn into_buffer(mut self) -> Vec<u8> {
        self.front.clear();
        self.front
    }

    fn in_file(&self) -> u64 {
        let length = self.spooled.as_ref().map_or(0, Spooled::length);
        length - self.from
    }

    fn may_spool(&self) -> bool {
        let own = self.spooled.as_ref().map_or(0, Spooled::length);
        let spool = self.spool.as_ref();
        spool.is_some_and(|spool| own < self.of_one && spool.has_room(self.owner, self.bounds))
    }

    /// Takes these bytes behind the others.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if !self.tail.is_empty() {
            self.tail.extend_from_slice(bytes);
        } else if self.in_file() == 0 && self.front.len() - self.sent < HELD {
            self.front.drain(..std::mem::take(&mut self.sent));
            self.front.extend_from_slice(bytes);
        } else if !self.spool(bytes) {
            self.tail.extend_from_slice(bytes);
        }
    }

    fn spool(&mut self, bytes: &[u8]) -> bool {
        if !self.may_spool() {
            return false;
        }
        let Some(spool) = &self.spool else {
            return false;
        };
        let put = match &mut self.spooled {
            Some(file) => file.append(bytes, self.bounds),
            None => spool.file(self.owner).and_then(|mut file| {
                file.append(bytes, self.bounds)?;
                self.spooled = Some(file);
                Ok(())
            }),
        };
        if let Err(why) = put {
            // From now on it is read as slowly as its visitor reads it.
            tracing::debug!(%why, "an answer waits for its visitor");
            self.spool = None;
            return false;
        }
        true
    }

    /// Sends some of it; how much. May be dropped at any time; it is called while it is not empty.
    pub(super) async fn step(&mut self, to: &TcpStream) -> io::Result<usize> {
        loop {
            let sent = self.send(to)?;
            if sent > 0 || self.is_empty() {
                return Ok(sent);
            }
            to.writable().await?;
        }
    }

    fn send(&mut self, to: &TcpStream) -> io::Result<usize> {
        let before = self.sent;
        let all = write::send_now(to, &self.front, &mut self.sent, SendFlags::empty())?;
        let mut count = self.sent - before;
        if !all {
            return Ok(count);
        }
        self.front.clear();
        self.sent = 0;
        if let Some(file) = &mut self.spooled {
            let before = self.from;
            let all = write::send_file_now(to, file.file(), &mut self.from, file.length())?;
            count += usize::try_from(self.from - before).unwrap_or(usize::MAX);
            if !all {
                return Ok(count);
            }
            file.clear();
            self.from = 0;
        }
        std::mem::swap(&mut self.front, &mut self.tail);
        Ok(count)
    }
}
