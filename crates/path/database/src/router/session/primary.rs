//! The connection to the primary: made when it is needed, waited for while the primary changes, and made as the last
//! one was: settings, database, autocommit. A session that has more there than can be told again ends with it.

use std::sync::Arc;

use tokio::time::{Instant, sleep, timeout_at};

use super::{AGAIN, AWAY, BUSY, Backend, End, HOLD, Session, Side, lost};
use crate::router::shared::Known;
use crate::router::wire::{error_packet, login};

impl Session {
    /// Sees to a connection to the primary of the newest epoch, and waits for it while writes are held.
    /// `Some`: an error that says why there is none; nothing was sent, and the client was not told.
    pub(super) async fn reach_primary(&mut self) -> Result<Option<Vec<u8>>, End> {
        let known = self.shared.known();
        if let Some(primary) = &self.primary {
            let current = primary.epoch == known.plan.epoch && !primary.wire.is_stale();
            // What is open may end while others wait: a switchover drains it.
            if current && (!known.plan.hold || primary.in_transaction()) {
                return Ok(None);
            }
            if !current {
                return self.lose_primary().await;
            }
        }
        self.wait_for_primary().await
    }

    /// The connection to the primary is of no use any more, and nothing was sent.
    async fn lose_primary(&mut self) -> Result<Option<Vec<u8>>, End> {
        let open = self.primary.take().is_some_and(|one| one.in_transaction());
        if self.is_bound() {
            return Err(End::Told(lost::session()));
        }
        if open {
            let text = "the primary has changed: run the transaction again";
            return Ok(Some(lost::transaction(text)));
        }
        self.wait_for_primary().await
    }

    async fn wait_for_primary(&mut self) -> Result<Option<Vec<u8>>, End> {
        let shared = Arc::clone(&self.shared);
        let Ok(_place) = shared.queue.try_acquire() else {
            let text = "too many statements wait for the primary: try again later";
            return Ok(Some(error_packet(1040, "08004", text)));
        };
        let mut plans = shared.known.clone();
        let begun = Instant::now();
        self.waited = true;
        let mut reason = "no primary is named".to_owned();
        loop {
            let known = Arc::clone(&plans.borrow_and_update());
            let deadline = begun + if known.plan.hold { HOLD } else { AWAY };
            if !known.plan.hold {
                let kept = |one: &Backend| one.epoch == known.plan.epoch && !one.wire.is_stale();
                if self.primary.as_ref().is_some_and(kept) {
                    return Ok(None);
                }
                self.primary = None;
                if self.is_bound() {
                    return Err(End::Told(lost::session()));
                }
                match self.connect_primary(&known).await? {
                    Ok(()) => return Ok(None),
                    Err(error) if error.is_busy() && begun.elapsed() < BUSY => {
                        self.client.while_open(sleep(AGAIN)).await?;
                        continue;
                    }
                    Err(login::Error::Refused(error)) => return Ok(Some(error)),
                    Err(error) => {
                        if error.is_away() {
                            self.shared.newest.set_away(true);
                        }
                        reason = error.to_string();
                    }
                }
            }
            if Instant::now() >= deadline {
                let message = format!("no primary database within {:?}: {reason}", begun.elapsed());
                return Ok(Some(error_packet(1053, "08S01", &message)));
            }
            let pause = if known.plan.hold {
                deadline
            } else {
                Instant::now() + AGAIN
            };
            let changed = timeout_at(pause, plans.changed());
            if let Ok(Err(_)) = self.client.while_open(changed).await? {
                // No plan will ever come again; the one that we have may still do.
                self.client.while_open(sleep(AGAIN)).await?;
            }
        }
    }

    /// Connects to the primary for this client, and no longer than it is there.
    pub(super) async fn connect_primary(
        &mut self,
        known: &Known,
    ) -> Result<Result<(), login::Error>, End> {
        let fresh = match self.client.while_open(self.connecting(known)).await? {
            Ok(fresh) => fresh,
            Err(error) => return Ok(Err(error)),
        };
        self.shared.newest.set_away(false);
        self.primary = Some(fresh);
        Ok(Ok(()))
    }

    async fn connecting(&self, known: &Known) -> Result<Backend, login::Error> {
        let target = known.plan.primary().ok_or(login::Error::Plan("primary"))?;
        let password = known
            .password(&self.answer.user)
            .ok_or(login::Error::Plan("such user"))?;
        let mut answer = self.answer.clone();
        answer.database.clone_from(&self.schema);
        let epoch = known.plan.epoch;
        let mut fresh = Backend::connect(&self.shared, target, epoch, &answer, password).await?;
        if !fresh.follow(&self.settings, &self.schema).await? {
            return Err(login::Error::Settings);
        }
        let told = !self.held.autocommit_off || fresh.turn_autocommit_off().await?;
        if !told {
            return Err(login::Error::Settings);
        }
        fresh.sits(&self.presence.client, Side::Primary);
        Ok(fresh)
    }

    /// The session cannot go on over another connection to a primary.
    pub(super) fn is_bound(&self) -> bool {
        self.pinned.is_some() || self.held.variables
    }

    /// The client has begun nothing that is still open.
    pub(super) fn is_idle(&self) -> bool {
        let open = self.primary.as_ref().is_some_and(Backend::in_transaction);
        !open && self.pinned.is_none() && !self.reads_in_transaction()
    }

    /// The primary cannot be reached, or is being changed.
    pub(super) fn is_primary_away(&self) -> bool {
        self.shared.newest.is_away() || self.shared.known.borrow().plan.hold
    }
}
