//! Taking an instance out for what it answers: so many failures in a row, whatever its checks say. Pure.

use std::time::{Duration, Instant};

use terrace_site::plan::EjectionPlan;

/// What one instance has done lately.
#[derive(Clone, Debug, Default)]
pub struct Ejection {
    in_a_row: u32,
    /// Ejections, each less than the longest one after the one before.
    times: u32,
    until: Option<Instant>,
}

impl Ejection {
    /// A request failed; how long it is out from now on, if that was one too many.
    pub fn failed(&mut self, plan: &EjectionPlan, now: Instant) -> Option<Duration> {
        if plan.in_a_row == 0 || self.is_out(now) {
            return None;
        }
        // On its return one failure is enough, until one request has gone well.
        let returned = self.until.take();
        if let Some(back) = returned {
            self.in_a_row = plan.in_a_row - 1;
            if now.saturating_duration_since(back) > plan.longest {
                (self.times, self.in_a_row) = (0, 0);
            }
        }
        self.in_a_row += 1;
        if self.in_a_row < plan.in_a_row {
            return None;
        }
        let grown = plan.first.saturating_mul(1 << self.times.min(16));
        let out = grown.min(plan.longest);
        self.times = self.times.saturating_add(1);
        self.in_a_row = 0;
        self.until = Some(now + out);
        Some(out)
    }

    /// A request went well.
    pub fn succeeded(&mut self, now: Instant) {
        self.in_a_row = 0;
        if !self.is_out(now) && self.until.take().is_some() {
            // It is back for good; how often it was out counts for as long as it may fail again soon.
            self.times = self.times.saturating_sub(1);
        }
    }

    /// It gets no requests for the time being.
    pub fn is_out(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> EjectionPlan {
        EjectionPlan {
            in_a_row: 3,
            first: Duration::from_secs(1),
            longest: Duration::from_secs(8),
        }
    }

    #[test]
    fn so_many_in_a_row_take_it_out_for_longer_each_time() {
        let (plan, mut now, mut one) = (plan(), Instant::now(), Ejection::default());
        assert_eq!(one.failed(&plan, now), None);
        assert_eq!(one.failed(&plan, now), None);
        one.succeeded(now);
        assert_eq!([1, 2].map(|_| one.failed(&plan, now)), [None, None]);
        for seconds in [1, 2, 4, 8, 8] {
            let out = Duration::from_secs(seconds);
            assert_eq!(one.failed(&plan, now), Some(out));
            assert!(one.is_out(now + out - Duration::from_millis(1)));
            assert_eq!(one.failed(&plan, now), None, "it is out already");
            now += out;
            assert!(!one.is_out(now));
        }
    }

    #[test]
    fn one_good_answer_ends_its_probation_and_a_long_calm_everything() {
        let (plan, mut now, mut one) = (plan(), Instant::now(), Ejection::default());
        assert!((0..3).any(|_| one.failed(&plan, now).is_some()));
        now += Duration::from_secs(1);
        one.succeeded(now);
        assert_eq!([1, 2].map(|_| one.failed(&plan, now)), [None, None]);
        assert_eq!(one.failed(&plan, now), Some(Duration::from_secs(1)));
        now += Duration::from_secs(10);
        assert_eq!([1, 2].map(|_| one.failed(&plan, now)), [None, None]);
        assert_eq!(one.failed(&plan, now), Some(Duration::from_secs(1)));
    }

    #[test]
    fn it_can_be_switched_off() {
        let plan = EjectionPlan {
            in_a_row: 0,
            ..plan()
        };
        let mut one = Ejection::default();
        assert!((0..100).all(|_| one.failed(&plan, Instant::now()).is_none()));
    }
}
