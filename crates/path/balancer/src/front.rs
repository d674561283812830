//! What is served: whose a path is. All else is the engine's and the tiers'.

use std::net::IpAddr;
use std::sync::Arc;

use terrace_http::server::{Answer, Decision, Request, Service, holds, pages};
use terrace_http::upstream::Group;
use terrace_site::plan::{BalancerPlan, Limits, Timeouts};

/// A balancer, as one worker serves it.
pub(crate) struct Front {
    plan: Arc<BalancerPlan>,
    groups: Vec<(String, Arc<Group>)>,
}

impl Front {
    /// One with these groups, by the prefix of their paths, the longest first.
    pub(crate) fn new(plan: Arc<BalancerPlan>, groups: Vec<(String, Arc<Group>)>) -> Self {
        Self { plan, groups }
    }
}

/// Whether a target is below a prefix, whole segments of it.
fn is_below(target: &[u8], prefix: &str) -> bool {
    let prefix = prefix.trim_end_matches('/').as_bytes();
    let rest = target.strip_prefix(prefix);
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'/' | b'?')))
}

impl Service for Front {
    fn decide(&self, request: &Request<'_>) -> Decision {
        let target = request.target();
        let found = self
            .groups
            .iter()
            .find(|(prefix, _)| is_below(target, prefix));
        match found {
            Some((_, group)) => Decision::Forward(Arc::clone(group)),
            None => Decision::Trouble(404, "nothing answers for this path".to_owned()),
        }
    }

    fn trouble(&self, status: u16, why: &str, id: &str, html: bool) -> Answer {
        pages::trouble(status, why, id, html)
    }

    fn limits(&self) -> &Limits {
        &self.plan.limits
    }

    fn timeouts(&self) -> &Timeouts {
        &self.plan.timeouts
    }

    fn trusts(&self, neighbour: IpAddr) -> bool {
        holds(&self.plan.trust, neighbour)
    }
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
