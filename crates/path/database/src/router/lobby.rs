//! Clients that have not said yet who they are: so many at a time, and each for so long. Where one too many comes the oldest
//! goes, so that silent ones never keep out those who log in.
//!
//! All come from this server, for a router listens on loopback: there is no address to count by.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::shared::lock;

/// So many may wait at a time.
const PLACES: usize = 512;
/// A client that has not proven by then who it is, is closed.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The oldest first.
#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    guests: BTreeMap<u64, Arc<Notify>>,
}

/// All who wait.
#[derive(Clone, Debug, Default)]
pub struct Lobby(Arc<Mutex<Waiting>>);

/// One of them; it has come in when this is dropped, or has gone.
#[derive(Debug)]
pub struct Guest {
    number: u64,
    lobby: Lobby,
    /// By when it has to prove who it is.
    pub until: Instant,
    /// Is told when it has to make room.
    pub goes: Arc<Notify>,
}

impl Lobby {
    /// A client has come; the oldest may have to go for it.
    pub fn enter(&self) -> Guest {
        let goes = Arc::new(Notify::new());
        let mut waiting = lock(&self.0);
        let number = waiting.next;
        waiting.next += 1;
        waiting.guests.insert(number, Arc::clone(&goes));
        if waiting.guests.len() > PLACES
            && let Some((_, oldest)) = waiting.guests.pop_first()
        {
            oldest.notify_one();
        }
        Guest {
            number,
            lobby: self.clone(),
            until: Instant::now() + PATIENCE,
            goes,
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        lock(&self.lobby.0).guests.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(guest: &Guest) -> bool {
        use std::future::Future;
        let notified = std::pin::pin!(guest.goes.notified());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        notified.poll(&mut context).is_ready()
    }

    #[tokio::test]
    async fn the_oldest_goes_first_and_nobody_who_has_come_in() {
        let lobby = Lobby::default();
        let mut guests: Vec<Guest> = (0..PLACES).map(|_| lobby.enter()).collect();
        assert!(!guests.iter().any(told));
        // The first one has proven who it is, and another one comes in its place.
        drop(guests.remove(0));
        guests.push(lobby.enter());
        assert!(!guests.iter().any(told));
        guests.extend((0..3).map(|_| lobby.enter()));
        let gone: Vec<bool> = guests.iter().map(told).collect();
        assert_eq!(gone[..4], [true, true, true, false]);
        assert!(!gone[4..].contains(&true));
    }
}
