//! One server, as the failover machine commands it.
//!
//! Each command has a connection of its own, which is kept for the next one once it is done, and is bounded in time: a
//! command that hangs must not stand in the way of another. Starting and killing are not here, they
//! need processes; whose replica it is and how it becomes one is in `link`.

use std::collections::BTreeMap;
use std::time::Duration;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use terrace_service::Secret;
use terrace_site::plan::Engine;
use tokio::time::{sleep, timeout};

use super::drain::drain;
use super::standing;
use super::statements;
use crate::failover::{Answer, Command, Run, Standing};
use crate::gtid::{NoPosition, Position};
use crate::instance::door::{Door, is_busy};

/// How long one command may take.
pub(super) const WITHIN: Duration = Duration::from_secs(4);

/// Between two looks at something that is about to happen.
pub(super) const LOOK: Duration = Duration::from_millis(10);

/// A command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server refused a statement, or did not answer.
    #[error("the database does not carry it out: {0}")]
    Sql(mysql_async::Error),
    /// It took too long.
    #[error("not done within {} s: the database is busy or hangs", WITHIN.as_secs())]
    Slow,
    /// What it says of its position is not understood.
    #[error(transparent)]
    Position(#[from] NoPosition),
    /// It can neither write nor, for as long as that lasts, say how far it has received.
    #[error("{full} ({0})", full = standing::FULL)]
    DiskFull(String),
    /// A primary is not closed over the head of whoever writes to it.
    #[error(
        "transactions stay open ({0}, the oldest for {1} s): let the app end them, or stop what holds them open"
    )]
    StayOpen(usize, i64),
    /// It is not in the state that the command is for.
    #[error("{0}")]
    State(String),
}

impl From<mysql_async::Error> for Error {
    fn from(error: mysql_async::Error) -> Self {
        Self::Sql(error)
    }
}

impl Error {
    /// The server is there, and has no place for another connection: it is not down.
    pub fn is_busy(&self) -> bool {
        matches!(self, Error::Sql(error) if is_busy(error))
    }
}

/// Another server of the site.
#[derive(Clone)]
pub struct Peer {
    /// Its address, as the others dial it.
    pub host: String,
    /// The database's port.
    pub port: u16,
    /// Its id, which names its replication account.
    pub server_id: u32,
}

/// One server and the way to it.
pub struct Member {
    pub(super) engine: Engine,
    door: Door,
    pub(super) server_id: u32,
    pub(super) peers: BTreeMap<String, Peer>,
    pub(super) passwords: Passwords,
}

/// What others log in with.
pub struct Passwords {
    /// Replicas.
    pub replicas: Secret,
    /// SQL routers, to ask how far a replica is.
    pub routers: Secret,
}

impl Member {
    /// The server behind this door, the control account's.
    pub fn new(
        engine: Engine,
        door: Door,
        server_id: u32,
        peers: BTreeMap<String, Peer>,
        passwords: Passwords,
    ) -> Self {
        Self {
            engine,
            door,
            server_id,
            peers,
            passwords,
        }
    }

    /// How it stands, in this run of its process.
    ///
    /// # Errors
    /// When it does not say.
    pub async fn standing(&self, run: &Run) -> Result<Standing, Error> {
        bounded(async {
            let mut conn = self.connect().await?;
            let standing = standing::read(self, &mut conn, run.clone()).await;
            self.leave(conn).await;
            standing
        })
        .await
    }

    /// Makes the replication accounts that are missing. On a primary before it is opened and semi-sync is on:
    /// the first write after that waits for a replica.
    ///
    /// # Errors
    /// When the server does not carry it out.
    pub async fn make_accounts(&self) -> Result<(), Error> {
        let mut conn = self.connect().await?;
        let there: Vec<String> =
            bounded(async { Ok(conn.query("SELECT DISTINCT User FROM mysql.user").await?) })
                .await?;
        let own = std::iter::once(self.server_id);
        let ids = self.peers.values().map(|peer| peer.server_id).chain(own);
        let replicas = ids.map(|id| {
            let user = statements::replica_user(id);
            let make = statements::make_account(&user, &self.passwords.replicas);
            (user, make)
        });
        let copy = statements::make_copy_account(self.engine, &self.passwords.replicas);
        let router = statements::make_router_account(self.engine, &self.passwords.routers);
        let others = [
            (statements::COPY_USER.to_owned(), copy),
            (statements::ROUTER_USER.to_owned(), router),
        ];
        for (user, make) in replicas.chain(others) {
            if !there.contains(&user) {
                bounded(self.write_ajar(&mut conn, make)).await?;
            }
        }
        self.leave(conn).await;
        Ok(())
    }

    /// Carries out a command. Those that need processes are refused.
    pub async fn obey(&self, command: &Command, run: &Run) -> Answer {
        match self.try_to_obey(command, run).await {
            Ok(answer) => answer,
            Err(error) => Answer::Failed(error.to_string()),
        }
    }

    async fn try_to_obey(&self, command: &Command, run: &Run) -> Result<Answer, Error> {
        if let Command::Attach {
            source,
            acks,
            run: wanted,
        } = command
        {
            if wanted != run {
                return Err(Error::State("it was started again meanwhile".into()));
            }
            if self.attach(source, *acks).await? {
                return Ok(Answer::Diverged);
            }
        } else {
            bounded(self.simple(command)).await?;
        }
        let position = bounded(self.position()).await?;
        let run = run.clone();
        Ok(Answer::At { run, position })
    }

    async fn simple(&self, command: &Command) -> Result<(), Error> {
        let mut conn = self.connect().await?;
        let done = self.simple_over(&mut conn, command).await;
        self.leave(conn).await;
        done
    }

    async fn simple_over(&self, conn: &mut Conn, command: &Command) -> Result<(), Error> {
        let engine = self.engine;
        match command {
            Command::Promote { semi_sync, .. } => {
                carry_out(conn, statements::promote(engine, *semi_sync)).await
            }
            Command::SemiSync(on) => carry_out(conn, [statements::semi_sync(engine, *on)]).await,
            Command::Release => {
                let off_and_on = [false, true].map(|on| statements::semi_sync(engine, on));
                carry_out(conn, off_and_on).await
            }
            Command::Close => {
                let closed = statements::is_closed(engine);
                if conn.query_first::<u8, _>(closed).await? != Some(1) {
                    drain(conn).await?;
                }
                carry_out(conn, statements::close(engine)).await
            }
            Command::Collect => {
                carry_out(conn, [statements::stop_receiving(engine).to_owned()]).await
            }
            Command::Apply(position) => {
                let link = standing::link(engine, conn).await?;
                if link.is_some_and(|link| !link.applies) {
                    carry_out(conn, [statements::start_applying(engine).to_owned()]).await?;
                }
                let wait = statements::wait_for(engine, &position.to_string(), 3);
                match conn.query_first::<Option<i64>, _>(wait).await?.flatten() {
                    Some(0) => Ok(()),
                    _ => Err(Error::State(format!("{position} is not applied yet"))),
                }
            }
            Command::Bar(name) => self.bar(conn, name).await,
            Command::Admit(name) => {
                let user = statements::replica_user(self.peer(name)?.server_id);
                self.lock(conn, &user, false).await
            }
            Command::Attach { .. }
            | Command::Fence
            | Command::Start { .. }
            | Command::Reclone { .. } => Err(Error::State("this needs a process".into())),
        }
    }

    async fn lock(&self, conn: &mut Conn, user: &str, lock: bool) -> Result<(), Error> {
        self.write_ajar(conn, statements::lock_account(user, lock))
            .await
    }

    /// Writes of Terrace's own, also where nobody may write.
    async fn write_ajar(&self, conn: &mut Conn, statements: Vec<String>) -> Result<(), Error> {
        let closed: Option<u8> = conn.query_first(statements::is_closed(self.engine)).await?;
        let set = |ajar| statements::set_ajar(self.engine, ajar).filter(|_| closed == Some(1));
        carry_out(conn, set(true)).await?;
        let written = carry_out(conn, statements).await;
        // Also after a failure: it is not left ajar.
        carry_out(conn, set(false)).await?;
        written
    }

    async fn bar(&self, conn: &mut Conn, name: &str) -> Result<(), Error> {
        match self.peer(name) {
            Ok(peer) => {
                let user = statements::replica_user(peer.server_id);
                self.lock_out(conn, &user).await
            }
            // The file names it no longer: it is among those that nobody knows.
            Err(_) => self.lock_out_unknown(conn).await,
        }
    }

    /// Locks every replication account that belongs to no server of the file.
    async fn lock_out_unknown(&self, conn: &mut Conn) -> Result<(), Error> {
        let own = std::iter::once(self.server_id);
        let ids = self.peers.values().map(|peer| peer.server_id).chain(own);
        let known: Vec<String> = ids.map(statements::replica_user).collect();
        let users: Vec<String> = conn.query(statements::REPLICA_USERS).await?;
        for user in users.iter().filter(|user| !known.contains(user)) {
            self.lock_out(conn, user).await?;
        }
        Ok(())
    }

    async fn lock_out(&self, conn: &mut Conn, user: &str) -> Result<(), Error> {
        self.lock(conn, user, true).await?;
        loop {
            let ids: Vec<u64> = conn.query(statements::connections(user)).await?;
            if ids.is_empty() {
                return Ok(());
            }
            for id in ids {
                // It may have ended just now.
                let _ = conn.query_drop(format!("KILL {id}")).await;
            }
            sleep(LOOK).await;
        }
    }

    /// Received or applied, whichever is further.
    async fn position(&self) -> Result<Position, Error> {
        let mut conn = self.connect().await?;
        let position = standing::position(self.engine, &mut conn).await;
        self.leave(conn).await;
        position
    }

    pub(super) fn peer(&self, name: &str) -> Result<&Peer, Error> {
        self.peers
            .get(name)
            .ok_or_else(|| Error::State(format!("{name} is not known here")))
    }

    pub(super) async fn connect(&self) -> Result<Conn, Error> {
        Ok(self.door.enter().await?)
    }

    /// Keeps the connection for the next command.
    pub(super) async fn leave(&self, conn: Conn) {
        self.door.leave(conn).await;
    }
}

/// Waits until the server is between two commits. After a full disk it goes on up to a minute late, and holds up whoever asks
/// how far it is meanwhile.
///
/// # Errors
/// When it refuses, which it does not while it hangs.
pub async fn commits(engine: Engine, door: Door) -> Result<(), Error> {
    let mut conn = door.connect().await?;
    conn.query_drop(statements::log_status(engine)).await?;
    bye(conn).await;
    Ok(())
}

/// Leaves as a client should: the server's log names whoever does not.
pub(super) async fn bye(conn: Conn) {
    // It may have gone first.
    let _ = conn.disconnect().await;
}

pub(super) async fn carry_out(
    conn: &mut Conn,
    statements: impl IntoIterator<Item = String>,
) -> Result<(), Error> {
    for statement in statements {
        conn.query_drop(statement).await?;
    }
    Ok(())
}

pub(super) async fn bounded<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(WITHIN, work).await.map_err(|_| Error::Slow)?
}
