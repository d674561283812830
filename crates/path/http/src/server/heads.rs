//! Heads on their way through: what goes on, what stays between neighbours, and what we add.

use std::net::IpAddr;

use super::answer::{UNSENT, finish_head};
use super::connection::Connection;
use super::{Request, Service, Worker};
use crate::body::Framing;
use crate::head::fields::{passes_in_answer, passes_in_request};
use crate::head::{MORE_BYTES, MORE_FIELDS, MOST_FIELDS, RequestHead};
use crate::log;
use crate::upstream::Group;
use crate::upstream::pool::Connection as Upstream;

/// Who brings a request.
pub(super) struct Bearer<'a> {
    /// Its address.
    pub(super) peer: IpAddr,
    /// What it says of the visitor is believed.
    pub(super) trusted: bool,
    /// The request's id.
    pub(super) id: &'a [u8],
    /// The name of the site: what a request that names no host is for.
    pub(super) site: &'a str,
}

/// A head that is longer, or has more fields, than servers of ours read.
pub(super) struct TooLarge;

/// The head that the upstream gets.
pub(super) fn request_head(
    connection: &mut Connection,
    service: &dyn Service,
    group: &Group,
) -> Result<(), TooLarge> {
    let bearer = Bearer {
        peer: connection.peer,
        trusted: service.trusts(connection.peer),
        id: &connection.id,
        site: service.site(),
    };
    let output = &mut connection.output;
    let fields = write_request(output, &connection.head, &connection.input, &bearer);
    // What we send to each other we accept. What an app takes is its own affair.
    let fits =
        fields <= MOST_FIELDS + MORE_FIELDS && output.len() <= service.limits().head + MORE_BYTES;
    if fits || !group.ours {
        Ok(())
    } else {
        Err(TooLarge)
    }
}

/// The visitor's head without what is between neighbours, with who the visitor is; returns how many fields it has.
pub(super) fn write_request(
    output: &mut Vec<u8>,
    head: &RequestHead,
    input: &[u8],
    bearer: &Bearer<'_>,
) -> usize {
    let authority = match head.authority.in_(input) {
        b"" => bearer.site.as_bytes(),
        named => named,
    };
    output.clear();
    output.extend_from_slice(head.method_text.in_(input));
    output.push(b' ');
    output.extend_from_slice(head.target.in_(input));
    output.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    output.extend_from_slice(authority);
    output.extend_from_slice(b"\r\n");
    // Those that we write ourselves, at the most.
    let mut count = 8;
    for (name, value) in &head.fields {
        let name = name.in_(input);
        if passes_in_request(name, bearer.trusted, &head.connection, input) {
            field(output, name, value.in_(input));
            count += 1;
        }
    }
    output.extend_from_slice(b"X-Forwarded-For: ");
    // Several lines are one list (RFC 9110 §5.3).
    let lines = head
        .fields
        .iter()
        .filter(|(name, _)| bearer.trusted && name.in_(input).eq_ignore_ascii_case(FORWARDED));
    for (_, value) in lines {
        output.extend_from_slice(value.in_(input));
        output.extend_from_slice(b", ");
    }
    log::address(output, bearer.peer);
    output.extend_from_slice(b"\r\n");
    if !bearer.trusted {
        output.extend_from_slice(b"X-Forwarded-Proto: http\r\n");
        field(output, b"X-Forwarded-Host", authority);
    }
    field(output, b"X-Request-Id", bearer.id);
    if let Some(protocols) = head.upgrade {
        output.extend_from_slice(b"Connection: Upgrade\r\n");
        field(output, b"Upgrade", protocols.in_(input));
    }
    if head.framing == Framing::Chunked {
        output.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    output.extend_from_slice(b"\r\n");
    count
}

fn field(output: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    output.extend_from_slice(name);
    output.extend_from_slice(b": ");
    output.extend_from_slice(value);
    output.extend_from_slice(b"\r\n");
}

/// Who asked, from the visitor to whoever is before us.
const FORWARDED: &[u8] = b"x-forwarded-for";

/// The last that the list names: it was added by the peer itself, which alone is believed.
pub(super) fn forwarded_for(request: &Request<'_>) -> Option<IpAddr> {
    let mut lines = request.head.fields.iter().rev();
    let (_, value) = lines.find(|(name, _)| {
        let name = name.in_(request.buffer);
        name.len() == FORWARDED.len() && name.eq_ignore_ascii_case(FORWARDED)
    })?;
    let last = value
        .in_(request.buffer)
        .rsplit(|byte| *byte == b',')
        .next()?;
    std::str::from_utf8(last).ok()?.trim().parse().ok()
}

/// Whether the answer says that nobody has seen the request: 502 or 503 of a server of ours. Anybody else may write
/// what it likes.
pub(super) fn is_unsent(connection: &Connection, group: &Group, upstream: &Upstream) -> bool {
    let response = &connection.response;
    matches!(response.status, 502 | 503)
        && group.ours
        && response.fields.iter().any(|(name, _)| {
            let name = name.in_(&upstream.buffer);
            name.eq_ignore_ascii_case(UNSENT)
        })
}

/// The head that the visitor gets: the upstream's, without what is between neighbours.
pub(super) fn response_head(
    connection: &mut Connection,
    worker: &Worker,
    upstream: &Upstream,
    rechunk: bool,
    close: bool,
) {
    passed_on(connection, upstream);
    let Connection {
        response,
        output,
        head,
        ..
    } = connection;
    if let Some(protocol) = response.upgrade.filter(|_| response.status == 101) {
        output.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: ");
        output.extend_from_slice(protocol.in_(&upstream.buffer));
        output.extend_from_slice(b"\r\n");
    }
    if rechunk {
        output.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    finish_head(worker, output, head.version, close);
}

/// The head of an interim answer: nothing is added to it.
pub(super) fn interim_head(connection: &mut Connection, upstream: &Upstream) {
    passed_on(connection, upstream);
    connection.output.extend_from_slice(b"\r\n");
}

/// The status line and the fields that go on.
fn passed_on(connection: &mut Connection, upstream: &Upstream) {
    let Connection {
        response, output, ..
    } = connection;
    let buffer = &upstream.buffer;
    output.clear();
    output.extend_from_slice(b"HTTP/1.1 ");
    log::number(output, u64::from(response.status));
    output.push(b' ');
    output.extend_from_slice(response.reason.in_(buffer));
    output.extend_from_slice(b"\r\n");
    // An interim answer, one that changes the protocol and one without content promise none (RFC 9110 §8.6).
    let bodiless = matches!(response.status, 100..200 | 204);
    for (name, value) in &response.fields {
        let name = name.in_(buffer);
        let promises = bodiless && name.eq_ignore_ascii_case(b"content-length");
        if !promises && passes_in_answer(name, &response.connection, buffer) {
            field(output, name, value.in_(buffer));
        }
    }
}

#[cfg(test)]
mod tests;
