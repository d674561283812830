//! The instances of the next tier: which are well, whom a request goes to, and connections kept for the next.
//!
//! Health is shared by all workers, and decided by [`health`], a pure machine; [`check`] asks. Connections are a
//! worker's own: [`pool`].

pub mod check;
pub mod health;
pub mod pool;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use terrace_protocol::report::UpstreamReport;
use terrace_service::clock;
use terrace_site::plan::{RoutePlan, Timeouts};

use health::Health;

/// How a connection to an instance is made. TLS, unix sockets and FastCGI come beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP in clear.
    Tcp(SocketAddr),
}

/// One instance of the next tier, as all workers know it.
pub struct Instance {
    /// Its id: `web-01/app/1`.
    pub id: String,
    /// How it is reached.
    pub transport: Transport,
    /// It stands on the same server.
    pub near: bool,
    healthy: AtomicBool,
    health: Mutex<Health>,
    since: AtomicU64,
    /// Requests that it was asked.
    pub requests: AtomicU64,
    /// Of those: failed.
    pub errors: AtomicU64,
    /// Tried again after it failed.
    pub retries: AtomicU64,
}

impl Instance {
    fn new(id: &str, transport: Transport, near: bool, rise: u32, fall: u32) -> Self {
        Self {
            id: id.to_owned(),
            transport,
            near,
            healthy: AtomicBool::new(true),
            health: Mutex::new(Health::new(rise, fall)),
            since: AtomicU64::new(clock::unix_millis()),
            requests: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            retries: AtomicU64::new(0),
        }
    }

    /// It gets requests.
    pub fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        // Every use leaves it whole.
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A check came out so.
    pub fn checked(&self, good: bool, reason: String) {
        let healthy = self.health().checked(good, reason);
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
    pub fn report(&self) -> UpstreamReport {
        UpstreamReport {
            instance: self.id.clone(),
            healthy: self.is_healthy(),
            reason: self.health().reason().to_owned(),
            since: self.since.load(Ordering::Relaxed),
            requests: self.requests.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            retries: self.retries.load(Ordering::Relaxed),
        }
    }
}

/// Everybody who answers for a part of the paths.
pub struct Group {
    /// The app's name.
    pub name: String,
    /// The instances; those that are near come first.
    pub instances: Vec<Arc<Instance>>,
    /// What they may take.
    pub timeouts: Timeouts,
    next: AtomicU64,
}

impl Group {
    /// The group of a route. Instances that `before` knows keep their health and counts.
    pub fn new(plan: &RoutePlan, before: Option<&Group>) -> Self {
        let instance = |upstream: &terrace_site::plan::UpstreamPlan| {
            let transport = Transport::Tcp(upstream.address);
            let known = before.and_then(|group| {
                group
                    .instances
                    .iter()
                    .find(|known| known.id == upstream.instance && known.transport == transport)
            });
            match known {
                Some(known) if known.near == upstream.near => Arc::clone(known),
                _ => {
                    let (rise, fall) = (plan.health.rise, plan.health.fall);
                    Arc::new(Instance::new(
                        &upstream.instance,
                        transport,
                        upstream.near,
                        rise,
                        fall,
                    ))
                }
            }
        };
        let mut instances: Vec<_> = plan.upstreams.iter().map(instance).collect();
        instances.sort_by_key(|instance| !instance.near);
        Self {
            name: plan.app.clone(),
            instances,
            timeouts: plan.timeouts.clone(),
            next: AtomicU64::new(0),
        }
    }

    /// The instance for the next request: near ones in turn, the others while no near one is healthy. With all
    /// of them out one is tried all the same: a check may be behind the truth. `tried` gets none twice.
    pub fn choose(&self, tried: &[usize]) -> Option<usize> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) as usize;
        let of = |wanted: &dyn Fn(&Instance) -> bool| {
            let count = self.instances.len();
            let start = turn % count.max(1);
            let order = (start..count).chain(0..start);
            order
                .into_iter()
                .find(|index| !tried.contains(index) && wanted(&self.instances[*index]))
        };
        of(&|instance| instance.near && instance.is_healthy())
            .or_else(|| of(&|instance| instance.is_healthy()))
            .or_else(|| {
                if tried.is_empty() {
                    of(&|_| true)
                } else {
                    None
                }
            })
    }
}

/// Time since, in µs.
pub(crate) fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use terrace_site::plan::{HealthPlan, UpstreamPlan};

    use super::*;

    fn group(near: &[bool]) -> Group {
        let upstream = |(index, near): (usize, &bool)| UpstreamPlan {
            instance: format!("s/app/{index}"),
            address: ([127, 0, 0, 1], 8000 + index as u16).into(),
            near: *near,
        };
        let plan = RoutePlan {
            prefix: "/".into(),
            app: "app".into(),
            upstreams: near.iter().enumerate().map(upstream).collect(),
            health: HealthPlan {
                rise: 1,
                fall: 1,
                ..HealthPlan::default()
            },
            timeouts: Timeouts::default(),
        };
        Group::new(&plan, None)
    }

    #[test]
    fn near_ones_take_turns_and_the_others_stand_in() {
        let group = group(&[false, true, true]);
        let ids: Vec<&str> = (0..4)
            .map(|_| group.instances[group.choose(&[]).unwrap()].id.as_str())
            .collect();
        assert!(
            ids.iter().all(|id| *id != "s/app/0") && ids[0] != ids[1],
            "{ids:?}"
        );
        group.instances[0].unreachable("refused");
        group.instances[1].unreachable("refused");
        assert_eq!(group.choose(&[]), Some(2));
        group.instances[2].unreachable("refused");
        assert!(
            group.choose(&[]).is_some(),
            "with all of them out one is tried"
        );
        assert_eq!(group.choose(&[0]), None);
    }
}
