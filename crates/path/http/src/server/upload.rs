//! A request on its way to an upstream: its head, what is at hand of its body, then what still comes. It goes on step by
//! step beside whatever else is done, so that an upstream may answer, and be heard, before it has everything.

use std::io;
use std::time::Instant;

use rustix::net::SendFlags;
use tokio::net::TcpStream;

use super::connection::Connection;
use super::exchange::{Failure, Terms};
use super::heads::{TooLarge, request_head};
use super::write;
use crate::body::Transfer;
use crate::log::Phase;
use crate::spool::Spooled;
use crate::timer::{Pace, Slot};

/// So much of a request's body is held in memory, to be sent, and to be sent again.
pub(super) const HELD: usize = 64 * 1024;
/// More than this may be more than an upstream's kernel takes while the upstream itself reads nothing.
const WINDOW: u64 = 32 * 1024;

/// A request on its way.
pub(super) struct Upload {
    state: State,
    /// It is more than the upstream's kernel takes for it.
    pub(super) is_large: bool,
}

enum State {
    /// Few requests are not sent at once: these alone have a rest.
    Going(Box<Rest>),
    Done,
    /// The upstream takes no more: it may have answered all the same.
    Broken {
        error: io::Error,
        /// The visitor has sent all of it.
        has_come: bool,
    },
}

/// What is left to do.
struct Rest {
    /// What of the body is still to come from the visitor.
    body: Transfer,
    /// What the upstream has not taken at once, and how much of that it has by now.
    pending: Vec<u8>,
    sent: usize,
    /// The part of the spooled body that is still to be sent.
    from: u64,
    spooled: u64,
    /// How the visitor has to send.
    pace: Pace,
    /// The upstream has been waited for since the visitor was.
    stalled: bool,
}

/// What a step waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    /// The upstream, to take more.
    Upstream,
    /// The visitor, to send more.
    Visitor,
    /// Nothing: it is sent, or cannot be.
    Nothing,
}

/// The visitor's side of it.
pub(super) struct Source<'a> {
    pub(super) stream: &'a TcpStream,
    pub(super) slot: &'a Slot,
    pub(super) spooled: Option<&'a Spooled>,
    input: &'a mut Vec<u8>,
    consumed: &'a mut usize,
    is_kept: &'a mut bool,
    head: usize,
    most: u64,
}

impl<'a> Source<'a> {
    /// That of this connection, for bodies of `most` bytes, beside the output, which is left to others.
    pub(super) fn of(connection: &'a mut Connection, most: u64) -> (Self, &'a mut Vec<u8>) {
        let source = Self {
            stream: &connection.stream,
            slot: &connection.slot,
            spooled: connection.spooled.as_ref(),
            input: &mut connection.input,
            consumed: &mut connection.consumed,
            is_kept: &mut connection.is_kept,
            head: connection.head_length,
            most,
        };
        (source, &mut connection.output)
    }
}

impl Upload {
    /// Makes the head ready, and sends what the upstream takes at once: most often that is all.
    pub(super) fn begin(
        connection: &mut Connection,
        terms: &Terms<'_>,
        to: &TcpStream,
    ) -> Result<Self, Failure> {
        request_head(connection, terms.service, terms.group)
            .map_err(|TooLarge| Failure::Visitor(431, Phase::Visitor))?;
        let (body, spooled) = at_hand(connection)?;
        let is_large = !body.is_done() || connection.output.len() as u64 + spooled > WINDOW;
        let flags = match spooled {
            0 => SendFlags::empty(),
            _ => SendFlags::MORE,
        };
        let mut sent = 0;
        let state = match write::send_now(to, &connection.output, &mut sent, flags) {
            Ok(true) if body.is_done() && spooled == 0 => State::Done,
            Ok(all) => {
                let timeouts = terms.service.timeouts();
                let pending = match all {
                    true => Vec::new(),
                    false => std::mem::take(&mut connection.output),
                };
                State::Going(Box::new(Rest {
                    body,
                    sent: sent.min(pending.len()),
                    pending,
                    from: 0,
                    spooled,
                    pace: Pace::new(timeouts.idle, timeouts.rate, connection.slot.now()),
                    stalled: false,
                }))
            }
            Err(error) => State::Broken {
                error,
                has_come: body.is_done(),
            },
        };
        Ok(Self { state, is_large })
    }

    /// There is something left to do.
    pub(super) fn is_going(&self) -> bool {
        matches!(self.state, State::Going(_))
    }

    /// The upstream has all of it.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// The visitor has sent all of it.
    pub(super) fn has_come(&self) -> bool {
        match &self.state {
            State::Going(rest) => rest.body.is_done(),
            State::Done => true,
            State::Broken { has_come, .. } => *has_come,
        }
    }

    /// Why the upstream took no more.
    pub(super) fn broken(&self) -> Option<&io::Error> {
        match &self.state {
            State::Broken { error, .. } => Some(error),
            State::Going(_) | State::Done => None,
        }
    }

    /// Nobody wants the rest.
    pub(super) fn give_up(&mut self) {
        if self.is_going() {
            self.break_off(io::ErrorKind::ConnectionAborted.into());
        }
    }

    fn break_off(&mut self, error: io::Error) {
        let has_come = self.has_come();
        self.state = State::Broken { error, has_come };
    }

    /// What the next step waits for.
    pub(super) fn waits(&self) -> Waits {
        match &self.state {
            State::Going(rest) => rest.waits(),
            State::Done | State::Broken { .. } => Waits::Nothing,
        }
    }

    /// Until when the visitor has to send more, while it is waited for.
    pub(super) fn visitor_due(&self) -> Option<Instant> {
        match &self.state {
            State::Going(rest) if rest.waits() == Waits::Visitor => Some(rest.pace.until()),
            _ => None,
        }
    }

    /// One piece further. May be dropped at any time; it is called while it [`Self::is_going`].
    pub(super) async fn step(
        &mut self,
        source: &mut Source<'_>,
        to: &TcpStream,
    ) -> Result<(), Failure> {
        let State::Going(rest) = &mut self.state else {
            return Ok(());
        };
        match rest.step(source, to).await {
            Ok(()) if rest.is_sent() => self.state = State::Done,
            Ok(()) => {}
            Err(Stop::Visitor(failure)) => return Err(failure),
            Err(Stop::Upstream(error)) => self.break_off(error),
        }
        Ok(())
    }
}

/// Brings to the output what is at hand of the body; returns what is to come, and the length of what is spooled.
fn at_hand(connection: &mut Connection) -> Result<(Transfer, u64), Failure> {
    if let Some(spooled) = &connection.spooled {
        return Ok((connection.body.clone(), spooled.length()));
    }
    let mut body = connection.request_body();
    let come = &connection.input[connection.consumed..];
    let taken = body.pass(come, &mut connection.output);
    connection.consumed += taken.map_err(|_| BAD)?;
    Ok((body, 0))
}

/// Why it does not go on.
enum Stop {
    Visitor(Failure),
    Upstream(io::Error),
}

impl Rest {
    fn waits(&self) -> Waits {
        if self.sent < self.pending.len() || self.from < self.spooled {
            Waits::Upstream
        } else {
            Waits::Visitor
        }
    }

    /// The upstream has everything.
    fn is_sent(&self) -> bool {
        self.body.is_done() && self.pending.is_empty() && self.from == self.spooled
    }

    async fn step(&mut self, source: &mut Source<'_>, to: &TcpStream) -> Result<(), Stop> {
        if self.waits() == Waits::Upstream {
            if self.send(source, to).map_err(Stop::Upstream)? {
                self.pending.clear();
                self.sent = 0;
                return Ok(());
            }
            self.stalled = true;
            return to.writable().await.map_err(Stop::Upstream);
        }
        if std::mem::take(&mut self.stalled) {
            self.pace.resume(source.slot.now());
        }
        match write::read(source.stream, source.input).await {
            Ok(0) | Err(_) => return Err(Stop::Visitor(Failure::Gone)),
            Ok(read) => self.pace.moved(read, source.slot.now()),
        }
        self.take(source).map_err(Stop::Visitor)
    }

    /// Sends what is at hand; whether the upstream took all of it.
    fn send(&mut self, source: &Source<'_>, to: &TcpStream) -> io::Result<bool> {
        let flags = SendFlags::empty();
        if !write::send_now(to, &self.pending, &mut self.sent, flags)? {
            return Ok(false);
        }
        match source.spooled {
            Some(spooled) => write::send_file_now(to, spooled.file(), &mut self.from, self.spooled),
            None => Ok(true),
        }
    }

    /// Takes what has come from the visitor.
    fn take(&mut self, source: &mut Source<'_>) -> Result<(), Failure> {
        // The head stays for the log; a body that is not too large stays to be sent again.
        if *source.consumed - source.head > HELD || source.spooled.is_some() || !*source.is_kept {
            source.input.drain(source.head..*source.consumed);
            *source.consumed = source.head;
            *source.is_kept = false;
        }
        let come = &source.input[*source.consumed..];
        let taken = self.body.pass(come, &mut self.pending);
        *source.consumed += taken.map_err(|_| BAD)?;
        if self.body.passed() > source.most {
            return Err(Failure::Visitor(413, Phase::Visitor));
        }
        Ok(())
    }
}

const BAD: Failure = Failure::Visitor(400, Phase::Visitor);
