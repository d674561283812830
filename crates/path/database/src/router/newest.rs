//! How far the primary is: what a replica must have before it may answer.
//!
//! Writes come through other routers too, so what this one has written is not enough: whoever reads asks the primary
//! how far it is, after the reader's own question came. All who ask while one question is under way share the next.
//! While the primary cannot be asked, its replicas are: what was acknowledged has been received by one of them, so they
//! answer with what they have, and a site whose primary is gone is read as before.
//!
//! Sessions hear of their commits in any order, so what is known only grows; but a new primary begins a new epoch, and
//! where a failover has accepted loss it has less than the one before. What it says of itself then counts alone.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::received::Replicas;
use super::session::Backend;
use super::shared::{Known, Shared, lock};
use super::token::Token;
use super::wire::handshake::Answer;
use crate::gtid::Position;

/// A primary that has not said by then how far it is, is away.
const ANSWERS_WITHIN: Duration = Duration::from_millis(200);
/// While it is away it is asked again after this.
const AGAIN: Duration = Duration::from_millis(100);

/// Who asks, and what was answered.
#[derive(Debug, Default)]
pub struct Newest {
    token: Mutex<Token>,
    /// The token's, to be looked at without the lock.
    version: AtomicU64,
    /// Counts those who ask.
    asked: AtomicU64,
    asking: Notify,
    /// The last of them that was answered.
    answered: watch::Sender<u64>,
    away: AtomicBool,
    left: Notify,
    /// The replica that has most, when the primary was away last.
    furthest: Mutex<Option<String>>,
}

impl Newest {
    /// The primary could not be reached lately.
    pub fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }

    /// The same, and it is asked first.
    pub async fn is_away_now(&self) -> bool {
        self.ask().await;
        self.is_away()
    }

    /// It could not be reached, or was.
    pub fn set_away(&self, away: bool) {
        if self.away.swap(away, Ordering::Relaxed) != away && away {
            self.left.notify_one();
        }
    }

    /// The replica that has everything that was acknowledged, or most of it, where the primary could not be asked.
    pub fn furthest(&self) -> Option<String> {
        lock(&self.furthest).clone()
    }

    /// A session has committed this, at the primary of this epoch.
    pub fn wrote(&self, epoch: u64, committed: Position) {
        self.change(|token| token.add(epoch, committed));
    }

    fn change(&self, change: impl FnOnce(&mut Token)) {
        let mut token = lock(&self.token);
        change(&mut token);
        self.version.store(token.version, Ordering::Release);
    }

    /// The primary is away, and these replicas have received so much, the nearest first.
    fn received(&self, received: &[(String, Position)], vouched: bool) {
        let all = received.iter().map(|(_, position)| position.clone());
        let all = all.reduce(Position::union);
        self.change(|token| token.received(all, vouched));
        let needed = lock(&self.token).position.clone();
        let behind = |position: &Position| {
            let needed = needed.as_ref();
            needed.map_or(0, |needed| position.behind(needed))
        };
        let furthest = received.iter().min_by_key(|(_, position)| behind(position));
        *lock(&self.furthest) = furthest.map(|(server, _)| server.clone());
    }

    /// What is known; `None`: no more than at this version.
    pub fn after(&self, version: u64) -> Option<Token> {
        (self.version.load(Ordering::Acquire) > version).then(|| lock(&self.token).clone())
    }

    /// Waits until the position that the token holds has everything that was acknowledged before this call.
    pub async fn ask(&self) {
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
    let mut primary = Primary::default();
    let mut replicas = Replicas::default();
    loop {
        newest.asking.notified().await;
        let mut asked = newest.asked.load(Ordering::Acquire);
        let known = shared.known();
        if newest.is_away() || !primary.says(&shared, &known).await {
            newest.set_away(true);
            // Who has come meanwhile would hear nothing else, only later.
            asked = newest.asked.load(Ordering::Acquire);
            let received = replicas.ask(&shared, &known).await;
            newest.received(&received, known.plan.vouched);
        }
        newest.answered.send_replace(asked);
    }
}

/// Looks for a primary that is away until it is there again.
pub async fn look_out(shared: Arc<Shared>) {
    let newest = &shared.newest;
    let mut primary = Primary::default();
    loop {
        newest.left.notified().await;
        while newest.is_away() {
            sleep(AGAIN).await;
            if primary.says(&shared, &shared.known()).await {
                newest.set_away(false);
            }
        }
        primary = Primary::default();
    }
}

/// A connection to the primary, for questions of the router's own.
#[derive(Default)]
struct Primary(Option<Backend>);

impl Primary {
    /// Asks how far it is, and keeps the answer; `false`: it does not say.
    async fn says(&mut self, shared: &Shared, known: &Known) -> bool {
        let epoch = known.plan.epoch;
        self.0.take_if(|one| one.epoch != epoch);
        let position = timeout(ANSWERS_WITHIN, self.position(shared, known)).await;
        let Ok(Some(position)) = position else {
            self.0 = None;
            return false;
        };
        shared.newest.change(|token| token.stand(epoch, position));
        true
    }

    async fn position(&mut self, shared: &Shared, known: &Known) -> Option<Position> {
        if self.0.is_none() {
            let target = known.plan.primary()?;
            let (user, password) = known.anybody()?;
            let answer = Answer::of(user);
            let epoch = known.plan.epoch;
            let fresh = Backend::connect(shared, target, epoch, &answer, password).await;
            self.0 = Some(fresh.ok()?);
        }
        self.0.as_mut()?.position().await.ok()?
    }
}

#[cfg(test)]
mod tests {
    use terrace_service::SecretStore;
    use terrace_site::model::Reads;
    use terrace_site::plan::{DatabaseUser, RouterPlan, SecretName, TargetPlan};

    use super::super::shared::Told;
    use super::*;

    /// A router before a primary that lets everybody connect and never says a word.
    fn before_silence(listener: &std::net::TcpListener, secrets: &std::path::Path) -> Arc<Shared> {
        let plan = RouterPlan {
            listen: Vec::new(),
            controller: None,
            targets: vec![TargetPlan {
                server: "db-1".into(),
                address: listener.local_addr().unwrap(),
                replica: false,
                lag: None,
            }],
            epoch: 1,
            primary: "db-1".into(),
            hold: false,
            users: vec![DatabaseUser {
                name: "app".into(),
                password: SecretName("database/app".into()),
            }],
            reads: Reads::OwnWrites,
            lag_limit: Duration::from_secs(10),
            vouched: false,
        };
        let told = Told::new(plan, &SecretStore::new(secrets));
        let known = Known::from(told.unwrap_or_else(|error| panic!("{error}")));
        let (_, plans) = watch::channel(Arc::new(known));
        Arc::new(Shared::new(plans))
    }

    #[tokio::test]
    async fn whoever_asks_a_silent_primary_goes_on_with_the_others() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let shared = before_silence(&listener, directory.path());
        let answering = tokio::spawn(answer(Arc::clone(&shared)));
        let asks = || {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move { shared.newest.ask().await })
        };
        let first = asks();
        // The question is under way when the next one comes.
        listener.set_nonblocking(true).unwrap();
        let _silent = loop {
            match listener.accept() {
                Ok(connection) => break connection,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        let second = asks();
        first.await.unwrap();
        assert!(shared.newest.is_away());
        tokio::task::yield_now().await;
        assert!(second.is_finished());
        answering.abort();
    }
}
