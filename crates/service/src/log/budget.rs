//! Bytes a second. Pure: the caller knows the time.

use std::time::{Duration, Instant};

/// So many seconds' worth may come at once.
const AT_ONCE: u64 = 4;

pub(super) struct Budget {
    rate: u64,
    left: u64,
    at: Instant,
}

impl Budget {
    pub(super) fn new(rate: u64, now: Instant) -> Self {
        Self {
            rate,
            left: rate.saturating_mul(AT_ONCE),
            at: now,
        }
    }

    /// Takes so many bytes out of it, all or none.
    pub(super) fn takes(&mut self, bytes: u64, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.at);
        let earned = u64::try_from(elapsed.as_millis())
            .unwrap_or(u64::MAX)
            .saturating_mul(self.rate)
            / 1_000;
        // A look within a millisecond earns nothing, and must not lose it either.
        if earned > 0 {
            self.left = self
                .left
                .saturating_add(earned)
                .min(self.rate.saturating_mul(AT_ONCE));
            self.at +=
                Duration::from_millis(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        }
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_a_long_time_no_more_is_taken_than_was_earned() {
        let begun = Instant::now();
        let mut budget = Budget::new(1_000, begun);
        let mut taken = 0;
        for step in 0..100_000_u32 {
            let now = begun + Duration::from_micros(300) * step;
            taken += u64::from(budget.takes(7, now)) * 7;
        }
        let earned = 4_000 + 30_000;
        assert!((earned - 20..=earned).contains(&taken), "{taken}");
    }

    #[test]
    fn a_pause_earns_four_seconds_at_the_most() {
        let begun = Instant::now();
        let mut budget = Budget::new(1_000, begun);
        assert!(budget.takes(4_000, begun) && !budget.takes(1, begun));
        let later = begun + Duration::from_secs(3_600);
        assert!(!budget.takes(4_001, later) && budget.takes(4_000, later));
    }
}
