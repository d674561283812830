//! What a visitor sees when something is wrong: what it is, in words, and the request's id, by which the log
//! knows it.

use super::{Answer, Body};
use crate::head::Bad;
use crate::log::End;

/// The standard words of a status.
fn reason(status: u16) -> &'static str {
    match status {
        301 => "Moved Permanently",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Internal Server Error",
    }
}

/// A page for people, or a line for programs.
pub fn trouble(status: u16, why: &str, id: &str, html: bool) -> Answer {
    let words = reason(status);
    let line = format!("{status} {words}");
    let more = match status {
        // What is allowed everywhere.
        405 => "Allow: GET, HEAD\r\n",
        429 | 503 => "Retry-After: 1\r\n",
        _ => "",
    };
    let fields = format!("X-Request-Id: {id}\r\nCache-Control: no-store\r\n{more}");
    if !html {
        let text = format!("{line}: {why}\nrequest {id}\n");
        return Answer::new(
            &line,
            &format!("Content-Type: text/plain; charset=utf-8\r\n{fields}"),
            text.into_bytes(),
        );
    }
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{line}</title><style>body{{font:17px/1.5 system-ui,sans-serif;max-width:34rem;margin:18vh auto;padding:0 1.5rem;\
         color:#1c2430;background:#f8fafc}}h1{{font-size:1.4rem;margin:0}}p{{color:#46525f}}code{{font-size:.85rem}}\
         @media(prefers-color-scheme:dark){{body{{color:#e6ebf1;background:#14181d}}p{{color:#a9b4c0}}}}</style>\
         <h1>{words}</h1><p>{why}.</p><p><code>{status} · request {id}</code></p></html>\n",
        why = escaped(why)
    );
    Answer::new(
        &line,
        &format!("Content-Type: text/html; charset=utf-8\r\n{fields}"),
        page.into_bytes(),
    )
}

/// Why a request that was for this group of upstreams has got no answer of theirs, for the error page.
pub(super) fn words(name: &str, status: u16, end: End) -> String {
    if let End::Lack(lack) = end {
        return format!("{}, so {name} cannot be asked", lack.words());
    }
    match status {
        503 if end == End::NoRoom => {
            "this site has no room for the request's body at this moment".to_owned()
        }
        503 => format!("{name} does not take requests at this moment"),
        429 => "your address has as many bodies of requests under way here as it may".to_owned(),
        504 if end == End::Silent => {
            "the server that was asked has fallen silent: nobody knows whether it has done what it was asked"
                .to_owned()
        }
        504 => format!("{name} did not answer in time"),
        408 => "the request's body did not come in time".to_owned(),
        413 => "the request's body is larger than this site takes".to_owned(),
        431 => Bad::TooLarge.to_string(),
        400 => "the request's body is not framed as it says".to_owned(),
        _ if end == End::Invalid => format!("{name} gave an answer that cannot be read"),
        _ => format!("{name} broke off without an answer"),
    }
}

/// To the same page at another address.
pub fn moved(location: &[u8]) -> Answer {
    let mut head = b"HTTP/1.1 308 Permanent Redirect\r\nLocation: ".to_vec();
    head.extend_from_slice(location);
    head.extend_from_slice(b"\r\nContent-Length: 0\r\n");
    Answer {
        status: 308,
        head: head.into(),
        body: Body::Empty,
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_what_and_carries_the_id() {
        for html in [false, true] {
            let answer = trouble(503, "foobar <does> not answer", "abc123", html);
            let Body::Memory(body) = &answer.body else {
                panic!("no body")
            };
            let (head, body) = (
                String::from_utf8_lossy(&answer.head),
                String::from_utf8_lossy(body),
            );
            assert!(
                head.starts_with("HTTP/1.1 503 Service Unavailable\r\n")
                    && head.contains("X-Request-Id: abc123\r\n")
            );
            assert!(
                body.contains("not answer")
                    && body.contains("abc123")
                    && (!html || !body.contains("<does>")),
                "{body}"
            );
        }
    }
}
