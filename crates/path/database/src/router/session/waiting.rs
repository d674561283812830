//! Whether a database that is waited for is still the one to wait for.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::relay::Progress;
use super::replica::reader;
use super::{Backend, Side};
use crate::router::classify::Route;
use crate::router::shared::{Known, Shared};

/// An answer that has begun, from a database that the plans no longer name, ends when nothing has come for so long.
const SILENCE: Duration = Duration::from_secs(10);
/// A database that becomes silent is noticed at the next look, if the plans do not say so before.
const LOOK: Duration = Duration::from_millis(250);

/// A database that is waited for.
pub(super) struct Watch<'a> {
    shared: &'a Shared,
    server: String,
    pub(super) side: Side,
    epoch: u64,
    /// What was begun there cannot be asked elsewhere, and a replica that is passed over may answer all the same.
    bound: bool,
    /// It is only read, and so is asked again elsewhere.
    reads: bool,
}

impl<'a> Watch<'a> {
    pub(super) fn on(shared: &'a Shared, backend: &Backend, side: Side, route: Route) -> Self {
        let open = backend.in_transaction();
        Self {
            shared,
            server: backend.server.clone(),
            side,
            epoch: backend.epoch,
            bound: side == Side::Replica && open,
            reads: route == Route::Replica && !open,
        }
    }

    /// Waits until it is not worth while to wait for this database: it is no longer the one for this side, so it may
    /// never answer, and nothing has begun that cannot be had elsewhere; or what has begun does not go on.
    pub(super) async fn lost(&self, plans: &mut watch::Receiver<Arc<Known>>, progress: &Progress) {
        let mut silent = None;
        loop {
            self.left(plans).await;
            if !self.bound && !progress.begun() {
                return;
            }
            let turn = progress.server_turn();
            if turn.is_some() && turn == silent {
                return;
            }
            silent = turn;
            sleep(SILENCE).await;
        }
    }

    /// Waits until it is no longer the one for this side.
    async fn left(&self, plans: &mut watch::Receiver<Arc<Known>>) {
        while self.stays(&plans.borrow_and_update()) {
            tokio::select! {
                changed = plans.changed() => if changed.is_err() {
                    // No plan will ever come again.
                    sleep(LOOK).await;
                },
                () = sleep(LOOK) => {}
            }
        }
    }

    fn stays(&self, known: &Known) -> bool {
        match self.side {
            Side::Primary if self.reads && self.shared.newest.is_away() => {
                known.plan.replicas().next().is_none()
            }
            Side::Primary => known.plan.epoch == self.epoch,
            Side::Replica => {
                let reader = reader(self.shared, known);
                reader.is_some_and(|target| target.server == self.server)
            }
        }
    }
}
