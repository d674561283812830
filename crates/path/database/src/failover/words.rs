//! What the machine hears and says.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use terrace_protocol::node::Order;
use terrace_site::model::Ack;

use super::record::{Epoch, Record, Run};
use crate::gtid::Position;

/// What a machine is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The servers that carry the database.
    pub members: BTreeSet<String>,
    /// When a write is acknowledged.
    pub ack: Ack,
    /// A majority decides, so a dead primary is replaced without an operator.
    pub automatic: bool,
    /// With the last replica gone for this long, `ack=replica` goes on alone.
    pub alone_after: Duration,
    /// A command without an answer for this long is sent again.
    pub command_within: Duration,
    /// A recovery or a clone may take this long.
    pub rebuild_within: Duration,
    /// A change that is not decided after this long is undone.
    pub change_within: Duration,
    /// A primary that is silent for this long is taken for dead, where that is automatic.
    pub dead_after: Duration,
    /// A replica that is further behind takes no part in a switchover or in the sync set.
    pub lag: Duration,
}

impl Settings {
    /// The settings of a site with these servers.
    pub fn new(members: BTreeSet<String>, ack: Ack, automatic: bool) -> Self {
        Self {
            members,
            ack,
            automatic,
            alone_after: terrace_site::times::ALONE_AFTER,
            command_within: Duration::from_secs(5),
            rebuild_within: Duration::from_secs(600),
            change_within: Duration::from_secs(10),
            dead_after: Duration::from_secs(10),
            lag: Duration::from_secs(1),
        }
    }
}

/// Orders commands. A member's doer remembers the highest it has seen and refuses every lower one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Token {
    /// Which controller.
    pub term: u64,
    /// Which of its commands.
    pub number: u64,
}

/// What a member is to do. All of them may be repeated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Stop replication for good, set semi-sync, take writes. Also opens a primary that stays one.
    Promote {
        /// The epoch that it is primary of.
        epoch: Epoch,
        /// Commits wait for a replica.
        semi_sync: bool,
    },
    /// Switch semi-sync on a primary that takes writes; answers with its position afterwards.
    SemiSync(bool),
    /// Let go the commits that wait for an acknowledgement which will never come: a replica that had received
    /// them and was connected anew is not asked again, and they hold up all others. Only while a replica is
    /// known to hold them, and the record vouches for nothing.
    Release,
    /// Wait a bounded time for the transactions that are open, then refuse writes; answers with the last position.
    /// Fails where transactions stay open: whoever holds them would lose them.
    Close,
    /// Replicate from this server. Only if it is still in this run, and has no transaction of its own.
    /// What it received and did not apply is applied first, never thrown away.
    Attach {
        /// The primary.
        source: String,
        /// It acknowledges what it receives.
        acks: bool,
        /// The run that the order is meant for.
        run: Run,
    },
    /// Stop receiving; answers with all that was received.
    Collect,
    /// Wait until this is applied.
    Apply(Position),
    /// Lock this replica out of the primary, and end its connection; answers with the primary's position.
    Bar(String),
    /// Let a barred replica in again.
    Admit(String),
    /// Kill with SIGKILL, wait for the end, and keep it down until [`Command::Start`].
    Fence,
    /// Start it read-only. `replica`: its commits that nobody acknowledged are rolled back, which must
    /// never be done to a server that stays primary.
    Start {
        /// It becomes a replica.
        replica: bool,
    },
    /// Replace its data by a copy of this server's; the old directory is kept under the epoch's name.
    Reclone {
        /// Whose data.
        donor: String,
        /// Names the directory that is kept.
        epoch: Epoch,
    },
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// Done, in this run, with this position (received or applied, whichever is further) afterwards.
    At {
        /// The run that did it.
        run: Run,
        /// Read after it was done.
        position: Position,
    },
    /// The process has ended.
    Ended,
    /// It has transactions that the source has not: it must be cloned.
    Diverged,
    /// Not done.
    Failed(String),
}

/// How a replica is connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// From whom it receives.
    pub source: String,
    /// It acknowledges.
    pub acks: bool,
    /// Receiving and applying run.
    pub running: bool,
    /// It has been refused because of transactions of its own.
    pub diverged: bool,
    /// Why it does not run, and what helps.
    pub trouble: Option<String>,
    /// How far it is behind; `None`: unknown.
    pub lag: Option<Duration>,
    /// How many transactions it has received and not applied.
    pub unapplied: u64,
}

/// How a server stands that answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The run of its process.
    pub run: Run,
    /// It takes writes.
    pub writable: bool,
    /// Commits wait for a replica.
    pub semi_sync: bool,
    /// One waits now.
    pub waits: bool,
    /// Received or applied, whichever is further.
    pub position: Position,
    /// From whom it receives.
    pub link: Option<Link>,
    /// Who is connected to it as a replica.
    pub replicas: BTreeSet<String>,
    /// Which replicas it locks out.
    pub barred: BTreeSet<String>,
}

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// It answers.
    Up(Standing),
    /// It answers in this run, and has no room on its disk: what is written waits, and so does whoever asks how far it has
    /// received, so only that is known of it.
    Full(Run),
    /// Its process has ended and is kept down, or is not back yet.
    Down,
    /// No answer.
    Silent,
}

/// What the machine hears. Reports and answers of one member arrive in the order in which they were
/// read: a probe that began before a command was done is dropped. Reports come at least twice a second
/// for each member, and are the clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A probe of a member.
    Report(String, Report),
    /// What became of a command.
    Answered(String, Token, Answer),
    /// The record was stored.
    Stored,
    /// Another record stands in its place.
    Superseded(Box<Record>),
    /// Whether it was stored is not known.
    StoreFailed,
    /// An operator's order, with a number for the answer.
    Order(u64, Order),
}

/// What the machine wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Replace the record whose revision is one lower, durably. Answered by [`Event::Stored`],
    /// [`Event::Superseded`] or [`Event::StoreFailed`].
    StoreRecord(Box<Record>),
    /// Send this to a member. No answer is needed where it cannot be reached.
    Command(String, Token, Command),
    /// Routers hold statements.
    Hold,
    /// Routers send writes here, and refuse older epochs.
    Publish {
        /// The epoch.
        epoch: Epoch,
        /// The primary.
        primary: String,
    },
    /// Routers let statements go.
    Release,
    /// An order is carried out, or is not and nothing is changed.
    Reply(u64, Result<Epoch, Refusal>),
    /// Another controller has taken over: do nothing more.
    StandDown,
}

/// Why an order is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// No such member.
    #[error("`{0}` carries no database of this site: name one of the servers of `database`")]
    NoMember(String),
    /// Nothing to do.
    #[error("{0} is the primary already")]
    Already(String),
    /// One at a time.
    #[error("another change of the primary is under way: wait until `status` shows it is done")]
    Busy,
    /// A failover is for a dead primary.
    #[error("{0} answers and takes writes: `switchover` moves the primary without loss")]
    PrimaryWorks(String),
    /// A switchover needs both.
    #[error("{0} does not answer: `failover` replaces a primary that is gone")]
    PrimaryAway(String),
    /// It can be neither closed nor asked for its position.
    #[error(
        "the disk of {0} is full, and what was begun there cannot end: make room on it, or replace it with `failover`, which loses \
         nothing that a replica has acknowledged"
    )]
    PrimaryFull(String),
    /// It could not take a write.
    #[error("the disk of {0} is full, so it cannot become the primary: make room on it first")]
    TargetFull(String),
    /// A member of the sync set does not say what it has received.
    #[error(
        "the disk of {0} is full, and it may be the only one that holds an acknowledged write: make room on it first, or accept the loss \
         with --accept-data-loss"
    )]
    VoucherFull(String),
    /// Not a working replica.
    #[error("{0} does not replicate from the primary now: `status` says why; wait until it does")]
    NotAttached(String),
    /// Too far behind.
    #[error(
        "{0} stays more than a second behind the primary: let it catch up, or write less meanwhile"
    )]
    Lagging(String),
    /// Nothing vouches for the writes.
    #[error(
        "{0} was alone: writes may have been acknowledged that no replica holds; bring {0} back, or accept \
         their loss with --accept-data-loss"
    )]
    Alone(String),
    /// A member of the sync set cannot be asked.
    #[error(
        "{0} may be the only one that holds an acknowledged write, and does not answer; bring it back, or \
         accept the loss with --accept-data-loss"
    )]
    Unreached(String),
    /// A member of the sync set threw away what it had not applied.
    #[error(
        "{0} was started again and may lack acknowledged writes that it had only received; bring {1} back, \
         or accept the loss with --accept-data-loss"
    )]
    Restarted(String, String),
    /// The one that was named for a failover with loss.
    #[error(
        "{0} does not say what it holds, so it cannot become the primary: bring it back, or name another server"
    )]
    NoAnswer(String),
    /// Nobody has caught up.
    #[error(
        "no replica has caught up with what {0} had acknowledged; bring {0} back, or accept the loss with \
         --accept-data-loss"
    )]
    Behind(String),
    /// The wish is not the furthest.
    #[error("{wish} lacks writes that {furthest} holds: fail over to {furthest}")]
    NotFurthest {
        /// Who was named.
        wish: String,
        /// Who holds more.
        furthest: String,
    },
    /// It took too long, and was undone.
    #[error("undone: {0}; nothing has changed")]
    Undone(String),
}

impl Refusal {
    /// The same for programs: a word that stays while the sentence changes.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::NoMember(_) => "no-member",
            Refusal::Already(_) => "already-primary",
            Refusal::Busy => "busy",
            Refusal::PrimaryWorks(_) => "primary-works",
            Refusal::PrimaryAway(_) => "primary-away",
            Refusal::PrimaryFull(_) => "primary-disk-full",
            Refusal::TargetFull(_) | Refusal::VoucherFull(_) => "replica-disk-full",
            Refusal::NotAttached(_) => "not-replicating",
            Refusal::Lagging(_) => "lagging",
            Refusal::Alone(_) => "alone",
            Refusal::Unreached(_) => "unreached",
            Refusal::Restarted(..) => "restarted",
            Refusal::NoAnswer(_) => "no-answer",
            Refusal::Behind(_) => "behind",
            Refusal::NotFurthest { .. } => "not-furthest",
            Refusal::Undone(_) => "undone",
        }
    }
}
