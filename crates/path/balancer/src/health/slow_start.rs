//! One that comes back gets few requests at first: its caches are cold. Pure.

use std::time::{Duration, Instant};

/// What it gets at least, of a hundred.
const LEAST: u128 = 10;

/// Of a hundred of its turns, how many it takes so long after it came back.
pub fn share(since: Instant, over: Duration, now: Instant) -> u32 {
    let passed = now.saturating_duration_since(since);
    if passed >= over {
        return 100;
    }
    let share = LEAST + (100 - LEAST) * passed.as_micros() / over.as_micros().max(1);
    u32::try_from(share).unwrap_or(100)
}

/// Whether it takes this turn, counted from 0, so that those that it takes are spread evenly.
pub fn takes(turn: u32, share: u32) -> bool {
    let so_far = |turns: u64| turns * u64::from(share) / 100;
    so_far(u64::from(turn) + 1) > so_far(u64::from(turn))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_grows_to_the_whole() {
        let (since, over) = (Instant::now(), Duration::from_secs(10));
        let after = |seconds| share(since, over, since + Duration::from_secs(seconds));
        assert_eq!([0, 5, 10, 11].map(after), [10, 55, 100, 100]);
        assert_eq!(share(since, Duration::ZERO, since), 100);
    }

    #[test]
    fn turns_that_are_taken_are_spread() {
        let taken = |share| (0..100).filter(|turn| takes(*turn, share)).count();
        assert_eq!([10, 50, 99, 100].map(taken), [10, 50, 99, 100]);
        let half: Vec<bool> = (0..4).map(|turn| takes(turn, 50)).collect();
        assert_eq!(half, [false, true, false, true]);
    }
}
