//! What all sessions of a router share: the plan, the newest position written, who is connected, counters.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use terrace_service::{Lacks, Secret, SecretStore, clock, secret};
use terrace_site::plan::RouterPlan;
use tokio::sync::{Semaphore, watch};

use crate::replication::ROUTER_SECRET;

use super::lobby::Lobby;
use super::newest::Newest;
use super::presence::{Client, Presence};
use super::wire::handshake::Greeting;

/// Clients that are served at once; more are refused when they have proven who they are.
pub const CLIENTS: usize = 4096;
/// A database that had no place for a connection is said to have none for so long: milliseconds.
const LATELY: u64 = 10_000;
/// Statements that may wait for a primary at once; more are refused at once.
const QUEUE: usize = 1024;
/// Where the router's own connection numbers begin: no server counts that far, so the two are told apart.
const FIRST: u32 = 0x4000_0000;

/// What a node tells its router: the plan, and the passwords that it names. The router's process has no way to the
/// site's secrets, and hears of these alone, over its own control socket. Neither Debug nor Display: never logged.
#[derive(Serialize, Deserialize)]
pub struct Told {
    plan: RouterPlan,
    passwords: BTreeMap<String, String>,
    own: String,
}

impl Told {
    /// Reads the passwords; one that is missing is made, as the database makes it.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn new(plan: RouterPlan, secrets: &SecretStore) -> Result<Self, secret::Error> {
        let read = |user: &terrace_site::plan::DatabaseUser| {
            let password = secrets.read_or_generate(&user.password.0)?;
            Ok::<_, secret::Error>((user.name.clone(), password.expose().to_owned()))
        };
        let passwords = plan.users.iter().map(read).collect::<Result<_, _>>()?;
        let own = secrets.read_or_generate(ROUTER_SECRET)?;
        Ok(Self {
            plan,
            passwords,
            own: own.expose().to_owned(),
        })
    }
}

/// A plan with the passwords that it names.
pub struct Known {
    /// The plan.
    pub plan: RouterPlan,
    passwords: HashMap<String, Secret>,
    /// Of [`ROUTER_USER`](crate::replication::ROUTER_USER).
    pub own: Secret,
}

impl From<Told> for Known {
    fn from(told: Told) -> Self {
        let passwords = told.passwords.into_iter();
        Self {
            plan: told.plan,
            own: Secret::new(told.own),
            passwords: passwords
                .map(|(user, password)| (user, Secret::new(password)))
                .collect(),
        }
    }
}

impl Known {
    /// Somebody who may log in, for questions of the router's own.
    pub fn anybody(&self) -> Option<(&str, &str)> {
        let user = &self.plan.users.first()?.name;
        Some((user, self.passwords.get(user).map(Secret::expose)?))
    }

    /// The password of a user; `None`: there is no such user.
    pub fn password(&self, user: &[u8]) -> Option<&str> {
        let user = std::str::from_utf8(user).ok()?;
        self.passwords.get(user).map(Secret::expose)
    }
}

/// How much went to one database.
#[derive(Debug, Default)]
pub struct Count {
    /// Statements sent.
    pub statements: AtomicU64,
    /// Of those: the connection broke before the answer was whole.
    pub broken: AtomicU64,
    /// Reads that went to the primary because this replica was behind or away.
    pub passed_over: AtomicU64,
    /// When it had no place for a connection last, in ms since 1970.
    full: AtomicU64,
}

impl Count {
    /// It had no place for a connection.
    pub fn was_full(&self) {
        self.full.store(clock::unix_millis(), Ordering::Relaxed);
    }

    /// It had no place of late.
    pub fn is_full(&self) -> bool {
        let age = clock::unix_millis().saturating_sub(self.full.load(Ordering::Relaxed));
        age < LATELY
    }
}

/// Shared by all sessions.
pub struct Shared {
    /// The newest plan.
    pub known: watch::Receiver<Arc<Known>>,
    /// How far the primary is.
    pub newest: Newest,
    /// Who has not logged in yet.
    pub lobby: Lobby,
    /// Places for those who have.
    pub places: Arc<Semaphore>,
    /// Places in the queue for a primary.
    pub queue: Semaphore,
    /// What the router has run out of.
    pub lacks: Lacks,
    greeting: Mutex<Option<Greeting>>,
    clients: Mutex<HashMap<u32, Arc<Client>>>,
    next: AtomicU32,
    incarnation: AtomicU64,
    counts: Mutex<HashMap<String, Arc<Count>>>,
}

/// Holds it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that is guarded here can be left half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// For this sequence of plans.
    pub fn new(known: watch::Receiver<Arc<Known>>) -> Self {
        Self {
            known,
            newest: Newest::default(),
            lobby: Lobby::default(),
            places: Arc::new(Semaphore::new(CLIENTS)),
            queue: Semaphore::new(QUEUE),
            lacks: Lacks::default(),
            greeting: Mutex::default(),
            clients: Mutex::default(),
            next: AtomicU32::new(FIRST),
            incarnation: AtomicU64::new(1),
            counts: Mutex::default(),
        }
    }

    /// The newest plan.
    pub fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.borrow())
    }

    /// The greeting of the last server that gave one.
    pub fn greeting(&self) -> Option<Greeting> {
        lock(&self.greeting).clone()
    }

    /// Remembers a server's greeting.
    pub fn set_greeting(&self, greeting: Greeting) {
        *lock(&self.greeting) = Some(greeting);
    }

    /// A number for a client, which leaves with the guard.
    pub fn enter(self: &Arc<Self>) -> Presence {
        let id = FIRST | (self.next.fetch_add(1, Ordering::Relaxed) & (FIRST - 1));
        let client = Arc::new(Client::default());
        lock(&self.clients).insert(id, Arc::clone(&client));
        Presence::new(id, client, Arc::clone(self))
    }

    /// The client with this number.
    pub fn client(&self, id: u64) -> Option<Arc<Client>> {
        lock(&self.clients).get(&u32::try_from(id).ok()?).cloned()
    }

    pub(super) fn leave(&self, id: u32) {
        lock(&self.clients).remove(&id);
    }

    /// A number that no other connection to a database has.
    pub fn incarnation(&self) -> u64 {
        self.incarnation.fetch_add(1, Ordering::Relaxed)
    }

    /// The counter of a database.
    pub fn count(&self, server: &str) -> Arc<Count> {
        Arc::clone(lock(&self.counts).entry(server.to_owned()).or_default())
    }
}
