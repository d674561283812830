//! The table: each known name with its rule, and how a name's rule is found.

use super::{InRequest, InTrailer, Rule};

/// Any other.
pub(super) const FREE: Rule = Rule {
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
/// We write it ourselves, in what we send to an upstream.
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

/// Beginnings of names, where the table above knows no more, in the order of their first letters.
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

/// Where the table is entered: names by their bucket, prefixes by their first letter.
static INDEX: Index = Index::build();

const BUCKETS: usize = 256;
/// The end of a chain.
const NONE: u8 = u8::MAX;

struct Index {
    /// The first name of each bucket, and the one after each name.
    heads: [u8; BUCKETS],
    next: [u8; RULES.len()],
    /// The prefixes that begin with this letter: from, and up to.
    prefixes: [(u8, u8); 256],
}

impl Index {
    const fn build() -> Self {
        assert!(RULES.len() < NONE as usize, "an entry is a byte");
        let mut index = Self {
            heads: [NONE; BUCKETS],
            next: [NONE; RULES.len()],
            prefixes: [(0, 0); 256],
        };
        let mut at = 0;
        while at < RULES.len() {
            let bucket = bucket(RULES[at].0.as_bytes());
            index.next[at] = index.heads[bucket];
            index.heads[bucket] = at as u8;
            at += 1;
        }
        let mut at = 0;
        while at < PREFIXES.len() {
            let first = PREFIXES[at].0.as_bytes()[0];
            let from = match index.prefixes[first as usize] {
                (_, 0) => at as u8,
                (from, to) => {
                    assert!(
                        to as usize == at,
                        "they are in the order of their first letters"
                    );
                    from
                }
            };
            index.prefixes[first as usize] = (from, at as u8 + 1);
            index.prefixes[first.to_ascii_uppercase() as usize] = (from, at as u8 + 1);
            at += 1;
        }
        index
    }
}

/// By what tells most names apart: length, first and last letter. The name is not empty.
const fn bucket(name: &[u8]) -> usize {
    let (first, last) = (name[0] | 0x20, name[name.len() - 1] | 0x20);
    (name.len() * 37 + first as usize * 11 + last as usize * 5) % BUCKETS
}

/// The rule for a name. Looked up for every field of every message.
pub(super) fn rule(name: &[u8]) -> Rule {
    let Some(first) = name.first() else {
        return FREE;
    };
    let mut place = INDEX.heads[bucket(name)];
    while place != NONE {
        let (known, rule) = &RULES[usize::from(place)];
        if is_same(name, known.as_bytes()) {
            return *rule;
        }
        place = INDEX.next[usize::from(place)];
    }
    let (from, to) = INDEX.prefixes[usize::from(*first)];
    let begins = |prefix: &[u8]| {
        let start = name.get(..prefix.len());
        start.is_some_and(|start| is_same(start, prefix))
    };
    let found = PREFIXES[usize::from(from)..usize::from(to)]
        .iter()
        .find(|(prefix, _)| begins(prefix.as_bytes()));
    found.map_or(FREE, |(_, rule)| *rule)
}

/// Whether a name is this one, which is written in lower case. Without a branch per byte; bytes that no name has may be
/// taken for others.
fn is_same(name: &[u8], lower: &[u8]) -> bool {
    let pairs = name.iter().zip(lower);
    name.len() == lower.len()
        && pairs.fold(true, |same, (byte, lower)| same & (byte | 0x20 == *lower))
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
}
