use proptest::prelude::*;

use super::*;
use crate::body::Framing;

fn parse(text: &str) -> Result<RequestHead, Bad> {
    let mut head = RequestHead::default();
    match head.parse(&mut text.as_bytes().to_vec())? {
        Parsed::Whole(taken) => assert!(taken <= text.len()),
        Parsed::Partial => panic!("not whole: {text:?}"),
    }
    Ok(head)
}

fn with(fields: &str) -> Result<RequestHead, Bad> {
    parse(&format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"))
}

#[test]
fn another_protocol_is_asked_for_by_a_plain_get_alone() {
    let asked = |line: &str, fields: &str| {
        let text = format!("{line}\r\nHost: a\r\n{fields}\r\n");
        let head = parse(&text).unwrap();
        head.upgrade
            .map(|span| String::from_utf8_lossy(span.in_(text.as_bytes())).into_owned())
    };
    let get = |fields: &str| asked("GET / HTTP/1.1", fields);
    let named = "Connection: upgrade\r\nUpgrade: websocket\r\n";
    assert_eq!(get(named).as_deref(), Some("websocket"));
    assert_eq!(
        get("UPGRADE: a/1, b\r\nConnection: x\r\nConnection: keep-alive, UpGrade\r\n").as_deref(),
        Some("a/1, b")
    );
    assert_eq!(asked("GET / HTTP/1.0", named), None);
    assert_eq!(asked("POST / HTTP/1.1", named), None);
    assert_eq!(asked("HEAD / HTTP/1.1", named), None);
    assert_eq!(get(&format!("{named}Content-Length: 1\r\n")), None);
    assert_eq!(get("Connection: upgraded\r\nUpgrade: websocket\r\n"), None);
    assert_eq!(get("Connection: upgrade\r\n"), None);
    for protocols in ["", ",", "h2c", "websocket, h2c", "HTTP/2.0", "TLS/1.0"] {
        let fields = format!("Connection: upgrade\r\nUpgrade: {protocols}\r\n");
        assert_eq!(get(&fields), None, "{protocols}");
    }
    assert_eq!(get(&format!("{named}Upgrade: other\r\n")), None);
}

#[test]
fn where_a_body_ends_has_one_meaning_or_the_request_is_refused() {
    let framings = [
        ("", Ok(Framing::None)),
        ("Content-Length: 5\r\n", Ok(Framing::Length(5))),
        ("Content-Length: 0\r\n", Ok(Framing::None)),
        ("Transfer-Encoding: Chunked\r\n", Ok(Framing::Chunked)),
        (
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            Err(Bad::Framing),
        ),
        (
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            Err(Bad::Framing),
        ),
        (
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            Err(Bad::Framing),
        ),
        ("Content-Length: 5, 5\r\n", Err(Bad::Framing)),
        ("Content-Length: +5\r\n", Err(Bad::Framing)),
        ("Content-Length: 0x5\r\n", Err(Bad::Framing)),
        ("Content-Length: \r\n", Err(Bad::Framing)),
        (
            "Content-Length: 99999999999999999999\r\n",
            Err(Bad::Framing),
        ),
        ("Transfer-Encoding: gzip, chunked\r\n", Err(Bad::Coding)),
        ("Transfer-Encoding: chunked, gzip\r\n", Err(Bad::Framing)),
        ("Transfer-Encoding: xchunked\r\n", Err(Bad::Framing)),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            Err(Bad::Framing),
        ),
    ];
    for (fields, expected) in framings {
        assert_eq!(
            with(fields).map(|head| head.framing),
            expected,
            "{fields:?}"
        );
    }
    let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(parse(old).err(), Some(Bad::Framing));
}

#[test]
fn heads_that_could_be_read_in_two_ways_are_refused() {
    let bad = [
        ("GET / HTTP/1.1\r\n\r\n", Bad::Host),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", Bad::Host),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", Bad::Host),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", Bad::Host),
        ("GET / HTTP/1.1\nHost: a\n\n", Bad::Syntax),
        ("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", Bad::Syntax),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", Bad::Syntax),
        ("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", Bad::Syntax),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", Bad::Syntax),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", Bad::Syntax),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", Bad::Version),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", Bad::Syntax),
        ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", Bad::Target),
        ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", Bad::Target),
        ("GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", Bad::Target),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", Bad::Method),
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", Bad::Method),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n",
            Bad::Expectation,
        ),
    ];
    for (text, expected) in bad {
        assert_eq!(parse(text).err(), Some(expected), "{text:?}");
    }
}

/// Authority and target of a request, as they go on.
fn aims(line: &str) -> Result<(String, String), Bad> {
    let mut text = format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes();
    let mut head = RequestHead::default();
    head.parse(&mut text)?;
    let part = |span: Span| String::from_utf8_lossy(span.in_(&text)).into_owned();
    Ok((part(head.authority), part(head.target)))
}

#[test]
fn an_absolute_target_names_the_host() {
    for (line, authority, target) in [
        ("GET http://b.example/x?y", "b.example", "/x?y"),
        ("GET http://b.example", "b.example", "/"),
        ("GET http://b", "b", "/"),
        ("GET https://b.example:80?x/..", "b.example:80", "/?x/.."),
        ("GET http://b.example/a/../x", "b.example", "/x"),
        ("OPTIONS http://b.example", "b.example", "*"),
        ("OPTIONS http://b.example?x", "b.example", "/?x"),
        ("OPTIONS *", "a", "*"),
    ] {
        let expected = Ok((authority.to_owned(), target.to_owned()));
        assert_eq!(aims(line), expected, "{line}");
    }
}

#[test]
fn connections_stay_open_as_the_version_says() {
    let open = |text: &str| parse(text).unwrap().keep_alive;
    assert!(open("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert!(!open(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n"
    ));
    assert!(!open("GET / HTTP/1.0\r\n\r\n"));
    assert!(open("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
}

#[test]
fn an_answer_ends_where_it_says() {
    let parse = |text: &str, method| {
        let mut head = ResponseHead::default();
        head.parse(text.as_bytes(), method)
            .map(|_| (head.framing, head.keep_alive))
    };
    let get = |fields: &str| parse(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n"), Method::Get);
    assert_eq!(get("Content-Length: 5\r\n"), Ok((Framing::Length(5), true)));
    assert_eq!(
        get("Transfer-Encoding: chunked\r\n"),
        Ok((Framing::Chunked, true))
    );
    assert_eq!(get(""), Ok((Framing::Close, false)));
    assert_eq!(
        get("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
        Err(Bad::Framing)
    );
    assert_eq!(
        get("Content-Length: 5\r\nContent-Length: 6\r\n"),
        Err(Bad::Framing)
    );
    assert_eq!(
        parse(
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
            Method::Get
        ),
        Ok((Framing::None, true))
    );
    assert_eq!(
        parse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Method::Head),
        Ok((Framing::None, true))
    );
}

proptest! {
    /// A head gives the same however much of what follows is there, and is partial at every cut before its end.
    #[test]
    fn a_head_ends_where_it_ends(path in "/[a-z0-9/]{0,20}", fields in prop::collection::vec(("X-[a-z]{1,8}", "[ -~]{0,20}"), 0..8), behind in prop::collection::vec(any::<u8>(), 0..20)) {
        let fields: String = fields.iter().map(|(name, value)| format!("{name}: {}\r\n", value.trim())).collect();
        let text = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes();
        let mut head = RequestHead::default();
        for cut in 0..text.len() {
            prop_assert_eq!(head.parse(&mut text[..cut].to_vec()), Ok(Parsed::Partial));
        }
        let mut all = [text.clone(), behind].concat();
        prop_assert_eq!(head.parse(&mut all), Ok(Parsed::Whole(text.len())));
        prop_assert_eq!(head.target.in_(&all), path.as_bytes());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = RequestHead::default().parse(&mut bytes.clone());
        let _ = ResponseHead::default().parse(&bytes, Method::Get);
    }
    /// Dot segments are carried out as by a stack of directories, and what is left has none.
    #[test]
    fn no_dot_segment_is_left(parts in prop::collection::vec("(\\.|\\.\\.|%2e|%2E\\.|\\.\\.\\.|a|b|)", 0..8), query in "(\\?[a./]{0,4})?") {
        let path = format!("/{}", parts.join("/"));
        let (_, target) = aims(&format!("GET {path}{query}")).unwrap();
        let mut stack: Vec<&str> = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            let plain = part.to_lowercase().replace("%2e", ".");
            let last = at + 1 == parts.len();
            match plain.as_str() {
                "." => {}
                ".." => drop(stack.pop()),
                _ => stack.push(part),
            }
            if last && matches!(plain.as_str(), "." | "..") {
                stack.push("");
            }
        }
        prop_assert_eq!(target, format!("/{}{query}", stack.join("/")));
    }

    /// Whatever a target is, reading it leaves the head whole, and its second reading gives the same.
    #[test]
    fn a_target_read_again_is_the_same(target in "(/|http://|https://)?[a.:/?%2e*#]{0,12}", options in any::<bool>()) {
        let method = if options { "OPTIONS" } else { "GET" };
        if let Ok((authority, read)) = aims(&format!("{method} {target}")) {
            let again = aims(&format!("{method} {read}")).unwrap();
            prop_assert_eq!(&again.1, &read);
            prop_assert!(target.contains(&authority) || authority == "a");
        }
    }
}
