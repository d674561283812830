//! In which order servers get a plan that starts copies of an app anew: one server at a time, and the next only once the one
//! before is ready and used. A plan that never gets ready so takes down one server's copies and no more. Pure.

use std::time::{Duration, Instant};

/// A server that has been ready for so long is ready: who sends requests to it has seen its copies end by now, if they did.
pub(super) const SETTLED: Duration = Duration::from_secs(2);

/// How a server stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// Its plan is another than the one that it was given.
    pub(super) waits: bool,
    /// That starts copies of an app anew.
    pub(super) restarts: bool,
    /// It has copies of an app.
    pub(super) has_copies: bool,
    /// A migration runs there before all others change.
    pub(super) is_first: bool,
    /// Since when it is ready with what it was given, and used by all who send requests to it.
    pub(super) ready: Option<Instant>,
}

impl Place {
    fn interrupts(&self) -> bool {
        self.waits && self.restarts && self.ready.is_some()
    }
}

/// The servers that are to be given their plan now. To be asked again whenever one of them has changed, and as time goes by.
pub(super) fn due(places: &[Place], now: Instant) -> Vec<usize> {
    let all = || places.iter().enumerate();
    let of = |wanted: &dyn Fn(&Place) -> bool| -> Vec<usize> {
        let found = all().filter(|(_, place)| wanted(place));
        found.map(|(index, _)| index).collect()
    };
    let serving = of(&Place::interrupts);
    let first = serving.iter().find(|index| places[**index].is_first);
    let Some(next) = first.or(serving.first()).copied() else {
        // Nothing that serves is interrupted.
        return of(&|place| place.waits);
    };
    // One that does not serve loses nothing by changing.
    let idle = of(&|place| place.waits && place.restarts && place.ready.is_none());
    if !idle.is_empty() {
        return idle;
    }
    let is_settled = |place: &Place| place.ready.is_some_and(|since| since + SETTLED <= now);
    let others = all().filter(|(index, place)| *index != next && place.has_copies);
    match others.map(|(_, place)| place).all(is_settled) {
        true => vec![next],
        false => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that serves with its copies, and is to start them anew.
    fn serving(since: Instant) -> Place {
        Place {
            waits: true,
            restarts: true,
            has_copies: true,
            is_first: false,
            ready: Some(since),
        }
    }

    /// It was given its plan.
    fn given(place: &mut Place, ready: Option<Instant>) {
        (place.waits, place.restarts, place.ready) = (false, false, ready);
    }

    #[test]
    fn servers_start_their_copies_anew_one_after_the_other() {
        let then = Instant::now();
        let mut now = then + SETTLED;
        let balancer = Place {
            waits: true,
            ..Place::default()
        };
        let mut places = vec![balancer, serving(then), serving(then), serving(then)];
        for turn in 1..4 {
            assert_eq!(due(&places, now), [turn]);
            given(&mut places[turn], None);
            if turn < 3 {
                assert!(due(&places, now).is_empty(), "it is not ready");
                given(&mut places[turn], Some(now));
                assert!(due(&places, now).is_empty(), "it is ready just now");
                now += SETTLED;
            }
        }
        assert_eq!(due(&places, now), [0], "the balancer comes last");
    }

    #[test]
    fn a_server_that_never_gets_ready_keeps_the_others_from_it_and_the_next_plan_mends_it() {
        let then = Instant::now();
        let mut places = [serving(then), serving(then)];
        given(&mut places[0], None);
        assert!(due(&places, then + SETTLED * 1000).is_empty());
        // The file before: the second server runs that already.
        (places[0].waits, places[0].restarts) = (true, true);
        places[1].restarts = false;
        assert_eq!(due(&places, then + SETTLED), [0, 1]);
        // Another file: what does not serve has it first.
        places[1].restarts = true;
        assert_eq!(due(&places, then + SETTLED), [0]);
    }

    #[test]
    fn what_starts_nothing_anew_or_serves_nobody_is_due_at_once() {
        let then = Instant::now();
        let mut places = [serving(then), serving(then)];
        for place in &mut places {
            place.restarts = false;
        }
        assert_eq!(due(&places, then), [0, 1]);
        let mut places = [serving(then), serving(then)];
        for place in &mut places {
            place.ready = None;
        }
        assert_eq!(due(&places, then), [0, 1]);
        assert_eq!(due(&[serving(then)], then), [0], "there is no other");
    }

    #[test]
    fn the_server_that_migrates_comes_first() {
        let then = Instant::now();
        let mut places = [serving(then), serving(then)];
        places[1].is_first = true;
        assert_eq!(due(&places, then + SETTLED), [1]);
    }
}
