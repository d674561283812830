//! The next head of a visitor's connection: waited for, read, and held to its bounds.

use std::time::Instant;

use super::connection::Connection;
use super::{Service, Worker, write};
use crate::head::{Bad, MORE_BYTES, MOST_FIELDS, Parsed};
use crate::timer::Stage;

/// What reading a head came to.
pub(super) enum Head {
    Whole,
    Bad(Bad),
    /// It did not come in time.
    Late,
    /// The visitor is gone, or asks nothing more.
    End,
}

impl Connection {
    /// Reads until a head is whole. Between requests the visitor may be silent for long, within a head not.
    pub(super) async fn read_head(&mut self, service: &dyn Service, worker: &Worker) -> Head {
        let mut due: Option<Instant> = None;
        let idle = self.slot.after(service.timeouts().idle);
        loop {
            if !self.input.is_empty() {
                match self.head.parse(&mut self.input) {
                    Ok(Parsed::Whole(taken)) if self.is_within(taken, service) => {
                        self.consumed = taken;
                        self.slot.set_stage(Stage::Busy);
                        return Head::Whole;
                    }
                    Ok(Parsed::Partial) if self.may_grow(service) => {}
                    Ok(_) => return Head::Bad(Bad::TooLarge),
                    Err(bad) => return Head::Bad(bad),
                }
            }
            let between = self.input.is_empty();
            if between && worker.draining.get() {
                return Head::End;
            }
            let deadline = if between {
                idle
            } else {
                *due.get_or_insert_with(|| self.slot.after(service.timeouts().first_byte))
            };
            let Self {
                stream,
                input,
                output,
                slot,
                ..
            } = self;
            let read = if between {
                slot.set_stage(Stage::Idle);
                // Who waits for nothing in particular holds no memory for it.
                worker.buffers.give(output);
                let read = write::read_first(stream, input, &worker.buffers);
                let read = slot.by(deadline, read).await;
                *output = worker.buffers.take();
                read
            } else {
                slot.set_stage(Stage::Head);
                slot.by(deadline, write::read(stream, input)).await
            };
            match read {
                Ok(Ok(0) | Err(_)) => return Head::End,
                Ok(Ok(_)) => self.slot.spare(),
                Err(_) if between => return Head::End,
                Err(_) => return Head::Late,
            }
        }
    }

    /// Whether a head of so many bytes is as large as it may be, or smaller.
    fn is_within(&self, taken: usize, service: &dyn Service) -> bool {
        let usual = taken <= service.limits().head && self.head.fields.len() <= MOST_FIELDS;
        // A server of ours before us has added to its visitor's.
        usual || (taken <= service.limits().head + MORE_BYTES && service.trusts(self.peer))
    }

    fn may_grow(&self, service: &dyn Service) -> bool {
        let (length, most) = (self.input.len(), service.limits().head);
        length < most || (length < most + MORE_BYTES && service.trusts(self.peer))
    }
}
