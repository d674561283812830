//! A response's head, from an upstream (RFC 9112 §4, §6.3).

use super::{Bad, Field, Method, Parsed, READ_FIELDS, Span, Version, has_option, length};
use crate::body::Framing;

/// A response's head. Reused from response to response.
#[derive(Debug, Default)]
pub struct ResponseHead {
    /// The status.
    pub status: u16,
    /// The status in words, or nothing.
    pub reason: Span,
    /// All fields, in order.
    pub fields: Vec<Field>,
    /// The values of `Connection`.
    pub connection: Vec<Span>,
    /// Where the body ends.
    pub framing: Framing,
    /// The upstream keeps the connection open.
    pub keep_alive: bool,
    /// The protocol that it goes on in, with a status of 101.
    pub upgrade: Option<Span>,
    /// How many bytes it took: set by whoever reads it.
    pub(crate) length: usize,
}

impl ResponseHead {
    /// Reads the head at the beginning of `buffer`, as the answer to a request by `method`.
    ///
    /// # Errors
    /// An upstream that does not speak HTTP, or leaves open where its answer ends.
    pub fn parse(&mut self, buffer: &[u8], method: Method) -> Result<Parsed, Bad> {
        let mut fields =
            [const { std::mem::MaybeUninit::<httparse::Header<'_>>::uninit() }; READ_FIELDS];
        let mut response = httparse::Response::new(&mut []);
        let mut parser = httparse::ParserConfig::default();
        // Such spaces are taken away (RFC 9112 §5.1).
        parser.allow_spaces_after_header_name_in_responses(true);
        let taken =
            match parser.parse_response_with_uninit_headers(&mut response, buffer, &mut fields) {
                Ok(httparse::Status::Complete(taken)) => taken,
                Ok(httparse::Status::Partial) => return Ok(Parsed::Partial),
                Err(httparse::Error::TooManyHeaders) => return Err(Bad::TooLarge),
                Err(_) => return Err(Bad::Syntax),
            };
        self.status = response.code.unwrap_or_default();
        if self.status < 100 {
            return Err(Bad::Syntax);
        }
        self.reason = Span::of(response.reason.unwrap_or_default().as_bytes(), buffer);
        let version = if response.version == Some(0) {
            Version::Http10
        } else {
            Version::Http11
        };
        self.fields.clear();
        for field in response.headers.iter() {
            self.fields.push((
                Span::of(field.name.as_bytes(), buffer),
                Span::of(field.value, buffer),
            ));
        }
        self.judge(buffer, method, version)?;
        Ok(Parsed::Whole(taken))
    }

    fn judge(&mut self, buffer: &[u8], method: Method, version: Version) -> Result<(), Bad> {
        self.connection.clear();
        self.upgrade = None;
        let (mut content_length, mut coding) = (None, None);
        for (name, value) in &self.fields {
            let (name, text) = (name.in_(buffer), value.in_(buffer));
            match name.len() {
                7 if name.eq_ignore_ascii_case(b"upgrade") => self.upgrade = Some(*value),
                10 if name.eq_ignore_ascii_case(b"connection") => self.connection.push(*value),
                14 if name.eq_ignore_ascii_case(b"content-length") => {
                    let found = length(text).ok_or(Bad::Framing)?;
                    if content_length.replace(found).is_some() {
                        return Err(Bad::Framing);
                    }
                }
                17 if name.eq_ignore_ascii_case(b"transfer-encoding")
                    && coding.replace(text).is_some() =>
                {
                    return Err(Bad::Framing);
                }
                _ => {}
            }
        }
        let named = |option: &[u8]| has_option(&self.connection, option, buffer);
        let stays = match version {
            Version::Http11 => !named(b"close"),
            // HTTP/1.0 has no codings: what would follow such a message is not certain (RFC 9112 §6.1).
            Version::Http10 => named(b"keep-alive") && !named(b"close") && coding.is_none(),
        };
        let bodiless = method == Method::Head || matches!(self.status, 100..200 | 204 | 304);
        self.framing = match (coding, content_length) {
            _ if bodiless => Framing::None,
            (Some(_), Some(_)) => return Err(Bad::Framing),
            (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Framing::Chunked,
            (Some(_), None) => return Err(Bad::Coding),
            (None, Some(0)) => Framing::None,
            (None, Some(length)) => Framing::Length(length),
            (None, None) => Framing::Close,
        };
        self.keep_alive = stays && self.framing != Framing::Close;
        Ok(())
    }
}
