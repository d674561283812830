//! One client: its connection, its primary, and the replica that it may read from.
//!
//! A command is read, its place chosen, sent, and the answer passed on as it comes. What makes a session differ
//! from a fresh one is either remembered (settings, database, prepared statements) or pins it to the primary.
//! Nothing that may have happened is ever sent again.

mod backend;
mod choose;
mod command;
mod entry;
mod exchange;
mod lost;
mod relay;
mod statements;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};

pub use self::backend::Backend;
use self::choose::Side;
use self::relay::Broken;
use self::statements::Statements;
use super::classify::Reason;
use super::shared::{Known, Presence, Shared};
use super::wire::handshake::{Answer, Greeting};
use super::wire::{Wire, capability, error_packet, login};

/// How long a statement waits for a primary.
const HOLD: Duration = Duration::from_secs(15);
/// How long it tries a primary that is named but does not answer.
const AWAY: Duration = Duration::from_secs(2);
/// A replica that is not ready to answer within this, connection and all, is passed over.
const READY: Duration = Duration::from_millis(300);
/// Between two attempts.
const AGAIN: Duration = Duration::from_millis(50);

/// Why a session ends.
#[derive(Debug)]
enum End {
    /// The client has gone, or breaks the protocol.
    Client,
    /// The client is told this, and then closed.
    Told(Vec<u8>),
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Client
    }
}

/// One client.
struct Session {
    shared: Arc<Shared>,
    presence: Presence,
    client: Wire,
    greeting: Greeting,
    answer: Answer,
    primary: Option<Backend>,
    replica: Option<Backend>,
    /// The plans, for whoever waits for a database that leaves them.
    plans: watch::Receiver<Arc<Known>>,
    /// The replica does not take this session's settings: it is not asked again.
    no_replica: bool,
    settings: Vec<Vec<u8>>,
    schema: Vec<u8>,
    pinned: Option<Reason>,
    last: Side,
    statements: Statements,
}

/// Serves one client until it leaves.
pub async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    let Ok(client) = Wire::new(stream) else {
        return;
    };
    let Some(mut session) = Session::enter(shared, client).await else {
        return;
    };
    loop {
        match session.command().await {
            Ok(true) => {}
            Ok(false) | Err(End::Client) => return,
            Err(End::Told(error)) => {
                // The client may have gone; there is nobody else to tell.
                let _ = session.client.send_payload(1, &error).await;
                return;
            }
        }
    }
}

impl Session {
    /// Answers the command with an error of ours.
    async fn refuse(&mut self, code: u16, state: &str, message: &str) -> Result<(), End> {
        let error = error_packet(code, state, message);
        Ok(self.client.send_payload(1, &error).await?)
    }

    /// The client does not know trackers.
    fn plain(&self) -> bool {
        self.answer.capabilities & capability::SESSION_TRACK == 0
    }

    /// Sees to a connection to the primary of the newest epoch, and waits for it while writes are held.
    /// `Ok(false)`: the client was told why not.
    async fn reach_primary(&mut self) -> Result<bool, End> {
        let known = self.shared.known();
        if let Some(primary) = &self.primary {
            let current = primary.epoch == known.plan.epoch && !primary.wire.is_stale();
            // What is open may end while others wait: a switchover drains it.
            if current && (!known.plan.hold || !primary.is_free()) {
                return Ok(true);
            }
            if !current {
                return self.lose_primary().await;
            }
        }
        self.wait_for_primary().await
    }

    /// The connection to the primary is of no use any more, and nothing was sent.
    async fn lose_primary(&mut self) -> Result<bool, End> {
        let open = self.primary.take().is_some_and(|one| one.in_transaction());
        if self.pinned.is_some() {
            return Err(End::Told(lost::session()));
        }
        if open {
            self.refuse(
                1213,
                "40001",
                "the primary has changed: run the transaction again",
            )
            .await?;
            return Ok(false);
        }
        self.wait_for_primary().await
    }

    async fn wait_for_primary(&mut self) -> Result<bool, End> {
        let shared = Arc::clone(&self.shared);
        let Ok(_place) = shared.queue.try_acquire() else {
            self.refuse(
                1040,
                "08004",
                "too many statements wait for the primary: try again later",
            )
            .await?;
            return Ok(false);
        };
        let mut plans = shared.known.clone();
        let begun = Instant::now();
        let mut reason = "no primary is named".to_owned();
        loop {
            let known = Arc::clone(&plans.borrow_and_update());
            let deadline = begun + if known.plan.hold { HOLD } else { AWAY };
            if !known.plan.hold {
                let kept = |one: &Backend| one.epoch == known.plan.epoch && !one.wire.is_stale();
                if self.primary.as_ref().is_some_and(kept) {
                    return Ok(true);
                }
                self.primary = None;
                if self.pinned.is_some() {
                    return Err(End::Told(lost::session()));
                }
                match self.connect_primary(&known).await {
                    Ok(()) => return Ok(true),
                    Err(login::Error::Refused(error)) => {
                        self.client.send_payload(1, &error).await?;
                        return Ok(false);
                    }
                    Err(error) => {
                        self.shared.newest.set_away(true);
                        reason = error.to_string();
                    }
                }
            }
            if Instant::now() >= deadline {
                let message = format!("no primary database within {:?}: {reason}", begun.elapsed());
                self.refuse(1053, "08S01", &message).await?;
                return Ok(false);
            }
            let pause = if known.plan.hold {
                deadline
            } else {
                Instant::now() + AGAIN
            };
            if let Ok(Err(_)) = timeout_at(pause, plans.changed()).await {
                // No plan will ever come again; the one that we have may still do.
                sleep(AGAIN).await;
            }
        }
    }

    async fn connect_primary(&mut self, known: &Known) -> Result<(), login::Error> {
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
        self.shared.newest.set_away(false);
        self.presence.known_as(fresh.thread);
        self.primary = Some(fresh);
        Ok(())
    }

    /// Nothing of this session is at the primary: what is said next may be said elsewhere.
    fn is_free_of_primary(&self) -> bool {
        let free = self.primary.as_ref().is_none_or(Backend::is_free);
        free && self.pinned.is_none() && !self.reads_in_transaction()
    }

    /// The primary cannot be reached, or is being changed: a session that has nothing there goes on without it.
    fn goes_without_primary(&mut self) -> bool {
        let away = self.shared.newest.is_away() || self.shared.known.borrow().plan.hold;
        let without = away && self.is_free_of_primary();
        if without {
            self.primary = None;
        }
        without
    }

    /// A replica that may answer now.
    async fn reach_replica(&mut self) -> bool {
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

    async fn prepare_replica(
        &mut self,
        known: &Known,
        target: &terrace_site::plan::TargetPlan,
    ) -> bool {
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
                Ok(fresh) => self.replica = Some(fresh),
                Err(error) => {
                    tracing::debug!(%error, server = target.server, "the replica is passed over");
                    return false;
                }
            }
        }
        let own_writes = known.plan.reads == terrace_site::model::Reads::OwnWrites;
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

    /// Everything that made this session differ from a fresh one is gone.
    fn forget(&mut self) {
        self.replica = None;
        self.no_replica = false;
        self.settings.clear();
        self.pinned = None;
        self.last = Side::Primary;
        self.statements = Statements(HashMap::new());
    }
}
