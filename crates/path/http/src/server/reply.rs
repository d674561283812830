//! What we say to a visitor ourselves: answers of our own, and words before an answer.

use std::cell::Cell;
use std::time::Duration;

use super::answer::Manner;
use super::connection::{Connection, Outcome};
use super::exchange::Failure;
use super::{Service, Worker, answer, write};
use crate::log::{End, Phase};
use crate::timer::Pace;

impl Connection {
    /// Sends an answer of our own.
    pub(super) async fn answer(
        &mut self,
        worker: &Worker,
        service: &dyn Service,
        answer: &answer::Answer,
        keep: bool,
        end: End,
    ) -> Outcome {
        let Self {
            stream,
            output,
            head,
            slot,
            unsent,
            due,
            ..
        } = self;
        let timeouts = service.timeouts();
        let pace = Cell::new(Pace::new(timeouts.idle, timeouts.rate, slot.now()));
        let due = *due;
        let until = |pace: &Pace| due.map_or(pace.until(), |due| due.min(pace.until()));
        let moved = |bytes| {
            let mut now = pace.get();
            now.moved(bytes, slot.now());
            pace.set(now);
            slot.postpone(until(&now));
        };
        let manner = Manner {
            close: !keep,
            unsent: *unsent,
        };
        let sending = answer::send(worker, stream, output, answer, head, manner, &moved);
        match slot.by(until(&pace.get()), sending).await {
            Ok(Ok(bytes)) => Outcome::answered(answer.status, bytes, end, keep),
            Ok(Err(_)) => Outcome::answered(answer.status, 0, End::Gone, false),
            Err(_) => Outcome::answered(answer.status, 0, End::Late(Phase::Visitor), false),
        }
    }

    /// Answers that it cannot be served, and gives the connection up: what follows on it cannot be trusted.
    pub(super) async fn refuse(
        &mut self,
        worker: &Worker,
        service: &dyn Service,
        status: u16,
        why: &str,
    ) -> Outcome {
        let page = service.trouble(status, why, &self.id_text(), self.wants_html());
        let end = if status == 408 {
            End::Late(Phase::Visitor)
        } else {
            End::Bad
        };
        self.answer(worker, service, &page, false, end).await
    }

    /// Says what is in the output, while the answer is still to come.
    pub(super) async fn say(&self, within: Duration) -> Result<(), Failure> {
        self.tell(&self.output, within).await
    }

    /// Tells a visitor that waits for it to send its body: once.
    pub(super) async fn go_on(&mut self, within: Duration) -> Result<(), Failure> {
        if std::mem::take(&mut self.head.expects_continue) {
            let word = b"HTTP/1.1 100 Continue\r\n\r\n";
            self.tell(word, within).await?;
        }
        Ok(())
    }

    async fn tell(&self, bytes: &[u8], within: Duration) -> Result<(), Failure> {
        let sending = write::send(&self.stream, bytes, false);
        match self.slot.by(self.within(within), sending).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Failure::Gone),
            Err(_) => Err(Failure::Visitor(408, self.late(Phase::Visitor))),
        }
    }
}
