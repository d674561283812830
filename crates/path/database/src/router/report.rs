//! What the router reports of itself and of each database: which of them it uses, since when, and why not.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use terrace_protocol::report::{RoleReport, State, UpstreamReport};
use terrace_service::clock;
use terrace_site::plan::{RouterPlan, TargetPlan};

use super::shared::{Known, Shared};

/// Makes the reports of one router.
pub(super) struct Reporter {
    id: String,
    /// When the router was started.
    since: u64,
    uses: Uses,
}

impl Reporter {
    pub(super) fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            since: clock::unix_millis(),
            uses: Uses::default(),
        }
    }

    /// How the router stands now; `None`: it waits for its plan.
    pub(super) fn report(&mut self, shared: Option<&Shared>, generation: u64) -> RoleReport {
        let known = shared.map(Shared::known);
        let report = RoleReport {
            id: self.id.clone(),
            role: "router".to_owned(),
            since: self.since,
            generation,
            ..RoleReport::default()
        };
        let (Some(shared), Some(known)) = (shared, known) else {
            return RoleReport {
                state: State::Starting,
                reason: "waits for its plan".to_owned(),
                ..report
            };
        };
        let now = clock::unix_millis();
        let targets = known.plan.targets.iter();
        RoleReport {
            state: State::Serving,
            reason: routes(shared, &known),
            upstreams: targets
                .map(|target| self.upstream(shared, &known.plan, target, now))
                .collect(),
            lacks: shared.lacks.report(),
            ..report
        }
    }

    fn upstream(
        &mut self,
        shared: &Shared,
        plan: &RouterPlan,
        target: &TargetPlan,
        now: u64,
    ) -> UpstreamReport {
        let count = shared.count(&target.server);
        let used = plan.primary == target.server || target.lag.is_some();
        UpstreamReport {
            instance: format!("{}/database", target.server),
            healthy: used,
            reason: if count.is_full() {
                "has no place for another connection".to_owned()
            } else {
                place(plan, target)
            },
            since: self.uses.since(&target.server, used, now),
            requests: count.statements.load(Ordering::Relaxed),
            errors: count.broken.load(Ordering::Relaxed),
            retries: count.passed_over.load(Ordering::Relaxed),
            ..UpstreamReport::default()
        }
    }
}

/// Where statements go.
fn routes(shared: &Shared, known: &Known) -> String {
    let plan = &known.plan;
    if plan.hold {
        return "holds statements: the primary changes".to_owned();
    }
    let mut words = match plan.replica() {
        Some(replica) => format!(
            "writes to {}, reads from {} (epoch {})",
            plan.primary, replica.server, plan.epoch
        ),
        None => format!("everything to {}", plan.primary),
    };
    let full = |target: &&TargetPlan| shared.count(&target.server).is_full();
    for target in plan.targets.iter().filter(full) {
        words += &format!("; {} has no place for another connection", target.server);
    }
    words
}

/// What a database is to this router.
fn place(plan: &RouterPlan, target: &TargetPlan) -> String {
    let controller = plan.controller.as_deref().unwrap_or("its server");
    match (target.replica, target.lag) {
        _ if plan.primary == target.server => "primary".to_owned(),
        (true, Some(lag)) => format!("replica, {lag} ms behind"),
        (true, None) if plan.stale => format!(
            "replica, not read from: the controller on {controller} says nothing, so how far behind it is is not known"
        ),
        (true, None) => "replica, receives nothing now".to_owned(),
        (false, _) => "does not replicate".to_owned(),
    }
}

/// Which databases are used, and since when that is so.
#[derive(Default)]
struct Uses(HashMap<String, (bool, u64)>);

impl Uses {
    fn since(&mut self, server: &str, used: bool, now: u64) -> u64 {
        match self.0.get(server) {
            Some((before, since)) if *before == used => *since,
            _ => {
                self.0.insert(server.to_owned(), (used, now));
                now
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use terrace_site::model::Reads;

    use super::*;

    #[test]
    fn a_database_is_out_since_it_went_out_and_not_since_the_router_began() {
        let mut uses = Uses::default();
        let mut since = |used, now| uses.since("web-02", used, now);
        assert_eq!([since(true, 1), since(true, 5)], [1, 1]);
        assert_eq!([since(false, 700), since(false, 900)], [700, 700]);
        assert_eq!(since(true, 1_000), 1_000);
        assert_eq!(uses.since("web-01", true, 1_100), 1_100);
    }

    #[test]
    fn a_replica_of_which_the_controller_says_nothing_is_not_said_to_receive_nothing() {
        let target = |lag| TargetPlan {
            server: "web-02".into(),
            address: ([127, 0, 0, 1], 3306).into(),
            replica: true,
            lag,
        };
        let plan = |stale| RouterPlan {
            listen: Vec::new(),
            controller: Some("lb-01".into()),
            targets: Vec::new(),
            epoch: 1,
            primary: "web-01".into(),
            hold: false,
            stale,
            users: Vec::new(),
            reads: Reads::OwnWrites,
            lag_limit: Duration::from_secs(10),
            vouched: true,
        };
        let unknown = place(&plan(true), &target(None));
        assert!(
            unknown.contains("the controller on lb-01 says nothing"),
            "{unknown}"
        );
        assert_eq!(
            place(&plan(false), &target(None)),
            "replica, receives nothing now"
        );
        assert_eq!(
            place(&plan(false), &target(Some(7))),
            "replica, 7 ms behind"
        );
    }
}
