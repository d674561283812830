//! A request that goes on to an upstream; how its answer comes back is in `back`.
//!
//! A request is sent again only when nothing of it was sent, or when repeating it does no harm and there is
//! nothing of it but its head.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::net::TcpStream;

use super::back::back;
use super::connection::{Connection, Outcome};
use super::heads::request_head;
use super::{Service, Worker, write};
use crate::body::{Framing, Transfer};
use crate::head::{Method, Parsed};
use crate::log::End;
use crate::upstream::check::plainly;
use crate::upstream::pool::Connection as Upstream;
use crate::upstream::{Group, Instance, Transport, micros};

/// The most that is held of an answer's head.
const LONGEST_HEAD: usize = 256 * 1024;

/// Why an upstream did not answer.
enum Failure {
    /// It closed a connection that it had kept, before a byte of the answer: most likely not about this request.
    Stale,
    /// It broke off, or sent what is no answer.
    Broken(String),
    /// It did not answer in time.
    Late,
    /// The visitor's body is no body, too large or too slow.
    Visitor(u16),
    /// The visitor left.
    Gone,
}

/// Sends a request on and its answer back.
pub(super) async fn forward(
    connection: &mut Connection,
    worker: &Worker,
    service: &dyn Service,
    group: &Group,
    begun: Instant,
) -> Outcome {
    connection.due = begun + group.timeouts.total;
    let mut tried = Vec::new();
    let mut tries = 0;
    let mut fresh = false;
    loop {
        let Some(index) = group.choose(&tried) else {
            let outcome = trouble(connection, worker, service, group, 503, End::Down).await;
            return Outcome { tries, ..outcome };
        };
        let instance = &group.instances[index];
        tries += 1;
        let kept = if fresh {
            None
        } else {
            worker.pool.borrow_mut().take(instance)
        };
        let mut upstream = match kept {
            Some(kept) => kept,
            None => match connect(connection, group, instance).await {
                Ok(made) => made,
                Err(why) => {
                    instance.unreachable(&why);
                    instance.errors.fetch_add(1, Ordering::Relaxed);
                    tried.push(index);
                    continue;
                }
            },
        };
        instance.requests.fetch_add(1, Ordering::Relaxed);
        match exchange(connection, service, group, &mut upstream).await {
            Ok(body_sent) => {
                let waited = micros(begun);
                let outcome = back(connection, worker, group, instance, upstream, body_sent).await;
                return Outcome {
                    waited,
                    tries,
                    instance: Some(Arc::clone(instance)),
                    ..outcome
                };
            }
            Err(Failure::Stale) if is_repeatable(connection) => {
                instance.retries.fetch_add(1, Ordering::Relaxed);
                fresh = true;
            }
            Err(failure) => {
                let failed = fail(connection, worker, service, group, instance, failure).await;
                let instance = Some(Arc::clone(instance));
                return Outcome {
                    tries,
                    instance,
                    ..failed
                };
            }
        }
    }
}

/// Tells the visitor that there is no answer, if it is still there.
async fn fail(
    connection: &mut Connection,
    worker: &Worker,
    service: &dyn Service,
    group: &Group,
    instance: &Instance,
    failure: Failure,
) -> Outcome {
    if !matches!(failure, Failure::Visitor(_) | Failure::Gone) {
        instance.errors.fetch_add(1, Ordering::Relaxed);
    }
    let (status, end) = match failure {
        Failure::Stale => (502, End::Cut),
        Failure::Broken(why) => {
            tracing::debug!(instance = instance.id, why, "an upstream broke off");
            (502, End::Cut)
        }
        Failure::Late => (504, End::Late),
        Failure::Visitor(408) => (408, End::Late),
        Failure::Visitor(status) => (status, End::Bad),
        Failure::Gone => return Outcome::answered(0, 0, End::Gone, false),
    };
    trouble(connection, worker, service, group, status, end).await
}

/// Repeating it does no harm, and there is nothing of it but its head.
fn is_repeatable(connection: &Connection) -> bool {
    connection.head.method != Method::Other && connection.head.framing == Framing::None
}

async fn trouble(
    connection: &mut Connection,
    worker: &Worker,
    service: &dyn Service,
    group: &Group,
    status: u16,
    end: End,
) -> Outcome {
    let why = match status {
        503 => format!("{} does not take requests at this moment", group.name),
        504 => format!("{} did not answer in time", group.name),
        408 => "the request's body did not come in time".to_owned(),
        413 => "the request's body is larger than this site takes".to_owned(),
        400 => "the request's body is not framed as it says".to_owned(),
        _ => format!("{} broke off without an answer", group.name),
    };
    let page = service.trouble(status, &why, &connection.id_text(), connection.wants_html());
    let keep =
        connection.head.keep_alive && connection.head.framing == Framing::None && status >= 500;
    connection.answer(worker, service, &page, keep, end).await
}

async fn connect(
    connection: &Connection,
    group: &Group,
    instance: &Instance,
) -> Result<Upstream, String> {
    let Transport::Tcp(address) = instance.transport;
    match connection
        .slot
        .within(group.timeouts.connect, TcpStream::connect(address))
        .await
    {
        Ok(Ok(stream)) => {
            let _ = stream.set_nodelay(true);
            Ok(Upstream {
                stream,
                buffer: Vec::with_capacity(16 * 1024),
                used: false,
            })
        }
        Ok(Err(error)) => Err(plainly(&error)),
        Err(_) => Err("no connection in time".to_owned()),
    }
}

/// Sends the request and reads the head of the answer; returns whether all of the request was sent.
async fn exchange(
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
        if connection.head.expects_continue {
            let go_on =
                write::send(&connection.stream, b"HTTP/1.1 100 Continue\r\n\r\n", false).await;
            go_on.map_err(|_| Failure::Gone)?;
        }
        stream_body(connection, service, group, upstream, &mut body).await?;
    }
    answer_head(connection, group, upstream).await?;
    Ok(goes_on && body.is_done())
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
        Err(_) => Err(Failure::Late),
    }
}

fn lost(upstream: &Upstream, error: &io::Error) -> Failure {
    if upstream.used && upstream.buffer.is_empty() {
        Failure::Stale
    } else {
        Failure::Broken(plainly(error))
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
        .map_err(|_| Failure::Visitor(400))?;
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
    let head = connection.consumed;
    while !body.is_done() {
        if body.passed() > service.limits().body {
            return Err(Failure::Visitor(413));
        }
        // What has been sent on is not needed any more; the head stays for the log.
        let kept = connection.consumed.min(head);
        connection.input.drain(kept..connection.consumed);
        connection.consumed = kept;
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
            Err(_) => return Err(Failure::Visitor(408)),
        }
    }
    Ok(())
}

/// Who does something first.
enum Side {
    Visitor(io::Result<usize>),
    Upstream(io::Result<()>),
}

/// Reads the head of the answer, past interim ones; it stays at the beginning of the upstream's buffer.
async fn answer_head(
    connection: &mut Connection,
    group: &Group,
    upstream: &mut Upstream,
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
            // We asked for no other protocol.
            Ok(Parsed::Whole(_)) if connection.response.status == 101 => {
                return Err(Failure::Broken(
                    "it wants to change the protocol".to_owned(),
                ));
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
                    Err(_) => return Err(Failure::Late),
                }
            }
            Ok(Parsed::Partial) => return Err(Failure::Broken("its head does not end".to_owned())),
            Err(bad) => return Err(Failure::Broken(bad.to_string())),
        }
    }
}
