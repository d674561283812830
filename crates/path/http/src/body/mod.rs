//! Where a message ends.

pub mod chunked;

use crate::head::Span;
use crate::head::fields::named_by_connection;

/// How the end of a body is known (RFC 9112 §6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    #[default]
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks, each with its length.
    Chunked,
    /// All that comes until the connection closes: responses only.
    Close,
}

/// A body on its way through: how much of it is still to come, and how it is written on.
#[derive(Clone, Debug)]
pub struct Transfer {
    rest: Rest,
    /// The receiver wants chunks.
    rechunk: bool,
    /// Content bytes that have passed.
    passed: u64,
}

#[derive(Clone, Debug)]
enum Rest {
    Length(u64),
    Chunked(chunked::Decoder),
    Close,
    Done,
}

/// What is wrong with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is not framed as it says")]
pub struct BadBody;

impl Transfer {
    /// A body that comes framed so, and goes on in chunks or as it is.
    pub fn new(framing: Framing, rechunk: bool) -> Self {
        let rest = match framing {
            Framing::None => Rest::Done,
            Framing::Length(length) => Rest::Length(length),
            Framing::Chunked => Rest::Chunked(chunked::Decoder::default()),
            Framing::Close => Rest::Close,
        };
        Self {
            rest,
            rechunk,
            passed: 0,
        }
    }

    /// The body of a message with these values of `Connection`, in this buffer: the trailers that they name end here.
    pub(crate) fn of_message(
        framing: Framing,
        rechunk: bool,
        connection: &[Span],
        buffer: &[u8],
    ) -> Self {
        let mut body = Self::new(framing, rechunk);
        if let Rest::Chunked(decoder) = &mut body.rest {
            *decoder = chunked::Decoder::without(named_by_connection(connection, buffer));
        }
        body
    }

    /// All of it has passed.
    pub fn is_done(&self) -> bool {
        matches!(self.rest, Rest::Done)
    }

    /// Content bytes that have passed.
    pub fn passed(&self) -> u64 {
        self.passed
    }

    /// Takes what it can from `input`, appends what goes on to `output`, and returns how much it took.
    ///
    /// # Errors
    /// [`BadBody`]: chunks that are none.
    pub fn pass(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<usize, BadBody> {
        match &mut self.rest {
            Rest::Done => Ok(0),
            Rest::Close => {
                self.passed += input.len() as u64;
                content(output, input, self.rechunk);
                Ok(input.len())
            }
            Rest::Length(left) => {
                let taken = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(input.len());
                *left -= taken as u64;
                self.passed += taken as u64;
                content(output, &input[..taken], self.rechunk);
                if *left == 0 {
                    self.rest = Rest::Done;
                    self.finish(output, &[]);
                }
                Ok(taken)
            }
            Rest::Chunked(decoder) => {
                let rechunk = self.rechunk;
                let before = decoder.content();
                let taken = decoder.take(input, |data| content(output, data, rechunk))?;
                self.passed += decoder.content() - before;
                if decoder.is_done() {
                    let trailers = decoder.trailers();
                    self.rest = Rest::Done;
                    self.finish(output, &trailers);
                }
                Ok(taken)
            }
        }
    }

    /// The sender has closed: the end of a body that ends so; an error for any other.
    ///
    /// # Errors
    /// [`BadBody`]: something was missing.
    pub fn closed(&mut self, output: &mut Vec<u8>) -> Result<(), BadBody> {
        match self.rest {
            Rest::Done => Ok(()),
            Rest::Close => {
                self.rest = Rest::Done;
                self.finish(output, &[]);
                Ok(())
            }
            Rest::Length(_) | Rest::Chunked(_) => Err(BadBody),
        }
    }

    fn finish(&self, output: &mut Vec<u8>, trailers: &[u8]) {
        if self.rechunk {
            output.extend_from_slice(b"0\r\n");
            output.extend_from_slice(trailers);
            output.extend_from_slice(b"\r\n");
        }
    }
}

fn content(output: &mut Vec<u8>, data: &[u8], rechunk: bool) {
    if data.is_empty() {
        return;
    }
    if rechunk {
        chunked::head(output, data.len());
        output.extend_from_slice(data);
        output.extend_from_slice(b"\r\n");
    } else {
        output.extend_from_slice(data);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Passes a body in pieces of these lengths.
    fn passed(
        framing: Framing,
        rechunk: bool,
        input: &[u8],
        cuts: &[usize],
    ) -> Result<(Vec<u8>, usize), BadBody> {
        let mut transfer = Transfer::new(framing, rechunk);
        let (mut output, mut from, mut upto) = (Vec::new(), 0, 0);
        for cut in cuts.iter().copied().chain([input.len()]) {
            upto = (upto + cut).min(input.len());
            while from < upto && !transfer.is_done() {
                let taken = transfer.pass(&input[from..upto], &mut output)?;
                if taken == 0 {
                    break;
                }
                from += taken;
            }
        }
        if transfer.is_done() {
            Ok((output, from))
        } else {
            Err(BadBody)
        }
    }

    proptest! {
        /// However the bytes are cut, chunks give the content, take exactly themselves, and go on as chunks.
        #[test]
        fn any_cut_gives_the_same(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6), cuts in prop::collection::vec(1..9_usize, 0..40), behind in prop::collection::vec(any::<u8>(), 0..9)) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                content(&mut wire, chunk, true);
            }
            wire.extend_from_slice(b"0\r\nCookie: never\r\nDigest: ever\r\n\r\n");
            let length = wire.len();
            wire.extend_from_slice(&behind);
            let (plain, taken) = passed(Framing::Chunked, false, &wire, &cuts).unwrap();
            prop_assert_eq!(&plain, &chunks.concat());
            prop_assert_eq!(taken, length);
            let (again, _) = passed(Framing::Chunked, true, &wire, &cuts).unwrap();
            let (plain_again, _) = passed(Framing::Chunked, false, &again, &[]).unwrap();
            prop_assert_eq!(plain_again, chunks.concat());
            prop_assert!(again.ends_with(b"\r\n0\r\nDigest: ever\r\n\r\n") || again == b"0\r\nDigest: ever\r\n\r\n");
        }

        #[test]
        fn a_length_takes_exactly_itself(body in prop::collection::vec(any::<u8>(), 1..60), behind in prop::collection::vec(any::<u8>(), 0..9), cuts in prop::collection::vec(1..9_usize, 0..20)) {
            let wire = [body.clone(), behind].concat();
            let (output, taken) = passed(Framing::Length(body.len() as u64), false, &wire, &cuts).unwrap();
            prop_assert_eq!((output, taken), (body.clone(), body.len()));
        }

        /// Nothing that is not a chunk is taken for one, and nothing panics.
        #[test]
        fn arbitrary_bytes_are_refused_or_whole(wire in "[0-9a-fA-F;= \r\n:x]{0,40}", cuts in prop::collection::vec(1..5_usize, 0..20)) {
            let once = passed(Framing::Chunked, false, wire.as_bytes(), &[]);
            let cut = passed(Framing::Chunked, false, wire.as_bytes(), &cuts);
            prop_assert_eq!(once, cut);
        }
    }
}
