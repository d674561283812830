//! The rules for fields: one table, for heads and trailers, of requests and answers.
//!
//! What the table does not know passes, unless `Connection` names it. What it knows has its rule, whatever `Connection`
//! says. A trailer comes when the head has long been acted on, and some programs take it for one of the head's fields:
//! it may say nothing there that decides how a message is read, whom it is for, or who sent it (RFC 9110 §6.5.1).

mod table;

use self::table::{FREE, rule};
use super::{Span, elements, has_option};

/// What is done with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// In the head of a request.
    request: InRequest,
    /// In the head of an answer it passes.
    in_answers: bool,
    /// Behind a body.
    trailer: InTrailer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InRequest {
    Passes,
    /// From a neighbour that is believed.
    IfTrusted,
    Ends,
}

/// What is done with a trailer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InTrailer {
    Passes,
    Ends,
    /// It says where a message ends or whom it is for, a second time: the message is refused.
    Refused,
}

/// A name of letters, digits and `-` alone. Programs that get fields as variables (CGI, WSGI) take others for it:
/// `X_Forwarded_For`, `X.Forwarded.For` for `X-Forwarded-For`.
fn is_plain(name: &[u8]) -> bool {
    /// Without a branch per byte: this looks at every name of every request.
    const PLAIN: [bool; 256] = {
        let (mut plain, mut byte) = ([false; 256], 0);
        while byte < 256 {
            plain[byte] = (byte as u8).is_ascii_alphanumeric() || byte as u8 == b'-';
            byte += 1;
        }
        plain
    };
    name.iter()
        .fold(true, |plain, byte| plain & PLAIN[usize::from(*byte)])
}

/// Whether a field of a request's head goes on to the upstream. `trusted`: from a neighbour that is believed.
pub(crate) fn passes_in_request(
    name: &[u8],
    trusted: bool,
    connection: &[Span],
    buffer: &[u8],
) -> bool {
    let rule = rule(name);
    let passes = match rule.request {
        InRequest::Passes => true,
        InRequest::IfTrusted => trusted,
        InRequest::Ends => false,
    };
    passes && is_plain(name) && !(rule == FREE && has_option(connection, name, buffer))
}

/// Whether a field of an answer's head goes on to the visitor.
pub(crate) fn passes_in_answer(name: &[u8], connection: &[Span], buffer: &[u8]) -> bool {
    let rule = rule(name);
    rule.in_answers && !(rule == FREE && has_option(connection, name, buffer))
}

/// What becomes of a trailer; `named`: the list of fields that `Connection` named.
pub(crate) fn in_trailer(name: &[u8], named: &[u8]) -> InTrailer {
    match rule(name).trailer {
        InTrailer::Passes
            if !is_plain(name) || elements(named).any(|one| one.eq_ignore_ascii_case(name)) =>
        {
            InTrailer::Ends
        }
        other => other,
    }
}

/// What `Connection` names beside its own options, as one list; mostly nothing.
pub(crate) fn named_by_connection(connection: &[Span], buffer: &[u8]) -> Vec<u8> {
    let own = [&b"close"[..], b"keep-alive", b"upgrade", b"te"];
    let mut list = Vec::new();
    for name in connection
        .iter()
        .flat_map(|value| elements(value.in_(buffer)))
        .filter(|name| !own.iter().any(|own| own.eq_ignore_ascii_case(name)))
    {
        list.extend_from_slice(name);
        list.push(b',');
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_takes_what_is_free_and_nothing_else() {
        let list = b"host, X-Secret, cookie, x-forwarded-proto, close";
        let connection = [Span::of(list, list)];
        for (name, passes) in [
            ("X-Secret", false),
            ("X-Other", true),
            ("Cookie", true),
            ("X-Forwarded-Proto", true),
            ("Host", false),
        ] {
            let found = passes_in_request(name.as_bytes(), true, &connection, list);
            assert_eq!(found, passes, "{name}");
        }
        let named = named_by_connection(&connection, list);
        assert_eq!(in_trailer(b"x-secret", &named), InTrailer::Ends);
        assert_eq!(in_trailer(b"x-other", &named), InTrailer::Passes);
        let own = b"close, Keep-Alive";
        assert!(named_by_connection(&[Span::of(own, own)], own).is_empty());
    }
}
