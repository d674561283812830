//! Buffers that a worker's connections share: one holds them only while it has something in them.

use std::cell::RefCell;

/// How large one is made.
const USUAL: usize = 8 * 1024;
/// One that has grown beyond this is given back to the system.
const LARGEST: usize = 64 * 1024;
/// So many wait for their next use.
const MOST: usize = 128;

/// A worker's buffers.
#[derive(Default)]
pub(super) struct Buffers {
    free: RefCell<Vec<Vec<u8>>>,
}

impl Buffers {
    /// An empty buffer with room.
    pub(super) fn take(&self) -> Vec<u8> {
        let free = self.free.borrow_mut().pop();
        free.unwrap_or_else(|| Vec::with_capacity(USUAL))
    }

    /// Takes a buffer back, and leaves nothing of it.
    pub(super) fn give(&self, buffer: &mut Vec<u8>) {
        let mut buffer = std::mem::take(buffer);
        let mut free = self.free.borrow_mut();
        if (1..=LARGEST).contains(&buffer.capacity()) && free.len() < MOST {
            buffer.clear();
            free.push(buffer);
        }
    }
}
