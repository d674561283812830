//! What a worker has done: written by its own thread, read by the one that reports.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use terrace_service::{Lacks, clock};

/// Between two words about connections that had to go.
const TELL: Duration = Duration::from_secs(1);
/// Buckets of a histogram: 8 for each power of two, from 1 µs to about 5 minutes.
const BUCKETS: usize = 8 * 28;

/// The counters of one worker. Only its thread writes, so writing needs no lock.
pub struct Counters {
    /// What the process has run out of: shared by all of it.
    pub lacks: Arc<Lacks>,
    requests: AtomicU64,
    failed: AtomicU64,
    started: AtomicU64,
    checks: AtomicU64,
    pressed: AtomicU64,
    turned_away: AtomicU64,
    pressed_at: AtomicU64,
    bytes: AtomicU64,
    latency: [AtomicU32; BUCKETS],
}

impl Default for Counters {
    fn default() -> Self {
        Self::new(Arc::default())
    }
}

impl Counters {
    /// Those of a worker in a process that counts so what it lacks.
    pub fn new(lacks: Arc<Lacks>) -> Self {
        Self {
            lacks,
            requests: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            started: AtomicU64::new(0),
            checks: AtomicU64::new(0),
            pressed: AtomicU64::new(0),
            turned_away: AtomicU64::new(0),
            pressed_at: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            latency: [const { AtomicU32::new(0) }; BUCKETS],
        }
    }
}

/// Adds without a locked instruction: there is one writer.
fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Ordering::Relaxed) + amount, Ordering::Relaxed);
}

impl Counters {
    /// A request begins.
    pub fn begin(&self) {
        add(&self.started, 1);
    }

    /// A request has ended: after so many microseconds, with so many bytes sent; `failed`: by our fault.
    pub fn end(&self, micros: u64, bytes: u64, failed: bool) {
        add(&self.requests, 1);
        add(&self.bytes, bytes);
        if failed {
            add(&self.failed, 1);
        }
        let bucket = &self.latency[bucket(micros)];
        bucket.store(
            bucket.load(Ordering::Relaxed).wrapping_add(1),
            Ordering::Relaxed,
        );
    }

    /// What had begun was a check by a server of ours, and is no visitor's request.
    pub fn was_check(&self) {
        add(&self.checks, 1);
    }

    /// So many connections that waited for nothing in particular were closed, to make room.
    pub fn made_room(&self, connections: u64) {
        if connections > 0 {
            add(&self.pressed, connections);
            self.press();
        }
    }

    /// A visitor was not let in: its address has its share, and uses all of it.
    pub fn turned_away(&self) {
        add(&self.turned_away, 1);
        self.press();
    }

    fn press(&self) {
        self.pressed_at
            .store(clock::unix_millis(), Ordering::Relaxed);
    }

    /// Tells, once a second, how many connections went since they were told of: so many had gone then.
    pub fn tell_pressure(&self, told: (Instant, u64), now: Instant) -> (Instant, u64) {
        let pressed = self.pressed.load(Ordering::Relaxed);
        let turned_away = self.turned_away.load(Ordering::Relaxed);
        let (at, before) = told;
        if pressed + turned_away == before || now < at + TELL {
            return told;
        }
        tracing::warn!(
            pressed,
            turned_away,
            "connections are closed to make room: the oldest idle ones first"
        );
        (now, pressed + turned_away)
    }

    /// Adds what this worker has done to a sum.
    pub fn add_to(&self, sum: &mut Sum) {
        sum.requests += self.requests.load(Ordering::Relaxed);
        sum.pressed += self.pressed.load(Ordering::Relaxed);
        let pressed_at = self.pressed_at.load(Ordering::Relaxed);
        sum.pressed_at = sum.pressed_at.max(pressed_at);
        sum.turned_away += self.turned_away.load(Ordering::Relaxed);
        sum.failed += self.failed.load(Ordering::Relaxed);
        let checks = self.checks.load(Ordering::Relaxed);
        sum.started += self.started.load(Ordering::Relaxed).saturating_sub(checks);
        sum.bytes += self.bytes.load(Ordering::Relaxed);
        for (total, bucket) in sum.latency.iter_mut().zip(&self.latency) {
            *total = total.wrapping_add(bucket.load(Ordering::Relaxed));
        }
    }
}

/// What all workers have done.
#[derive(Clone)]
pub struct Sum {
    /// Requests answered.
    pub requests: u64,
    /// Of those: with 5xx, or not at all though the client was there.
    pub failed: u64,
    /// Bytes sent.
    pub bytes: u64,
    /// Connections closed to make room for others.
    pub pressed: u64,
    /// Connections not let in, as their address has its share.
    pub turned_away: u64,
    /// When the last of those went: milliseconds since 1970.
    pub pressed_at: u64,
    started: u64,
    latency: [u32; BUCKETS],
}

impl Default for Sum {
    fn default() -> Self {
        Self {
            requests: 0,
            failed: 0,
            bytes: 0,
            pressed: 0,
            turned_away: 0,
            pressed_at: 0,
            started: 0,
            latency: [0; BUCKETS],
        }
    }
}

impl Sum {
    /// Requests that have begun and not ended.
    pub fn in_flight(&self) -> u64 {
        self.started.saturating_sub(self.requests)
    }

    /// The latency that this share of the requests since `before` stayed under, in µs; `None`: there were none.
    pub fn quantile_since(&self, before: &Self, share: f64) -> Option<u64> {
        let since = self
            .latency
            .iter()
            .zip(&before.latency)
            .map(|(now, then)| now.wrapping_sub(*then));
        let counts: Vec<u64> = since.map(u64::from).collect();
        let all: u64 = counts.iter().sum();
        if all == 0 {
            return None;
        }
        // Shares are given to a hundredth or so, and counts are far below 2^52.
        let wanted = ((all as f64) * share).ceil() as u64;
        let mut seen = 0;
        for (index, count) in counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Some(upper(index));
            }
        }
        Some(upper(BUCKETS - 1))
    }
}

/// Exact up to 15 µs, then to an eighth.
fn bucket(micros: u64) -> usize {
    if micros < 8 {
        return micros as usize;
    }
    let power = micros.ilog2();
    let part = (micros >> (power - 3)) & 7;
    (((power - 2) * 8) as usize + part as usize).min(BUCKETS - 1)
}

/// The largest value of a bucket.
fn upper(bucket: usize) -> u64 {
    if bucket < 8 {
        return bucket as u64;
    }
    let (power, part) = (bucket / 8 + 2, bucket % 8);
    ((8 + part as u64 + 1) << (power - 3)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        for micros in 0..100_000 {
            let found = bucket(micros);
            assert!(micros <= upper(found), "{micros}");
            assert!(found == 0 || micros > upper(found - 1), "{micros}");
        }
    }

    #[test]
    fn a_quantile_is_of_what_came_since() {
        let counters = Counters::default();
        let sum = || {
            let mut sum = Sum::default();
            counters.add_to(&mut sum);
            sum
        };
        (0..100).for_each(|_| counters.end(1_000_000, 10, true));
        let before = sum();
        assert_eq!(before.quantile_since(&before, 0.5), None);
        (1..=100).for_each(|micros| counters.end(micros, 10, false));
        let now = sum();
        assert_eq!((now.requests, now.failed, now.bytes), (200, 100, 2_000));
        let median = now.quantile_since(&before, 0.5).unwrap();
        assert!((50..=56).contains(&median), "{median}");
    }
}
