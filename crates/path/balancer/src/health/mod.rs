//! Whether a server gets requests: what its checks say, what it answers, whether it has just come back. Pure: time is an
//! argument, and who asks and checks is elsewhere.
//!
//! The checks' own machine is the engine's, `terrace_http::upstream::health`, and so is whether a server is being
//! emptied, `drain` beside it: web servers use them too.

pub mod ejection;
pub mod slow_start;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use terrace_http::upstream::Instance;
use terrace_protocol::report::UpstreamReport;
use terrace_service::clock;
use terrace_site::plan::EjectionPlan;

use ejection::Ejection;

/// A server of the tier, as all workers know it, whatever the plan says of it. What is asked on every request is an
/// atomic; the rest is behind a lock.
pub struct Server {
    /// The engine's side of it: its checks and counts.
    pub instance: Arc<Instance>,
    /// Where `millis` count from.
    epoch: Instant,
    judged: Mutex<Judged>,
    /// It has failed since it last went well: only then is `judged` asked after an answer.
    in_trouble: AtomicBool,
    /// Out for what it answered until then, in `millis`; 0: in.
    out_until: AtomicU64,
    /// How often it had come in when that was last looked at.
    arrivals: AtomicU32,
    /// Came back then, in `millis`; 0: long ago.
    back_since: AtomicU64,
    /// Turns that it has had since.
    turns: AtomicU32,
}

#[derive(Default)]
struct Judged {
    ejection: Ejection,
    /// Why it is out, in words.
    why: String,
    /// When it went out for what it answered, or came back: milliseconds since 1970.
    since: u64,
}

impl Server {
    /// A server that gets requests until something speaks against it.
    pub fn new(instance: Arc<Instance>, now: Instant) -> Self {
        Self {
            arrivals: AtomicU32::new(instance.arrivals()),
            instance,
            epoch: now,
            judged: Mutex::default(),
            in_trouble: AtomicBool::new(false),
            out_until: AtomicU64::new(0),
            back_since: AtomicU64::new(0),
            turns: AtomicU32::new(0),
        }
    }

    /// Since the epoch and from 1, so that 0 can mean never.
    fn millis(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.epoch).as_millis();
        u64::try_from(since).unwrap_or(u64::MAX - 1) + 1
    }

    fn judged(&self) -> MutexGuard<'_, Judged> {
        // Every use leaves it whole.
        self.judged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its checks and its answers are well.
    pub fn is_well(&self, now: Instant) -> bool {
        if !self.instance.is_healthy() {
            return false;
        }
        let until = self.out_until.load(Ordering::Relaxed);
        if until != 0 {
            if self.millis(now) < until {
                return false;
            }
            if self.out_until.swap(0, Ordering::Relaxed) != 0 {
                self.came_back(now);
            }
        }
        let arrivals = self.instance.arrivals();
        // Its very first arrival is no return: nobody has served in its place.
        if arrivals != self.arrivals.load(Ordering::Relaxed)
            && self.arrivals.swap(arrivals, Ordering::Relaxed) != 0
        {
            self.came_back(now);
        }
        true
    }

    fn came_back(&self, now: Instant) {
        self.turns.store(0, Ordering::Relaxed);
        self.back_since.store(self.millis(now), Ordering::Relaxed);
        self.judged().since = clock::unix_millis();
    }

    /// Of a hundred of its turns, how many it is to have: fewer, a while after it came back.
    pub fn share(&self, over: Duration, now: Instant) -> u32 {
        let since = self.back_since.load(Ordering::Relaxed);
        if since == 0 {
            return 100;
        }
        let since = self.epoch + Duration::from_millis(since - 1);
        let share = slow_start::share(since, over, now);
        if share == 100 {
            self.back_since.store(0, Ordering::Relaxed);
        }
        share
    }

    /// It takes the turn that it has now.
    pub fn takes_turn(&self, over: Duration, now: Instant) -> bool {
        let share = self.share(over, now);
        share == 100 || slow_start::takes(self.turns.fetch_add(1, Ordering::Relaxed), share)
    }

    /// A request went well.
    pub fn succeeded(&self, now: Instant) {
        if self.in_trouble.load(Ordering::Relaxed) {
            let mut judged = self.judged();
            judged.ejection.succeeded(now);
            let out = judged.ejection.is_out(now);
            self.in_trouble.store(out, Ordering::Relaxed);
        }
    }

    /// A request failed, in these words.
    pub fn failed(&self, plan: &EjectionPlan, what: &str, now: Instant) {
        let mut judged = self.judged();
        self.in_trouble.store(true, Ordering::Relaxed);
        if let Some(out) = judged.ejection.failed(plan, now) {
            judged.why = format!(
                "out for {} ms after failures in a row, the last: {what}",
                out.as_millis()
            );
            judged.since = clock::unix_millis();
            let until = self.millis(now + out);
            self.out_until.store(until, Ordering::Relaxed);
        }
    }

    /// How it stands.
    pub fn report(&self, weight: u32, backup: bool, now: Instant) -> UpstreamReport {
        let report = self.instance.report(now);
        let well = self.is_well(now);
        let judged = self.judged();
        let (reason, since) = match (report.healthy, well) {
            (true, false) => (judged.why.clone(), judged.since),
            (true, true) => (report.reason, report.since.max(judged.since)),
            (false, _) => (report.reason, report.since),
        };
        UpstreamReport {
            healthy: well,
            reason,
            since,
            weight,
            backup,
            ..report
        }
    }
}

#[cfg(test)]
mod tests {
    use terrace_http::upstream::Transport;

    use super::*;

    #[test]
    fn a_server_that_is_ejected_is_out_since_then_and_not_since_it_began() {
        let transport = Transport::Tcp(([127, 0, 0, 1], 80).into());
        let instance = Arc::new(Instance::new("web-02/web", transport, 1, 1));
        let now = Instant::now();
        let server = Server::new(instance, now);
        let plan = EjectionPlan {
            in_a_row: 1,
            first: Duration::from_secs(2),
            longest: Duration::from_secs(8),
        };
        let began = server.report(1, false, now).since;
        let passed = || clock::unix_millis() > began;
        while !passed() {
            std::thread::yield_now();
        }
        server.failed(&plan, "502", now);
        let out = server.report(1, false, now);
        assert!(!out.healthy && out.since > began, "{out:?}, began {began}");
        let back = server.report(1, false, now + Duration::from_secs(3));
        assert!(back.healthy && back.since >= out.since, "{back:?}");
    }
}
