//! An upstream's answer on its way back to the visitor: framed anew, piece by piece as it comes. What the visitor does
//! not take at once, and a request that is still on its way, are the business of `relay`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::net::SendFlags;

use super::backlog::Backlog;
use super::connection::{Connection, Outcome};
use super::exchange::Terms;
use super::forward::Place;
use super::heads::response_head;
use super::relay::{drain, relay};
use super::upload::Upload;
use super::{Worker, write};
use crate::body::{BadBody, Framing, Transfer};
use crate::head::Version;
use crate::log::{End, Phase};
use crate::upstream::Instance;
use crate::upstream::pool::Connection as Upstream;

/// An upstream that has begun to answer.
pub(super) struct Answering {
    pub(super) upstream: Upstream,
    /// What is left of the request.
    pub(super) upload: Upload,
    /// What is left of the answer.
    pub(super) body: Transfer,
    /// How much has come of it.
    pub(super) bytes: u64,
}

impl Answering {
    /// Nothing more goes to the upstream or comes from it.
    pub(super) fn is_over(&self) -> bool {
        self.body.is_done() && !self.upload.is_going()
    }

    /// Moves what has come to the output.
    pub(super) fn pass(&mut self, output: &mut Vec<u8>) -> Result<(), BadBody> {
        let before = output.len();
        let buffer = &mut self.upstream.buffer;
        let taken = self.body.pass(buffer, output)?;
        buffer.drain(..taken);
        self.bytes += (output.len() - before) as u64;
        Ok(())
    }

    /// The upstream has closed: that may be the end of the answer.
    pub(super) fn closed(&mut self, output: &mut Vec<u8>) -> Result<(), BadBody> {
        let before = output.len();
        self.body.closed(output)?;
        self.bytes += (output.len() - before) as u64;
        Ok(())
    }
}

/// The place where an answer comes back.
pub(super) struct Back<'a, 'p> {
    pub(super) worker: &'a Worker,
    pub(super) terms: &'a Terms<'a>,
    pub(super) instance: &'a Arc<Instance>,
    pub(super) place: &'a mut Place<'p>,
}

impl Back<'_, '_> {
    /// Brings the answer back.
    pub(super) async fn bring(
        mut self,
        connection: &mut Connection,
        mut upstream: Upstream,
        upload: Upload,
    ) -> Outcome {
        let status = connection.response.status;
        let framing = connection.response.framing;
        let rechunk = matches!(framing, Framing::Chunked | Framing::Close)
            && connection.head.version == Version::Http11;
        let ends_with_us = matches!(framing, Framing::Chunked | Framing::Close) && !rechunk;
        let draining = self.worker.draining.get();
        let keep = connection.head.keep_alive && upload.has_come() && !ends_with_us && !draining;
        response_head(connection, self.worker, &upstream, rechunk, !keep);
        let named = &connection.response.connection;
        let body = Transfer::of_message(framing, rechunk, named, &upstream.buffer);
        upstream.buffer.drain(..connection.response.length);
        let mut answering = Answering {
            upstream,
            upload,
            body,
            bytes: connection.output.len() as u64,
        };
        let come = self.come(connection, &mut answering).await;
        let bytes = answering.bytes;
        let end = match come {
            Ok(backlog) => {
                self.release(connection, answering);
                self.rest(connection, backlog).await
            }
            Err(end) => end,
        };
        if is_broken(end) || status >= 500 {
            self.instance.errors.fetch_add(1, Ordering::Relaxed);
        }
        Outcome::answered(status, bytes, end, keep && end == End::Ok)
    }

    /// Sends what comes until all of it has come. Some of it may wait for the visitor then: in the output, or in a
    /// backlog.
    async fn come(
        &mut self,
        connection: &mut Connection,
        answering: &mut Answering,
    ) -> Result<Option<Backlog>, End> {
        let cut = |_: BadBody| End::Cut;
        answering.pass(&mut connection.output).map_err(cut)?;
        while !answering.is_over() {
            let mut sent = 0;
            let flags = SendFlags::empty();
            // What has come goes on at once: more may be long in coming.
            let all = write::send_now(&connection.stream, &connection.output, &mut sent, flags);
            if !all.map_err(|_| End::Gone)? || answering.upload.is_going() {
                let mut backlog = self.backlog(connection, sent);
                relay(connection, self.terms, answering, &mut backlog).await?;
                if answering.is_over() {
                    return Ok(Some(backlog));
                }
                connection.output = backlog.into_buffer();
            }
            connection.output.clear();
            let Upstream { stream, buffer, .. } = &mut answering.upstream;
            let due = connection.within(self.terms.group.timeouts.idle);
            match connection.slot.by(due, write::read(stream, buffer)).await {
                Ok(Ok(0)) => answering.closed(&mut connection.output).map_err(cut)?,
                Ok(Ok(_)) => answering.pass(&mut connection.output).map_err(cut)?,
                Ok(Err(_)) => return Err(End::Cut),
                Err(_) => return Err(End::Late(connection.late(Phase::Idle))),
            }
        }
        Ok(None)
    }

    /// Who answered is free, before its answer has been read.
    fn release(&mut self, connection: &Connection, answering: Answering) {
        self.place.leave();
        let Answering {
            upstream, upload, ..
        } = answering;
        if connection.response.keep_alive && upload.is_done() && upstream.buffer.is_empty() {
            let now = self.worker.now();
            let mut pool = self.worker.pool.borrow_mut();
            pool.put(self.instance, upstream, self.terms.group.ours, now);
        }
    }

    /// Sends what is left.
    async fn rest(&self, connection: &mut Connection, backlog: Option<Backlog>) -> End {
        let backlog = match backlog {
            Some(backlog) => backlog,
            None => {
                let mut sent = 0;
                let (stream, output) = (&connection.stream, &connection.output);
                match write::send_now(stream, output, &mut sent, SendFlags::empty()) {
                    Ok(true) => return End::Ok,
                    Ok(false) => self.backlog(connection, sent),
                    Err(_) => return End::Gone,
                }
            }
        };
        drain(connection, self.terms, backlog).await
    }

    /// The output, of which so much is sent, as what waits for the visitor.
    fn backlog(&self, connection: &mut Connection, sent: usize) -> Backlog {
        let output = std::mem::take(&mut connection.output);
        let service = self.terms.service;
        let spool = service
            .shields(connection.peer)
            .then(|| Arc::clone(&self.worker.spool));
        let owner = connection.sharer(service);
        Backlog::new(output, sent, spool, owner, service.limits())
    }
}

/// Whether an answer that ended so was left unfinished by the upstream. One that took too long in all may have waited
/// for its visitor.
pub(super) fn is_broken(end: End) -> bool {
    matches!(end, End::Cut | End::Late(Phase::Idle))
}
