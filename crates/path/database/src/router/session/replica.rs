//! The connection to the replica: made when it is needed, and asked only when it has what was written before.

use std::sync::atomic::Ordering;

use terrace_site::model::Reads;
use terrace_site::plan::TargetPlan;
use tokio::time::{Instant, sleep, timeout};

use super::command::Command;
use super::{AGAIN, AWAY, Backend, End, HOLD, READY, Session, Side};
use crate::router::classify::Route;
use crate::router::shared::{Known, Shared};

/// The replica to read from now: while the primary serves, one that follows it; else the one that has most of what was
/// acknowledged, whether it still receives or not.
pub(super) fn reader<'a>(shared: &Shared, known: &'a Known) -> Option<&'a TargetPlan> {
    let plan = &known.plan;
    if shared.newest.is_away() && plan.reads == Reads::OwnWrites {
        let furthest = shared.newest.furthest()?;
        return plan.replicas().find(|one| one.server == furthest);
    }
    let any = || {
        let gone = shared.newest.is_away() || plan.hold;
        plan.replicas().next().filter(|_| gone)
    };
    plan.replica().or_else(any)
}

/// Where a read is answered.
pub(super) enum Found {
    /// By the replica.
    Here,
    /// By the primary: no replica may.
    AtPrimary,
    /// There is no primary, and no replica has come so far in time.
    Nowhere,
}

impl Session {
    /// A replica that may answer now. Without a primary it is waited for: until it has applied what it has received, or
    /// the primary is there.
    pub(super) async fn find_replica(
        &mut self,
        command: &Command,
        since: Instant,
    ) -> Result<Found, End> {
        // What only prepares for reading shows nobody's writes.
        let reads = matches!(command.code, 0x03 | 0x17) && command.route != Route::Remember;
        loop {
            if self.reach_replica(reads).await {
                return Ok(Found::Here);
            }
            let known = self.shared.known();
            let readable = known.plan.replicas().next().is_some() && !self.no_replica;
            if !readable || !self.is_primary_away() {
                return Ok(Found::AtPrimary);
            }
            let hopes = known.plan.hold || self.shared.newest.furthest().is_some();
            if since.elapsed() >= if hopes { HOLD } else { AWAY } {
                return Ok(Found::Nowhere);
            }
            self.waited = true;
            self.client.while_open(sleep(AGAIN)).await?;
        }
    }

    async fn reach_replica(&mut self, reads: bool) -> bool {
        let known = self.shared.known();
        let ready = timeout(READY, self.prepare_replica(&known, reads)).await;
        let ready = ready.unwrap_or(false);
        if !ready && let Some(target) = reader(&self.shared, &known) {
            // Where it was asked and has not answered, what it says next is no answer to what is asked next.
            self.replica.take_if(|replica| replica.is_asked());
            let count = self.shared.count(&target.server);
            count.passed_over.fetch_add(1, Ordering::Relaxed);
        }
        ready
    }

    async fn prepare_replica(&mut self, known: &Known, reads: bool) -> bool {
        let own_writes = known.plan.reads == Reads::OwnWrites;
        let asks = own_writes && known.plan.replicas().next().is_some();
        if asks && !self.shared.newest.ask().await {
            return false;
        }
        let Some(target) = reader(&self.shared, known) else {
            self.replica = None;
            return false;
        };
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
        let Some(replica) = &mut self.replica else {
            return false;
        };
        let preparing = replica.prepare(
            &self.shared.newest,
            &self.settings,
            &self.schema,
            own_writes && reads,
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
