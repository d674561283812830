//! Emptying an instance: new requests go elsewhere, those in flight are finished, and the time for it is counted
//! down. Pure.
//!
//! Nothing is cut off here: when the deadline has passed, that is said, and whoever asked decides.

use std::time::{Duration, Instant};

/// How far an instance is on its way out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Drain {
    /// It takes new requests.
    #[default]
    Open,
    /// It takes no new ones.
    Closed {
        /// What is in flight may take until then.
        until: Instant,
    },
}

/// What is left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Some are in flight, and may take so long.
    InFlight(u32, Duration),
    /// Some are in flight, and have taken too long.
    Overdue(u32),
    /// None is.
    Done,
}

/// Why an instance is not emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nobody would answer.
    #[error("it is the last healthy one of {0}: bring another one up, or say --force")]
    Last(usize),
}

impl Drain {
    /// Begins. `others`: how many of the tier stay healthy without it, and `all`: how many it has. A second call gives
    /// it a new deadline.
    ///
    /// # Errors
    /// [`Refused`], unless it is forced: nothing has changed then.
    pub fn begin(
        &mut self,
        until: Instant,
        others: usize,
        all: usize,
        force: bool,
    ) -> Result<(), Refused> {
        if others == 0 && !force && *self == Drain::Open {
            return Err(Refused::Last(all));
        }
        *self = Drain::Closed { until };
        Ok(())
    }

    /// It takes new requests again.
    pub fn end(&mut self) {
        *self = Drain::Open;
    }

    /// How far it is, with so many in flight; `None`: it is not emptied.
    pub fn progress(&self, in_flight: u32, now: Instant) -> Option<Progress> {
        let Drain::Closed { until } = self else {
            return None;
        };
        let left = until.saturating_duration_since(now);
        Some(match in_flight {
            0 => Progress::Done,
            some if left.is_zero() => Progress::Overdue(some),
            some => Progress::InFlight(some, left),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_down_until_nothing_is_in_flight() {
        let (start, mut drain) = (Instant::now(), Drain::default());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(drain.progress(3, start), None);
        drain.begin(at(30), 1, 2, false).unwrap();
        let left = Duration::from_secs(20);
        assert_eq!(drain.progress(3, at(10)), Some(Progress::InFlight(3, left)));
        assert_eq!(drain.progress(1, at(31)), Some(Progress::Overdue(1)));
        assert_eq!(drain.progress(0, at(31)), Some(Progress::Done));
        drain.end();
        assert_eq!(drain.progress(0, at(32)), None);
    }

    #[test]
    fn the_last_healthy_one_stays_unless_it_is_forced() {
        let (until, mut drain) = (Instant::now(), Drain::default());
        assert_eq!(drain.begin(until, 0, 2, false), Err(Refused::Last(2)));
        assert_eq!(drain, Drain::Open);
        drain.begin(until, 0, 2, true).unwrap();
        assert_eq!(drain.begin(until, 0, 2, false), Ok(()), "a new deadline");
    }
}
