//! A request's head (RFC 9112 §3, §5, §6): read strictly. What could be understood in two ways is refused.

use super::{
    Bad, Field, Parsed, READ_FIELDS, Span, elements, has_clean_lines, has_option, length, target,
};
use crate::body::Framing;

/// Longest request target.
const LONGEST_TARGET: usize = 8 * 1024;
/// Longest method; with it and the version a line has at most so many bytes beside the target.
const LONGEST_METHOD: usize = 32;
const BESIDE_TARGET: usize = LONGEST_METHOD + "  HTTP/1.1\r".len();

/// How a request asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// GET.
    #[default]
    Get,
    /// HEAD: as GET, without the body.
    Head,
    /// Another one that may be repeated without harm (RFC 9110 §9.2.2): OPTIONS, PUT, DELETE.
    Idempotent,
    /// Any other: POST, PATCH.
    Other,
}

/// The version that a message came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
}

/// A request's head. Reused from request to request: it owns its spans and nothing else.
#[derive(Debug, Default)]
pub struct RequestHead {
    /// How it asks.
    pub method: Method,
    /// The method as it stands.
    pub method_text: Span,
    /// Path and query without dot segments, or `*`: the target without scheme and authority.
    pub target: Span,
    /// Whom it asks: the authority of the target, else the field `Host`. Empty: HTTP/1.0 without.
    pub authority: Span,
    /// The version.
    pub version: Version,
    /// All fields, in order.
    pub fields: Vec<Field>,
    /// The values of `Connection`.
    pub connection: Vec<Span>,
    /// Where the body ends.
    pub framing: Framing,
    /// The client keeps the connection open for more.
    pub keep_alive: bool,
    /// The client waits for our word before it sends the body.
    pub expects_continue: bool,
    /// The protocols that it asks to go on in, if that may be asked of an upstream (RFC 9110 §7.8).
    pub upgrade: Option<Span>,
}

impl RequestHead {
    /// Reads the head at the beginning of `buffer`; its target is brought into the one form that all behind read alike, in
    /// place.
    ///
    /// # Errors
    /// What is wrong, which says the status to answer with. The connection is of no use afterwards.
    pub fn parse(&mut self, buffer: &mut [u8]) -> Result<Parsed, Bad> {
        let mut fields =
            [const { std::mem::MaybeUninit::<httparse::Header<'_>>::uninit() }; READ_FIELDS];
        let mut request = httparse::Request::new(&mut []);
        let taken = match request.parse_with_uninit_headers(buffer, &mut fields) {
            Ok(httparse::Status::Complete(taken)) => taken,
            Ok(httparse::Status::Partial) => return incomplete(buffer),
            Err(httparse::Error::TooManyHeaders) => return Err(Bad::TooLarge),
            Err(httparse::Error::Version) => return Err(Bad::Version),
            Err(_) => return Err(Bad::Syntax),
        };
        if !has_clean_lines(&buffer[..taken]) {
            return Err(Bad::Syntax);
        }
        let (method, target) = (
            request.method.unwrap_or_default(),
            request.path.unwrap_or_default(),
        );
        if target.len() > LONGEST_TARGET || method.len() > LONGEST_METHOD {
            return Err(Bad::TooLongTarget);
        }
        self.version = if request.version == Some(0) {
            Version::Http10
        } else {
            Version::Http11
        };
        self.method_text = Span::of(method.as_bytes(), buffer);
        self.method = kind(method)?;
        let (asked, options) = (Span::of(target.as_bytes(), buffer), method == "OPTIONS");
        self.fields.clear();
        for field in request.headers.iter() {
            self.fields.push((
                Span::of(field.name.as_bytes(), buffer),
                Span::of(field.value, buffer),
            ));
        }
        self.judge(buffer)?;
        let target = target::read(asked, options, buffer)?;
        self.target = target.path;
        // The address in the line counts, whatever the field says (RFC 9112 §3.2.2).
        self.authority = target.authority.unwrap_or(self.authority);
        Ok(Parsed::Whole(taken))
    }

    /// Goes through the fields once, for all that decides how the message is to be read.
    fn judge(&mut self, buffer: &[u8]) -> Result<(), Bad> {
        self.connection.clear();
        self.authority = Span::default();
        self.expects_continue = false;
        let (mut host, mut content_length, mut coding) = (None, None, None);
        let (mut upgrade, mut upgrades) = (None, 0);
        for (name, value) in &self.fields {
            let (name_text, text) = (name.in_(buffer), value.in_(buffer));
            match name_text.len() {
                4 if name_text.eq_ignore_ascii_case(b"host")
                    && (host.replace(*value).is_some() || !target::is_authority(text)) =>
                {
                    return Err(Bad::Host);
                }
                6 if name_text.eq_ignore_ascii_case(b"expect") => {
                    if !text.eq_ignore_ascii_case(b"100-continue") {
                        return Err(Bad::Expectation);
                    }
                    self.expects_continue = self.version == Version::Http11;
                }
                7 if name_text.eq_ignore_ascii_case(b"upgrade") => {
                    upgrade = Some(*value);
                    upgrades += 1;
                }
                10 if name_text.eq_ignore_ascii_case(b"connection") => self.connection.push(*value),
                14 if name_text.eq_ignore_ascii_case(b"content-length") => {
                    let found = length(text).ok_or(Bad::Framing)?;
                    // Even the same length twice is a sign that somebody before us reads differently.
                    if content_length.replace(found).is_some() {
                        return Err(Bad::Framing);
                    }
                }
                17 if name_text.eq_ignore_ascii_case(b"transfer-encoding")
                    && coding.replace(text).is_some() =>
                {
                    return Err(Bad::Framing);
                }
                _ => {}
            }
        }
        if host.is_none() && self.version == Version::Http11 {
            return Err(Bad::Host);
        }
        self.authority = host.unwrap_or_default();
        self.framing = framing(content_length, coding, self.version)?;
        self.keep_alive = self.stays_open(buffer);
        self.upgrade =
            upgrade.filter(|value| upgrades == 1 && self.may_change(value.in_(buffer), buffer));
        Ok(())
    }

    /// Whether these protocols may be asked for: by a GET without a body, and none that would carry further requests,
    /// which nobody would check.
    fn may_change(&self, protocols: &[u8], buffer: &[u8]) -> bool {
        let carries_requests = |protocol: &[u8]| {
            let name = protocol.split(|byte| *byte == b'/').next();
            name.is_some_and(|name| {
                [&b"h2c"[..], b"http", b"tls"]
                    .iter()
                    .any(|one| name.eq_ignore_ascii_case(one))
            })
        };
        self.version == Version::Http11
            && self.method == Method::Get
            && self.framing == Framing::None
            && has_option(&self.connection, b"upgrade", buffer)
            && elements(protocols).next().is_some()
            && !elements(protocols).any(carries_requests)
    }

    fn stays_open(&self, buffer: &[u8]) -> bool {
        let named = |option: &[u8]| has_option(&self.connection, option, buffer);
        match self.version {
            Version::Http11 => !named(b"close"),
            Version::Http10 => named(b"keep-alive") && !named(b"close"),
        }
    }
}

/// A head that has not ended yet may already be beyond what we read.
fn incomplete(buffer: &[u8]) -> Result<Parsed, Bad> {
    let line = buffer
        .iter()
        .take(LONGEST_TARGET + BESIDE_TARGET)
        .position(|byte| *byte == b'\n');
    if line.is_none() && buffer.len() > LONGEST_TARGET + BESIDE_TARGET {
        return Err(Bad::TooLongTarget);
    }
    Ok(Parsed::Partial)
}

fn kind(method: &str) -> Result<Method, Bad> {
    Ok(match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "OPTIONS" | "PUT" | "DELETE" => Method::Idempotent,
        // CONNECT wants a tunnel, TRACE would show what fields we have added.
        "CONNECT" | "TRACE" => return Err(Bad::Method),
        _ => Method::Other,
    })
}

fn framing(length: Option<u64>, coding: Option<&[u8]>, version: Version) -> Result<Framing, Bad> {
    match (length, coding) {
        (None, None) | (Some(0), None) => Ok(Framing::None),
        (Some(length), None) => Ok(Framing::Length(length)),
        (Some(_), Some(_)) => Err(Bad::Framing),
        (None, Some(_)) if version == Version::Http10 => Err(Bad::Framing),
        (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        (None, Some(coding)) => {
            let chunked = |coding: &&[u8]| coding.eq_ignore_ascii_case(b"chunked");
            let times = elements(coding).filter(chunked).count();
            match elements(coding).last().filter(chunked) {
                Some(_) if times == 1 && elements(coding).count() == 1 => Ok(Framing::Chunked),
                Some(_) if times == 1 => Err(Bad::Coding),
                _ => Err(Bad::Framing),
            }
        }
    }
}
