//! The instances of the next tier: which are well, whom a request goes to, and connections kept for the next.
//!
//! Health is shared by all workers, and decided by [`health`], a pure machine; [`check`] asks. [`drain`] empties. Which instance a
//! request goes to is a [`policy`]'s to say. Connections are a worker's own: [`pool`].

pub mod check;
pub mod drain;
pub mod health;
mod instance;
pub mod policy;
pub mod pool;

use std::sync::Arc;
use std::time::Instant;

use terrace_site::plan::{RoutePlan, Timeouts};

use crate::body::Framing;
use crate::head::RequestHead;
pub use instance::{Instance, Transport};
use policy::{Near, Policy};

/// Everybody who answers for a part of the paths.
pub struct Group {
    /// The app's name, or the tier's.
    pub name: String,
    /// The instances, in the order of their policy.
    pub instances: Vec<Arc<Instance>>,
    /// They are servers of ours, whose word is believed where an app's is not.
    pub ours: bool,
    /// They answer their checks themselves, whatever becomes of those behind them: where such a check is silent the server stands
    /// still, and nothing that it has been asked will be answered.
    pub checked_alone: bool,
    /// What they may take.
    pub timeouts: Timeouts,
    /// By the prefix of the path, the longest first: bodies larger than this go on as they come; `None`: none does.
    pub streams: Vec<(String, Option<u64>)>,
    /// Which of them next.
    pub policy: Arc<dyn Policy>,
}

impl Group {
    /// The group of a web server's route: near instances first. Those that `before` knows keep their health and
    /// counts.
    pub fn near(plan: &RoutePlan, before: Option<&Group>) -> Self {
        let (rise, fall) = (plan.health.rise, plan.health.fall);
        let mut members: Vec<(Arc<Instance>, bool)> = plan
            .upstreams
            .iter()
            .map(|upstream| {
                let transport = Transport::Tcp(upstream.address);
                let known = before.map(|group| &group.instances[..]).unwrap_or_default();
                let instance = known_or_new(known, &upstream.instance, transport, rise, fall);
                (instance, upstream.near)
            })
            .collect();
        members.sort_by_key(|(_, near)| !near);
        Self {
            name: plan.app.clone(),
            instances: members.iter().map(|(one, _)| Arc::clone(one)).collect(),
            ours: false,
            checked_alone: false,
            timeouts: plan.timeouts.clone(),
            streams: vec![(plan.prefix.clone(), plan.stream)],
            policy: Arc::new(Near::new(members)),
        }
    }

    /// The size above which this request's body goes on as it comes. Calls of gRPC are conversations: where bodies may
    /// go on at all, theirs do at once.
    pub fn streams_above(&self, head: &RequestHead, buffer: &[u8]) -> u64 {
        if head.framing == Framing::None {
            return u64::MAX;
        }
        let target = head.target.in_(buffer);
        let mut streams = self.streams.iter();
        let found = streams.find(|(prefix, _)| is_below(target, prefix));
        let Some(above) = found.and_then(|(_, above)| *above) else {
            return u64::MAX;
        };
        let is_call = head.fields.iter().any(|(name, value)| {
            let begins = |kind: &[u8]| {
                kind.len() >= GRPC.len() && kind[..GRPC.len()].eq_ignore_ascii_case(GRPC)
            };
            name.in_(buffer).eq_ignore_ascii_case(b"content-type") && begins(value.in_(buffer))
        });
        if is_call { 0 } else { above }
    }
}

const GRPC: &[u8] = b"application/grpc";

/// The instance of this id if it is known and has not moved, under its new bounds; else a new one.
pub fn known_or_new(
    known: &[Arc<Instance>],
    id: &str,
    transport: Transport,
    rise: u32,
    fall: u32,
) -> Arc<Instance> {
    let found = known
        .iter()
        .find(|known| known.id == id && known.transport == transport);
    match found {
        Some(known) => {
            known.bound(rise, fall);
            Arc::clone(known)
        }
        None => Arc::new(Instance::new(id, transport, rise, fall)),
    }
}

/// Time since, in µs.
pub(crate) fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// The group for a target: of groups by the prefix of their paths, the longest first, the first whose prefix is whole
/// segments of it.
pub fn group_for<'a>(groups: &'a [(String, Arc<Group>)], target: &[u8]) -> Option<&'a Arc<Group>> {
    let found = groups.iter().find(|(prefix, _)| is_below(target, prefix));
    found.map(|(_, group)| group)
}

/// Whether a target is below a prefix, whole segments of it.
fn is_below(target: &[u8], prefix: &str) -> bool {
    let prefix = prefix.trim_end_matches('/').as_bytes();
    let rest = target.strip_prefix(prefix);
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'/' | b'?')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_of_whole_segments() {
        for (target, prefix, below) in [
            ("/", "/", true),
            ("/a?b", "/", true),
            ("/api", "/api", true),
            ("/api/x", "/api/", true),
            ("/api?x", "/api", true),
            ("/apis", "/api", false),
        ] {
            assert_eq!(is_below(target.as_bytes(), prefix), below, "{target}");
        }
    }
}
