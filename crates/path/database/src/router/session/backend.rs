//! A session's connection to one database, and what that database has been told.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use terrace_site::plan::{Engine, TargetPlan};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Side;
use super::statements::Definitions;

use crate::gtid::Position;
use crate::router::newest::Newest;
use crate::router::presence::{Client, Seat};
use crate::router::shared::{Count, Shared};
use crate::router::token::Token;
use crate::router::wire::handshake::Answer;
use crate::router::wire::{Ok as OkPacket, Response, Seen, Shape, Wire, capability, login, status};

/// A database that does not let us in within this is away.
const CONNECT: Duration = Duration::from_secs(2);
/// A replica may need so long to have what was written here; then the primary is asked.
const BEHIND: Duration = Duration::from_millis(100);
/// A database that does not answer a question of ours within this is away.
const ASKED: Duration = Duration::from_secs(5);

/// A connection to a database.
pub struct Backend {
    /// The connection.
    pub wire: Wire,
    /// The server's name.
    pub server: String,
    /// The epoch in which it was made.
    pub epoch: u64,
    /// No two connections have the same: what one was told, another was not.
    pub incarnation: u64,
    /// Its last status.
    pub status: u16,
    /// How many remembered settings it was told.
    pub told: usize,
    /// The database in use.
    pub schema: Vec<u8>,
    /// What went to it, over all sessions.
    pub count: Arc<Count>,
    /// The number by which it knows this connection.
    pub thread: u32,
    /// What it is.
    pub engine: Engine,
    /// The version of the position that it has reached.
    reached: u64,
    asked: bool,
    shape: Shape,
    seat: Option<Seat>,
}

/// What a question of our own came to.
#[derive(Debug, Default)]
pub struct Told {
    /// The last OK.
    pub ok: Option<OkPacket>,
    /// The first packet.
    pub first: Vec<u8>,
    /// The first field of the first row.
    pub value: Option<Vec<u8>>,
    /// What columns there are, where that may be left out later.
    pub definitions: Option<Definitions>,
}

impl Backend {
    /// Connects and logs in.
    pub async fn connect(
        shared: &Shared,
        target: &TargetPlan,
        epoch: u64,
        answer: &Answer,
        password: &str,
    ) -> Result<Self, login::Error> {
        let entering = Self::enter(shared, target, epoch, answer, password);
        let entered = timeout(CONNECT, entering).await;
        let entered =
            entered.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()));
        if entered.as_ref().is_err_and(login::Error::is_busy) {
            shared.count(&target.server).was_full();
        }
        entered
    }

    async fn enter(
        shared: &Shared,
        target: &TargetPlan,
        epoch: u64,
        answer: &Answer,
        password: &str,
    ) -> Result<Self, login::Error> {
        let mut answer = answer.clone();
        answer.capabilities = (answer.capabilities & capability::PASSED)
            | capability::SESSION_TRACK
            | capability::MYSQL;
        let schema = answer.database.clone();
        let shape = Shape::of(&answer);
        let stream = TcpStream::connect(target.address).await;
        let stream = stream.map_err(|error| match shared.lacks.of(&error) {
            Some(lack) => login::Error::Lack(lack),
            None => error.into(),
        });
        let mut wire = Wire::new(stream?)?;
        let (greeting, ok) = login::log_in(&mut wire, answer, password).await?;
        let mut backend = Self {
            wire,
            server: target.server.clone(),
            epoch,
            incarnation: shared.incarnation(),
            status: OkPacket::read(&ok).map_or(status::AUTOCOMMIT, |ok| ok.status),
            told: 0,
            schema,
            count: shared.count(&target.server),
            thread: greeting.thread,
            reached: 0,
            asked: false,
            seat: None,
            engine: greeting.engine(),
            shape,
        };
        shared.set_greeting(greeting);
        backend.track().await?;
        Ok(backend)
    }

    /// This client's: whoever kills it finds it here.
    pub fn sits(&mut self, client: &Arc<Client>, side: Side) {
        self.seat = Some(client.sits(side == Side::Replica, &self.server, self.thread));
    }

    /// Asks the server to say what it committed, and to wait for a slow reader as long as servers do by default: ours ends other
    /// connections sooner, for its replicas' sake.
    pub async fn track(&mut self) -> io::Result<()> {
        let ask: &[u8] = match self.engine {
            Engine::Mariadb => {
                b"\x03SET SESSION session_track_schema=1, session_track_system_variables='autocommit,character_set_client,character_set_connection,character_set_results,time_zone,last_gtid', net_write_timeout=60"
            }
            Engine::Mysql => {
                b"\x03SET SESSION session_track_schema=1, session_track_gtids=OWN_GTID"
            }
        };
        match self.ask(ask).await?.ok {
            Some(_) => Ok(()),
            None => Err(io::Error::other("the server cannot track sessions")),
        }
    }

    /// Asks something of our own; what comes back is not for the client. After an error the connection is of no use.
    pub async fn ask(&mut self, payload: &[u8]) -> io::Result<Told> {
        let answered = timeout(ASKED, self.answered(payload)).await;
        answered.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn answered(&mut self, payload: &[u8]) -> io::Result<Told> {
        let broken = || io::Error::from(io::ErrorKind::InvalidData);
        let mut response = Response::to(payload[0], self.shape).ok_or_else(broken)?;
        self.asked = true;
        self.wire.send_payload(0, payload).await?;
        let mut told = Told::default();
        let mut rows = false;
        while !response.done() {
            let (_, packet) = self.wire.take_packet().await?;
            if told.first.is_empty() {
                told.first.clone_from(&packet);
            }
            let before = response.in_rows();
            match response.see(&packet, packet.len()).ok_or_else(broken)? {
                Seen::Ok(ok) => {
                    self.status = ok.status;
                    told.ok = Some(ok);
                }
                Seen::Part if before && !rows => {
                    rows = true;
                    let mut reader = crate::router::wire::bytes::Reader(&packet);
                    told.value = (packet.first() != Some(&0xfb))
                        .then(|| reader.string().map(<[u8]>::to_vec))
                        .flatten();
                }
                Seen::Part | Seen::Bare => {}
                Seen::Error => break,
                Seen::WantsFile => return Err(broken()),
            }
        }
        self.asked = false;
        told.definitions = response.take_definitions();
        Ok(told)
    }

    /// A question of ours is under way, or was given up.
    pub fn is_asked(&self) -> bool {
        self.asked
    }

    /// A transaction is open.
    pub fn in_transaction(&self) -> bool {
        self.status & status::IN_TRANSACTION != 0
    }

    /// Tells it the settings that it has not heard, and the database; false: it does not take them.
    pub async fn follow(&mut self, settings: &[Vec<u8>], schema: &[u8]) -> io::Result<bool> {
        while let Some(setting) = settings.get(self.told) {
            if self.ask(setting).await?.ok.is_none() {
                return Ok(false);
            }
            self.told += 1;
        }
        if self.schema != schema {
            let payload = [&[2][..], schema].concat();
            if self.ask(&payload).await?.ok.is_none() {
                return Ok(false);
            }
            self.schema = schema.to_vec();
        }
        Ok(true)
    }

    /// What follows commits when the client says so; false: the server does not take that.
    pub async fn turn_autocommit_off(&mut self) -> io::Result<bool> {
        let told = self.ask(b"\x03SET autocommit=0").await?;
        Ok(told.ok.is_some())
    }

    /// How far this server is: everything that it has acknowledged, or is about to.
    pub async fn position(&mut self) -> io::Result<Option<Position>> {
        let question: &[u8] = match self.engine {
            Engine::Mariadb => b"\x03SELECT @@GLOBAL.gtid_binlog_pos",
            Engine::Mysql => b"\x03SELECT @@GLOBAL.gtid_executed",
        };
        let told = self.ask(question).await?;
        Ok(told
            .value
            .and_then(|text| Position::read(self.engine, &text)))
    }

    /// Waits until all that the router knows to be written is here; false: that takes too long.
    pub async fn catch_up(&mut self, newest: &Newest) -> io::Result<bool> {
        let Some(Token {
            version,
            position: Some(position),
            ..
        }) = newest.after(self.reached)
        else {
            return Ok(true);
        };
        let function = match self.engine {
            Engine::Mariadb => "MASTER_GTID_WAIT",
            Engine::Mysql => "WAIT_FOR_EXECUTED_GTID_SET",
        };
        let seconds = BEHIND.as_secs_f64();
        let question = format!("\x03SELECT {function}('{position}', {seconds})");
        let here = self.ask(question.as_bytes()).await?.value.as_deref() == Some(b"0");
        if here {
            self.reached = version;
        }
        Ok(here)
    }

    /// Makes it ready for a read. `None`: it does not take this session's settings.
    pub async fn prepare(
        &mut self,
        newest: &Newest,
        settings: &[Vec<u8>],
        schema: &[u8],
        own_writes: bool,
    ) -> io::Result<Option<bool>> {
        if !self.follow(settings, schema).await? {
            return Ok(None);
        }
        Ok(Some(!own_writes || self.catch_up(newest).await?))
    }
}
