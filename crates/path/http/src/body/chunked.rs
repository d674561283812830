//! Chunks (RFC 9112 §7.1): read strictly, written plainly.

use super::BadBody;
use crate::head::fields::{InTrailer, in_trailer};

/// Longest chunk: more than any honest one has.
const LONGEST_CHUNK: u64 = 1 << 48;
/// Bytes of sizes, extensions and trailers that are read, over and above what is needed.
const LONGEST: usize = 8 * 1024;

/// Reads chunks. Pure: it is given bytes and hands out content.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    state: State,
    content: u64,
    trailers: Vec<u8>,
    extra: usize,
    /// The list of fields that the head's `Connection` named: they end here, behind the body, too.
    named: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    /// In the digits of a length.
    Size {
        value: u64,
    },
    /// In the space behind them: before an extension, or before nothing, as some fill up to a fixed width.
    Space {
        value: u64,
    },
    Extension {
        value: u64,
    },
    SizeEnd {
        value: u64,
    },
    Data {
        left: u64,
    },
    DataEnd,
    DataEndLf,
    /// At the beginning of a trailer line.
    TrailerStart,
    Trailer,
    TrailerLf,
    LastLf,
    Done,
}

impl Decoder {
    /// The last chunk and its trailers have been read.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Content bytes so far.
    pub fn content(&self) -> u64 {
        self.content
    }

    /// One that drops these trailers, a list.
    pub fn without(named: Vec<u8>) -> Self {
        Self {
            named,
            ..Self::default()
        }
    }

    /// The trailer lines that go on, each with its end.
    pub fn trailers(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.trailers)
    }

    /// Takes what it can, hands out the content, and returns how much it took: all, or up to the end.
    ///
    /// # Errors
    /// [`BadBody`]: it is no chunk.
    pub fn take(&mut self, input: &[u8], mut give: impl FnMut(&[u8])) -> Result<usize, BadBody> {
        let mut at = 0;
        while at < input.len() && self.state != State::Done {
            if let State::Data { left } = self.state {
                let taken = usize::try_from(left)
                    .unwrap_or(usize::MAX)
                    .min(input.len() - at);
                give(&input[at..at + taken]);
                self.content += taken as u64;
                at += taken;
                let left = left - taken as u64;
                self.state = if left == 0 {
                    State::DataEnd
                } else {
                    State::Data { left }
                };
            } else {
                self.step(input[at])?;
                at += 1;
            }
        }
        Ok(at)
    }

    fn step(&mut self, byte: u8) -> Result<(), BadBody> {
        self.state = match (self.state, byte) {
            (State::Start, _) => State::Size {
                value: digit(byte)?,
            },
            (State::Size { value } | State::Space { value }, b'\r') => State::SizeEnd { value },
            (State::Size { value } | State::Space { value }, b';') => State::Extension { value },
            (State::Size { value } | State::Space { value }, b' ' | b'\t') => {
                self.count()?;
                State::Space { value }
            }
            (State::Size { value }, _) => State::Size {
                value: self.longer(value, digit(byte)?)?,
            },
            (State::Extension { value }, b'\r') => State::SizeEnd { value },
            (State::Extension { value }, _) if byte >= b' ' || byte == b'\t' => {
                self.count()?;
                State::Extension { value }
            }
            (State::SizeEnd { value: 0 }, b'\n') => State::TrailerStart,
            (State::SizeEnd { value }, b'\n') => State::Data { left: value },
            (State::DataEnd, b'\r') => State::DataEndLf,
            (State::DataEndLf, b'\n') => State::Start,
            (State::TrailerStart, b'\r') => State::LastLf,
            (State::TrailerStart, _) if is_token(byte) => self.trailer(byte, State::Trailer)?,
            (State::Trailer, b'\r') => self.trailer(byte, State::TrailerLf)?,
            (State::Trailer, _) if byte >= b' ' || byte == b'\t' => {
                self.trailer(byte, State::Trailer)?
            }
            (State::TrailerLf, b'\n') => {
                self.trailer(byte, State::TrailerStart)?;
                self.end_trailer()?;
                State::TrailerStart
            }
            (State::LastLf, b'\n') => State::Done,
            _ => return Err(BadBody),
        };
        Ok(())
    }

    fn trailer(&mut self, byte: u8, next: State) -> Result<State, BadBody> {
        self.count()?;
        self.trailers.push(byte);
        Ok(next)
    }

    /// A length with one digit more.
    fn longer(&mut self, value: u64, digit: u64) -> Result<u64, BadBody> {
        if value == 0 {
            // Zeros before a length have no end of their own.
            self.count()?;
        }
        // A length is far below where this could overflow.
        let longer = value * 16 + digit;
        if longer > LONGEST_CHUNK {
            Err(BadBody)
        } else {
            Ok(longer)
        }
    }

    /// A trailer is a field; whether it goes on is for the rules for fields to say.
    fn end_trailer(&mut self) -> Result<(), BadBody> {
        let before = &self.trailers[..self.trailers.len().saturating_sub(1)];
        let start = before.iter().rposition(|byte| *byte == b'\n');
        let start = start.map_or(0, |at| at + 1);
        let line = &self.trailers[start..];
        let end = line.iter().position(|byte| *byte == b':').ok_or(BadBody)?;
        let name = &line[..end];
        if !name.iter().all(|byte| is_token(*byte)) {
            return Err(BadBody);
        }
        match in_trailer(name, &self.named) {
            InTrailer::Passes => {}
            InTrailer::Ends => self.trailers.truncate(start),
            InTrailer::Refused => return Err(BadBody),
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), BadBody> {
        self.extra += 1;
        if self.extra > LONGEST {
            Err(BadBody)
        } else {
            Ok(())
        }
    }
}

/// A byte of a field's name (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn digit(byte: u8) -> Result<u64, BadBody> {
    char::from(byte).to_digit(16).map(u64::from).ok_or(BadBody)
}

/// The line before a chunk of this length.
pub fn head(output: &mut Vec<u8>, length: usize) {
    let mut digits = [0_u8; 16];
    let mut at = digits.len();
    let mut left = length;
    loop {
        at -= 1;
        digits[at] = b"0123456789abcdef"[left % 16];
        left /= 16;
        if left == 0 {
            break;
        }
    }
    output.extend_from_slice(&digits[at..]);
    output.extend_from_slice(b"\r\n");
}
