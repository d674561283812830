//! The connection to the replica: made when it is needed, and asked only when it has what was written before.

use std::sync::atomic::Ordering;

use terrace_site::model::Reads;
use terrace_site::plan::TargetPlan;
use tokio::time::timeout;

use super::{Backend, READY, Session, Side};
use crate::router::shared::Known;

impl Session {
    /// A replica that may answer now.
    pub(super) async fn reach_replica(&mut self) -> bool {
        let known = self.shared.known();
        let Some(target) = known.plan.replica() else {
            self.replica = None;
            return false;
        };
        let preparing = self.prepare_replica(&known, target);
        let ready = timeout(READY, preparing).await.unwrap_or(false);
        if !ready {
            // Where it was asked and has not answered, what it says next is no answer to what is asked next.
            self.replica.take_if(|replica| replica.is_asked());
        }
        if !ready {
            self.shared
                .count(&target.server)
                .passed_over
                .fetch_add(1, Ordering::Relaxed);
        }
        ready
    }

    async fn prepare_replica(&mut self, known: &Known, target: &TargetPlan) -> bool {
        let usable = |one: &Backend| {
            one.server == target.server && one.epoch == known.plan.epoch && !one.wire.is_stale()
        };
        if !self.replica.as_ref().is_some_and(usable) {
            self.replica = None;
            let Some(password) = known.password(&self.answer.user) else {
                return false;
            };
            let mut answer = self.answer.clone();
            answer.database.clone_from(&self.schema);
            let epoch = known.plan.epoch;
            match Backend::connect(&self.shared, target, epoch, &answer, password).await {
                Ok(mut fresh) => {
                    fresh.sits(&self.presence.client, Side::Replica);
                    self.replica = Some(fresh);
                }
                Err(error) => {
                    tracing::debug!(%error, server = target.server, "the replica is passed over");
                    return false;
                }
            }
        }
        let own_writes = known.plan.reads == Reads::OwnWrites;
        if own_writes {
            self.shared.newest.ask().await;
        }
        let Some(replica) = &mut self.replica else {
            return false;
        };
        let preparing = replica.prepare(
            &self.shared.newest,
            &self.settings,
            &self.schema,
            own_writes,
        );
        match preparing.await {
            Ok(Some(ready)) => ready,
            Ok(None) => {
                self.no_replica = true;
                false
            }
            Err(_) => {
                self.replica = None;
                false
            }
        }
    }
}
