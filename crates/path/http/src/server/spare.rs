//! What is made once and used again and again: the last given back is taken first, and what has not been needed for a
//! while goes.

use std::cell::{Cell, RefCell};

/// So many stay, needed or not: making them costs more than keeping them.
const KEPT: usize = 8;

/// Things that wait for their next use.
pub(super) struct Spare<T> {
    free: RefCell<Vec<T>>,
    /// The fewest that were free since the last sweep: so many were never in use.
    fewest: Cell<usize>,
}

impl<T> Default for Spare<T> {
    fn default() -> Self {
        Self {
            free: RefCell::default(),
            fewest: Cell::new(0),
        }
    }
}

impl<T> Spare<T> {
    /// The one that was used last, if there is one.
    pub(super) fn take(&self) -> Option<T> {
        let mut free = self.free.borrow_mut();
        let taken = free.pop();
        self.fewest.set(self.fewest.get().min(free.len()));
        taken
    }

    /// Keeps one for the next.
    pub(super) fn give(&self, one: T) {
        self.free.borrow_mut().push(one);
    }

    /// How many wait.
    pub(super) fn count(&self) -> usize {
        self.free.borrow().len()
    }

    /// Drops those that were never in use since the last sweep.
    pub(super) fn sweep(&self) {
        let mut free = self.free.borrow_mut();
        let unused = self.fewest.get().min(free.len().saturating_sub(KEPT));
        free.drain(..unused);
        if unused > 0 {
            free.shrink_to(2 * KEPT);
        }
        self.fewest.set(free.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_needs_goes_and_what_is_needed_stays() {
        let spare = Spare::default();
        let together = |count: usize| {
            let taken: Vec<usize> = (0..count).map(|one| spare.take().unwrap_or(one)).collect();
            taken.into_iter().for_each(|one| spare.give(one));
        };
        together(100);
        spare.sweep();
        assert_eq!(spare.count(), 100, "all of them were needed");
        together(30);
        spare.sweep();
        assert_eq!(spare.count(), 30);
        together(30);
        spare.sweep();
        assert_eq!(spare.count(), 30, "at each moment of it");
        spare.sweep();
        assert_eq!(spare.count(), KEPT);
        assert_eq!(spare.take(), Some(99), "the last used first");
    }
}
