//! What is served: whose a path is. All else is the engine's and the tiers'.

use std::net::IpAddr;
use std::sync::Arc;

use terrace_http::server::{Answer, Decision, Request, Service, holds, pages};
use terrace_http::upstream::{Group, group_for};
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

impl Service for Front {
    fn decide(&self, request: &Request<'_>) -> Decision {
        match group_for(&self.groups, request.target()) {
            Some(group) => Decision::Forward(Arc::clone(group)),
            None => Decision::Trouble(404, "nothing answers for this path".to_owned()),
        }
    }

    fn trouble(&self, status: u16, why: &str, id: &str, html: bool) -> Answer {
        pages::trouble(status, why, id, html)
    }

    fn site(&self) -> &str {
        &self.plan.name
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
