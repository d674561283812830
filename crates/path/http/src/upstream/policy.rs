//! Which upstream next: the one question that tiers answer differently.
//!
//! A [`Policy`] says where a request goes, whether it may go on after a failure, and learns how each try ended. It
//! decides and touches no connection; the engine does what it says. [`Near`] is the web server's; the balancer has
//! its own.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::Instance;

/// Decides for the instances of one group, each known by its place in it.
pub trait Policy: Send + Sync {
    /// The instance for a request that was brought to those in `tried` before, in vain. For one that it names it
    /// is told [`Policy::ended`] once, whatever comes.
    fn next(&self, tried: &[usize], now: Instant) -> Next;

    /// Whether a try that failed may be followed by another, and where.
    fn again(&self, failed: &Failed, tried: &[usize], now: Instant) -> Again;

    /// A try has ended.
    fn ended(&self, index: usize, how: Ended, now: Instant);
}

/// Where a request goes.
pub enum Next {
    /// To this instance.
    Go(usize),
    /// Wherever room is made first, if it is soon enough.
    Wait(Turn, Duration),
    /// Nowhere: too many wait already.
    Full,
    /// Nowhere: there is none left.
    Nobody,
}

/// Waits for room; gives the instance that has it.
pub type Turn = Pin<Box<dyn Future<Output = usize> + Send>>;

/// A try that brought no answer.
#[derive(Clone, Copy, Debug)]
pub struct Failed {
    /// Who it was.
    pub index: usize,
    /// Some of the request may have reached whoever answers for it.
    pub sent: bool,
    /// Repeating it does no harm.
    pub idempotent: bool,
    /// All of it is still here.
    pub replayable: bool,
    /// It has no body.
    pub bodiless: bool,
    /// How it failed.
    pub why: Why,
}

/// How a try failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// No connection came about.
    Unreachable,
    /// A connection that had been kept was closed before a byte of the answer: most likely not about this request.
    Stale,
    /// The connection broke before a byte of the answer.
    Lost,
    /// The instance fell silent: no answer will come.
    Silent,
    /// The answer says that nobody has seen the request.
    Unsent,
}

/// What follows a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Nothing: the visitor is told.
    No,
    /// The same instance, over a new connection.
    Fresh,
    /// Another one.
    Elsewhere,
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With an answer of this status.
    Answered(u16),
    /// It could not be reached.
    Unreachable,
    /// It broke off, or was too late.
    Broken,
    /// Without any fault of the instance's.
    Aside,
}

/// Instances on the same server are used in turn; the others while none of those is healthy. One that is being emptied
/// is never among them.
pub struct Near {
    members: Vec<(Arc<Instance>, bool)>,
    turn: AtomicUsize,
}

impl Near {
    /// The instances, and whether each is near.
    pub fn new(members: Vec<(Arc<Instance>, bool)>) -> Self {
        Self {
            members,
            turn: AtomicUsize::new(0),
        }
    }

    /// Somebody else is there to ask.
    fn has_other(&self, failed: &Failed) -> bool {
        let mut others = self.members.iter().enumerate();
        others.any(|(index, (instance, _))| {
            index != failed.index && instance.is_healthy() && !instance.is_leaving()
        })
    }

    fn choose(&self, tried: &[usize]) -> Option<usize> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let count = self.members.len();
        let of = |wanted: &dyn Fn(&Instance, bool) -> bool| {
            let start = turn % count.max(1);
            (start..count).chain(0..start).find(|index| {
                let (instance, near) = &self.members[*index];
                !tried.contains(index) && !instance.is_leaving() && wanted(instance, *near)
            })
        };
        let found = of(&|instance, near| near && instance.is_healthy());
        let found = found.or_else(|| of(&|instance, _| instance.is_healthy()));
        // With all of them out one is tried all the same: a check may be behind the truth.
        found.or_else(|| tried.is_empty().then(|| of(&|_, _| true)).flatten())
    }
}

impl Policy for Near {
    fn next(&self, tried: &[usize], _now: Instant) -> Next {
        match self.choose(tried) {
            Some(index) => {
                self.members[index].0.enter();
                Next::Go(index)
            }
            None => Next::Nobody,
        }
    }

    fn again(&self, failed: &Failed, tried: &[usize], _now: Instant) -> Again {
        let harmless = failed.idempotent && failed.replayable;
        match failed.why {
            Why::Unreachable => Again::Elsewhere,
            Why::Silent if harmless => Again::Elsewhere,
            // Once: what one app has died of, the next may.
            Why::Stale | Why::Lost if harmless && tried.is_empty() && self.has_other(failed) => {
                Again::Elsewhere
            }
            Why::Stale if failed.idempotent && failed.bodiless => Again::Fresh,
            // An app says of itself what it likes: the mark is our own servers'.
            Why::Stale | Why::Lost | Why::Silent | Why::Unsent => Again::No,
        }
    }

    fn ended(&self, index: usize, _how: Ended, _now: Instant) {
        self.members[index].0.leave();
    }
}

#[cfg(test)]
mod tests {
    use terrace_protocol::role::Divert;

    use super::super::Transport;
    use super::*;

    fn policy(near: &[bool]) -> Near {
        let member = |(index, near): (usize, &bool)| {
            let transport = Transport::Tcp(([127, 0, 0, 1], 8000 + index as u16).into());
            let instance = Instance::new(&format!("s/app/{index}"), transport, 1, 1);
            (Arc::new(instance), *near)
        };
        Near::new(near.iter().enumerate().map(member).collect())
    }

    #[test]
    fn near_ones_take_turns_and_the_others_stand_in() {
        let policy = policy(&[false, true, true]);
        let chosen: Vec<_> = (0..4).map(|_| policy.choose(&[]).unwrap()).collect();
        assert!(
            chosen.iter().all(|index| *index != 0) && chosen.contains(&1) && chosen.contains(&2),
            "{chosen:?}"
        );
        policy.members[0].0.unreachable("refused");
        policy.members[1].0.unreachable("refused");
        assert_eq!(policy.choose(&[]), Some(2));
        policy.members[2].0.unreachable("refused");
        assert!(
            policy.choose(&[]).is_some(),
            "with all of them out one is tried"
        );
        assert_eq!(policy.choose(&[0]), None);
    }

    #[test]
    fn what_is_emptied_gets_nothing() {
        let policy = policy(&[true, false]);
        let order = Divert {
            server: "s".to_owned(),
            number: 1,
            within: 0,
        };
        let divert = |index: usize| policy.members[index].0.divert(Some(&order), Instant::now());
        policy.members[0].0.unreachable("refused");
        assert_eq!(policy.choose(&[]), Some(1));
        divert(1);
        assert_eq!(policy.choose(&[]), Some(0), "it is out, and not emptied");
        divert(0);
        assert_eq!(policy.choose(&[]), None);
    }

    #[test]
    fn what_an_app_lost_is_asked_of_another_once() {
        let policy = policy(&[true, false]);
        let lost = Failed {
            index: 0,
            sent: true,
            idempotent: true,
            replayable: true,
            bodiless: true,
            why: Why::Lost,
        };
        let stale = Failed {
            why: Why::Stale,
            ..lost
        };
        let form = Failed {
            idempotent: false,
            ..lost
        };
        let again = |failed: &Failed, tried: &[usize]| policy.again(failed, tried, Instant::now());
        assert_eq!(again(&lost, &[]), Again::Elsewhere);
        assert_eq!(again(&stale, &[]), Again::Elsewhere);
        assert_eq!(again(&lost, &[1]), Again::No);
        assert_eq!(again(&form, &[]), Again::No);
        policy.members[1].0.unreachable("refused");
        assert_eq!(again(&lost, &[]), Again::No);
        assert_eq!(again(&stale, &[]), Again::Fresh);
    }
}
