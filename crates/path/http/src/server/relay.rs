//! An answer that comes faster than its visitor takes it, or while some of the request is still on its way: both
//! directions go on beside each other, and what ends them is that something stands still for too long.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::back::Answering;
use super::backlog::Backlog;
use super::connection::Connection;
use super::exchange::{Failure, Terms};
use super::upload::Source;
use super::write;
use crate::log::{End, Phase};
use crate::timer::Pace;
use crate::upstream::pool::Connection as Upstream;

/// A visitor that has been behind for this long is slow: from then on a file holds what it has not taken.
const BEHIND: Duration = Duration::from_millis(100);
/// An answer that is whole before its request may be the last word: so long the rest of the request has to be taken.
const SETTLE: Duration = Duration::from_secs(1);

/// What happened.
enum Event {
    /// More of the answer came.
    Read(io::Result<usize>),
    /// The request is a step further.
    Sent(Result<(), Failure>),
    /// The visitor took some.
    Taken(io::Result<usize>),
    /// Nothing in time.
    Late,
}

/// How long each side has stood still.
struct Patience {
    /// How the visitor has to take its answer.
    visitor: Pace,
    /// Since when it has been behind.
    behind: Instant,
    /// When something last went to the upstream, or came from it.
    moved: Instant,
}

/// Goes on until the upstream has nothing more to do, or the visitor has everything that came.
pub(super) async fn relay(
    connection: &mut Connection,
    terms: &Terms<'_>,
    answering: &mut Answering,
    backlog: &mut Backlog,
) -> Result<(), End> {
    let (timeouts, now) = (terms.service.timeouts(), connection.slot.now());
    let mut patience = Patience {
        visitor: Pace::new(timeouts.idle, timeouts.rate, now),
        behind: now,
        moved: now,
    };
    while answering.upload.is_going() || !(answering.body.is_done() || backlog.is_empty()) {
        let event = next(connection, terms, answering, backlog, &patience).await;
        let now = connection.slot.now();
        match event {
            Event::Read(read) => {
                if backlog.is_empty() {
                    patience.visitor.resume(now);
                    patience.behind = now;
                }
                patience.moved = now;
                let passed = match read {
                    Ok(0) => answering.closed(&mut connection.output),
                    Ok(_) => answering.pass(&mut connection.output),
                    Err(_) => return Err(End::Cut),
                };
                passed.map_err(|_| End::Cut)?;
                backlog.push(&connection.output);
                connection.output.clear();
            }
            Event::Sent(Ok(())) => patience.moved = now,
            // The answer is whole without the rest.
            Event::Sent(Err(_)) if answering.body.is_done() => answering.upload.give_up(),
            Event::Sent(Err(failure)) => return Err(failure.answer().1),
            Event::Taken(taken) => {
                let taken = taken.map_err(|_| End::Gone)?;
                patience.visitor.moved(taken, now);
                patience.moved = now;
            }
            Event::Late => patience.judge(connection, terms, answering, backlog)?,
        }
    }
    Ok(())
}

async fn next(
    connection: &mut Connection,
    terms: &Terms<'_>,
    answering: &mut Answering,
    backlog: &mut Backlog,
    patience: &Patience,
) -> Event {
    let slot = Rc::clone(&connection.slot);
    let slow = slot.now() >= patience.behind + BEHIND;
    let reads = !answering.body.is_done() && backlog.has_room(slow);
    let due = connection.no_later(patience.due(terms, answering, backlog, slow));
    let (mut source, _) = Source::of(connection, terms.service.limits().body);
    let visitor = source.stream;
    let Upstream { stream, buffer, .. } = &mut answering.upstream;
    let upload = &mut answering.upload;
    let (going, waiting) = (upload.is_going(), !backlog.is_empty());
    let step = async {
        tokio::select! {
            read = write::read(stream, buffer), if reads => Event::Read(read),
            sent = upload.step(&mut source, stream), if going => Event::Sent(sent),
            taken = backlog.step(visitor), if waiting => Event::Taken(taken),
        }
    };
    slot.by(due, step).await.unwrap_or(Event::Late)
}

impl Patience {
    /// Until when the upstream has to take or say something.
    fn upstream(&self, terms: &Terms<'_>, answering: &Answering) -> Instant {
        let limit = if answering.body.is_done() {
            SETTLE
        } else {
            terms.group.timeouts.idle
        };
        self.moved + limit
    }

    /// When to look again.
    fn due(
        &self,
        terms: &Terms<'_>,
        answering: &Answering,
        backlog: &Backlog,
        slow: bool,
    ) -> Instant {
        let mut due = self.upstream(terms, answering);
        if !backlog.is_empty() {
            due = due.min(self.visitor.until());
        }
        if let Some(visitor) = answering.upload.visitor_due() {
            due = due.min(visitor);
        }
        if slow {
            due
        } else {
            due.min(self.behind + BEHIND)
        }
    }

    /// Who has stood still for too long; `Ok`: nobody, or it does not matter.
    fn judge(
        &mut self,
        connection: &Connection,
        terms: &Terms<'_>,
        answering: &mut Answering,
        backlog: &Backlog,
    ) -> Result<(), End> {
        let now = Instant::now();
        let late = |phase| Err(End::Late(connection.late(phase)));
        let is_whole = answering.body.is_done();
        let sends_slowly = (answering.upload.visitor_due()).is_some_and(|due| now >= due);
        let stands = now >= self.upstream(terms, answering);
        if connection.late(Phase::Idle) == Phase::Total
            || (!backlog.is_empty() && now >= self.visitor.until())
        {
            late(Phase::Visitor)
        } else if is_whole && (stands || sends_slowly) {
            answering.upload.give_up();
            Ok(())
        } else if sends_slowly {
            late(Phase::Visitor)
        } else if stands && !backlog.has_room(true) {
            // It waits for the visitor, as we do.
            self.moved = connection.slot.now();
            Ok(())
        } else if stands {
            late(Phase::Idle)
        } else {
            Ok(())
        }
    }
}

/// Sends what is left to the visitor alone.
pub(super) async fn drain(
    connection: &mut Connection,
    terms: &Terms<'_>,
    mut backlog: Backlog,
) -> End {
    let (timeouts, slot) = (terms.service.timeouts(), &connection.slot);
    let mut pace = Pace::new(timeouts.idle, timeouts.rate, slot.now());
    while !backlog.is_empty() {
        let due = connection.no_later(pace.until());
        match slot.by(due, backlog.step(&connection.stream)).await {
            Ok(Ok(taken)) => pace.moved(taken, slot.now()),
            Ok(Err(_)) => return End::Gone,
            Err(_) => return End::Late(connection.late(Phase::Visitor)),
        }
    }
    connection.output = backlog.into_buffer();
    End::Ok
}
