//! Message heads: spans over one buffer, whatever the version of HTTP that they came in.

pub(crate) mod fields;
mod request;
mod response;
mod target;
#[cfg(test)]
mod tests;

use std::ops::Range;

pub use request::{Method, RequestHead, Version};
pub use response::ResponseHead;

/// A part of the buffer that holds the head: start and end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The span of `part`, which is a slice of `buffer`.
    fn of(part: &[u8], buffer: &[u8]) -> Self {
        let start = (part.as_ptr() as usize).saturating_sub(buffer.as_ptr() as usize);
        // A head is at most some hundred kilobytes.
        Self {
            start: start as u32,
            end: (start + part.len()) as u32,
        }
    }

    /// A part of it: from and up to these bytes of what it covers.
    fn part(&self, start: usize, end: usize) -> Self {
        Self {
            start: self.start + start as u32,
            end: self.start + end as u32,
        }
    }

    fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// What it covers.
    pub fn in_<'a>(&self, buffer: &'a [u8]) -> &'a [u8] {
        &buffer[self.range()]
    }
}

/// A field's name and value.
pub type Field = (Span, Span);

/// Whether a head was whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// It is, and took so many bytes.
    Whole(usize),
    /// More bytes are needed.
    Partial,
}

/// What is wrong with a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Bad {
    /// It is not HTTP.
    #[error("not a request that we understand")]
    Syntax,
    /// Two of us could disagree on where the message ends.
    #[error("where the body ends is not certain")]
    Framing,
    /// The host is missing, doubled or no host.
    #[error("a request names one host")]
    Host,
    /// The target is none that we serve.
    #[error("not a target that we serve")]
    Target,
    /// A method that we do not serve.
    #[error("not a method that we serve")]
    Method,
    /// A coding that we do not know.
    #[error("a transfer coding that we do not know")]
    Coding,
    /// A version that we do not speak.
    #[error("not a version that we speak")]
    Version,
    /// The request line is too long.
    #[error("the address is too long")]
    TooLongTarget,
    /// There are too many fields, or they are too long.
    #[error("the request's head is too large")]
    TooLarge,
    /// The client wants something of us that we do not do.
    #[error("an expectation that we do not meet")]
    Expectation,
}

impl Bad {
    /// The status that it is answered with.
    pub fn status(self) -> u16 {
        match self {
            Bad::Syntax | Bad::Framing | Bad::Host | Bad::Target => 400,
            Bad::Method => 405,
            Bad::Coding => 501,
            Bad::Version => 505,
            Bad::TooLongTarget => 414,
            Bad::TooLarge => 431,
            Bad::Expectation => 417,
        }
    }
}

/// The most fields that a visitor's head may have.
pub const MOST_FIELDS: usize = 100;
/// So many fields more are read: servers in between add some to what their visitors sent.
pub const MORE_FIELDS: usize = 28;
/// So many bytes more than a visitor's head may have, for the same reason.
pub const MORE_BYTES: usize = 4 * 1024;
/// The most fields that are read.
const READ_FIELDS: usize = MOST_FIELDS + MORE_FIELDS;

/// The elements of a list field (RFC 9110 §5.6.1), without space around them.
pub fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}

/// Whether `Connection`, of these values, has this option.
fn has_option(connection: &[Span], option: &[u8], buffer: &[u8]) -> bool {
    connection
        .iter()
        .flat_map(|value| elements(value.in_(buffer)))
        .any(|one| one.eq_ignore_ascii_case(option))
}

/// Every line ends with CR LF, and neither stands alone: whoever reads a bare one as an end would read other fields.
/// Without a branch per byte: this looks at every byte of every request.
fn has_clean_lines(head: &[u8]) -> bool {
    let next = head.iter().skip(1);
    let torn = head.iter().zip(next).fold(false, |torn, (this, next)| {
        torn | ((*this == b'\r') != (*next == b'\n'))
    });
    !torn && head.first() != Some(&b'\n') && head.last() != Some(&b'\r')
}

/// A length that can have one meaning only: digits, and nothing else.
fn length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 18 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(
        value
            .iter()
            .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')),
    )
}
