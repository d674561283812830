//! Coarse deadlines: one tick for all connections of a worker, instead of a timer for each request.
//!
//! Whoever waits sets its deadline in a [`Slot`]; every tick looks at all slots and wakes those that are late.
//! A deadline is so kept to within two ticks, and setting one costs a store: the time is read once a tick.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::IpAddr;
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

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Nothing is under way.
    Idle,
    /// Its next request's head is not whole.
    Head,
    /// Something is under way, to its end.
    Busy,
}

/// Whose a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Whose share it counts to.
    pub address: IpAddr,
    /// It brings the requests of others.
    pub trusted: bool,
}

/// The deadline of one connection.
pub struct Slot {
    owner: Option<Owner>,
    now: Rc<Cell<Instant>>,
    deadline: Cell<Option<Instant>>,
    /// A tick has found it past its deadline.
    late: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    stage: Cell<Stage>,
    /// Since when it is at that.
    since: Cell<Instant>,
    /// It goes, to make room for others.
    ended: Cell<bool>,
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
        self.add(None, Stage::Busy)
    }

    /// A slot of a new connection, which may be ended for others.
    pub fn slot_of(&self, owner: Owner) -> Rc<Slot> {
        self.add(Some(owner), Stage::Idle)
    }

    fn add(&self, owner: Option<Owner>, stage: Stage) -> Rc<Slot> {
        let slot = Rc::new(Slot {
            owner,
            now: Rc::clone(&self.now),
            deadline: Cell::new(None),
            late: Cell::new(false),
            waker: RefCell::new(None),
            stage: Cell::new(stage),
            since: Cell::new(self.now.get()),
            ended: Cell::new(false),
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
                slot.end_wait();
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
            .filter(|slot| slot.stage.get() == Stage::Idle)
        {
            slot.deadline.set(Some(now));
        }
        self.tick(now);
    }

    /// Ends the wait of at most so many connections, of this address or of all: those of strangers before those of others,
    /// the idle before those with half a head, the longest at it first. Returns how many.
    pub fn end_oldest(&self, count: usize, of: Option<IpAddr>) -> usize {
        let slots = self.slots.borrow();
        let places = slots.iter().enumerate();
        let mut can_go: Vec<_> = places
            .filter_map(|(place, slot)| {
                let slot = slot.upgrade()?;
                let Owner { address, trusted } = slot.owner?;
                let (stage, since) = (slot.stage.get(), slot.since.get());
                let goes = stage != Stage::Busy && !slot.ended.get();
                let is_meant = of.is_none_or(|wanted| wanted == address);
                (goes && is_meant).then_some(((trusted, stage, since, place), slot))
            })
            .collect();
        can_go.sort_unstable_by_key(|(key, _)| *key);
        can_go.truncate(count);
        for (_, slot) in &can_go {
            slot.ended.set(true);
            slot.end_wait();
        }
        can_go.len()
    }
}

impl Slot {
    /// Says what the connection is at from now on.
    pub fn set_stage(&self, stage: Stage) {
        if self.stage.replace(stage) != stage {
            self.since.set(self.now.get());
        }
    }

    /// It goes, to make room for others.
    pub fn is_ended(&self) -> bool {
        self.ended.get()
    }

    /// Something came at the last moment: it stays.
    pub fn spare(&self) {
        self.ended.set(false);
    }

    fn end_wait(&self) {
        self.late.set(true);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
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
        // Who has to go waits for nothing that is not there by now.
        self.late.set(self.ended.get());
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
mod tests;
