//! One request over one connection to an upstream, up to the head of the answer. Whether a failure is the end of
//! it is not known here.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use terrace_protocol::report::Lack;

use super::connection::Connection;
use super::dial::silence;
use super::heads::interim_head;
use super::upload::{Source, Upload, Waits};
use super::{Service, write};
use crate::head::{Parsed, Version, elements};
use crate::log::{End, Phase};
use crate::upstream::Group;
use crate::upstream::check::plainly;
use crate::upstream::pool::Connection as Upstream;

/// The most that is held of an answer's head.
const LONGEST_HEAD: usize = 256 * 1024;

/// Why an upstream did not answer.
pub(super) enum Failure {
    /// It closed a connection that it had kept, before a byte of the answer: most likely not about this request.
    Stale,
    /// It broke off before a byte of the answer.
    Lost(String),
    /// What it sent is no answer, or not the whole head of one.
    Invalid(String),
    /// It does not answer its checks any more; whether another is to be asked.
    Silent { elsewhere: bool },
    /// Something took too long.
    Late(Phase),
    /// The visitor's body is no body, too large or too slow.
    Visitor(u16, Phase),
    /// There is no room for the visitor's body.
    NoRoom,
    /// Its address has as many bodies waiting as it may.
    Share,
    /// The visitor left.
    Gone,
    /// Something is missing here: nobody was asked.
    Lack(Lack),
}

impl Failure {
    /// The status that tells it, and the word for the log.
    pub(super) fn answer(&self) -> (u16, End) {
        match self {
            Failure::Stale | Failure::Lost(_) => (502, End::Cut),
            Failure::Invalid(why) => {
                tracing::debug!(why, "an upstream's answer cannot be read");
                (502, End::Invalid)
            }
            Failure::Silent { .. } => (504, End::Silent),
            Failure::Late(phase) => (504, End::Late(*phase)),
            Failure::Visitor(408, phase) => (408, End::Late(*phase)),
            Failure::Visitor(status, _) => (*status, End::Bad),
            Failure::NoRoom => (503, End::NoRoom),
            Failure::Share => (429, End::Share),
            Failure::Gone => (0, End::Gone),
            Failure::Lack(lack) => (503, End::Lack(*lack)),
        }
    }
}

/// Who answers for an exchange, and what may be done about silence.
pub(super) struct Terms<'a> {
    pub(super) service: &'a dyn Service,
    pub(super) group: &'a Group,
    /// Whether another is to be asked when the instance has fallen silent, by whether all of the request is at hand.
    pub(super) elsewhere: &'a dyn Fn(bool) -> bool,
}

/// Sends the request and reads the head of the answer; returns what is still on its way of the request.
pub(super) async fn exchange(
    connection: &mut Connection,
    terms: &Terms<'_>,
    upstream: &mut Upstream,
) -> Result<Upload, Failure> {
    let mut upload = Upload::begin(connection, terms, &upstream.stream)?;
    if upload.is_large {
        upstream.be_patient(terms.group.timeouts.idle, silence(terms.group));
    }
    if upload.waits() == Waits::Visitor {
        connection.go_on(terms.service.timeouts().idle).await?;
    }
    answer_head(connection, terms, upstream, &mut upload).await?;
    Ok(upload)
}

/// Whether an upstream that changes the protocol changes to one that was asked for.
fn is_asked_for(connection: &Connection, upstream: &Upstream) -> bool {
    let (Some(asked), Some(changed)) = (connection.head.upgrade, connection.response.upgrade)
    else {
        return false;
    };
    let asked = asked.in_(&connection.input);
    let mut changed = elements(changed.in_(&upstream.buffer)).peekable();
    changed.peek().is_some()
        && changed.all(|one| elements(asked).any(|known| known.eq_ignore_ascii_case(one)))
}

fn lost(upstream: &Upstream, error: &io::Error) -> Failure {
    match (upstream.buffer.is_empty(), upstream.used) {
        (true, true) => Failure::Stale,
        (true, false) => Failure::Lost(plainly(error)),
        (false, _) => Failure::Invalid(plainly(error)),
    }
}

/// Reads the head of the answer, past interim ones, which go on to the visitor, while the rest of the request is sent; it
/// stays at the beginning of the upstream's buffer.
async fn answer_head(
    connection: &mut Connection,
    terms: &Terms<'_>,
    upstream: &mut Upstream,
    upload: &mut Upload,
) -> Result<(), Failure> {
    let mut due = patience(connection, terms.group, upload);
    loop {
        match connection
            .response
            .parse(&upstream.buffer, connection.head.method)
        {
            Ok(Parsed::Whole(taken)) if connection.response.status >= 200 => {
                connection.response.length = taken;
                return Ok(());
            }
            Ok(Parsed::Whole(taken)) if connection.response.status == 101 => {
                if !upload.is_done() || !is_asked_for(connection, upstream) {
                    let why = "it changes to a protocol that was not asked for";
                    return Err(Failure::Invalid(why.to_owned()));
                }
                connection.response.length = taken;
                return Ok(());
            }
            Ok(Parsed::Whole(taken)) => {
                interim(connection, upstream, terms.service.timeouts().idle).await?;
                upstream.buffer.drain(..taken);
                due = patience(connection, terms.group, upload);
                continue;
            }
            Ok(Parsed::Partial) if upstream.buffer.len() < LONGEST_HEAD => {}
            Ok(Parsed::Partial) => {
                return Err(Failure::Invalid("its head does not end".to_owned()));
            }
            Err(bad) => return Err(Failure::Invalid(bad.to_string())),
        }
        let most = terms.service.limits().body;
        match next(connection, upstream, upload, most, due).await {
            Event::Read(Ok(0)) => {
                let end = io::ErrorKind::UnexpectedEof.into();
                return Err(lost(upstream, upload.broken().unwrap_or(&end)));
            }
            Event::Read(Ok(_)) => {}
            Event::Read(Err(error)) => return Err(lost(upstream, &error)),
            Event::Sent(sent) => {
                sent?;
                due = patience(connection, terms.group, upload);
            }
            Event::Gone => return Err(Failure::Gone),
            Event::Late if !connection.slot.has_moved() => return Err(late(connection, upload)),
            Event::Late => {
                let elsewhere = (terms.elsewhere)(connection.is_kept);
                if elsewhere || terms.group.checked_alone {
                    return Err(Failure::Silent { elsewhere });
                }
                // It may be slow or stand still: this check cannot know, and there is nobody better to ask.
                connection.slot.unwatch();
            }
        }
    }
}

/// What happens first.
enum Event {
    /// The upstream has said something.
    Read(io::Result<usize>),
    /// The request is a step further.
    Sent(Result<(), Failure>),
    /// The visitor has left.
    Gone,
    /// Nothing, until then.
    Late,
}

async fn next(
    connection: &mut Connection,
    upstream: &mut Upstream,
    upload: &mut Upload,
    most: u64,
    due: Instant,
) -> Event {
    let slot = Rc::clone(&connection.slot);
    let Upstream { stream, buffer, .. } = &mut *upstream;
    if !upload.is_going() {
        let step = async {
            tokio::select! {
                biased;
                read = write::read(stream, buffer) => Event::Read(read),
                () = write::left(&connection.stream, connection.head.version) => Event::Gone,
            }
        };
        return slot.by(due, step).await.unwrap_or(Event::Late);
    }
    let version = connection.head.version;
    let (mut source, _) = Source::of(connection, most);
    let (visitor, reads_visitor) = (source.stream, upload.waits() == Waits::Visitor);
    let step = async {
        tokio::select! {
            read = write::read(stream, buffer) => Event::Read(read),
            sent = upload.step(&mut source, stream) => Event::Sent(sent),
            () = write::left(visitor, version), if !reads_visitor => Event::Gone,
        }
    };
    slot.by(due, step).await.unwrap_or(Event::Late)
}

/// Until when something has to move.
fn patience(connection: &Connection, group: &Group, upload: &Upload) -> Instant {
    match (upload.visitor_due(), upload.is_going()) {
        (Some(due), _) => connection.no_later(due),
        (None, true) => connection.within(group.timeouts.idle),
        (None, false) => connection.within(group.timeouts.first_byte),
    }
}

/// What it was that did not move.
fn late(connection: &Connection, upload: &Upload) -> Failure {
    match upload.waits() {
        Waits::Upstream => Failure::Late(connection.late(Phase::Idle)),
        Waits::Visitor => Failure::Visitor(408, connection.late(Phase::Visitor)),
        Waits::Nothing => Failure::Late(connection.late(Phase::FirstByte)),
    }
}

/// Passes an interim answer on, to a visitor that knows such (RFC 9110 §15.2).
async fn interim(
    connection: &mut Connection,
    upstream: &Upstream,
    within: Duration,
) -> Result<(), Failure> {
    if connection.head.version == Version::Http10 {
        return Ok(());
    }
    interim_head(connection, upstream);
    connection.say(within).await
}
