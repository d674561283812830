//! The control account's ways in: the socket, and where the server listens on loopback, a door of its own.
//!
//! A server lets in so many, whether they log in or not. So connections are kept between commands, and where there is no
//! place for a new one it comes in by that door: `admin_port` of MySQL, which is on loopback and has no limit; `extra_port`
//! of MariaDB, which is on every address of the server, so that what is kept counts for more.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use mysql_async::{Conn, Error, Opts, OptsBuilder};
use terrace_service::Secret;

use super::accounts::CONTROL;

/// So many connections are kept: one for each question that is asked at a time.
const KEPT: usize = 4;

/// What a server says that is there and has no place: too many connections, of this user, or too much of it; too many from
/// this host that broke; no thread for another one; a greeting that was cut off.
const BUSY: [u16; 7] = [1040, 1203, 1226, 1129, 1135, 1158, 1159];

/// The server is there, and has no place for another connection.
pub fn is_busy(error: &Error) -> bool {
    matches!(error, Error::Server(error) if says_busy(error.code))
}

/// An error of this number says so.
pub fn says_busy(code: u16) -> bool {
    BUSY.contains(&code)
}

/// The ways in, and the connections that are kept.
#[derive(Clone)]
pub struct Door(Arc<Ways>);

struct Ways {
    socket: Opts,
    own: Option<Opts>,
    kept: Mutex<Vec<Conn>>,
}

impl Door {
    /// Over this socket, and this address where the server has one for us.
    pub fn new(socket: &Path, own: Option<SocketAddr>, password: &Secret) -> Self {
        let account = || {
            OptsBuilder::default()
                .user(Some(CONTROL))
                .pass(Some(password.expose()))
        };
        let over = |address: SocketAddr| {
            account()
                .ip_or_hostname(address.ip().to_string())
                .tcp_port(address.port())
                .prefer_socket(false)
                .into()
        };
        Self(Arc::new(Ways {
            socket: account().socket(Some(socket.to_string_lossy())).into(),
            own: own.map(over),
            kept: Mutex::default(),
        }))
    }

    /// How it logs in over the socket.
    pub fn options(&self) -> Opts {
        self.0.socket.clone()
    }

    /// A new connection.
    ///
    /// # Errors
    /// When neither way leads in.
    pub async fn connect(&self) -> Result<Conn, Error> {
        match (Conn::new(self.options()).await, &self.0.own) {
            (Err(error), Some(own)) if is_busy(&error) => {
                Conn::new(own.clone()).await.map_err(|_| error)
            }
            (entered, _) => entered,
        }
    }

    /// A connection that is kept, as good as new; else a new one.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn enter(&self) -> Result<Conn, Error> {
        while let Some(mut conn) = self.take() {
            if let Ok(true) = conn.reset().await {
                return Ok(conn);
            }
        }
        self.connect().await
    }

    /// Keeps a connection that has done what it was for.
    pub async fn leave(&self, conn: Conn) {
        let spare = {
            let mut kept = self.kept();
            if kept.len() < KEPT {
                kept.push(conn);
                None
            } else {
                Some(conn)
            }
        };
        if let Some(spare) = spare {
            // The server may have gone first.
            let _ = spare.disconnect().await;
        }
    }

    /// Connects ahead, so that whoever asks first need not.
    pub async fn open(&self) {
        if let Ok(conn) = self.connect().await {
            self.leave(conn).await;
        }
    }

    /// Drops what belongs to a process that has ended.
    pub fn forget(&self) {
        self.kept().clear();
    }

    fn take(&self) -> Option<Conn> {
        self.kept().pop()
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<Conn>> {
        // A list of connections is never left half changed.
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
