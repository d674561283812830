//! Whether a request that failed may be tried again. Pure but for the budget's one atomic count.
//!
//! Again goes what nobody has seen, whatever its method, and what may be repeated without harm; both only while all
//! of the request is still at hand and nothing of an answer has come. An answer that is merely late is not asked for
//! a second time: what is slow on one server is slow on the next. Retries come out of a budget, or a tier in trouble
//! would get twice the load.

use std::sync::atomic::{AtomicU32, Ordering};

use terrace_http::upstream::policy::Failed;

/// Requests that pay for one retry: 20 %.
const REQUESTS: u32 = 5;
/// Retries that may come at once: as when a server dies with all that it had in flight.
pub const RESERVE: u32 = 512;

/// What requests have paid in, and retries have not used.
#[derive(Debug)]
pub struct Budget {
    paid: AtomicU32,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            paid: AtomicU32::new(RESERVE * REQUESTS),
        }
    }
}

impl Budget {
    /// A request pays in. While the reserve is whole this only reads.
    pub fn pay(&self) {
        if self.paid.load(Ordering::Relaxed) < RESERVE * REQUESTS {
            self.paid.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes what a retry costs, if it is there.
    pub fn take(&self) -> bool {
        let less = |paid: u32| paid.checked_sub(REQUESTS);
        self.paid
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }
}

/// It may be tried again without anything being done twice.
pub fn is_safe(failed: &Failed) -> bool {
    failed.replayable && (!failed.sent || failed.idempotent)
}

#[cfg(test)]
mod tests {
    use terrace_http::upstream::policy::Why;

    use super::*;

    #[test]
    fn only_what_is_here_and_unseen_or_harmless_goes_again() {
        for (sent, idempotent, replayable, safe) in [
            (false, false, true, true),
            (true, true, true, true),
            (true, false, true, false),
            (false, true, false, false),
        ] {
            let failed = Failed {
                index: 0,
                sent,
                idempotent,
                replayable,
                bodiless: false,
                why: Why::Lost,
            };
            assert_eq!(is_safe(&failed), safe, "{failed:?}");
        }
    }

    #[test]
    fn a_fifth_of_the_requests_pays_for_retries() {
        let budget = Budget::default();
        assert_eq!(
            (0..2 * RESERVE).filter(|_| budget.take()).count(),
            RESERVE as usize
        );
        (0..100).for_each(|_| budget.pay());
        assert_eq!((0..100).filter(|_| budget.take()).count(), 20);
        (0..100_000).for_each(|_| budget.pay());
        assert_eq!(
            (0..2 * RESERVE).filter(|_| budget.take()).count(),
            RESERVE as usize
        );
    }
}
