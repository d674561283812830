//! Who has a place at the front door, and who gives it up for a newcomer: the one that has been idle for the longest.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// A connection over which nothing has moved for this long is idle.
const IDLE: Duration = Duration::from_secs(1);

/// All places.
pub(super) struct Places {
    most: usize,
    next: Cell<u64>,
    taken: Rc<RefCell<HashMap<u64, Rc<Seat>>>>,
}

struct Seat {
    moved: Cell<Instant>,
    away: Notify,
}

/// A place that is taken, until it is dropped or given to somebody else.
pub(super) struct Place {
    number: u64,
    seat: Rc<Seat>,
    all: Rc<RefCell<HashMap<u64, Rc<Seat>>>>,
}

/// What a newcomer finds.
pub(super) enum Entry {
    /// A free place.
    Free(Place),
    /// That of somebody who was idle.
    InPlaceOf(Place),
    /// None: everybody is busy.
    Full,
}

impl Places {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            next: Cell::new(0),
            taken: Rc::default(),
        }
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        self.taken.borrow().len()
    }

    /// Looks for a place at this moment.
    pub(super) fn enter(&self, now: Instant) -> Entry {
        if self.taken() < self.most {
            return Entry::Free(self.take(now));
        }
        let Some(number) = self.longest_idle(now) else {
            return Entry::Full;
        };
        if let Some(seat) = self.taken.borrow_mut().remove(&number) {
            seat.away.notify_one();
        }
        Entry::InPlaceOf(self.take(now))
    }

    fn longest_idle(&self, now: Instant) -> Option<u64> {
        let taken = self.taken.borrow();
        let (number, seat) = taken.iter().min_by_key(|(_, seat)| seat.moved.get())?;
        let idle = now.saturating_duration_since(seat.moved.get());
        (idle >= IDLE).then_some(*number)
    }

    fn take(&self, now: Instant) -> Place {
        let number = self.next.get();
        self.next.set(number + 1);
        let seat = Rc::new(Seat {
            moved: Cell::new(now),
            away: Notify::new(),
        });
        self.taken.borrow_mut().insert(number, Rc::clone(&seat));
        Place {
            number,
            seat,
            all: Rc::clone(&self.taken),
        }
    }
}

impl Place {
    /// When something moved last: to be kept true by who has the place.
    pub(super) fn moved(&self) -> &Cell<Instant> {
        &self.seat.moved
    }

    /// Waits until somebody else has it.
    pub(super) async fn taken_away(&self) {
        self.seat.away.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.all.borrow_mut().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(entry: Entry) -> Place {
        match entry {
            Entry::Free(place) => place,
            _ => panic!("no place is free"),
        }
    }

    #[test]
    fn who_has_been_idle_for_the_longest_makes_room_and_who_is_busy_does_not() {
        let (places, start) = (Places::new(2), Instant::now());
        let first = free(places.enter(start));
        let second = free(places.enter(start + IDLE / 4));
        assert!(matches!(places.enter(start + IDLE / 2), Entry::Full));
        first.moved().set(start + IDLE / 2);
        let at = start + IDLE / 4 + IDLE;
        let Entry::InPlaceOf(third) = places.enter(at) else {
            panic!("nobody makes room");
        };
        assert_eq!((second.number, places.taken()), (1, 2));
        assert!(places.taken.borrow().contains_key(&first.number));
        assert!(!places.taken.borrow().contains_key(&second.number));
        // Its place is another's already.
        drop(second);
        assert_eq!(places.taken(), 2);
        drop((first, third));
        assert_eq!(places.taken(), 0);
        free(places.enter(at));
    }
}
