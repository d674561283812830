//! How far the primary is: what a replica must have before it may answer.
//!
//! Writes come through other routers too, so what this one has written is not enough: whoever reads asks the primary
//! how far it is, after the reader's own question came. All who ask while one question is under way share the next.
//! While the primary cannot be asked, replicas answer by what was written here, so that a site whose primary is gone
//! can still be read.
//!
//! Sessions hear of their commits in any order, so what is known only grows; but a new primary begins a new epoch, and
//! where a failover has accepted loss it has less than the one before. What it says of itself then counts alone.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::session::Backend;
use super::shared::{Known, Shared, lock};
use super::wire::handshake::Answer;
use crate::gtid::Position;

/// A primary that has not said by then how far it is, is away.
const ANSWERS_WITHIN: Duration = Duration::from_millis(200);
/// While it is away it is asked again after this.
const AGAIN: Duration = Duration::from_millis(100);

/// The newest position that the primary is known to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Token {
    /// Counts changes.
    pub version: u64,
    epoch: u64,
    /// The position; `None`: nothing is known yet.
    pub position: Option<Position>,
}

impl Token {
    /// Something was committed in this epoch.
    fn add(&mut self, epoch: u64, committed: Position) {
        if epoch < self.epoch {
            return;
        }
        let known = self.position.clone();
        self.set(match known {
            Some(known) => known.union(committed),
            None => committed,
        });
    }

    /// The primary of this epoch has said how far it is.
    fn stand(&mut self, epoch: u64, position: Position) {
        if epoch > self.epoch {
            self.epoch = epoch;
            self.set(position);
        } else {
            self.add(epoch, position);
        }
    }

    fn set(&mut self, position: Position) {
        if self.position.as_ref() != Some(&position) {
            self.version += 1;
            self.position = Some(position);
        }
    }
}

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
            self.asking.notify_one();
        }
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

    /// What is known; `None`: no more than at this version.
    pub fn after(&self, version: u64) -> Option<Token> {
        (self.version.load(Ordering::Acquire) > version).then(|| lock(&self.token).clone())
    }

    /// Waits until the position that the token holds is one that the primary had after this call; or until it
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
        let mut asked = newest.asked.load(Ordering::Acquire);
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
                newest.change(|token| token.stand(known.plan.epoch, position));
                newest.set_away(false);
            }
            _ => {
                primary = None;
                newest.set_away(true);
                // Who has come meanwhile would hear nothing else, only later.
                asked = newest.asked.load(Ordering::Acquire);
            }
        }
        newest.answered.send_replace(asked);
    }
}

async fn position(
    shared: &Shared,
    known: &Known,
    primary: &mut Option<Backend>,
) -> Option<Position> {
    if primary.is_none() {
        let target = known.plan.primary()?;
        let (user, password) = known.anybody()?;
        let answer = Answer::of(user);
        let fresh = Backend::connect(shared, target, known.plan.epoch, &answer, password).await;
        *primary = Some(fresh.ok()?);
    }
    primary.as_mut()?.position().await.ok()?
}

#[cfg(test)]
mod tests {
    use terrace_service::SecretStore;
    use terrace_site::model::Reads;
    use terrace_site::plan::{DatabaseUser, Engine, RouterPlan, SecretName, TargetPlan};

    use super::super::shared::Told;
    use super::*;

    fn known(changes: impl FnOnce(&mut Token)) -> String {
        let mut token = Token::default();
        changes(&mut token);
        token.position.map_or(String::new(), |one| one.to_string())
    }

    fn mariadb(text: &str) -> Position {
        Position::parse(Engine::Mariadb, text).unwrap()
    }

    #[test]
    fn commits_that_are_told_late_take_nothing_back() {
        let told = known(|token| {
            token.add(1, mariadb("0-1-10"));
            token.add(1, mariadb("0-1-9"));
            assert_eq!(token.version, 1);
        });
        assert_eq!(told, "0-1-10");
        let source = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        let mysql =
            |text: &str| Position::parse(Engine::Mysql, &format!("{source}:{text}")).unwrap();
        let told = known(|token| {
            token.stand(1, mysql("1-80"));
            token.add(1, mysql("77"));
            token.add(1, mysql("81"));
        });
        assert_eq!(told, format!("{source}:1-81"));
    }

    #[test]
    fn what_a_failover_has_given_up_is_not_waited_for() {
        let told = known(|token| {
            token.stand(1, mariadb("0-1-100"));
            token.stand(2, mariadb("0-2-95"));
            token.add(1, mariadb("0-1-101"));
        });
        assert_eq!(told, "0-2-95");
    }

    /// A router before a primary that lets everybody connect and never says a word.
    fn before_silence(listener: &std::net::TcpListener, secrets: &std::path::Path) -> Arc<Shared> {
        let plan = RouterPlan {
            listen: Vec::new(),
            controller: None,
            targets: vec![TargetPlan {
                server: "db-1".into(),
                address: listener.local_addr().unwrap(),
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
