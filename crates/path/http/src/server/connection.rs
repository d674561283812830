//! A visitor's connection while something is under way on it: request after request, as long as they have come.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use super::network::sharer;
pub(super) use super::outcome::Outcome;
use super::read_head::Head;
use super::waiting::{Next, Waiting};
use super::{Decision, Request, Service, Worker, answer, forward, heads};
use crate::body::{Framing, Transfer};
use crate::head::{RequestHead, ResponseHead};
use crate::log::{End, Entry, Phase};
use crate::spool::Spooled;
use crate::timer::Slot;
use crate::upstream::micros;

/// One that has grown beyond this is given back to the system.
const LARGEST_BUFFER: usize = 64 * 1024;

/// What is used again by the next connection.
#[derive(Default)]
pub(super) struct Parts {
    input: Vec<u8>,
    output: Vec<u8>,
    head: RequestHead,
    response: ResponseHead,
    id: Vec<u8>,
}

/// A connection that is served.
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) peer: IpAddr,
    /// Who asks: the peer, or whom a peer that we believe says it asks for.
    visitor: IpAddr,
    /// What has come and not been consumed.
    pub(super) input: Vec<u8>,
    pub(super) output: Vec<u8>,
    pub(super) head: RequestHead,
    pub(super) response: ResponseHead,
    pub(super) id: Vec<u8>,
    pub(super) slot: Rc<Slot>,
    /// How many bytes of `input` belong to the present request.
    pub(super) consumed: usize,
    /// How many of those are its head.
    pub(super) head_length: usize,
    /// All that has come of the present request is still in `input`, or in `spooled`.
    pub(super) is_kept: bool,
    /// The present request's body, where it is too large for `input`, and what is still to come of that one.
    pub(super) spooled: Option<Spooled>,
    pub(super) body: Transfer,
    /// Nobody behind us has seen it, and whoever asks may know.
    pub(super) unsent: bool,
    /// When the present request has taken too long, whatever happens, where the site sets such a bound.
    pub(super) due: Option<Instant>,
    /// When the head that has begun to come has to be whole.
    head_due: Option<Instant>,
}

/// What a server of ours may be asked to do, whatever it serves; more is an app's to say.
const ALLOW: &str = "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n";

impl Connection {
    /// One on which something has come.
    pub(super) fn of(waiting: Waiting, parts: Parts) -> Self {
        let Waiting {
            stream,
            peer,
            slot,
            rest,
            due,
        } = waiting;
        let Parts {
            mut input,
            output,
            head,
            response,
            id,
        } = parts;
        input.extend_from_slice(&rest);
        Self {
            stream,
            peer,
            visitor: peer,
            input,
            output,
            head,
            response,
            id,
            slot,
            consumed: 0,
            head_length: 0,
            is_kept: true,
            spooled: None,
            body: Transfer::new(Framing::None, false),
            unsent: false,
            due: None,
            head_due: due,
        }
    }

    /// What waits for the next request, and what is free for others.
    pub(super) fn split(self) -> (Waiting, Parts) {
        let Self {
            stream,
            peer,
            slot,
            mut input,
            mut output,
            head,
            response,
            id,
            head_due,
            ..
        } = self;
        let waiting = Waiting {
            stream,
            peer,
            slot,
            rest: input.to_vec(),
            due: head_due,
        };
        for buffer in [&mut input, &mut output] {
            buffer.clear();
            if buffer.capacity() > LARGEST_BUFFER {
                *buffer = Vec::new();
            }
        }
        let parts = Parts {
            input,
            output,
            head,
            response,
            id,
        };
        (waiting, parts)
    }

    /// Serves what has come, or tells that it came late.
    pub(super) async fn serve(&mut self, worker: &Worker, late: bool) -> Next {
        let mut read = if late {
            Head::Late
        } else {
            self.read_head(&*worker.service())
        };
        loop {
            match read {
                Head::Partial => return Next::Wait,
                Head::End => return Next::End,
                Head::Whole | Head::Bad(_) | Head::Late => {}
            }
            if !self.request(worker, read).await {
                return Next::End;
            }
            read = self.next_head(&*worker.service());
        }
    }

    /// One request; `false`: the connection is at its end.
    async fn request(&mut self, worker: &Worker, read: Head) -> bool {
        // What is served may have changed while nothing was asked.
        let service = worker.service();
        let begun = Instant::now();
        let time = worker.moment.get().micros(begun);
        self.visitor = self.peer;
        self.id.clear();
        self.unsent = false;
        self.due = None;
        self.head_due = None;
        worker.request_id(&mut self.id);
        worker.counters.begin();
        let outcome = match read {
            Head::Whole => self.respond(worker, &service, begun).await,
            Head::Bad(bad) => {
                self.refuse(worker, &*service, bad.status(), &bad.to_string())
                    .await
            }
            Head::Late | Head::Partial | Head::End => {
                self.refuse(worker, &*service, 408, "the request did not come in time")
                    .await
            }
        };
        self.note(worker, &*service, &outcome, time, micros(begun));
        self.input.drain(..self.consumed);
        self.consumed = 0;
        outcome.keep && !worker.draining.get()
    }

    async fn respond(
        &mut self,
        worker: &Worker,
        service: &Rc<dyn Service>,
        begun: Instant,
    ) -> Outcome {
        if matches!(self.head.framing, Framing::Length(length) if length > service.limits().body) {
            let why = "the request's body is larger than this site takes";
            return self.refuse(worker, &**service, 413, why).await;
        }
        let request = Request {
            head: &self.head,
            buffer: &self.input,
            now: begun,
        };
        self.due = service.timeouts().total.map(|total| begun + total);
        self.visitor = self.peer;
        let trusted = service.trusts(self.peer);
        if trusted && let Some(visitor) = heads::forwarded_for(&request) {
            self.visitor = visitor;
        }
        if trusted
            && let Some(id) = request.field(b"x-request-id")
            && (1..=128).contains(&id.len())
            && id.iter().all(u8::is_ascii_graphic)
        {
            self.id.clear();
            self.id.extend_from_slice(id);
        }
        if request.is_about_server() {
            let answer = answer::Answer::new("200 OK", ALLOW, Vec::new());
            return self.answer_alone(worker, service, &answer, End::Ok).await;
        }
        match service.decide(&request) {
            Decision::Forward(group) => {
                forward::forward(self, worker, &**service, &group, begun).await
            }
            Decision::Answer(answer) => self.answer_alone(worker, service, &answer, End::Ok).await,
            Decision::Trouble(status, why) => {
                let page = service.trouble(status, &why, &self.id_text(), self.wants_html());
                self.answer_alone(worker, service, &page, End::Ok).await
            }
            Decision::Lack(lack) => {
                worker.counters.lacks.met(lack);
                let (id, html) = (self.id_text(), self.wants_html());
                let page = service.trouble(503, lack.words(), &id, html);
                let end = End::Lack(lack);
                self.answer_alone(worker, service, &page, end).await
            }
        }
    }

    /// Answers without asking anybody. A body that nobody wants is read as far as it is here; for the rest the
    /// connection is given up.
    async fn answer_alone(
        &mut self,
        worker: &Worker,
        service: &Rc<dyn Service>,
        answer: &answer::Answer,
        end: End,
    ) -> Outcome {
        let mut body = Transfer::new(self.head.framing, false);
        self.output.clear();
        let passed = body
            .pass(&self.input[self.consumed..], &mut self.output)
            .unwrap_or(0);
        self.consumed += passed;
        let keep = self.head.keep_alive && body.is_done() && !worker.draining.get();
        self.answer(worker, &**service, answer, keep, end).await
    }

    /// The body of the request, as it goes on.
    pub(super) fn request_body(&self) -> Transfer {
        let RequestHead {
            framing,
            connection,
            ..
        } = &self.head;
        let rechunk = *framing == Framing::Chunked;
        Transfer::of_message(*framing, rechunk, connection, &self.input)
    }

    /// Then, or when the request has taken as long as it may in all.
    pub(super) fn no_later(&self, then: Instant) -> Instant {
        self.due.map_or(then, |due| due.min(then))
    }

    /// So long from now, and not longer than the request may take in all.
    pub(super) fn within(&self, limit: Duration) -> Instant {
        self.no_later(self.slot.after(limit))
    }

    /// What it was, when a wait ended late.
    pub(super) fn late(&self, phase: Phase) -> Phase {
        match self.due {
            Some(due) if Instant::now() >= due => Phase::Total,
            _ => phase,
        }
    }

    /// Whose share its bodies count to. A neighbour that brings the requests of many has none.
    pub(super) fn sharer(&self, service: &dyn Service) -> Option<IpAddr> {
        let is_own = self.visitor != self.peer || !service.trusts(self.peer);
        is_own.then(|| sharer(self.visitor))
    }

    pub(super) fn id_text(&self) -> String {
        String::from_utf8_lossy(&self.id).into_owned()
    }

    pub(super) fn wants_html(&self) -> bool {
        self.consumed > 0
            && self.asked().field(b"accept").is_some_and(|accept| {
                accept
                    .windows(9)
                    .any(|part| part.eq_ignore_ascii_case(b"text/html"))
            })
    }

    /// The request. Its head may be half read; its spans are of the buffer all the same, or of none.
    fn asked(&self) -> Request<'_> {
        Request {
            head: &self.head,
            buffer: &self.input,
            now: self.slot.now(),
        }
    }

    fn note(
        &self,
        worker: &Worker,
        service: &dyn Service,
        outcome: &Outcome,
        time: u64,
        took: u64,
    ) {
        let changed = outcome.status == 101;
        let failed = match outcome.end {
            // What another protocol comes to is not for us to judge.
            _ if changed => false,
            End::Gone => false,
            End::Cut | End::Down | End::Silent | End::NoRoom => true,
            End::Late(Phase::Idle | Phase::Total) if outcome.status != 408 => true,
            _ => outcome.status >= 500,
        };
        // How long a visitor talks in another protocol says nothing of how quick we are.
        let answered = if changed { outcome.waited } else { took };
        if self.consumed > 0 && service.is_check(&self.asked(), self.peer) {
            worker.counters.was_check();
        } else {
            worker.counters.end(answered, outcome.bytes, failed);
        }
        let whole = self.consumed > 0;
        let part = |span: crate::head::Span| if whole { span.in_(&self.input) } else { b"" };
        worker.log.borrow_mut().line(&Entry {
            time,
            visitor: self.visitor,
            id: &self.id,
            method: part(self.head.method_text),
            host: part(self.head.authority),
            target: part(self.head.target),
            status: outcome.status,
            bytes: outcome.bytes,
            took,
            instance: outcome
                .instance
                .as_deref()
                .map_or("", |instance| &instance.id),
            waited: outcome.waited,
            tries: outcome.tries,
            end: outcome.end,
        });
    }
}
