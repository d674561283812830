//! The control connection, as Terrace's own account.
//!
//! One connection is held for the probe, so that a server that lets nobody in any more is still seen as
//! what it is. A probe that gets no answer stays the only one: asking a frozen server again and again
//! would pile up connections.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder};
use terrace_service::Secret;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::door::{Door, is_busy};
use super::error::Error;

/// How long a probe waits.
const PROBE: Duration = Duration::from_secs(1);

/// How long one statement may take.
const STATEMENT: Duration = Duration::from_secs(30);

/// The server's word for a wrong password.
const ACCESS_DENIED: u16 = 1045;

/// What a server says to an account that does not stand: wrong password, no rights on the database, no
/// such database, locked, or a way to log in that is not ours.
const REFUSALS: [u16; 6] = [ACCESS_DENIED, 1044, 1049, 1698, 3118, 4151];

/// How an instance stands. Shows as words for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It answers.
    Answers {
        /// How long it took.
        took: Duration,
        /// It takes writes: it is the primary.
        writes: bool,
    },
    /// It runs, and did not answer in time.
    Silent {
        /// Since when it owes an answer.
        since: Duration,
    },
    /// It runs, and has no place for another connection: it says so itself.
    Busy(String),
    /// It cannot be asked, and why.
    Unreachable(String),
}

impl Health {
    /// It answers, whether it takes writes or not, and also where it lets nobody in.
    pub fn answers(&self) -> bool {
        matches!(self, Health::Answers { .. } | Health::Busy(_))
    }
}

impl fmt::Display for Health {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Health::Answers { took, writes } => {
                let state = if *writes { "primary" } else { "read only" };
                let took = took.as_secs_f64() * 1000.0;
                write!(out, "{state}, answers in {took:.1} ms")
            }
            Health::Silent { since } => write!(out, "no answer for {:.0} s", since.as_secs_f64()),
            Health::Busy(reason) => write!(out, "busy: {reason}"),
            Health::Unreachable(reason) => write!(out, "cannot be asked: {reason}"),
        }
    }
}

type Answer = Result<(Conn, bool), mysql_async::Error>;

struct Asked {
    task: JoinHandle<Answer>,
    at: Instant,
}

/// The way to the server.
pub struct Control {
    socket: PathBuf,
    door: Door,
    held: Option<Conn>,
    asked: Option<Asked>,
}

impl Control {
    pub fn new(socket: PathBuf, own: Option<SocketAddr>, password: &Secret) -> Self {
        let door = Door::new(&socket, own, password);
        Self {
            socket,
            door,
            held: None,
            asked: None,
        }
    }

    /// The ways in.
    pub fn door(&self) -> &Door {
        &self.door
    }

    /// Drops what belongs to a process that has ended.
    pub fn forget(&mut self) {
        self.held = None;
        self.door.forget();
        if let Some(asked) = self.asked.take() {
            asked.task.abort();
        }
    }

    /// Waits until the server lets us in.
    ///
    /// # Errors
    /// [`Error::ControlRefused`]: waiting longer is of no use.
    pub async fn wait(&mut self, pause: Duration) -> Result<(), Error> {
        loop {
            match self.door.connect().await {
                Ok(conn) => {
                    self.held = Some(conn);
                    self.door.open().await;
                    return Ok(());
                }
                Err(mysql_async::Error::Server(error)) if error.code == ACCESS_DENIED => {
                    return Err(Error::ControlRefused);
                }
                Err(_) => tokio::time::sleep(pause).await,
            }
        }
    }

    /// Asks the held connection, or a new one.
    pub async fn probe(&mut self) -> Health {
        let mut asked = match self.asked.take() {
            Some(asked) => asked,
            None => Asked {
                task: tokio::spawn(ask(self.door.clone(), self.held.take())),
                at: Instant::now(),
            },
        };
        match timeout(PROBE, &mut asked.task).await {
            Err(_) => {
                let since = asked.at.elapsed();
                self.asked = Some(asked);
                Health::Silent { since }
            }
            Ok(Ok(Ok((conn, writes)))) => {
                self.held = Some(conn);
                let took = asked.at.elapsed();
                Health::Answers { took, writes }
            }
            Ok(Ok(Err(error))) if is_busy(&error) => Health::Busy(error.to_string()),
            Ok(Ok(Err(error))) => Health::Unreachable(error.to_string()),
            Ok(Err(error)) => Health::Unreachable(error.to_string()),
        }
    }

    /// Carries out statements in order, each within a limit.
    pub async fn carry_out(
        &mut self,
        doing: &'static str,
        statements: impl IntoIterator<Item = String>,
    ) -> Result<(), Error> {
        let mut conn = self.connection(doing).await?;
        for statement in statements {
            limited(doing, conn.query_drop(statement)).await?;
        }
        self.held = Some(conn);
        Ok(())
    }

    /// Asks for one column.
    pub async fn column(
        &mut self,
        doing: &'static str,
        question: String,
    ) -> Result<Vec<String>, Error> {
        let mut conn = self.connection(doing).await?;
        let rows = limited(doing, conn.query(question)).await?;
        self.held = Some(conn);
        Ok(rows)
    }

    /// Whether this account can use this database with this password. Only a refusal says no: a server
    /// that is too busy to say anything is no reason to change an account.
    pub async fn lets_in(&self, user: &str, password: &Secret, database: &str) -> bool {
        let options = options(&self.socket, user, password, Some(database));
        match timeout(PROBE, Conn::new(options)).await {
            Ok(Ok(conn)) => {
                // It has answered: how it takes the farewell is of no matter.
                let _ = conn.disconnect().await;
                true
            }
            Ok(Err(mysql_async::Error::Server(error))) => !REFUSALS.contains(&error.code),
            _ => true,
        }
    }

    async fn connection(&mut self, doing: &'static str) -> Result<Conn, Error> {
        if let Some(mut conn) = self.held.take()
            && conn.ping().await.is_ok()
        {
            return Ok(conn);
        }
        limited(doing, self.door.connect()).await
    }
}

async fn limited<T>(
    doing: &'static str,
    work: impl Future<Output = Result<T, mysql_async::Error>>,
) -> Result<T, Error> {
    match timeout(STATEMENT, work).await {
        Ok(done) => done.map_err(Error::sql(doing)),
        Err(_) => Err(Error::Slow {
            doing,
            within: STATEMENT,
        }),
    }
}

async fn ask(door: Door, held: Option<Conn>) -> Answer {
    let mut conn = match held {
        Some(conn) => conn,
        None => door.connect().await?,
    };
    let read_only: Option<u8> = conn.query_first("SELECT @@GLOBAL.read_only").await?;
    Ok((conn, read_only == Some(0)))
}

fn options(
    socket: &std::path::Path,
    user: &str,
    password: &Secret,
    database: Option<&str>,
) -> Opts {
    OptsBuilder::default()
        .socket(Some(socket.to_string_lossy()))
        .user(Some(user))
        .pass(Some(password.expose()))
        .db_name(database)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_reads_as_words() {
        let answers = |writes| Health::Answers {
            took: Duration::from_micros(240),
            writes,
        };
        assert_eq!(answers(true).to_string(), "primary, answers in 0.2 ms");
        assert_eq!(answers(false).to_string(), "read only, answers in 0.2 ms");
        let silent = Health::Silent {
            since: Duration::from_secs(12),
        };
        assert_eq!(silent.to_string(), "no answer for 12 s");
    }

    /// A server that says this to whoever connects.
    fn says(error: &[u8]) -> (tempfile::TempDir, Control) {
        let place = tempfile::tempdir().unwrap();
        let socket = place.path().join("sock");
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let mut packet = Vec::new();
        crate::router::wire::bytes::put_packet(&mut packet, 0, error);
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                std::io::Write::write_all(&mut stream, &packet).unwrap();
            }
        });
        let control = Control::new(socket, None, &Secret::new("any".into()));
        (place, control)
    }

    #[tokio::test]
    async fn a_server_without_a_place_is_there() {
        for code in [1040_u16, 1203, 1226, 1129, 1158, 1159, 1135] {
            let error = [&[0xff][..], &code.to_le_bytes(), b"no place"].concat();
            let (_place, mut control) = says(&error);
            let health = control.probe().await;
            assert!(
                matches!(health, Health::Busy(_)) && health.answers(),
                "{code}: {health}"
            );
        }
        let (_place, mut control) = says(&[&[0xff, 0x15, 0x04][..], b"denied"].concat());
        let health = control.probe().await;
        assert!(
            matches!(health, Health::Unreachable(_)) && !health.answers(),
            "{health}"
        );
    }
}
