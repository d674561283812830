//! Who is connected: by which numbers the databases know a client, and whether somebody has killed it.
//!
//! A client knows itself by a number of the router's own. `KILL` names that number; where the client's statement runs,
//! and what that server calls it, is kept here for as long as the connection to that server is.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::shared::{Shared, lock};

/// A connection to a database: where, and its number there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The server's name.
    pub server: String,
    /// The number by which the server knows the connection.
    pub thread: u32,
}

/// What others may know of a client.
#[derive(Debug, Default)]
pub struct Client {
    inner: Mutex<Inner>,
    reads: AtomicBool,
    killed: AtomicBool,
}

#[derive(Debug, Default)]
struct Inner {
    user: Vec<u8>,
    primary: Option<Place>,
    replica: Option<Place>,
}

impl Inner {
    fn slot(&mut self, reads: bool) -> &mut Option<Place> {
        if reads {
            &mut self.replica
        } else {
            &mut self.primary
        }
    }
}

impl Client {
    /// It has proven to be this user.
    pub fn is(&self, user: &[u8]) {
        lock(&self.inner).user = user.to_vec();
    }

    /// This user owns it.
    pub fn belongs_to(&self, user: &[u8]) -> bool {
        lock(&self.inner).user == user
    }

    /// It has a connection to its replica, or to its primary.
    pub fn sits(self: &Arc<Self>, reads: bool, server: &str, thread: u32) -> Seat {
        let place = Place {
            server: server.to_owned(),
            thread,
        };
        *lock(&self.inner).slot(reads) = Some(place.clone());
        Seat {
            client: Arc::clone(self),
            reads,
            place,
        }
    }

    /// Its statement runs on its replica, or on its primary.
    pub fn runs(&self, reads: bool) {
        self.reads.store(reads, Ordering::Relaxed);
    }

    /// Where its statement runs, or ran last.
    pub fn running(&self) -> Option<Place> {
        let reads = self.reads.load(Ordering::Relaxed);
        lock(&self.inner).slot(reads).clone()
    }

    /// Ends its session, and says where it is connected.
    pub fn kill(&self) -> Vec<Place> {
        self.killed.store(true, Ordering::Relaxed);
        let inner = lock(&self.inner);
        [&inner.primary, &inner.replica]
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }

    /// Somebody has ended its session.
    pub fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Relaxed)
    }
}

/// A client has this connection; dropped with it.
pub struct Seat {
    client: Arc<Client>,
    reads: bool,
    place: Place,
}

impl Drop for Seat {
    fn drop(&mut self) {
        // The next connection may have been entered before this one has gone.
        lock(&self.client.inner)
            .slot(self.reads)
            .take_if(|place| *place == self.place);
    }
}

/// A client that is connected.
pub struct Presence {
    /// Its number.
    pub id: u32,
    /// What others see of it.
    pub client: Arc<Client>,
    shared: Arc<Shared>,
}

impl Presence {
    pub(super) fn new(id: u32, client: Arc<Client>, shared: Arc<Shared>) -> Self {
        Self { id, client, shared }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.shared.leave(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_killed_where_its_statement_runs_and_nowhere_once_it_has_left() {
        let client = Arc::new(Client::default());
        let primary = client.sits(false, "db-1", 7);
        let replica = client.sits(true, "db-2", 9);
        let at = |client: &Client| client.running().map(|place| (place.server, place.thread));
        assert_eq!(at(&client), Some(("db-1".to_owned(), 7)));
        client.runs(true);
        assert_eq!(at(&client), Some(("db-2".to_owned(), 9)));
        drop(replica);
        assert_eq!(at(&client), None);
        client.runs(false);
        // The next one is there before the last has gone.
        let next = client.sits(false, "db-2", 8);
        drop(primary);
        assert_eq!(at(&client), Some(("db-2".to_owned(), 8)));
        assert!(!client.is_killed());
        assert_eq!(client.kill().len(), 1);
        assert!(client.is_killed());
        drop(next);
        assert_eq!(at(&client), None);
    }
}
