//! An upstream's answer on its way back to the visitor: framed anew, piece by piece as it comes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::connection::{Connection, Outcome};
use super::heads::response_head;
use super::{Worker, write};
use crate::body::{Framing, Transfer};
use crate::head::Version;
use crate::log::{End, Phase};
use crate::upstream::pool::Connection as Upstream;
use crate::upstream::{Group, Instance};

/// Brings the answer back.
pub(super) async fn back(
    connection: &mut Connection,
    worker: &Worker,
    group: &Group,
    instance: &Arc<Instance>,
    mut upstream: Upstream,
    body_sent: bool,
) -> Outcome {
    let status = connection.response.status;
    let framing = connection.response.framing;
    let rechunk = matches!(framing, Framing::Chunked | Framing::Close)
        && connection.head.version == Version::Http11;
    let ends_with_us = matches!(framing, Framing::Chunked | Framing::Close) && !rechunk;
    let keep = connection.head.keep_alive && body_sent && !ends_with_us && !worker.draining.get();
    response_head(connection, worker, &upstream, rechunk, !keep);
    let mut body = Transfer::new(framing, rechunk);
    upstream.buffer.drain(..connection.response.length);
    let mut bytes = 0;
    let end = loop {
        let taken = match body.pass(&upstream.buffer, &mut connection.output) {
            Ok(taken) => taken,
            Err(_) => break End::Cut,
        };
        upstream.buffer.drain(..taken);
        bytes += connection.output.len() as u64;
        let due = connection.within(group.timeouts.idle);
        // What has come goes on at once: more may be long in coming.
        let sending = write::send(&connection.stream, &connection.output, false);
        match connection.slot.by(due, sending).await {
            Ok(Ok(())) => connection.output.clear(),
            Ok(Err(_)) => break End::Gone,
            // It does not take what it asked for: that is nobody's fault behind us.
            Err(_) => break End::Late(connection.late(Phase::Visitor)),
        }
        if body.is_done() {
            break End::Ok;
        }
        let Upstream { stream, buffer, .. } = &mut upstream;
        let due = connection.within(group.timeouts.idle);
        match connection.slot.by(due, write::read(stream, buffer)).await {
            Ok(Ok(0)) => {
                if body.closed(&mut connection.output).is_err() {
                    break End::Cut;
                }
            }
            Ok(Ok(_)) => {}
            Ok(Err(_)) => break End::Cut,
            Err(_) => break End::Late(connection.late(Phase::Idle)),
        }
    };
    if is_broken(end) || status >= 500 {
        instance.errors.fetch_add(1, Ordering::Relaxed);
    }
    if end == End::Ok && connection.response.keep_alive && body_sent && upstream.buffer.is_empty() {
        let now = worker.now();
        let mut pool = worker.pool.borrow_mut();
        pool.put(instance, upstream, group.ours, now);
    }
    Outcome::answered(status, bytes, end, keep && end == End::Ok)
}

/// Whether an answer that ended so was left unfinished by the upstream. One that took too long in all may have waited
/// for its visitor.
pub(super) fn is_broken(end: End) -> bool {
    matches!(end, End::Cut | End::Late(Phase::Idle))
}
