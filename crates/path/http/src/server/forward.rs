//! A request that goes on to an upstream, and its answer that comes back.
//!
//! A request is sent again only when nothing of it was sent, or when repeating it does no harm and there is
//! nothing of it but its head.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::net::TcpStream;

use super::connection::{Connection, Outcome};
use super::heads::{request_head, response_head};
use super::{Service, Worker, write};
use crate::body::{Framing, Transfer};
use crate::head::{Method, Parsed, Version};
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
    /// The visitor's body is no body, or the visitor left while sending it.
    Visitor(u16),
}

/// Sends a request on and its answer back.
pub(super) async fn forward(
    connection: &mut Connection,
    worker: &Worker,
    service: &dyn Service,
    group: &Group,
    begun: Instant,
) -> Outcome {
    let mut tried = Vec::new();
    let mut tries = 0;
    let mut fresh = false;
    loop {
        let Some(index) = group.choose(&tried) else {
            return trouble(connection, worker, service, group, 503, End::Down, tries).await;
        };
        let instance = &group.instances[index];
        tries += 1;
        let kept = if fresh {
            None
        } else {
            worker.pool.borrow_mut().take(&instance.id)
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
        match exchange(connection, worker, service, group, &mut upstream).await {
            Ok(body_sent) => {
                let waited = micros(begun);
                let outcome = back(connection, worker, group, instance, upstream, body_sent).await;
                return Outcome {
                    waited,
                    tries,
                    instance: instance.id.clone(),
                    ..outcome
                };
            }
            Err(Failure::Stale) if is_repeatable(connection) => {
                instance.retries.fetch_add(1, Ordering::Relaxed);
                fresh = true;
            }
            Err(failure) => {
                instance.errors.fetch_add(1, Ordering::Relaxed);
                let (status, end) = match failure {
                    Failure::Stale => (502, End::Cut),
                    Failure::Broken(why) => {
                        tracing::debug!(instance = instance.id, why, "an upstream broke off");
                        (502, End::Cut)
                    }
                    Failure::Late => (504, End::Late),
                    Failure::Visitor(status) => (status, End::Bad),
                };
                let outcome = trouble(connection, worker, service, group, status, end, tries).await;
                return Outcome {
                    instance: instance.id.clone(),
                    ..outcome
                };
            }
        }
    }
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
    tries: u32,
) -> Outcome {
    let why = match status {
        503 => format!("{} does not take requests at this moment", group.name),
        504 => format!("{} did not answer in time", group.name),
        413 => "the request's body is larger than this site takes".to_owned(),
        400 => "the request's body is not framed as it says".to_owned(),
        _ => format!("{} broke off without an answer", group.name),
    };
    let page = service.trouble(status, &why, &connection.id_text(), connection.wants_html());
    let keep =
        connection.head.keep_alive && connection.head.framing == Framing::None && status >= 500;
    let outcome = connection.answer(worker, service, &page, keep, end).await;
    Outcome { tries, ..outcome }
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
    worker: &Worker,
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
    let sent = write::send(&upstream.stream, &connection.output, false).await;
    sent.map_err(|error| lost(upstream, &error))?;
    if !body.is_done() {
        if connection.head.expects_continue {
            let go_on =
                write::send(&connection.stream, b"HTTP/1.1 100 Continue\r\n\r\n", false).await;
            go_on.map_err(|_| Failure::Visitor(400))?;
        }
        stream_body(connection, service, group, upstream, &mut body).await?;
    }
    answer_head(connection, group, upstream).await?;
    let _ = worker;
    Ok(body.is_done())
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
        let slot = std::rc::Rc::clone(&connection.slot);
        let Connection { stream, input, .. } = connection;
        let step = async {
            tokio::select! {
                biased;
                ready = upstream.stream.readable() => ready.map(|()| None),
                read = write::read(stream, input) => read.map(Some),
            }
        };
        match slot.within(group.timeouts.idle, step).await {
            Ok(Ok(Some(0))) | Ok(Err(_)) => return Err(Failure::Visitor(400)),
            Ok(Ok(Some(_))) => {
                pass_body(connection, body)?;
                let sent = write::send(&upstream.stream, &connection.output, false).await;
                sent.map_err(|error| lost(upstream, &error))?;
            }
            Ok(Ok(None)) => {
                let mut first = [0; 4096];
                match upstream.stream.try_read(&mut first) {
                    Ok(0) => {
                        return Err(Failure::Broken(
                            "it closed before the request was whole".to_owned(),
                        ));
                    }
                    // It answers before it has everything: so be it.
                    Ok(read) => {
                        upstream.buffer.extend_from_slice(&first[..read]);
                        return Ok(());
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(lost(upstream, &error)),
                }
            }
            Err(_) => return Err(Failure::Visitor(408)),
        }
    }
    Ok(())
}

/// Reads the head of the answer, past interim ones; it stays at the beginning of the upstream's buffer.
async fn answer_head(
    connection: &mut Connection,
    group: &Group,
    upstream: &mut Upstream,
) -> Result<(), Failure> {
    let due = Instant::now() + group.timeouts.first_byte;
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
                match connection.slot.by(due, write::read(stream, buffer)).await {
                    Ok(Ok(0)) => return Err(lost(upstream, &io::ErrorKind::UnexpectedEof.into())),
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => return Err(lost(upstream, &error)),
                    Err(_) => return Err(Failure::Late),
                }
            }
            Ok(Parsed::Partial) => return Err(Failure::Broken("its head does not end".to_owned())),
            Err(bad) => return Err(Failure::Broken(bad.to_string())),
        }
    }
}

/// Brings the answer back.
async fn back(
    connection: &mut Connection,
    worker: &Worker,
    group: &Group,
    instance: &Instance,
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
        let sending = write::send(&connection.stream, &connection.output, !body.is_done());
        match connection.slot.within(group.timeouts.idle, sending).await {
            Ok(Ok(())) => connection.output.clear(),
            Ok(Err(_)) => break End::Gone,
            Err(_) => break End::Late,
        }
        if body.is_done() {
            break End::Ok;
        }
        let Upstream { stream, buffer, .. } = &mut upstream;
        match connection
            .slot
            .within(group.timeouts.idle, write::read(stream, buffer))
            .await
        {
            Ok(Ok(0)) => {
                if body.closed(&mut connection.output).is_err() {
                    break End::Cut;
                }
            }
            Ok(Ok(_)) => {}
            Ok(Err(_)) => break End::Cut,
            Err(_) => break End::Late,
        }
    };
    if matches!(end, End::Cut | End::Late) || status >= 500 {
        instance.errors.fetch_add(1, Ordering::Relaxed);
    }
    if end == End::Ok && connection.response.keep_alive && body_sent && upstream.buffer.is_empty() {
        worker.pool.borrow_mut().put(&instance.id, upstream);
    }
    Outcome::answered(status, bytes, end, keep && end == End::Ok)
}
