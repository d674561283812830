//! What nodes say to each other: the controller to the databases and to the SQL routers, and they to it.
//!
//! A letter is carried by the coordinator of a rehearsal, and only where the network lets the two servers reach each
//! other; on real machines it will go over a connection between the nodes. It may be lost, and nobody relies on one
//! alone: what matters is said again. A letter to a part on the same server takes no way at all.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use terrace_database::failover::{Answer, Command, Epoch, Report, Token};
use terrace_protocol::node::{FromNode, Order, Refused};
use tokio::sync::{broadcast, mpsc};

/// How many letters may wait for a part that is busy; older ones are lost first.
const WAITING: usize = 256;

/// What is said.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Letter {
    /// The controller wants something of a database.
    Command(Token, Command),
    /// What became of it.
    Answered(Token, Answer),
    /// How a database stands.
    Standing(Member),
    /// Another database is the primary and has the data that this one lost: it begins with none, and is given a copy.
    BeBorn,
    /// The controller says where statements go.
    Routing(Routing),
    /// A database asks another one for a copy of its data.
    CopyWanted,
    /// It is handed out here to whoever knows the word, once.
    CopyAt(SocketAddr, String),
    /// It cannot be handed out.
    NoCopy(String),
}

/// How a database stands, and what it was.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Member {
    /// What a probe found.
    pub(crate) report: Report,
    /// By its own memory it is the primary. Believed at a site's birth alone, when nothing is recorded yet.
    pub(crate) claims: bool,
    /// Its data is no older than its process.
    pub(crate) newborn: bool,
    /// The data that it had is gone, and it does not run.
    pub(crate) lost: bool,
}

/// Where statements go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Routing {
    /// Counts the primaries.
    pub(crate) epoch: Epoch,
    /// The server that takes writes.
    pub(crate) primary: String,
    /// The primary is being changed: statements wait.
    pub(crate) hold: bool,
    /// Its replicas, each with the milliseconds that it is behind; `None`: it receives nothing now.
    pub(crate) replicas: Vec<(String, Option<u64>)>,
    /// Every write that was acknowledged has been received by one of them.
    pub(crate) vouched: bool,
}

/// A letter that has come.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// The server that it comes from.
    pub(crate) from: String,
    pub(crate) letter: Letter,
}

/// Where letters are handed in, and heard.
#[derive(Clone)]
pub(crate) struct Post {
    server: String,
    outgoing: mpsc::UnboundedSender<FromNode>,
    incoming: broadcast::Sender<Received>,
    orders: broadcast::Sender<(u64, Order)>,
    searches: broadcast::Sender<(u64, String)>,
}

impl Post {
    /// The post of this server, and what is to be carried away.
    pub(super) fn new(server: &str) -> (Self, mpsc::UnboundedReceiver<FromNode>) {
        let (outgoing, carried) = mpsc::unbounded_channel();
        let post = Self {
            server: server.to_owned(),
            outgoing,
            incoming: broadcast::Sender::new(WAITING),
            orders: broadcast::Sender::new(WAITING),
            searches: broadcast::Sender::new(WAITING),
        };
        (post, carried)
    }

    /// Sends a letter.
    pub(crate) fn send(&self, to: &str, letter: Letter) {
        if to == self.server {
            return self.deliver(to.to_owned(), letter);
        }
        match serde_json::to_string(&letter).and_then(RawValue::from_string) {
            Ok(letter) => self.carry(FromNode::Letter {
                to: to.to_owned(),
                letter,
            }),
            Err(error) => tracing::error!(%error, "a letter cannot be written"),
        }
    }

    /// Answers an operator's order.
    pub(crate) fn answer(&self, number: u64, outcome: Result<String, Refused>) {
        self.carry(FromNode::Ordered { number, outcome });
    }

    fn carry(&self, message: FromNode) {
        // The node that carries it away ends with us.
        let _ = self.outgoing.send(message);
    }

    /// Hears every letter from now on.
    pub(crate) fn letters(&self) -> broadcast::Receiver<Received> {
        self.incoming.subscribe()
    }

    /// Hears every order from now on.
    pub(crate) fn orders(&self) -> broadcast::Receiver<(u64, Order)> {
        self.orders.subscribe()
    }

    /// Hears of every text that is sought in the database from now on.
    pub(crate) fn searches(&self) -> broadcast::Receiver<(u64, String)> {
        self.searches.subscribe()
    }

    /// Says what a search came to.
    pub(crate) fn found(&self, number: u64, outcome: Result<Vec<String>, String>) {
        self.carry(FromNode::Found { number, outcome });
    }

    /// One has come from another server.
    pub(super) fn arrived(&self, from: String, letter: &RawValue) {
        match serde_json::from_str(letter.get()) {
            Ok(letter) => self.deliver(from, letter),
            Err(error) => tracing::warn!(%error, from, "a letter cannot be read"),
        }
    }

    fn deliver(&self, from: String, letter: Letter) {
        // Nobody listens: then it is lost, as on any other way.
        let _ = self.incoming.send(Received { from, letter });
    }

    /// An operator wants something.
    pub(super) fn ordered(&self, number: u64, order: Order) {
        if self.orders.send((number, order)).is_err() {
            let why = "no controller runs on this server";
            self.answer(number, Err(Refused::new("no-controller", why)));
        }
    }
}

impl Post {
    /// Somebody looks for a text in the database.
    pub(super) fn sought(&self, number: u64, text: String) {
        if self.searches.send((number, text)).is_err() {
            self.found(number, Err("no database runs on this server".to_owned()));
        }
    }
}

/// The next letter; those that were lost because the part was busy are passed over.
pub(crate) async fn next<T: Clone>(letters: &mut broadcast::Receiver<T>) -> T {
    loop {
        match letters.recv().await {
            Ok(letter) => return letter,
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}
