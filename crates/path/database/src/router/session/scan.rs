//! Finding the packets of an answer in what has come of it: which bytes go on as they are, and what else is to be done.
//!
//! Pure, and the same however the bytes are cut into pieces.

use std::ops::ControlFlow;

use super::statements::Definitions;
use crate::router::wire::{Ok as OkPacket, Response, Seen, payload_length};

/// What an answer came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The first bytes of its first packet.
    pub first: Vec<u8>,
    /// It ended with an error.
    pub refused: bool,
    /// What the client has heard of the columns, where a later answer may leave it out.
    pub definitions: Option<Definitions>,
}

/// What to do after a run of packets that go on as they are.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Whatever comes next is needed.
    More,
    /// The next packet, of this length, is replaced by this payload.
    Replace(usize, Vec<u8>),
    /// The next packet, of this length, says that the server takes no writes.
    ReadOnly(usize),
    /// The next packet leaves out definitions that the client does not know.
    Untold,
    /// The client sends a file.
    File,
}

/// How far an answer is read.
pub struct Scan {
    /// What may come next.
    pub response: Response,
    /// What is known of it.
    pub outcome: Outcome,
    /// What is left of a packet that goes on as it is.
    left: usize,
    plain: bool,
    untold: bool,
}

impl Scan {
    /// Of this answer. `plain`: trackers are left out. `untold`: so must not be the definitions of its columns.
    pub fn new(response: Response, plain: bool, untold: bool) -> Self {
        Self {
            response,
            outcome: Outcome::default(),
            left: 0,
            plain,
            untold,
        }
    }

    /// Nothing more comes.
    pub fn done(&self) -> bool {
        self.response.done() && self.left == 0
    }

    /// What it came to.
    pub fn into_outcome(mut self) -> Outcome {
        self.outcome.definitions = self.response.take_definitions();
        self.outcome
    }

    /// How many of these bytes, which stand next, go on as they are, and what then. `None`: that is not the protocol.
    pub fn next(
        &mut self,
        data: &[u8],
        on_ok: &mut (dyn FnMut(&OkPacket) + Send),
    ) -> Option<(usize, Next)> {
        let mut at = 0;
        loop {
            let now = self.left.min(data.len() - at);
            at += now;
            self.left -= now;
            let rest = &data[at..];
            if self.left > 0 || self.response.done() || rest.len() < 4 {
                return Some((at, Next::More));
            }
            let length = payload_length(rest);
            let Some(first) = rest.get(4).or((length == 0).then_some(&0)) else {
                return Some((at, Next::More));
            };
            if !self.response.may_pass_in_parts(*first, length) && rest.len() < 4 + length {
                return Some((at, Next::More));
            }
            let payload = &rest[4..rest.len().min(4 + length)];
            match self.look(payload, length, on_ok)? {
                ControlFlow::Continue(()) => self.left = 4 + length,
                ControlFlow::Break(Next::File) => return Some((at + 4 + length, Next::File)),
                ControlFlow::Break(next) => return Some((at, next)),
            }
        }
    }

    /// Looks at a packet: it goes on as it is, or something is to be done.
    fn look(
        &mut self,
        payload: &[u8],
        length: usize,
        on_ok: &mut (dyn FnMut(&OkPacket) + Send),
    ) -> Option<ControlFlow<Next>> {
        let is_first = self.outcome.first.is_empty();
        if is_first {
            let beginning = &payload[..payload.len().min(16)];
            self.outcome.first.extend_from_slice(beginning);
        }
        let next = match self.response.see(payload, length)? {
            Seen::Bare if self.untold => Next::Untold,
            Seen::Error if is_first && is_read_only(payload) => Next::ReadOnly(length),
            Seen::WantsFile => Next::File,
            Seen::Ok(ok) => {
                on_ok(&ok);
                if !self.plain || ok.plain == payload {
                    return Some(ControlFlow::Continue(()));
                }
                Next::Replace(length, ok.plain)
            }
            Seen::Error => {
                self.outcome.refused = true;
                return Some(ControlFlow::Continue(()));
            }
            Seen::Part | Seen::Bare => return Some(ControlFlow::Continue(())),
        };
        Some(ControlFlow::Break(next))
    }
}

/// An error that says nothing was done, because the server takes no writes: ER_OPTION_PREVENTS_STATEMENT with
/// `--read-only` or `--super-read-only`, which it is closed by.
fn is_read_only(error: &[u8]) -> bool {
    let code = error
        .get(1..3)
        .map(|code| u16::from_le_bytes([code[0], code[1]]));
    code == Some(1290) && error.windows(9).any(|part| part == b"read-only")
}

#[cfg(test)]
mod tests;
