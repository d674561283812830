use proptest::prelude::*;

use super::*;
use crate::head::{Bad, Parsed, Span, fields};

/// Reads a head whole.
fn read(text: &mut [u8]) -> Result<RequestHead, Bad> {
    let mut head = RequestHead::default();
    match head.parse(text)? {
        Parsed::Whole(taken) if taken == text.len() => Ok(head),
        other => panic!("{other:?} of {:?}", String::from_utf8_lossy(text)),
    }
}

fn bearer(trusted: bool) -> Bearer<'static> {
    Bearer {
        peer: "203.0.113.9".parse().unwrap(),
        trusted,
        id: b"0123456789abcdef0123",
        site: "site.example",
    }
}

/// The names and values of a head's fields that mean something to whoever answers.
fn meant(head: &RequestHead, buffer: &[u8]) -> Vec<(String, Vec<u8>)> {
    let text = |span: &Span| span.in_(buffer).to_vec();
    let all = head.fields.iter().map(|(name, value)| {
        let name = String::from_utf8(text(name)).unwrap();
        (name.to_ascii_lowercase(), text(value))
    });
    // Rewritten on each way; where a body ends is compared by itself.
    let ways = ["host", "x-forwarded-for", "x-request-id"];
    all.filter(|(name, _)| {
        !ways.contains(&name.as_str())
            && fields::passes_in_request(name.as_bytes(), true, &head.connection, buffer)
    })
    .collect()
}

fn fields_of(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![
        4 => "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,20}",
        2 => "[A-Za-z-]{1,20}",
        1 => "(?i)x-forwarded-(for|proto|host|x)",
        1 => "(?i)(connection|te|trailer|upgrade|keep-alive|proxy|cookie|forwarded|x-request-id|terrace-x)",
    ];
    let value = prop_oneof!["[ -~\t\u{80}-\u{ff}]{0,40}", "[a-z, ]{0,40}"];
    prop::collection::vec((name, value), count)
}

fn head() -> impl Strategy<Value = Vec<u8>> {
    let method = prop_oneof![3 => Just("GET".to_owned()), 1 => "[A-Z!#-]{1,40}"];
    let target = prop_oneof![
        3 => "/[!-\"$-~]{0,40}",
        1 => "https?://[a-z.:0-9-]{1,20}(/[!-\"$-~]{0,9})?(\\?[!-\"$-~]{0,9})?",
        1 => Just("*".to_owned()),
    ];
    let host = prop_oneof![
        4 => "\r\nHost: ?[a-z.%0-9-]{1,20}(:[0-9]{0,6})?",
        1 => Just(String::new())
    ];
    let body = prop_oneof![
        Just(""),
        Just("\r\nContent-Length: 17"),
        Just("\r\nTransfer-Encoding: chunked")
    ];
    let fields = prop_oneof![4 => fields_of(0..8), 1 => fields_of(94..102)];
    (method, target, any::<bool>(), host, fields, body).prop_map(
        |(method, target, old, host, fields, body)| {
            let version = if old { "1.0" } else { "1.1" };
            let mut text = format!("{method} {target} HTTP/{version}{host}{body}");
            for (name, value) in fields {
                text += &format!("\r\n{name}:{value}");
            }
            (text + "\r\n\r\n").into_bytes()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// What a visitor may send, sent on to a server of ours, is read there with the same meaning, also after a second of us.
    #[test]
    fn what_is_sent_is_accepted_and_means_the_same(mut came in head(), trusted in any::<bool>()) {
        let Ok(first) = read(&mut came) else { return Ok(()) };
        if first.fields.len() > MOST_FIELDS {
            return Ok(());
        }
        let mut sent = Vec::new();
        let count = write_request(&mut sent, &first, &came, &bearer(trusted));
        let second = read(&mut sent).unwrap();
        prop_assert!(second.fields.len() <= count && count <= MOST_FIELDS + MORE_FIELDS);
        prop_assert!(sent.len() <= came.len() + MORE_BYTES);
        prop_assert_eq!(second.method_text.in_(&sent), first.method_text.in_(&came));
        prop_assert_eq!(second.target.in_(&sent), first.target.in_(&came));
        let authority = first.authority.in_(&came);
        let named = if authority.is_empty() { b"site.example" } else { authority };
        prop_assert_eq!(second.authority.in_(&sent), named);
        prop_assert_eq!(second.framing, first.framing);
        if trusted {
            prop_assert_eq!(meant(&second, &sent), meant(&first, &came));
        }

        let mut again = Vec::new();
        write_request(&mut again, &second, &sent, &bearer(true));
        let third = read(&mut again).unwrap();
        prop_assert_eq!(meant(&third, &again), meant(&second, &sent));
        prop_assert_eq!(third.target.in_(&again), first.target.in_(&came));
        prop_assert_eq!(third.framing, first.framing);
    }
}
