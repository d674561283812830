//! Chunks (RFC 9112 §7.1): read strictly, written plainly.

use super::BadBody;

/// Hexadecimal digits of a chunk's length: more than any honest chunk has.
const DIGITS: u32 = 12;
/// Bytes of extensions and trailers that are read.
const LONGEST: usize = 8 * 1024;

/// Reads chunks. Pure: it is given bytes and hands out content.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    state: State,
    content: u64,
    trailers: Vec<u8>,
    extra: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the digits of a length, so many read.
    #[default]
    Start,
    Size {
        value: u64,
        digits: u32,
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

    /// The trailer lines, each with its end.
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
                digits: 1,
            },
            (State::Size { value, .. }, b'\r') => State::SizeEnd { value },
            (State::Size { value, .. }, b';') => State::Extension { value },
            (State::Size { value, digits }, _) if digits < DIGITS => State::Size {
                value: value * 16 + digit(byte)?,
                digits: digits + 1,
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
            (State::TrailerStart, _) if byte.is_ascii_alphanumeric() => {
                self.trailer(byte, State::Trailer)?
            }
            (State::Trailer, b'\r') => self.trailer(byte, State::TrailerLf)?,
            (State::Trailer, _) if byte >= b' ' || byte == b'\t' => {
                self.trailer(byte, State::Trailer)?
            }
            (State::TrailerLf, b'\n') => {
                self.check_trailer()?;
                self.trailer(byte, State::TrailerStart)?
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

    /// A trailer is a field, and none that says where a message ends or to whom it goes.
    fn check_trailer(&self) -> Result<(), BadBody> {
        let line = self
            .trailers
            .rsplit(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        let forbidden = [
            &b"content-length"[..],
            b"transfer-encoding",
            b"host",
            b"connection",
            b"trailer",
        ];
        let good = name.len() < line.len()
            && name
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
            && !forbidden.iter().any(|one| name.eq_ignore_ascii_case(one));
        if good { Ok(()) } else { Err(BadBody) }
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
