//! Emptying an instance: new requests go elsewhere, those in flight are finished, and the time for it is counted
//! down.
//!
//! Whether a server may be emptied is decided by whoever orders it. Nothing is cut off here: when the deadline has
//! passed, that is said, and whoever asked decides.

use std::sync::Arc;
use std::time::{Duration, Instant};

use terrace_protocol::report::{DrainReport, server_of};
use terrace_protocol::role::Divert;
use terrace_service::clock;

use super::Instance;

/// On its way out, by this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Drain {
    pub(super) number: u64,
    /// When it was ordered: milliseconds since 1970.
    since: u64,
    /// What is in flight may take until then.
    until: Instant,
}

impl Drain {
    /// The one of an order that is heard now.
    pub(super) fn ordered(order: &Divert, now: Instant) -> Self {
        Self {
            number: order.number,
            since: clock::unix_millis(),
            until: now + Duration::from_millis(order.within),
        }
    }

    /// How far it is, with so many in flight.
    pub(super) fn report(self, in_flight: u32, now: Instant) -> DrainReport {
        let left = self.until.saturating_duration_since(now);
        let left = if in_flight == 0 {
            0
        } else {
            // What has begun to pass is not over.
            u64::try_from(left.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX)
        };
        DrainReport {
            number: self.number,
            since: self.since,
            done: in_flight == 0,
            left,
        }
    }
}

/// Empties the instances on the servers that are named, and uses all others. Those that are used again take requests
/// before the first of the others takes none.
pub fn divert<'a>(
    instances: impl Iterator<Item = &'a Arc<Instance>>,
    orders: &[Divert],
    now: Instant,
) {
    let order = |instance: &Instance| {
        let server = server_of(&instance.id);
        orders.iter().find(|order| order.server == server)
    };
    let (closed, open): (Vec<_>, Vec<_>) = instances
        .map(|instance| (instance, order(instance)))
        .partition(|(_, order)| order.is_some());
    for (instance, order) in open.into_iter().chain(closed) {
        instance.divert(order, now);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Transport;
    use super::*;

    fn order(server: &str, number: u64, within: u64) -> Divert {
        Divert {
            server: server.to_owned(),
            number,
            within,
        }
    }

    #[test]
    fn it_counts_down_until_nothing_is_in_flight() {
        let start = Instant::now();
        let drain = Drain::ordered(&order("web-01", 7, 30_000), start);
        let report = |in_flight, seconds| {
            let report = drain.report(in_flight, start + Duration::from_secs(seconds));
            assert_eq!(report.number, 7);
            (report.done, report.left)
        };
        assert_eq!(report(3, 10), (false, 20_000));
        assert_eq!(report(1, 31), (false, 0));
        assert_eq!(report(0, 10), (true, 0));
    }

    #[test]
    fn the_list_says_of_every_instance_whether_it_is_emptied() {
        let now = Instant::now();
        let instance = |id: &str| {
            let transport = Transport::Tcp(([127, 0, 0, 1], 8000).into());
            Arc::new(Instance::new(id, transport, 1, 1))
        };
        let all = ["web-01/web", "web-02/web", "web-02/app/1"].map(instance);
        let told = |orders: &[Divert], now| {
            divert(all.iter(), orders, now);
            let drains = all.each_ref().map(|one| one.report(now).drain);
            drains.map(|drain| drain.map(|drain| drain.number))
        };
        let one = order("web-01", 1, 1_000);
        assert_eq!(told(std::slice::from_ref(&one), now), [Some(1), None, None]);
        let two = order("web-02", 2, 1_000);
        assert_eq!(told(&[one, two.clone()], now), [Some(1), Some(2), Some(2)]);
        assert_eq!(
            told(std::slice::from_ref(&two), now),
            [None, Some(2), Some(2)]
        );

        // The same order again is no new deadline, another one is.
        all[1].enter();
        let left = |now| all[1].report(now).drain.map(|drain| drain.left);
        let later = now + Duration::from_millis(600);
        told(&[two], later);
        assert_eq!(left(later), Some(400));
        told(&[order("web-02", 3, 1_000)], later);
        assert_eq!(left(later), Some(1_000));
        assert_eq!(told(&[], now), [None, None, None]);
        assert!(all.iter().all(|one| !one.is_leaving()));
    }
}
