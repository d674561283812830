//! The rules for fields: one table, for heads and trailers, of requests and answers.
//!
//! What the table does not know passes, unless `Connection` names it. What it knows has its rule, whatever `Connection`
//! says. A trailer comes when the head has long been acted on, and some programs take it for one of the head's fields:
//! it may say nothing there that decides how a message is read, whom it is for, or who sent it (RFC 9110 §6.5.1).

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

/// Any other.
const FREE: Rule = Rule {
    request: InRequest::Passes,
    in_answers: true,
    trailer: InTrailer::Passes,
};
/// It says what the message is, or what to do about it: the head's alone.
const OF_HEADS: Rule = Rule {
    trailer: InTrailer::Ends,
    ..FREE
};
/// Where the message ends, by what is kept.
const LENGTH: Rule = Rule {
    trailer: InTrailer::Refused,
    ..FREE
};
/// It says who the visitor is or what it asked for: of a visitor it is not believed.
const IDENTITY: Rule = Rule {
    request: InRequest::IfTrusted,
    ..OF_HEADS
};
/// We write it ourselves, to whoever is behind us.
const TO_UPSTREAMS: Rule = Rule {
    request: InRequest::Ends,
    ..OF_HEADS
};
/// We write it ourselves, to the visitor.
const TO_VISITORS: Rule = Rule {
    in_answers: false,
    ..OF_HEADS
};
/// It is between two neighbours (RFC 9110 §7.6.1), or nobody is to see it.
const NEIGHBOURS: Rule = Rule {
    request: InRequest::Ends,
    in_answers: false,
    trailer: InTrailer::Ends,
};
/// The same, and it decides how a message is read.
const FRAMING: Rule = Rule {
    trailer: InTrailer::Refused,
    ..NEIGHBOURS
};

/// Names, in lower case.
const RULES: &[(&str, Rule)] = &[
    ("connection", FRAMING),
    ("trailer", FRAMING),
    ("transfer-encoding", FRAMING),
    ("content-length", LENGTH),
    (
        "host",
        Rule {
            trailer: InTrailer::Refused,
            ..TO_UPSTREAMS
        },
    ),
    ("http2-settings", NEIGHBOURS),
    ("keep-alive", NEIGHBOURS),
    ("proxy-authenticate", NEIGHBOURS),
    ("proxy-authentication-info", NEIGHBOURS),
    ("proxy-authorization", NEIGHBOURS),
    ("proxy-connection", NEIGHBOURS),
    ("te", NEIGHBOURS),
    ("upgrade", NEIGHBOURS),
    // CGI would make it `HTTP_PROXY`, through which programs then speak to the world ("httpoxy").
    ("proxy", NEIGHBOURS),
    ("expect", TO_UPSTREAMS),
    ("forwarded", TO_UPSTREAMS),
    ("x-forwarded-for", TO_UPSTREAMS),
    ("x-real-ip", TO_UPSTREAMS),
    ("x-request-id", TO_UPSTREAMS),
    ("date", TO_VISITORS),
    ("server", TO_VISITORS),
    ("cf-connecting-ip", IDENTITY),
    ("cf-connecting-ipv6", IDENTITY),
    ("cf-ipcountry", IDENTITY),
    ("cf-pseudo-ipv4", IDENTITY),
    ("cf-visitor", IDENTITY),
    ("client-ip", IDENTITY),
    ("fastly-client-ip", IDENTITY),
    ("forwarded-for", IDENTITY),
    ("front-end-https", IDENTITY),
    ("proxy-client-ip", IDENTITY),
    ("remote-addr", IDENTITY),
    ("remote-user", IDENTITY),
    ("true-client-ip", IDENTITY),
    ("wl-proxy-client-ip", IDENTITY),
    ("x-appengine-user-ip", IDENTITY),
    ("x-authenticated-user", IDENTITY),
    ("x-azure-clientip", IDENTITY),
    ("x-client-ip", IDENTITY),
    ("x-cluster-client-ip", IDENTITY),
    ("x-host", IDENTITY),
    ("x-http-host-override", IDENTITY),
    ("x-https", IDENTITY),
    ("x-originating-ip", IDENTITY),
    ("x-proxyuser-ip", IDENTITY),
    ("x-remote-addr", IDENTITY),
    ("x-remote-ip", IDENTITY),
    ("x-remote-user", IDENTITY),
    ("x-rewrite-url", IDENTITY),
    ("x-scheme", IDENTITY),
    ("x-url-scheme", IDENTITY),
    ("x-webauth-user", IDENTITY),
    ("age", OF_HEADS),
    ("authorization", OF_HEADS),
    ("cache-control", OF_HEADS),
    ("clear-site-data", OF_HEADS),
    ("cookie", OF_HEADS),
    ("cookie2", OF_HEADS),
    ("early-data", OF_HEADS),
    ("expires", OF_HEADS),
    ("from", OF_HEADS),
    ("location", OF_HEADS),
    ("max-forwards", OF_HEADS),
    ("origin", OF_HEADS),
    ("pragma", OF_HEADS),
    ("range", OF_HEADS),
    ("referer", OF_HEADS),
    ("refresh", OF_HEADS),
    ("retry-after", OF_HEADS),
    ("set-cookie", OF_HEADS),
    ("set-cookie2", OF_HEADS),
    ("status", OF_HEADS),
    ("strict-transport-security", OF_HEADS),
    ("user-agent", OF_HEADS),
    ("vary", OF_HEADS),
    ("via", OF_HEADS),
    ("warning", OF_HEADS),
    ("www-authenticate", OF_HEADS),
    ("x-api-key", OF_HEADS),
    ("x-auth-token", OF_HEADS),
    ("x-csrf-token", OF_HEADS),
    ("x-csrftoken", OF_HEADS),
    ("x-http-method", OF_HEADS),
    ("x-http-method-override", OF_HEADS),
    ("x-method-override", OF_HEADS),
    ("x-requested-with", OF_HEADS),
    ("x-xsrf-token", OF_HEADS),
    // A digest of the content is known at its end (RFC 9530 §5).
    ("content-digest", FREE),
    ("content-md5", FREE),
];

/// Beginnings of names, where the table above knows no more.
const PREFIXES: &[(&str, Rule)] = &[
    ("accept", OF_HEADS),
    ("access-control-", OF_HEADS),
    ("client-cert", IDENTITY),
    ("content-", OF_HEADS),
    ("if-", OF_HEADS),
    ("sec-", OF_HEADS),
    ("ssl-", IDENTITY),
    // Between servers of ours.
    ("terrace-", NEIGHBOURS),
    ("x-auth-request-", IDENTITY),
    ("x-client-cert", IDENTITY),
    ("x-client-verify", IDENTITY),
    ("x-envoy-", IDENTITY),
    ("x-forwarded", IDENTITY),
    ("x-original-", IDENTITY),
    ("x-ssl-", IDENTITY),
];

/// Names are at most this long.
const LONGEST: usize = 32;

/// The places of the names in [`RULES`], by their length: where those of each length begin, and all of them.
const BY_LENGTH: ([u8; LONGEST + 2], [u8; RULES.len()]) = by_length();

const fn by_length() -> ([u8; LONGEST + 2], [u8; RULES.len()]) {
    let (mut starts, mut places) = ([0; LONGEST + 2], [0; RULES.len()]);
    let (mut length, mut filled) = (0, 0);
    while length <= LONGEST {
        starts[length] = filled as u8;
        let mut at = 0;
        while at < RULES.len() {
            if RULES[at].0.len() == length {
                places[filled] = at as u8;
                filled += 1;
            }
            at += 1;
        }
        length += 1;
    }
    starts[LONGEST + 1] = filled as u8;
    assert!(filled == RULES.len(), "a name is longer than LONGEST");
    (starts, places)
}

/// The rule for a name. Looked up for every field of every message: by length, then by the first letter.
pub(crate) fn rule(name: &[u8]) -> Rule {
    let Some(first) = name.first().map(u8::to_ascii_lowercase) else {
        return FREE;
    };
    let (starts, places) = &BY_LENGTH;
    if name.len() <= LONGEST {
        let (from, to) = (starts[name.len()], starts[name.len() + 1]);
        for place in &places[usize::from(from)..usize::from(to)] {
            let (known, rule) = &RULES[usize::from(*place)];
            if known.as_bytes()[0] == first && name.eq_ignore_ascii_case(known.as_bytes()) {
                return *rule;
            }
        }
    }
    let begins = |prefix: &str| {
        prefix.as_bytes()[0] == first
            && name.len() >= prefix.len()
            && name[..prefix.len()].eq_ignore_ascii_case(prefix.as_bytes())
    };
    let found = PREFIXES.iter().find(|(prefix, _)| begins(prefix));
    found.map_or(FREE, |(_, rule)| *rule)
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
    fn names_are_found_however_they_are_written() {
        for (name, rule) in RULES {
            assert_eq!(super::rule(name.as_bytes()), *rule, "{name}");
            assert_eq!(
                super::rule(name.to_ascii_uppercase().as_bytes()),
                *rule,
                "{name}"
            );
            let longer = format!("y{name}");
            assert_eq!(super::rule(longer.as_bytes()), FREE, "{longer}");
        }
        for (prefix, rule) in PREFIXES {
            let name = format!("{}zz", prefix.to_ascii_uppercase());
            assert_eq!(super::rule(name.as_bytes()), *rule, "{name}");
        }
        assert_eq!((rule(b""), rule(b"x-anything")), (FREE, FREE));
    }

    #[test]
    fn the_table_says_each_name_once_and_in_lower_case() {
        for (at, (name, _)) in RULES.iter().enumerate() {
            assert_eq!(*name, name.to_ascii_lowercase());
            assert!(RULES[at + 1..].iter().all(|(other, _)| other != name));
        }
    }

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
