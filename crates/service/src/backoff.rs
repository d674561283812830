//! Pauses that grow. Pure: the caller knows the time.

use std::time::Duration;

/// Doubles from `first` to `longest`; back to `first` once things have gone well for `calm`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    calm: Duration,
    next: Duration,
}

impl Backoff {
    /// A pause of `first`, then twice that, up to `longest`.
    pub fn new(first: Duration, longest: Duration, calm: Duration) -> Self {
        Self {
            first,
            longest,
            calm,
            next: first,
        }
    }

    /// The pause to make now, after something that had gone well for `lasted` failed.
    pub fn pause(&mut self, lasted: Duration) -> Duration {
        if lasted >= self.calm {
            self.next = self.first;
        }
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_start_anew_after_calm() {
        let seconds = Duration::from_secs;
        let mut backoff = Backoff::new(seconds(1), seconds(5), seconds(60));
        let pauses: Vec<u64> = (0..5)
            .map(|_| backoff.pause(seconds(2)).as_secs())
            .collect();
        assert_eq!(pauses, [1, 2, 4, 5, 5]);
        assert_eq!(backoff.pause(seconds(61)), seconds(1));
        assert_eq!(backoff.pause(seconds(0)), seconds(2));
    }
}
