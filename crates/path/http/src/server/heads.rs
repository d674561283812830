//! Heads on their way through: what goes on, what stays between neighbours, and what we add.

use super::answer::{UNSENT, finish_head};
use super::connection::Connection;
use super::{Service, Worker};
use crate::body::Framing;
use crate::head::{is_hop_by_hop, is_named_by_connection};
use crate::log;
use crate::upstream::Group;
use crate::upstream::pool::Connection as Upstream;

/// The head that the upstream gets: the visitor's, without what is between neighbours, with who the visitor is.
pub(super) fn request_head(connection: &mut Connection, service: &dyn Service) {
    let Connection {
        head,
        input,
        output,
        id,
        peer,
        ..
    } = connection;
    let trusted = service.trusts(*peer);
    output.clear();
    output.extend_from_slice(head.method_text.in_(input));
    output.push(b' ');
    output.extend_from_slice(head.target.in_(input));
    output.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    output.extend_from_slice(head.authority.in_(input));
    output.extend_from_slice(b"\r\n");
    for (name_span, value_span) in &head.fields {
        let (name, value) = (name_span.in_(input), value_span.in_(input));
        if is_hop_by_hop(name) || is_named_by_connection(name, &head.connection, input) {
            continue;
        }
        if is_replaced(name, trusted) {
            continue;
        }
        output.extend_from_slice(name);
        output.extend_from_slice(b": ");
        output.extend_from_slice(value);
        output.extend_from_slice(b"\r\n");
    }
    output.extend_from_slice(b"X-Forwarded-For: ");
    // Several lines are one list (RFC 9110 §5.3).
    let lines = head
        .fields
        .iter()
        .filter(|(name, _)| trusted && name.in_(input).eq_ignore_ascii_case(FORWARDED));
    for (_, value) in lines {
        output.extend_from_slice(value.in_(input));
        output.extend_from_slice(b", ");
    }
    log::address(output, *peer);
    output.extend_from_slice(b"\r\n");
    if !trusted {
        output.extend_from_slice(b"X-Forwarded-Proto: http\r\nX-Forwarded-Host: ");
        output.extend_from_slice(head.authority.in_(input));
        output.extend_from_slice(b"\r\n");
    }
    output.extend_from_slice(b"X-Request-Id: ");
    output.extend_from_slice(id);
    output.extend_from_slice(b"\r\n");
    if let Some(protocols) = head.upgrade {
        output.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: ");
        output.extend_from_slice(protocols.in_(input));
        output.extend_from_slice(b"\r\n");
    }
    if head.framing == Framing::Chunked {
        output.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    output.extend_from_slice(b"\r\n");
}

/// Who asked, from the visitor to whoever is before us.
pub(super) const FORWARDED: &[u8] = b"x-forwarded-for";

/// A field that we write ourselves, or that a visitor may not say of itself.
fn is_replaced(name: &[u8], trusted: bool) -> bool {
    // Programs that get fields as variables (CGI, WSGI) take `X_Forwarded_For` for `X-Forwarded-For`.
    if name.contains(&b'_') {
        return true;
    }
    match name.len() {
        4 => name.eq_ignore_ascii_case(b"host"),
        6 => name.eq_ignore_ascii_case(b"expect"),
        9 => name.eq_ignore_ascii_case(b"forwarded") || name.eq_ignore_ascii_case(b"x-real-ip"),
        12 => name.eq_ignore_ascii_case(b"x-request-id"),
        14 if name.eq_ignore_ascii_case(UNSENT) => true,
        15 if name.eq_ignore_ascii_case(FORWARDED) => true,
        13.. => !trusted && name[..12].eq_ignore_ascii_case(b"x-forwarded-"),
        _ => false,
    }
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
    let line = buffer
        .split(|byte| matches!(byte, b'\r' | b'\n'))
        .next()
        .unwrap_or_default();
    output.extend_from_slice(b"HTTP/1.1 ");
    // Behind `HTTP/1.x `.
    output.extend_from_slice(line.get(9..).unwrap_or_default());
    output.extend_from_slice(b"\r\n");
    for (name_span, value_span) in &response.fields {
        let (name, value) = (name_span.in_(buffer), value_span.in_(buffer));
        let ours = (name.len() == 4 && name.eq_ignore_ascii_case(b"date"))
            || (name.len() == 6 && name.eq_ignore_ascii_case(b"server"))
            || (name.len() == UNSENT.len() && name.eq_ignore_ascii_case(UNSENT))
            // An interim answer has no body (RFC 9110 §8.6).
            || (response.status < 200 && name.eq_ignore_ascii_case(b"content-length"));
        if ours || is_hop_by_hop(name) || is_named_by_connection(name, &response.connection, buffer)
        {
            continue;
        }
        output.extend_from_slice(name);
        output.extend_from_slice(b": ");
        output.extend_from_slice(value);
        output.extend_from_slice(b"\r\n");
    }
}
