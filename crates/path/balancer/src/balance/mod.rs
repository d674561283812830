//! Which of several is next: each in turn by weight, or the one with the least to do. Pure but for one atomic
//! cursor, so that all threads share the turns.
//!
//! Who may be chosen at all is the caller's to say.

mod order;

use std::sync::atomic::{AtomicUsize, Ordering};

pub use order::order;

/// Turns among several, by weight.
#[derive(Debug)]
pub struct Turns {
    /// Who has each turn of one period.
    order: Box<[u16]>,
    cursor: AtomicUsize,
}

impl Turns {
    /// Turns by these weights: place and weight of each that takes part. They go on where `before` is, if nothing
    /// has changed.
    pub fn new(members: &[(usize, u32)], before: Option<&Turns>) -> Self {
        let order = order(members);
        let cursor = before
            .filter(|before| before.order == order)
            .map_or(0, |before| before.cursor.load(Ordering::Relaxed));
        Self {
            order,
            cursor: AtomicUsize::new(cursor),
        }
    }

    /// Whose turn it is among those that may. The turns of those that may not are over too, so the others keep
    /// their shares among themselves.
    pub fn next(&self, may: impl Fn(usize) -> bool) -> Option<usize> {
        let turn = self.cursor.fetch_add(1, Ordering::Relaxed);
        let (skipped, found) = self.find(turn, may)?;
        if skipped > 0 {
            self.cursor.fetch_add(skipped, Ordering::Relaxed);
        }
        Some(found)
    }

    /// Whose turn it would be. A second try of a request takes no turn: else whoever fails would be asked first, time
    /// and again.
    pub fn peek(&self, may: impl Fn(usize) -> bool) -> Option<usize> {
        let turn = self.cursor.load(Ordering::Relaxed);
        self.find(turn, may).map(|(_, found)| found)
    }

    /// The one with the least to do for its weight, `load` of each among those that may; among equals whose turn it
    /// is.
    pub fn least(
        &self,
        may: impl Fn(usize) -> bool,
        load: impl Fn(usize) -> (u32, u32),
    ) -> Option<usize> {
        let turn = self.cursor.fetch_add(1, Ordering::Relaxed);
        let mut best: Option<(usize, (u32, u32))> = None;
        for index in self.from(turn).filter(|index| may(*index)) {
            let (busy, weight) = load(index);
            let less = |(other, of): (u32, u32)| {
                u64::from(busy) * u64::from(of) < u64::from(other) * u64::from(weight)
            };
            if best.is_none_or(|(_, than)| less(than)) {
                best = Some((index, (busy, weight)));
            }
        }
        best.map(|(index, _)| index)
    }

    fn find(&self, turn: usize, may: impl Fn(usize) -> bool) -> Option<(usize, usize)> {
        self.from(turn).enumerate().find(|(_, index)| may(*index))
    }

    /// One period of turns from this one on.
    fn from(&self, turn: usize) -> impl Iterator<Item = usize> {
        let start = turn.checked_rem(self.order.len()).unwrap_or(0);
        let (before, after) = self.order.split_at(start);
        after.iter().chain(before).map(|index| usize::from(*index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ones_alternate_strictly_and_so_do_those_that_are_left() {
        let turns = Turns::new(&[(0, 1), (1, 1), (2, 1)], None);
        let next = |may: fn(usize) -> bool| turns.next(may).unwrap();
        assert_eq!([(); 4].map(|()| next(|_| true)), [0, 1, 2, 0]);
        assert_eq!([(); 4].map(|()| next(|index| index != 1)), [2, 0, 2, 0]);
        assert_eq!(turns.next(|_| false), None);
        assert_eq!(Turns::new(&[], None).next(|_| true), None);
    }

    #[test]
    fn a_second_try_takes_no_turn() {
        let turns = Turns::new(&[(0, 1), (1, 1)], None);
        assert_eq!(turns.next(|_| true), Some(0));
        assert_eq!(turns.peek(|index| index != 0), Some(1));
        assert_eq!(turns.next(|_| true), Some(1));
    }

    #[test]
    fn turns_go_on_when_nothing_has_changed() {
        let turns = Turns::new(&[(0, 1), (1, 1)], None);
        turns.next(|_| true);
        let same = Turns::new(&[(0, 2), (1, 2)], Some(&turns));
        assert_eq!(same.next(|_| true), Some(1));
        let other = Turns::new(&[(0, 2), (1, 1)], Some(&turns));
        assert_eq!(other.next(|_| true), Some(0));
    }

    #[test]
    fn the_least_is_for_its_weight() {
        let turns = Turns::new(&[(0, 1), (1, 2)], None);
        let least = |busy: [u32; 2]| turns.least(|_| true, |index| (busy[index], [1, 2][index]));
        assert_eq!(least([1, 1]), Some(1));
        assert_eq!(least([1, 3]), Some(0));
        let equal: Vec<_> = (0..6).filter_map(|_| least([0, 0])).collect();
        assert!(equal.contains(&0) && equal.contains(&1), "{equal:?}");
    }
}
