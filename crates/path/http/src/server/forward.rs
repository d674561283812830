//! A request that goes on: to whom, and to whom next when that fails. How it is sent is in `exchange`, how its
//! answer comes back in `back`.
//!
//! Whether a request may be sent again is the group's policy to say; what it needs to know for that is found out
//! here: what of the request may have been seen, and whether all of it is still at hand.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::back::{Back, is_broken};
use super::connection::{Connection, Outcome};
use super::dial::{Unmade, connect};
use super::exchange::{Failure, Terms, exchange};
use super::heads::is_unsent;
use super::pages::words;
use super::tunnel::tunnel;
use super::upload::Upload;
use super::{Service, Worker, intake, write};
use crate::body::Framing;
use crate::head::Method;
use crate::log::{End, Phase};
use crate::upstream::policy::{Again, Ended, Failed, Next, Why};
use crate::upstream::pool::Connection as Upstream;
use crate::upstream::{Group, micros};

/// Where a request goes, and who serves it.
struct Way<'a> {
    worker: &'a Worker,
    service: &'a dyn Service,
    group: &'a Group,
    begun: Instant,
    /// Repeating it does no harm.
    idempotent: bool,
    /// It has no body.
    bodiless: bool,
    /// Whom it was brought to, in vain.
    tried: Vec<usize>,
    tries: u32,
    /// Somebody behind us may have seen it.
    sent: bool,
    /// The last one that it was brought to.
    last: Option<usize>,
}

/// A place at an instance, given back once: at the latest when it is dropped.
pub(super) struct Place<'a> {
    worker: &'a Worker,
    group: &'a Group,
    index: usize,
    how: Ended,
    left: bool,
}

impl Place<'_> {
    /// Gives it back: the instance has nothing more to do with the request.
    pub(super) fn leave(&mut self) {
        if !std::mem::replace(&mut self.left, true) {
            let now = self.worker.now();
            self.group.policy.ended(self.index, self.how, now);
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

/// How one try came out.
#[allow(
    clippy::large_enum_variant,
    reason = "it is moved once, and a box would be an allocation for every request"
)]
enum Try {
    /// There is an answer: the connection that it comes over, and what is left of the request.
    Answered(Upstream, Upload),
    /// In vain: why, and what it comes to if that was the last.
    Failed(Why, End),
    /// In vain, and another try would be no better.
    Hopeless(Failure),
}

/// Sends a request on and its answer back.
pub(super) async fn forward(
    connection: &mut Connection,
    worker: &Worker,
    service: &dyn Service,
    group: &Group,
    begun: Instant,
) -> Outcome {
    connection.due = group.timeouts.total.map(|total| begun + total);
    connection.head_length = connection.consumed;
    connection.is_kept = true;
    let taken = if service.shields(connection.peer) {
        let above = group.streams_above(&connection.head, &connection.input);
        intake::take(connection, worker, service, above).await
    } else {
        Ok(false)
    };
    let mut way = Way {
        worker,
        service,
        group,
        begun,
        idempotent: connection.head.method != Method::Other,
        bodiless: connection.head.framing == Framing::None,
        tried: Vec::new(),
        tries: 0,
        sent: false,
        last: None,
    };
    let outcome = match taken {
        Ok(waited) => {
            if waited {
                way.begun = Instant::now();
            }
            way.go(connection).await
        }
        Err(failure) => {
            let (status, end) = failure.answer();
            way.tell(connection, status, end).await
        }
    };
    connection.spooled = None;
    let last = way.last.map(|index| Arc::clone(&group.instances[index]));
    Outcome {
        tries: way.tries,
        instance: last,
        ..outcome
    }
}

impl Way<'_> {
    /// One instance after the other, until one answers or there is none left.
    async fn go(&mut self, connection: &mut Connection) -> Outcome {
        let mut end = End::Down;
        loop {
            let index = match self.next(connection).await {
                Ok(index) => index,
                // What the last try came to says more than that there is nobody left.
                Err(End::Down) => return self.give_up(connection, end).await,
                Err(other) => return self.give_up(connection, other).await,
            };
            let mut place = Place {
                worker: self.worker,
                group: self.group,
                index,
                how: Ended::Aside,
                left: false,
            };
            match self.at(connection, &mut place).await {
                Ok(outcome) => return outcome,
                Err(failed) => end = failed,
            }
            self.tried.push(index);
        }
    }

    /// The instance for the next try.
    async fn next(&self, connection: &Connection) -> Result<usize, End> {
        let now = if self.tried.is_empty() {
            self.begun
        } else {
            self.worker.now()
        };
        match self.group.policy.next(&self.tried, now) {
            Next::Go(index) => Ok(index),
            Next::Nobody => Err(End::Down),
            Next::Full => Err(End::Full),
            Next::Wait(turn, within) => {
                let waits = async {
                    tokio::select! {
                        biased;
                        index = turn => Some(index),
                        () = write::left(&connection.stream, connection.head.version) => None,
                    }
                };
                match connection.slot.by(connection.within(within), waits).await {
                    Ok(Some(index)) => Ok(index),
                    Ok(None) => Err(End::Gone),
                    Err(_) => Err(End::Late(Phase::Queue)),
                }
            }
        }
    }

    /// Everything at one instance. `Err`: it is to go elsewhere.
    async fn at(
        &mut self,
        connection: &mut Connection,
        place: &mut Place<'_>,
    ) -> Result<Outcome, End> {
        let group = self.group;
        let instance = &group.instances[place.index];
        self.last = Some(place.index);
        let mut fresh = false;
        loop {
            self.tries += 1;
            connection.consumed = connection.head_length;
            let came = self.once(connection, place.index, fresh).await;
            connection.slot.unwatch();
            let (why, end) = match came {
                Try::Answered(upstream, upload) => {
                    let status = connection.response.status;
                    place.how = Ended::Answered(status);
                    let unsent = is_unsent(connection, group, &upstream);
                    if !unsent
                        || self.again(connection.is_kept, place.index, Why::Unsent) == Again::No
                    {
                        return Ok(self.answer(connection, place, upstream, upload).await);
                    }
                    (Why::Unsent, End::Down)
                }
                Try::Failed(why, end) => (why, end),
                Try::Hopeless(failure) => return Ok(self.fail(connection, place, &failure).await),
            };
            if why != Why::Unsent {
                place.how = match why {
                    Why::Unreachable => Ended::Unreachable,
                    Why::Stale => Ended::Aside,
                    _ => Ended::Broken,
                };
                self.sent |= why != Why::Unreachable;
            }
            if why != Why::Stale {
                instance.errors.fetch_add(1, Ordering::Relaxed);
            }
            let again = match why {
                // That was asked before.
                Why::Unsent | Why::Silent => Again::Elsewhere,
                why => self.again(connection.is_kept, place.index, why),
            };
            match again {
                Again::No => return Ok(self.give_up(connection, end).await),
                Again::Elsewhere => {
                    instance.retries.fetch_add(1, Ordering::Relaxed);
                    return Err(end);
                }
                Again::Fresh => instance.retries.fetch_add(1, Ordering::Relaxed),
            };
            fresh = true;
        }
    }

    fn again(&self, replayable: bool, index: usize, why: Why) -> Again {
        let failed = Failed {
            index,
            sent: !matches!(why, Why::Unreachable | Why::Unsent),
            idempotent: self.idempotent,
            replayable,
            bodiless: self.bodiless,
            why,
        };
        let now = self.worker.now();
        self.group.policy.again(&failed, &self.tried, now)
    }

    /// One connection, one request, up to the head of the answer.
    async fn once(&self, connection: &mut Connection, index: usize, fresh: bool) -> Try {
        let instance = &self.group.instances[index];
        if self.group.ours {
            // Where a server of ours is silent another is asked, if that does no harm.
            connection.slot.watch(instance.deaths());
        }
        let now = self.worker.now();
        let once = !self.idempotent;
        let take = || self.worker.pool.borrow_mut().take(instance, once, now);
        let kept = (!fresh).then(take).flatten();
        let mut upstream = match kept {
            Some(kept) => kept,
            None => match connect(connection, self.worker, self.group, instance).await {
                Ok(made) => made,
                Err(Unmade::Theirs(why, end)) => {
                    instance.unreachable(&why);
                    return Try::Failed(Why::Unreachable, end);
                }
                Err(Unmade::Ours(lack)) => return Try::Hopeless(Failure::Lack(lack)),
            },
        };
        instance.requests.fetch_add(1, Ordering::Relaxed);
        let elsewhere = |replayable| self.again(replayable, index, Why::Silent) == Again::Elsewhere;
        match exchange(connection, &self.terms(&elsewhere), &mut upstream).await {
            Ok(upload) => Try::Answered(upstream, upload),
            Err(Failure::Stale) => Try::Failed(Why::Stale, End::Cut),
            Err(Failure::Lost(why)) => {
                tracing::debug!(instance = instance.id, why, "an upstream broke off");
                Try::Failed(Why::Lost, End::Cut)
            }
            Err(Failure::Silent { elsewhere: true }) => Try::Failed(Why::Silent, End::Silent),
            Err(failure) => Try::Hopeless(failure),
        }
    }

    fn terms<'t>(&'t self, elsewhere: &'t dyn Fn(bool) -> bool) -> Terms<'t> {
        Terms {
            service: self.service,
            group: self.group,
            elsewhere,
        }
    }

    async fn answer(
        &self,
        connection: &mut Connection,
        place: &mut Place<'_>,
        upstream: Upstream,
        upload: Upload,
    ) -> Outcome {
        let waited = micros(self.begun);
        if connection.response.status == 101 {
            let came = tunnel(connection, self.worker, self.group, upstream).await;
            return Outcome { waited, ..came };
        }
        let back = Back {
            worker: self.worker,
            terms: &self.terms(&|_| false),
            instance: &self.group.instances[place.index],
            place,
        };
        let came = back.bring(connection, upstream, upload).await;
        if is_broken(came.end) {
            place.how = Ended::Broken;
        }
        Outcome { waited, ..came }
    }

    /// Another try would be no better: the visitor is told, if it is still there.
    async fn fail(
        &mut self,
        connection: &mut Connection,
        place: &mut Place<'_>,
        failure: &Failure,
    ) -> Outcome {
        let (status, end) = failure.answer();
        // Without a connection nobody has seen it.
        self.sent |= !matches!(failure, Failure::Lack(_));
        if !matches!(
            failure,
            Failure::Visitor(..) | Failure::Gone | Failure::Lack(_)
        ) {
            place.how = Ended::Broken;
            let instance = &self.group.instances[place.index];
            instance.errors.fetch_add(1, Ordering::Relaxed);
        }
        self.tell(connection, status, end).await
    }

    /// There is nobody to ask, or nobody left.
    async fn give_up(&self, connection: &mut Connection, end: End) -> Outcome {
        let status = match end {
            End::Cut => 502,
            End::Silent | End::Late(Phase::Total) => 504,
            _ => 503,
        };
        self.tell(connection, status, end).await
    }

    async fn tell(&self, connection: &mut Connection, status: u16, end: End) -> Outcome {
        if end == End::Gone {
            return Outcome::answered(0, 0, end, false);
        }
        // Who is in front of servers of ours is the first of us: whoever asks it is none.
        connection.unsent = !self.sent
            && !self.group.ours
            && matches!(status, 502 | 503)
            && self.service.trusts(connection.peer);
        let page = self.service.trouble(
            status,
            &words(&self.group.name, status, end),
            &connection.id_text(),
            connection.wants_html(),
        );
        let keep =
            connection.head.keep_alive && connection.head.framing == Framing::None && status >= 500;
        connection
            .answer(self.worker, self.service, &page, keep, end)
            .await
    }
}
