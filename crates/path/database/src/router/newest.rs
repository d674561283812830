//! How far the primary is: what a replica must have before it may answer.
//!
//! Writes come through other routers too, so what this one has written is not enough: whoever reads asks the primary
//! how far it is, after the reader's own question came. All who ask while one question is under way share the next.
//! While the primary cannot be asked, replicas answer by what was written here, so that a site whose primary is gone
//! can still be read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::session::Backend;
use super::shared::{Known, Shared};
use super::wire::handshake::Answer;

/// A primary that has not said by then how far it is, is away.
const ANSWERS_WITHIN: Duration = Duration::from_millis(200);
/// While it is away it is asked again after this.
const AGAIN: Duration = Duration::from_millis(100);

/// Who asks, and what was answered.
#[derive(Debug, Default)]
pub struct Newest {
    /// Counts those who ask.
    asked: AtomicU64,
    asking: Notify,
    /// The last of them that was answered.
    answered: watch::Sender<u64>,
    away: AtomicBool,
}

impl Newest {
    /// The primary could not be reached lately.
    pub fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }

    /// It could not be reached, or was.
    pub fn set_away(&self, away: bool) {
        if self.away.swap(away, Ordering::Relaxed) != away && away {
            self.asking.notify_one();
        }
    }

    /// Waits until the position that the shared token holds is one that the primary had after this call; or until it
    /// is known that the primary cannot be asked.
    pub async fn ask(&self) {
        if self.is_away() {
            return;
        }
        let own = self.asked.fetch_add(1, Ordering::AcqRel) + 1;
        self.asking.notify_one();
        let mut answered = self.answered.subscribe();
        // The one who answers lives as long as the router.
        let _ = answered.wait_for(|answered| *answered >= own).await;
    }
}

/// Answers all who ask, for as long as the router runs.
pub async fn answer(shared: Arc<Shared>) {
    let newest = &shared.newest;
    let mut primary: Option<Backend> = None;
    loop {
        if newest.is_away() {
            sleep(AGAIN).await;
        } else {
            newest.asking.notified().await;
        }
        let asked = newest.asked.load(Ordering::Acquire);
        let known = shared.known();
        if primary
            .as_ref()
            .is_some_and(|one| one.epoch != known.plan.epoch)
        {
            primary = None;
        }
        let position = timeout(ANSWERS_WITHIN, position(&shared, &known, &mut primary)).await;
        match position {
            Ok(Some(position)) => {
                shared.wrote(&position);
                newest.set_away(false);
            }
            _ => {
                primary = None;
                newest.set_away(true);
            }
        }
        newest.answered.send_replace(asked);
    }
}

async fn position(
    shared: &Shared,
    known: &Known,
    primary: &mut Option<Backend>,
) -> Option<Vec<u8>> {
    if primary.is_none() {
        let target = known.plan.primary()?;
        let (user, password) = known.anybody()?;
        let answer = Answer::of(user);
        let fresh = Backend::connect(shared, target, known.plan.epoch, &answer, password).await;
        *primary = Some(fresh.ok()?);
    }
    primary.as_mut()?.position().await.ok()?
}
