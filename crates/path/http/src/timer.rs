//! Coarse deadlines: one tick for all connections of a worker, instead of a timer for each request.
//!
//! Whoever waits sets its deadline in a [`Slot`]; every tick looks at all slots and wakes those that are late.
//! A deadline is so kept to within a tick, and setting one costs a store.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Between two looks.
pub const TICK: Duration = Duration::from_millis(50);

/// All slots of a worker.
#[derive(Clone, Default)]
pub struct Wheel {
    slots: Rc<RefCell<Vec<Weak<Slot>>>>,
}

/// The deadline of one connection.
#[derive(Default)]
pub struct Slot {
    deadline: Cell<Option<Instant>>,
    waker: RefCell<Option<Waker>>,
    /// Nothing is under way: it may be ended at any time.
    idle: Cell<bool>,
}

/// It took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late;

impl Wheel {
    /// A slot without a deadline.
    pub fn slot(&self) -> Rc<Slot> {
        let slot = Rc::new(Slot::default());
        self.slots.borrow_mut().push(Rc::downgrade(&slot));
        slot
    }

    /// Wakes whoever is late.
    pub fn tick(&self, now: Instant) {
        self.slots.borrow_mut().retain(|slot| {
            let Some(slot) = slot.upgrade() else {
                return false;
            };
            if slot.is_late(now)
                && let Some(waker) = slot.waker.borrow_mut().take()
            {
                waker.wake();
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

    /// Waits for this, for so long at most.
    pub async fn within<F: Future>(&self, limit: Duration, future: F) -> Result<F::Output, Late> {
        self.by(Instant::now() + limit, future).await
    }

    /// Waits for this, until then at most.
    pub async fn by<F: Future>(&self, deadline: Instant, future: F) -> Result<F::Output, Late> {
        self.deadline.set(Some(deadline));
        let result = Guarded {
            slot: self,
            future: std::pin::pin!(future),
        }
        .await;
        self.deadline.set(None);
        result
    }

    fn is_late(&self, now: Instant) -> bool {
        self.deadline.get().is_some_and(|deadline| now >= deadline)
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
        if self.slot.is_late(Instant::now()) {
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
    async fn what_is_late_is_woken_by_a_tick() {
        let wheel = Wheel::default();
        let slot = wheel.slot();
        assert_eq!(
            slot.within(Duration::from_secs(9), async { 7 }).await,
            Ok(7)
        );
        let never = slot.within(Duration::ZERO, std::future::pending::<()>());
        assert_eq!(never.await, Err(Late));
        let start = Instant::now();
        let waits = slot.within(Duration::from_secs(5), std::future::pending::<()>());
        let ticks = async {
            tokio::task::yield_now().await;
            wheel.tick(start);
            tokio::task::yield_now().await;
            wheel.tick(start + Duration::from_secs(6));
            std::future::pending::<()>().await;
        };
        // The clock of the wheel is ahead: the slot is woken, and looks at its own, which is not.
        let woken = tokio::time::timeout(Duration::from_millis(20), async {
            tokio::join!(waits, ticks)
        })
        .await;
        assert!(woken.is_err() && slot.waker.borrow().is_some());
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
