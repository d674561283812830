//! The next head of a visitor's connection: read, and held to its bounds.

use std::io;

use super::connection::Connection;
use super::{Service, write};
use crate::head::{Bad, MORE_BYTES, MOST_FIELDS, Parsed};
use crate::timer::Stage;

/// What reading a head came to.
pub(super) enum Head {
    Whole,
    /// The rest of it is still to come, or all.
    Partial,
    Bad(Bad),
    /// It did not come in time.
    Late,
    /// The visitor is gone, or asks nothing more.
    End,
}

impl Connection {
    /// Reads what has come, which may be a head.
    pub(super) fn read_head(&mut self, service: &dyn Service) -> Head {
        match write::read_now(&self.stream, &mut self.input) {
            Ok(1..) => {
                self.slot.spare();
                self.next_head(service)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Head::Partial,
            Ok(0) | Err(_) => Head::End,
        }
    }

    /// The head at the beginning of what has come.
    pub(super) fn next_head(&mut self, service: &dyn Service) -> Head {
        if self.input.is_empty() {
            return Head::Partial;
        }
        match self.head.parse(&mut self.input) {
            Ok(Parsed::Whole(taken)) if self.is_within(taken, service) => {
                self.consumed = taken;
                self.slot.set_stage(Stage::Busy);
                Head::Whole
            }
            Ok(Parsed::Partial) if self.may_grow(service) => Head::Partial,
            Ok(_) => Head::Bad(Bad::TooLarge),
            Err(bad) => Head::Bad(bad),
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
