//! Request targets (RFC 9112 §3.2) and authorities: what a request asks for, and of whom.
//!
//! A target is brought into the one form that everybody behind reads alike, in place: an absolute one without a path gets its
//! `/`, and dot segments (RFC 3986 §5.2.4) are carried out.

use std::net::Ipv6Addr;

use super::{Bad, Span};

/// What a target comes to.
pub(super) struct Target {
    /// Path and query, or `*`.
    pub(super) path: Span,
    /// Whom it names: an absolute one does.
    pub(super) authority: Option<Span>,
}

/// Reads a target; `options`: of a request that may ask about the server as a whole.
pub(super) fn read(target: Span, options: bool, buffer: &mut [u8]) -> Result<Target, Bad> {
    let text = target.in_(buffer);
    if text.contains(&b'#') {
        return Err(Bad::Target);
    }
    match text.first() {
        Some(b'/') => Ok(Target {
            path: without_dots(target, buffer),
            authority: None,
        }),
        Some(b'*') if options && text.len() == 1 => Ok(Target {
            path: target,
            authority: None,
        }),
        _ => absolute(target, options, buffer),
    }
}

fn absolute(target: Span, options: bool, buffer: &mut [u8]) -> Result<Target, Bad> {
    let text = target.in_(buffer);
    let scheme = [&b"http://"[..], b"https://"].into_iter().find(|scheme| {
        text.len() > scheme.len() && text[..scheme.len()].eq_ignore_ascii_case(scheme)
    });
    let scheme = scheme.ok_or(Bad::Target)?.len();
    let rest = &text[scheme..];
    let path = rest.iter().position(|byte| matches!(byte, b'/' | b'?'));
    let (length, end) = (path.unwrap_or(rest.len()), text.len());
    if !is_authority(&rest[..length]) {
        return Err(Bad::Target);
    }
    let mut authority = target.part(scheme, scheme + length);
    let mut path = target.part(scheme + length, end);
    if buffer.get(path.range().start) != Some(&b'/') || path.range().is_empty() {
        // The scheme has a byte to spare: the authority moves over it, and the path begins where it ended.
        let whole_server = options && path.range().is_empty();
        let moved = target.part(scheme - 1, scheme - 1 + length);
        buffer.copy_within(authority.range(), moved.range().start);
        authority = moved;
        path = target.part(scheme - 1 + length, end);
        buffer[path.range().start] = if whole_server { b'*' } else { b'/' };
    }
    Ok(Target {
        path: without_dots(path, buffer),
        authority: Some(authority),
    })
}

/// The same target after its dot segments.
fn without_dots(target: Span, buffer: &mut [u8]) -> Span {
    let text = &mut buffer[target.range()];
    let end = text
        .iter()
        .position(|byte| *byte == b'?')
        .unwrap_or(text.len());
    let may_be_one = |pair: &[u8]| pair[0] == b'/' && matches!(pair[1], b'.' | b'%');
    if !text[..end].windows(2).any(may_be_one) {
        return target;
    }
    let (mut at, mut kept) = (0, 0);
    while at < end {
        let next = text[at + 1..end].iter().position(|byte| *byte == b'/');
        let next = next.map_or(end, |length| at + 1 + length);
        match dots(&text[at + 1..next]) {
            None => {
                text.copy_within(at..next, kept);
                kept += next - at;
            }
            Some(count) => {
                if count == 2 {
                    let parent = text[..kept].iter().rposition(|byte| *byte == b'/');
                    kept = parent.unwrap_or(0);
                }
                // What it leads to is a directory.
                if next == end {
                    text[kept] = b'/';
                    kept += 1;
                }
            }
        }
        at = next;
    }
    let whole = text.len();
    text.copy_within(end.., kept);
    target.part(0, kept + whole - end)
}

/// How many dots a segment is, as they stand or percent-encoded: one or two; `None`: it is something else.
fn dots(segment: &[u8]) -> Option<usize> {
    let (mut rest, mut count) = (segment, 0);
    while !rest.is_empty() {
        rest = match rest {
            [b'.', rest @ ..] | [b'%', b'2', b'e' | b'E', rest @ ..] => rest,
            _ => return None,
        };
        count += 1;
    }
    matches!(count, 1 | 2).then_some(count)
}

/// A host with an optional port (RFC 9110 §4.2, RFC 3986 §3.2), without user information.
pub(super) fn is_authority(text: &[u8]) -> bool {
    /// A name of DNS has at most 253 bytes.
    const LONGEST: usize = 255 + ":65535".len();
    let end = match text.first() {
        Some(b'[') => text.iter().position(|byte| *byte == b']').map(|at| at + 1),
        _ => text.iter().position(|byte| *byte == b':'),
    };
    let (host, port) = text.split_at(end.unwrap_or(text.len()));
    let port_is_one = match port {
        [] => true,
        [b':', digits @ ..] => is_port(digits),
        _ => false,
    };
    text.len() <= LONGEST && port_is_one && is_host(host)
}

/// No digits mean the usual one.
fn is_port(digits: &[u8]) -> bool {
    let value = digits.iter().try_fold(0_u32, |value, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        Some(value * 10 + digit).filter(|value| *value <= u32::from(u16::MAX))
    });
    value.is_some()
}

/// What a host's name may have in it as it stands (RFC 3986 §3.2.2), but a comma.
const IN_NAMES: [bool; 256] = {
    let (mut known, mut byte) = ([false; 256], 0);
    while byte < 256 {
        known[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let (others, mut at) = (b"-._~!$&'()*+;=", 0);
    while at < others.len() {
        known[others[at] as usize] = true;
        at += 1;
    }
    known
};

fn is_host(host: &[u8]) -> bool {
    if let [b'[', address @ .., b']'] = host {
        let address = std::str::from_utf8(address).unwrap_or_default();
        return address.parse::<Ipv6Addr>().is_ok();
    }
    // Most have nothing percent-encoded.
    let is_plain = host
        .iter()
        .fold(true, |plain, byte| plain & IN_NAMES[usize::from(*byte)]);
    if is_plain {
        return !host.is_empty();
    }
    let mut rest = host;
    while let [first, more @ ..] = rest {
        rest = match (first, more) {
            (b'%', [high, low, more @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                more
            }
            (byte, more) if IN_NAMES[usize::from(*byte)] => more,
            _ => return false,
        };
    }
    !host.is_empty()
}
