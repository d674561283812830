//! How far the primary is: what a replica must have before it may answer.
//!
//! Writes come through other routers too, so what this one has written is not enough: whoever reads asks the primary
//! how far it is, after the reader's own question came. All who ask while one question is under way share the next.
//! While the primary cannot be asked, its replicas are: what was acknowledged has been received by one of them, so they
//! answer with what they have, and a site whose primary is gone is read as before. A primary that has no place for the question,
//! or that cannot be asked for want of something here, is not away: where its replicas do not vouch for what was acknowledged,
//! it answers itself.
//!
//! Sessions hear of their commits in any order, so what is known only grows; but a new primary begins a new epoch, and
//! where a failover has accepted loss it has less than the one before. What it says of itself then counts alone.

use std::io;
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
use super::wire::login;
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
    answered: watch::Sender<Answered>,
    away: AtomicBool,
    left: Notify,
    /// The replica that has most, when the primary was away last.
    furthest: Mutex<Option<String>>,
}

/// The last of those who ask that was answered.
#[derive(Clone, Copy, Debug, Default)]
struct Answered {
    number: u64,
    /// What a replica must have is known.
    known: bool,
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

    /// Waits until the position that the token holds has everything that was acknowledged before this call; false: that is not
    /// to be had, and the primary is there to answer.
    pub async fn ask(&self) -> bool {
        let own = self.asked.fetch_add(1, Ordering::AcqRel) + 1;
        self.asking.notify_one();
        let mut answered = self.answered.subscribe();
        // The one who answers lives as long as the router.
        let answer = answered.wait_for(|answered| answered.number >= own).await;
        answer.is_ok_and(|answered| answered.known)
    }
}

/// Answers all who ask, for as long as the router runs.
pub async fn answer(shared: Arc<Shared>) {
    let newest = &shared.newest;
    let mut primary = Primary::default();
    let mut replicas = Replicas::default();
    loop {
        newest.asking.notified().await;
        let mut number = newest.asked.load(Ordering::Acquire);
        let plan = shared.known();
        let mut known = true;
        if let Err(unsaid) = primary.asked(&shared, &plan).await {
            // Who has come meanwhile would hear nothing else, only later.
            number = newest.asked.load(Ordering::Acquire);
            let received = replicas.ask(&shared, &plan).await;
            let (away, vouched) = (unsaid == Unsaid::Away, plan.plan.vouched);
            // What one that is there has said counts on.
            newest.received(&received, vouched && away);
            let all = !received.is_empty() && received.len() == plan.plan.replicas().count();
            known = away || (vouched && all);
        }
        newest.answered.send_replace(Answered { number, known });
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
            let said = primary.says(&shared, &shared.known()).await;
            if said.map_or_else(|error| error.is_busy(), |()| true) {
                newest.set_away(false);
            }
        }
        primary = Primary::default();
    }
}

/// Why the primary did not say how far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unsaid {
    /// It cannot be reached.
    Away,
    /// It has no place for the question, or something is missing here.
    Unasked,
}

/// A connection to the primary, for questions of the router's own.
#[derive(Default)]
struct Primary(Option<Backend>);

impl Primary {
    /// Asks it unless it is known to be away, and notes when it turns out to be.
    async fn asked(&mut self, shared: &Shared, known: &Known) -> Result<(), Unsaid> {
        if shared.newest.is_away() {
            return Err(Unsaid::Away);
        }
        self.says(shared, known).await.map_err(|error| {
            if !error.is_away() {
                return Unsaid::Unasked;
            }
            shared.newest.set_away(true);
            Unsaid::Away
        })
    }

    /// Asks how far it is, and keeps the answer.
    async fn says(&mut self, shared: &Shared, known: &Known) -> Result<(), login::Error> {
        let epoch = known.plan.epoch;
        // One that the primary has ended says nothing of the primary.
        self.0
            .take_if(|one| one.epoch != epoch || one.wire.is_stale());
        let asked = timeout(ANSWERS_WITHIN, self.position(shared, known)).await;
        let late = || Err(io::Error::from(io::ErrorKind::TimedOut).into());
        let position = asked.unwrap_or_else(|_| late());
        if position.is_err() {
            self.0 = None;
        }
        let position = position?;
        shared.newest.change(|token| token.stand(epoch, position));
        Ok(())
    }

    async fn position(&mut self, shared: &Shared, known: &Known) -> Result<Position, login::Error> {
        let held = match self.0.take() {
            Some(held) => held,
            None => {
                let target = known.plan.primary().ok_or(login::Error::Plan("primary"))?;
                let user = known.anybody().ok_or(login::Error::Plan("user"))?;
                let (answer, epoch) = (Answer::of(user.0), known.plan.epoch);
                Backend::connect(shared, target, epoch, &answer, user.1).await?
            }
        };
        let position = self.0.insert(held).position().await?;
        position.ok_or(login::Error::Protocol)
    }
}

#[cfg(test)]
mod tests {
    use terrace_protocol::report::Lack;
    use terrace_service::SecretStore;
    use terrace_site::model::Reads;
    use terrace_site::plan::{DatabaseUser, RouterPlan, SecretName, TargetPlan};

    use super::super::shared::Told;
    use super::super::wire::bytes::put_packet;
    use super::*;

    /// A router before a primary that listens there.
    fn before(listener: &std::net::TcpListener, secrets: &std::path::Path) -> Arc<Shared> {
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
            stale: false,
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
        let shared = before(&listener, directory.path());
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

    /// Asks as a session does.
    async fn asks(shared: &Arc<Shared>) -> bool {
        let answering = tokio::spawn(answer(Arc::clone(shared)));
        let known = shared.newest.ask().await;
        answering.abort();
        known
    }

    #[tokio::test]
    async fn a_primary_without_a_place_is_not_away() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let shared = before(&listener, directory.path());
        std::thread::spawn(move || {
            // As a server says it that has not greeted.
            let full = [&[0xff, 0x10, 0x04][..], b"Too many connections"].concat();
            let mut packet = Vec::new();
            put_packet(&mut packet, 0, &full);
            while let Ok((mut stream, _)) = listener.accept() {
                std::io::Write::write_all(&mut stream, &packet).unwrap();
            }
        });
        assert!(!asks(&shared).await, "it did not say how far it is");
        assert!(!shared.newest.is_away());
        assert!(shared.count("db-1").is_full(), "that is told");
        // One that is thought to be away is found to be there.
        let looking = tokio::spawn(look_out(Arc::clone(&shared)));
        shared.newest.set_away(true);
        let back = async {
            while shared.newest.is_away() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(5), back).await.unwrap();
        looking.abort();
    }

    /// In a process of its own, which may open nothing more.
    #[tokio::test]
    async fn what_is_missing_here_is_not_held_against_the_primary() {
        const CHILD: &str = "TERRACE_TEST_WITHOUT_DESCRIPTORS";
        if std::env::var_os(CHILD).is_none() {
            let mut again = std::process::Command::new(std::env::current_exe().unwrap());
            let name = "what_is_missing_here_is_not_held_against_the_primary";
            let name = format!("{}::{name}", module_path!().split_once("::").unwrap().1);
            let output = again.args(["--exact", &name]).env(CHILD, "1").output();
            let output = output.unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(said.contains("1 passed"), "{said}");
            return;
        }
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let shared = before(&listener, directory.path());
        let none = rustix::process::Rlimit {
            current: Some(0),
            ..rustix::process::getrlimit(rustix::process::Resource::Nofile)
        };
        rustix::process::setrlimit(rustix::process::Resource::Nofile, none).unwrap();
        assert!(!asks(&shared).await, "nobody was asked");
        assert!(!shared.newest.is_away());
        let lacks = shared.lacks.report();
        assert_eq!(lacks.len(), 1, "{lacks:?}");
        assert_eq!(lacks[0].what, Lack::Descriptors);
    }
}
