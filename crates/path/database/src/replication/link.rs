//! Whose replica a server is: linked to its source, moved to another one, or made from it by a copy.
//!
//! What was received and not applied is never thrown away: a replica applies it before it is moved.

use std::path::Path;
use std::time::Duration;

use mysql_async::Conn;
use tokio::time::{Instant, sleep, timeout};

use super::member::{Error, LOOK, Member, Peer, WITHIN, bounded, bye, carry_out};
use super::standing::{self, Link};
use super::statements::{self, Source};

/// How long a copy of all data may take.
const CLONED_WITHIN: Duration = Duration::from_secs(600);

/// How long what was received may take to be applied before a replica is moved.
const DRAIN: Duration = Duration::from_secs(3);

/// What a replica is told that asks for transactions which its source does not have.
const FATAL_READ: u32 = 1236;

/// What a replica is told whose account is locked: by MariaDB, by MySQL.
const LOCKED_OUT: [u32; 2] = [4151, 3118];

impl Member {
    /// True: it has transactions of its own.
    pub(super) async fn attach(&self, source: &str, acks: bool) -> Result<bool, Error> {
        let mut conn = bounded(self.connect()).await?;
        let mut errant = self.attach_over(&mut conn, source, acks).await;
        if errant.as_ref().is_err_and(is_torn) {
            errant = self.attach_anew(&mut conn, source, acks).await;
        }
        self.leave(conn).await;
        errant
    }

    /// What a server writes down of its link is torn where it was killed while it wrote. What it had received and not
    /// applied is lost with that; what it has applied stands in its tables, and the link begins from there.
    async fn attach_anew(&self, conn: &mut Conn, source: &str, acks: bool) -> Result<bool, Error> {
        tracing::warn!("what it wrote down of its link is torn: it is linked anew");
        let unlink = statements::unlink(self.engine).to_owned();
        bounded(carry_out(conn, [unlink])).await?;
        self.attach_over(conn, source, acks).await
    }

    async fn attach_over(&self, conn: &mut Conn, source: &str, acks: bool) -> Result<bool, Error> {
        let peer = self.peer(source)?;
        let engine = self.engine;
        let link = bounded(standing::link(engine, conn)).await?;
        bounded(carry_out(conn, statements::close(engine))).await?;
        if link
            .as_ref()
            .is_some_and(|link| !link.applies && link.receives)
        {
            // With both stopped, the next start would throw away what was received.
            let apply = statements::start_applying(engine).to_owned();
            bounded(carry_out(conn, [apply])).await?;
        }
        let receiving = statements::stop_receiving(engine).to_owned();
        let quiet = [
            receiving,
            statements::semi_sync(engine, false),
            statements::acknowledge(engine, acks),
        ];
        if link.is_some() {
            bounded(carry_out(conn, quiet)).await?;
        } else {
            bounded(carry_out(conn, quiet.into_iter().skip(1))).await?;
        }
        let user = statements::replica_user(self.server_id);
        let source = self.source(peer, &user);
        let moves = link.as_ref().is_some_and(|link| !link.is_from(peer));
        if moves {
            // What it received from its last source counts, too.
            self.drain(conn).await?;
        }
        if self.is_errant(conn, peer).await? {
            return Ok(true);
        }
        match &link {
            Some(link) if link.is_from(peer) => {
                let start = statements::start_receiving(engine).to_owned();
                bounded(carry_out(conn, [start])).await?;
            }
            _ => {
                if moves {
                    let stop = statements::stop(engine).to_owned();
                    bounded(carry_out(conn, [stop])).await?;
                }
                let change = statements::attach(engine, &source, link.is_none());
                bounded(carry_out(conn, change)).await?;
            }
        }
        self.connected(conn).await
    }

    /// Waits until what was received is applied: a replica that is moved before throws it away.
    async fn drain(&self, conn: &mut Conn) -> Result<(), Error> {
        let deadline = Instant::now() + DRAIN;
        loop {
            let Some(link) = bounded(standing::link(self.engine, conn)).await? else {
                return Ok(());
            };
            let applied = bounded(standing::applied(self.engine, conn)).await?;
            if applied.holds(&link.received) || link.apply_error.0 != 0 {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(Error::State("it has not applied what it received".into()));
            }
            sleep(LOOK).await;
        }
    }

    /// Waits until it receives, or is found locked out: then its link stands, and runs by itself once it is let in.
    /// True: it was refused for good.
    async fn connected(&self, conn: &mut Conn) -> Result<bool, Error> {
        let deadline = Instant::now() + WITHIN;
        loop {
            let link = bounded(standing::link(self.engine, conn)).await?;
            let link = link.ok_or_else(|| Error::State("it has no source".into()))?;
            if link.receives || LOCKED_OUT.contains(&link.receive_error.0) {
                return Ok(false);
            }
            if link.receive_error.0 == FATAL_READ {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                let (code, text) = link.receive_error;
                return Err(Error::State(format!("it does not connect: {code} {text}")));
            }
            sleep(LOOK).await;
        }
    }

    /// Copies MySQL's live donor into this directory, which does not exist and which the server can make.
    ///
    /// # Errors
    /// When the donor does not let it, or it takes too long.
    pub async fn clone_into(&self, donor: &str, directory: &Path) -> Result<(), Error> {
        let peer = self.peer(donor)?;
        let source = self.source(peer, statements::COPY_USER);
        let mut conn = bounded(self.connect()).await?;
        let copy = statements::clone_into(&source, &directory.to_string_lossy());
        timeout(CLONED_WITHIN, carry_out(&mut conn, copy))
            .await
            .map_err(|_| Error::State("the copy is not there in time".into()))??;
        self.leave(conn).await;
        Ok(())
    }

    fn source<'a>(&'a self, peer: &'a Peer, user: &'a str) -> Source<'a> {
        Source {
            host: &peer.host,
            port: peer.port,
            user,
            password: &self.passwords.replicas,
        }
    }

    /// It has transactions that its source has not. Asked before it is linked, also where its own account is locked: MySQL lets
    /// such a replica connect and breaks later, MariaDB calls it connected for a moment before it is refused.
    async fn is_errant(&self, conn: &mut Conn, peer: &Peer) -> Result<bool, Error> {
        let source = self.source(peer, statements::COPY_USER);
        let there = mysql_async::OptsBuilder::default()
            .ip_or_hostname(source.host)
            .tcp_port(source.port)
            .user(Some(source.user))
            .pass(Some(source.password.expose()))
            .prefer_socket(false);
        let mine = bounded(standing::applied(self.engine, conn)).await?;
        let theirs = bounded(async {
            let mut there = Conn::new(there).await?;
            let history = standing::history(self.engine, &mut there).await;
            bye(there).await;
            history
        })
        .await?;
        Ok(!theirs.contains(&mine))
    }
}

/// What MariaDB and MySQL say of a link that they cannot read.
const TORN: [u16; 2] = [1201, 1872];

fn is_torn(error: &Error) -> bool {
    matches!(error, Error::Sql(mysql_async::Error::Server(error)) if TORN.contains(&error.code))
}

impl Link {
    fn is_from(&self, peer: &Peer) -> bool {
        self.host == peer.host && self.port == peer.port
    }
}
