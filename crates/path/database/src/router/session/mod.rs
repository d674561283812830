//! One client: its connection, its primary, and the replica that it may read from.
//!
//! A command is read, its place chosen, sent, and the answer passed on as it comes. What makes a session differ
//! from a fresh one is either remembered (settings, database, prepared statements) or pins it to the primary.
//! Nothing that may have happened is ever sent again, and nothing is sent any more for a client that has gone while its
//! command was held.

mod backend;
mod choose;
mod command;
mod entry;
mod exchange;
mod kill;
mod lost;
mod primary;
mod relay;
mod replica;
mod scan;
mod statements;
mod unanswered;
mod waiting;
mod without;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};

pub use self::backend::Backend;
use self::choose::Side;
use self::statements::Statements;
use super::classify::Reason;
use super::presence::Presence;
use super::shared::{Known, Shared};
use super::wire::handshake::{Answer, Greeting};
use super::wire::{Ok as OkPacket, Wire, capability, status};

/// How long a statement waits for a primary.
const HOLD: Duration = terrace_site::times::PRIMARY_CHANGES;
/// How long it tries a primary that is named but does not answer.
const AWAY: Duration = terrace_site::times::DATABASE_AWAY;
/// How long one without a place is asked again: who does not log in there keeps a place for five seconds.
const BUSY: Duration = Duration::from_secs(6);
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

/// What a session has at its primary that a connection made anew does not.
#[derive(Debug, Default)]
struct Held {
    /// Its statements commit when it says so: a new connection is told.
    autocommit_off: bool,
    /// Variables of its own, which cannot be told again: only the loss of their connection ends the session.
    variables: bool,
    /// The connection that inserted the last row with an id of its own; 0: none.
    inserted: u64,
}

impl Held {
    /// The primary has answered, over this connection.
    fn hear(&mut self, ok: &OkPacket, incarnation: u64) {
        self.autocommit_off = ok.status & status::AUTOCOMMIT == 0;
        if ok.insert_id != 0 {
            self.inserted = incarnation;
        }
    }
}

/// One client.
struct Session {
    shared: Arc<Shared>,
    presence: Presence,
    client: Wire,
    greeting: Greeting,
    answer: Answer,
    /// Its place among those who have logged in.
    place: Option<OwnedSemaphorePermit>,
    primary: Option<Backend>,
    replica: Option<Backend>,
    /// The plans, for whoever waits for a database that leaves them.
    plans: watch::Receiver<Arc<Known>>,
    /// The replica does not take this session's settings: it is not asked again.
    no_replica: bool,
    settings: Vec<Vec<u8>>,
    schema: Vec<u8>,
    pinned: Option<Reason>,
    held: Held,
    /// The command was held up before it could be sent: its client may have gone since.
    waited: bool,
    last: Side,
    statements: Statements,
}

/// Serves one client until it leaves.
pub async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    let Ok(client) = Wire::new(stream) else {
        return;
    };
    let guest = shared.lobby.enter();
    let goes = Arc::clone(&guest.goes);
    let entered = tokio::select! {
        entered = Session::enter(shared, client, guest) => entered,
        // Only one that has not come in is asked to go.
        () = goes.notified() => return,
    };
    let Some(mut session) = entered else {
        return;
    };
    loop {
        match session.command().await {
            Ok(true) => {}
            Ok(false) | Err(End::Client) => return,
            Err(End::Told(error)) => {
                // The client may have gone; there is nobody else to tell.
                let _ = session.answer_error(&error).await;
                return;
            }
        }
    }
}

impl Session {
    /// Waits for the next command. One that is there already was held up by the one before.
    async fn next_packet(&mut self) -> Result<usize, End> {
        let there = tokio::select! {
            biased;
            there = self.client.packet() => Some(there),
            () = std::future::ready(()) => None,
        };
        self.waited = there.is_some();
        Ok(match there {
            Some(there) => there?,
            None => self.client.packet().await?,
        })
    }

    /// Answers the command with an error; what is left of the command is used up.
    async fn answer_error(&mut self, error: &[u8]) -> Result<(), End> {
        self.client.finish().await?;
        Ok(self.client.answer(error).await?)
    }

    /// The client does not know trackers.
    fn plain(&self) -> bool {
        self.answer.capabilities & capability::SESSION_TRACK == 0
    }

    /// Everything that made this session differ from a fresh one is gone.
    fn forget(&mut self) {
        self.replica = None;
        self.no_replica = false;
        self.settings.clear();
        self.pinned = None;
        self.held = Held::default();
        self.last = Side::Primary;
        self.statements.clear();
    }
}
