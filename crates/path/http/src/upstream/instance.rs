//! One instance of the next tier, as all workers know it. It holds no connection: those are a worker's own.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use terrace_protocol::report::UpstreamReport;
use terrace_protocol::role::Divert;
use terrace_service::clock;

use super::drain::Drain;
use super::health::{Check, Health};

/// How a connection to an instance is made. TLS, unix sockets and FastCGI come beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP in clear.
    Tcp(SocketAddr),
}

/// One instance of the next tier.
pub struct Instance {
    /// Its id: `web-01/app/1`.
    pub id: String,
    /// How it is reached.
    pub transport: Transport,
    healthy: AtomicBool,
    health: Mutex<Health>,
    since: AtomicU64,
    arrivals: AtomicU32,
    deaths: Arc<AtomicU32>,
    /// There is a `drain`: asked on every request.
    leaving: AtomicBool,
    drain: Mutex<Option<Drain>>,
    in_flight: AtomicU32,
    /// Requests that it was asked.
    pub requests: AtomicU64,
    /// Of those: failed.
    pub errors: AtomicU64,
    /// Tried again after it failed.
    pub retries: AtomicU64,
}

impl Instance {
    /// One that counts as well until it is checked.
    pub fn new(id: &str, transport: Transport, rise: u32, fall: u32) -> Self {
        Self {
            id: id.to_owned(),
            transport,
            healthy: AtomicBool::new(true),
            health: Mutex::new(Health::new(rise, fall)),
            since: AtomicU64::new(clock::unix_millis()),
            arrivals: AtomicU32::new(0),
            deaths: Arc::default(),
            leaving: AtomicBool::new(false),
            drain: Mutex::default(),
            in_flight: AtomicU32::new(0),
            requests: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            retries: AtomicU64::new(0),
        }
    }

    /// Its checks say that it is well.
    pub fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    /// How often it has come in: the first good check, and each return after it was out.
    pub fn arrivals(&self) -> u32 {
        self.arrivals.load(Ordering::Relaxed)
    }

    /// Counts how often it fell silent. Whoever waits for an answer while this moves waits in vain.
    pub fn deaths(&self) -> &Arc<AtomicU32> {
        &self.deaths
    }

    fn drain(&self) -> MutexGuard<'_, Option<Drain>> {
        // Every use leaves it whole.
        self.drain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Empties it by this order, or uses it again. An order that is known already changes nothing.
    pub(super) fn divert(&self, order: Option<&Divert>, now: Instant) {
        let mut drain = self.drain();
        if drain.map(|drain| drain.number) != order.map(|order| order.number) {
            *drain = order.map(|order| Drain::ordered(order, now));
        }
        self.leaving.store(drain.is_some(), Ordering::Relaxed);
    }

    /// It is being emptied: nothing new goes there, and connections to it are not kept for later.
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// Requests that it has now.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// A request goes to it.
    pub fn enter(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// A request goes to it, unless it has so many already.
    pub fn try_enter(&self, most: u32) -> bool {
        let below = |now| (now < most).then_some(now + 1);
        self.in_flight
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, below)
            .is_ok()
    }

    /// A request has left it.
    pub fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        // Every use leaves it whole.
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many checks bring it in and take it out from now on.
    pub fn bound(&self, rise: u32, fall: u32) {
        self.health().bound(rise, fall);
    }

    /// A check came out so.
    pub fn checked(&self, check: Check, reason: String) {
        let mut health = self.health();
        let healthy = health.checked(check, reason);
        let arrives = healthy && (!self.is_healthy() || self.arrivals() == 0);
        if health.fell_silent() {
            self.deaths.fetch_add(1, Ordering::Relaxed);
        }
        drop(health);
        if arrives {
            self.arrivals.fetch_add(1, Ordering::Relaxed);
        }
        self.set(healthy);
    }

    /// A request could not be brought to it: it is out until a check succeeds.
    pub fn unreachable(&self, reason: &str) {
        let healthy = self.health().unreachable(reason);
        self.set(healthy);
    }

    fn set(&self, healthy: bool) {
        if self.healthy.swap(healthy, Ordering::Relaxed) != healthy {
            self.since.store(clock::unix_millis(), Ordering::Relaxed);
        }
    }

    /// How it stands.
    pub fn report(&self, now: Instant) -> UpstreamReport {
        let drain = *self.drain();
        let in_flight = self.in_flight();
        UpstreamReport {
            instance: self.id.clone(),
            healthy: self.is_healthy(),
            reason: self.health().reason().to_owned(),
            since: self.since.load(Ordering::Relaxed),
            requests: self.requests.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            retries: self.retries.load(Ordering::Relaxed),
            in_flight: u64::from(in_flight),
            drain: drain.map(|drain| drain.report(in_flight, now)),
            ..UpstreamReport::default()
        }
    }
}
