//! Coarse deadlines: one tick for all connections of a worker, instead of a timer for each request.
//!
//! Whoever waits sets its deadline in a [`Slot`]; every tick looks at all slots and wakes those that are late.
//! A deadline is so kept to within two ticks, and setting one costs a store: the time is read once a tick.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Between two looks.
pub const TICK: Duration = Duration::from_millis(50);

/// All slots of a worker.
#[derive(Clone)]
pub struct Wheel {
    slots: Rc<RefCell<Vec<Weak<Slot>>>>,
    /// When it last ticked.
    now: Rc<Cell<Instant>>,
}

/// The deadline of one connection.
pub struct Slot {
    now: Rc<Cell<Instant>>,
    deadline: Cell<Option<Instant>>,
    /// A tick has found it past its deadline.
    late: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    /// Nothing is under way: it may be ended at any time.
    idle: Cell<bool>,
    /// A count that ends the wait when it moves, and what it was.
    watched: RefCell<Option<(Arc<AtomicU32>, u32)>>,
}

/// It took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late;

/// What has to move, and how soon: at least so many bytes within every `limit`. Pure: time is an argument.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    limit: Duration,
    least: u64,
    moved: u64,
    until: Instant,
}

impl Pace {
    /// So many bytes a second, counted over `limit`; 0: one byte within it.
    pub fn new(limit: Duration, rate: u64, now: Instant) -> Self {
        let millis = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        Self {
            limit,
            least: (rate.saturating_mul(millis) / 1_000).max(1),
            moved: 0,
            until: now + limit,
        }
    }

    /// So many bytes have moved.
    pub fn moved(&mut self, bytes: usize, now: Instant) {
        self.moved += bytes as u64;
        if self.moved >= self.least {
            (self.moved, self.until) = (0, now + self.limit);
        }
    }

    /// Nothing could move until now, for a reason of its own.
    pub fn resume(&mut self, now: Instant) {
        self.until = now + self.limit;
    }

    /// Then it is too slow.
    pub fn until(&self) -> Instant {
        self.until
    }
}

impl Default for Wheel {
    fn default() -> Self {
        Self {
            slots: Rc::default(),
            now: Rc::new(Cell::new(Instant::now())),
        }
    }
}

impl Wheel {
    /// A slot without a deadline.
    pub fn slot(&self) -> Rc<Slot> {
        let slot = Rc::new(Slot {
            now: Rc::clone(&self.now),
            deadline: Cell::new(None),
            late: Cell::new(false),
            waker: RefCell::new(None),
            idle: Cell::new(false),
            watched: RefCell::new(None),
        });
        self.slots.borrow_mut().push(Rc::downgrade(&slot));
        slot
    }

    /// Wakes whoever is late.
    pub fn tick(&self, now: Instant) {
        self.now.set(now);
        self.slots.borrow_mut().retain(|slot| {
            let Some(slot) = slot.upgrade() else {
                return false;
            };
            let waits = slot.deadline.get();
            if waits.is_some_and(|deadline| now >= deadline || slot.has_moved()) {
                slot.late.set(true);
                if let Some(waker) = slot.waker.borrow_mut().take() {
                    waker.wake();
                }
            }
            true
        });
    }
}

impl Wheel {
    /// Ends the wait of all that are idle.
    pub fn wake_idle(&self) {
        let now = Instant::now();
        for slot in self
            .slots
            .borrow()
            .iter()
            .filter_map(Weak::upgrade)
            .filter(|slot| slot.idle.get())
        {
            slot.deadline.set(Some(now));
        }
        self.tick(now);
    }
}

impl Slot {
    /// Says whether nothing is under way.
    pub fn set_idle(&self, idle: bool) {
        self.idle.set(idle);
    }

    /// From now on a wait also ends, as late, at the tick that finds this count moved.
    pub fn watch(&self, count: &Arc<AtomicU32>) {
        let now = count.load(Ordering::Relaxed);
        *self.watched.borrow_mut() = Some((Arc::clone(count), now));
    }

    /// No count is watched any more.
    pub fn unwatch(&self) {
        self.watched.borrow_mut().take();
    }

    /// The count that is watched has moved.
    pub fn has_moved(&self) -> bool {
        let watched = self.watched.borrow();
        watched
            .as_ref()
            .is_some_and(|(count, before)| count.load(Ordering::Relaxed) != *before)
    }

    /// Waits for this, for so long at most.
    pub async fn within<F: Future>(&self, limit: Duration, future: F) -> Result<F::Output, Late> {
        self.by(self.after(limit), future).await
    }

    /// Waits for this, until then at most.
    pub async fn by<F: Future>(&self, deadline: Instant, future: F) -> Result<F::Output, Late> {
        self.late.set(false);
        self.deadline.set(Some(deadline));
        let result = Guarded {
            slot: self,
            future: std::pin::pin!(future),
        }
        .await;
        self.deadline.set(None);
        result
    }

    /// Something has moved: whoever waits here waits until then.
    pub fn postpone(&self, deadline: Instant) {
        self.deadline.set(Some(deadline));
    }

    /// So long from now, or a tick longer.
    pub fn after(&self, limit: Duration) -> Instant {
        self.now() + limit
    }

    /// Now, or a tick later.
    pub fn now(&self) -> Instant {
        self.now.get() + TICK
    }
}

struct Guarded<'a, F> {
    slot: &'a Slot,
    future: Pin<&'a mut F>,
}

impl<F: Future> Future for Guarded<'_, F> {
    type Output = Result<F::Output, Late>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(output) = self.future.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        if self.slot.late.get() {
            return Poll::Ready(Err(Late));
        }
        let mut waker = self.slot.waker.borrow_mut();
        if !waker
            .as_ref()
            .is_some_and(|known| known.will_wake(context.waker()))
        {
            *waker = Some(context.waker().clone());
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_late_is_ended_by_a_tick_and_not_before() {
        let wheel = Wheel::default();
        let slot = wheel.slot();
        let start = Instant::now();
        let limit = Duration::from_secs(5);
        assert_eq!(slot.within(limit, async { 7 }).await, Ok(7));
        let mut waits = std::pin::pin!(slot.within(limit, std::future::pending::<()>()));
        let poll = |waits: Pin<&mut _>| {
            let mut context = Context::from_waker(Waker::noop());
            Future::poll(waits, &mut context)
        };
        assert_eq!(poll(waits.as_mut()), Poll::Pending);
        wheel.tick(start + limit - TICK);
        assert_eq!(poll(waits.as_mut()), Poll::Pending);
        wheel.tick(start + limit + 2 * TICK);
        assert_eq!(poll(waits.as_mut()), Poll::Ready(Err(Late)));
    }

    #[tokio::test]
    async fn what_moves_in_between_waits_longer() {
        let wheel = Wheel::default();
        let slot = wheel.slot();
        let (start, limit) = (Instant::now(), Duration::from_secs(5));
        let waits = slot.within(limit, std::future::pending::<()>());
        let moves = async {
            tokio::task::yield_now().await;
            slot.postpone(start + limit * 2);
            wheel.tick(start + limit + 2 * TICK);
            let waits_on = !slot.late.get();
            wheel.tick(start + limit * 2);
            waits_on
        };
        assert_eq!(tokio::join!(waits, moves), (Err(Late), true));
    }

    #[tokio::test]
    async fn a_tick_wakes_who_waits() {
        let wheel = Wheel::default();
        let slot = wheel.slot();
        let waits = slot.within(Duration::from_secs(5), std::future::pending::<()>());
        let ticks = async {
            tokio::task::yield_now().await;
            wheel.tick(Instant::now() + Duration::from_secs(6));
        };
        let (ended, ()) = tokio::join!(waits, ticks);
        assert_eq!(ended, Err(Late));
    }

    #[tokio::test]
    async fn a_count_that_moves_ends_the_wait() {
        let wheel = Wheel::default();
        let slot = wheel.slot();
        let count = Arc::new(AtomicU32::new(7));
        slot.watch(&count);
        let waits = slot.within(Duration::from_secs(5), std::future::pending::<()>());
        let moves = async {
            tokio::task::yield_now().await;
            wheel.tick(Instant::now());
            count.fetch_add(1, Ordering::Relaxed);
            wheel.tick(Instant::now());
        };
        let (ended, ()) = tokio::join!(waits, moves);
        assert_eq!(ended, Err(Late));
        assert!(slot.has_moved());
        slot.unwatch();
        assert!(!slot.has_moved());
    }

    #[test]
    fn what_drips_is_late_and_what_flows_never_is() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let lives = |bytes: usize, every: Duration| {
            let mut pace = Pace::new(second * 60, 500, start);
            (1..2_000).all(|step| {
                let now = start + every * step;
                let alive = now <= pace.until();
                pace.moved(bytes, now);
                alive
            })
        };
        assert!(!lives(10, second), "10 bytes a second");
        assert!(!lives(30_000, second * 61), "nothing for a minute");
        assert!(lives(600, second) && lives(120_000, second));
        assert!(lives(30_000, second * 59));
        let mut pace = Pace::new(second, 0, start);
        pace.moved(1, start + second / 2);
        assert_eq!(pace.until(), start + second * 3 / 2);
        pace.resume(start + second * 9);
        assert_eq!(pace.until(), start + second * 10);
    }

    #[test]
    fn slots_that_are_gone_are_forgotten() {
        let wheel = Wheel::default();
        drop(wheel.slot());
        let kept = wheel.slot();
        wheel.tick(Instant::now());
        assert_eq!(wheel.slots.borrow().len(), 1);
        drop(kept);
    }
}
