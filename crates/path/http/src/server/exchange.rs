//! One request over one connection to an upstream, up to the head of the answer. Whether a failure is the end of
//! it is not known here.

use std::io;
use std::pin::pin;

use terrace_protocol::report::Lack;

use super::connection::Connection;
use super::heads::request_head;
use super::{Service, write};
use crate::body::{Framing, Transfer};
use crate::head::{Parsed, elements};
use crate::log::{End, Phase};
use crate::upstream::Group;
use crate::upstream::check::plainly;
use crate::upstream::pool::Connection as Upstream;

/// The most that is held of an answer's head.
const LONGEST_HEAD: usize = 256 * 1024;
/// So much of a request's body is held, to be sent again.
const HELD: usize = 64 * 1024;

/// Why an upstream did not answer.
pub(super) enum Failure {
    /// It closed a connection that it had kept, before a byte of the answer: most likely not about this request.
    Stale,
    /// It broke off before a byte of the answer.
    Lost(String),
    /// It broke off within the answer's head, or sent what is no answer.
    Broken(String),
    /// It does not answer its checks any more.
    Silent,
    /// Something took too long.
    Late(Phase),
    /// The visitor's body is no body, too large or too slow.
    Visitor(u16, Phase),
    /// The visitor left.
    Gone,
    /// Something is missing here: nobody was asked.
    Lack(Lack),
}

impl Failure {
    /// The status that tells it, and the word for the log.
    pub(super) fn answer(&self) -> (u16, End) {
        match self {
            Failure::Stale | Failure::Lost(_) => (502, End::Cut),
            Failure::Broken(why) => {
                tracing::debug!(why, "an upstream's answer is none");
                (502, End::Cut)
            }
            Failure::Silent => (504, End::Silent),
            Failure::Late(phase) => (504, End::Late(*phase)),
            Failure::Visitor(408, phase) => (408, End::Late(*phase)),
            Failure::Visitor(status, _) => (*status, End::Bad),
            Failure::Gone => (0, End::Gone),
            Failure::Lack(lack) => (503, End::Lack(*lack)),
        }
    }
}

/// Sends the request and reads the head of the answer; returns whether all of the request was sent.
pub(super) async fn exchange(
    connection: &mut Connection,
    service: &dyn Service,
    group: &Group,
    upstream: &mut Upstream,
) -> Result<bool, Failure> {
    request_head(connection, service);
    let mut body = Transfer::new(
        connection.head.framing,
        connection.head.framing == Framing::Chunked,
    );
    pass_body(connection, &mut body)?;
    let goes_on = send_on(connection, group, upstream).await?;
    if goes_on && !body.is_done() {
        // Once, however often it is sent on.
        if std::mem::take(&mut connection.head.expects_continue) {
            let go_on =
                write::send(&connection.stream, b"HTTP/1.1 100 Continue\r\n\r\n", false).await;
            go_on.map_err(|_| Failure::Gone)?;
        }
        stream_body(connection, service, group, upstream, &mut body).await?;
    }
    let whole = goes_on && body.is_done();
    answer_head(connection, group, upstream, whole).await?;
    Ok(whole)
}

/// Whether an upstream that changes the protocol changes to one that was asked for.
fn is_asked_for(connection: &Connection, upstream: &Upstream) -> bool {
    let (Some(asked), Some(changed)) = (connection.head.upgrade, connection.response.upgrade)
    else {
        return false;
    };
    let asked = asked.in_(&connection.input);
    let mut changed = elements(changed.in_(&upstream.buffer)).peekable();
    changed.peek().is_some()
        && changed.all(|one| elements(asked).any(|known| known.eq_ignore_ascii_case(one)))
}

/// A wait ended before what it was for.
fn late(connection: &Connection, phase: Phase) -> Failure {
    if connection.slot.has_moved() {
        Failure::Silent
    } else {
        Failure::Late(connection.late(phase))
    }
}

/// Sends the output on; `false`: the upstream answers before it has taken everything.
async fn send_on(
    connection: &Connection,
    group: &Group,
    upstream: &mut Upstream,
) -> Result<bool, Failure> {
    let due = connection.within(group.timeouts.idle);
    let Upstream { stream, buffer, .. } = &mut *upstream;
    let sent = {
        let mut sending = pin!(write::send(stream, &connection.output, false));
        let step = async {
            tokio::select! {
                biased;
                sent = &mut sending => sent.map(|()| true),
                come = write::come(stream, buffer) => come.map(|()| false),
            }
        };
        connection.slot.by(due, step).await
    };
    match sent {
        Ok(Ok(whole)) => Ok(whole),
        Ok(Err(error)) => Err(lost(upstream, &error)),
        Err(_) => Err(late(connection, Phase::Idle)),
    }
}

fn lost(upstream: &Upstream, error: &io::Error) -> Failure {
    match (upstream.buffer.is_empty(), upstream.used) {
        (true, true) => Failure::Stale,
        (true, false) => Failure::Lost(plainly(error)),
        (false, _) => Failure::Broken(plainly(error)),
    }
}

/// Moves what has come of the body to the output.
fn pass_body(connection: &mut Connection, body: &mut Transfer) -> Result<(), Failure> {
    let Connection {
        input,
        output,
        consumed,
        ..
    } = connection;
    let taken = body
        .pass(&input[*consumed..], output)
        .map_err(|_| Failure::Visitor(400, Phase::Visitor))?;
    *consumed += taken;
    Ok(())
}

/// Sends the rest of the body as it comes, until it is whole or the upstream answers before.
async fn stream_body(
    connection: &mut Connection,
    service: &dyn Service,
    group: &Group,
    upstream: &mut Upstream,
    body: &mut Transfer,
) -> Result<(), Failure> {
    let head = connection.head_length;
    while !body.is_done() {
        if body.passed() > service.limits().body {
            return Err(Failure::Visitor(413, Phase::Visitor));
        }
        // The head stays for the log; a body that is not too large stays to be sent again.
        if connection.consumed - head > HELD || !connection.is_kept {
            connection.input.drain(head..connection.consumed);
            connection.consumed = head;
            connection.is_kept = false;
        }
        connection.output.clear();
        let due = connection.within(group.timeouts.idle);
        let Connection {
            stream,
            input,
            slot,
            ..
        } = &mut *connection;
        let step = async {
            tokio::select! {
                biased;
                come = write::come(&upstream.stream, &mut upstream.buffer) => Side::Upstream(come),
                read = write::read(stream, input) => Side::Visitor(read),
            }
        };
        match slot.by(due, step).await {
            Ok(Side::Visitor(Ok(0) | Err(_))) => return Err(Failure::Gone),
            Ok(Side::Visitor(Ok(_))) => {
                pass_body(connection, body)?;
                if !send_on(connection, group, upstream).await? {
                    return Ok(());
                }
            }
            // It answers before it has everything: so be it.
            Ok(Side::Upstream(Ok(()))) => return Ok(()),
            Ok(Side::Upstream(Err(error))) => return Err(lost(upstream, &error)),
            Err(_) => {
                return Err(match late(connection, Phase::Visitor) {
                    Failure::Late(phase) => Failure::Visitor(408, phase),
                    other => other,
                });
            }
        }
    }
    Ok(())
}

/// Who does something first.
enum Side {
    Visitor(io::Result<usize>),
    Upstream(io::Result<()>),
}

/// Reads the head of the answer, past interim ones; it stays at the beginning of the upstream's buffer. `whole`: all of
/// the request was sent.
async fn answer_head(
    connection: &mut Connection,
    group: &Group,
    upstream: &mut Upstream,
    whole: bool,
) -> Result<(), Failure> {
    let due = connection.within(group.timeouts.first_byte);
    loop {
        match connection
            .response
            .parse(&upstream.buffer, connection.head.method)
        {
            Ok(Parsed::Whole(taken)) if connection.response.status >= 200 => {
                connection.response.length = taken;
                return Ok(());
            }
            Ok(Parsed::Whole(taken)) if connection.response.status == 101 => {
                if !whole || !is_asked_for(connection, upstream) {
                    let why = "it changes to a protocol that was not asked for";
                    return Err(Failure::Broken(why.to_owned()));
                }
                connection.response.length = taken;
                return Ok(());
            }
            Ok(Parsed::Whole(taken)) => drop(upstream.buffer.drain(..taken)),
            Ok(Parsed::Partial) if upstream.buffer.len() < LONGEST_HEAD => {
                let Upstream { stream, buffer, .. } = &mut *upstream;
                let step = async {
                    tokio::select! {
                        biased;
                        read = write::read(stream, buffer) => Some(read),
                        () = write::left(&connection.stream) => None,
                    }
                };
                match connection.slot.by(due, step).await {
                    Ok(None) => return Err(Failure::Gone),
                    Ok(Some(Ok(0))) => {
                        return Err(lost(upstream, &io::ErrorKind::UnexpectedEof.into()));
                    }
                    Ok(Some(Ok(_))) => {}
                    Ok(Some(Err(error))) => return Err(lost(upstream, &error)),
                    Err(_) => return Err(late(connection, Phase::FirstByte)),
                }
            }
            Ok(Parsed::Partial) => return Err(Failure::Broken("its head does not end".to_owned())),
            Err(bad) => return Err(Failure::Broken(bad.to_string())),
        }
    }
}
