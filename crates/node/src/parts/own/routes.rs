//! Where an SQL router's statements go, as the controller says.
//!
//! A plan knows who is primary at a site's birth; this knows who is now, how far replicas are behind, and whether
//! statements wait. What was said last holds while the controller is away, but for the lags: a replica of which nothing
//! is heard is not read from while the primary serves.

use std::time::{Duration, Instant};

use terrace_site::plan::{Part as Kind, RouterPlan};
use tokio::sync::broadcast;

use super::Part;
use crate::node::letters::{self, Letter, Received, Routing};

/// What was said of lags counts for this long.
const FRESH: Duration = Duration::from_secs(3);

/// What the controller said last.
pub(super) struct Routes {
    letters: broadcast::Receiver<Received>,
    controller: Option<String>,
    said: Option<(Routing, Instant)>,
    /// What was said has been taken for old.
    stale: bool,
}

impl Routes {
    /// Those of a router; `None`: the part is none.
    pub(super) fn of(part: &Part) -> Option<Self> {
        let Kind::Router(plan) = &part.plans.borrow().part else {
            return None;
        };
        Some(Self {
            letters: part.context.post.letters(),
            controller: plan.controller.clone(),
            said: None,
            stale: false,
        })
    }

    /// The plan with what is known now.
    pub(super) fn fill_in(&self, plan: &RouterPlan) -> RouterPlan {
        let mut plan = plan.clone();
        if let Some((said, _)) = &self.said {
            plan.epoch = said.epoch.0;
            plan.primary.clone_from(&said.primary);
            plan.hold = said.hold;
            plan.stale = self.stale;
            plan.vouched = said.vouched;
            for target in &mut plan.targets {
                let mut replicas = said.replicas.iter();
                let replica = replicas.find(|(server, _)| *server == target.server);
                target.replica = replica.is_some();
                target.lag = replica.and_then(|(_, lag)| *lag).filter(|_| !self.stale);
            }
        }
        plan
    }

    /// Waits until the router must be told something new.
    async fn changed(&mut self) {
        loop {
            let at = self
                .said
                .as_ref()
                .filter(|_| !self.stale)
                .map(|(_, at)| *at + FRESH);
            let old = async {
                match at {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                received = letters::next(&mut self.letters) => if self.takes(received) { return },
                () = old => {
                    self.stale = true;
                    return;
                }
            }
        }
    }

    /// It says something new.
    fn takes(&mut self, received: Received) -> bool {
        let Received { from, letter } = received;
        let Letter::Routing(routing) = letter else {
            return false;
        };
        let older = |(said, _): &(Routing, Instant)| said.epoch > routing.epoch;
        if self.controller.as_ref() != Some(&from) || self.said.as_ref().is_some_and(older) {
            return false;
        }
        let was_stale = std::mem::replace(&mut self.stale, false);
        let before = self.said.replace((routing.clone(), Instant::now()));
        was_stale || before.is_none_or(|(before, _)| before != routing)
    }
}

/// Waits until a router must be told something new; for other roles that never is.
pub(super) async fn changed(routes: &mut Option<Routes>) {
    match routes {
        Some(routes) => routes.changed().await,
        None => std::future::pending().await,
    }
}
