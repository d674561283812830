//! What a client is told when a database went away in the middle of its command.
//!
//! A statement that may have happened is never sent again: its client learns that nobody knows. What was not carried
//! out for certain is asked again, or waits, or is to be run again by the client.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::relay::Broken;
use super::{AGAIN, Backend, End, HOLD, Session, Side};
use crate::router::wire::error_packet;

/// What the broken command was.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// Where it went.
    pub side: Side,
    /// It only reads: it may be asked again elsewhere.
    pub reads: bool,
    /// It ends a transaction: whether it did is not known.
    pub ends: bool,
    /// A transaction was open, or the session could not go on elsewhere.
    pub in_transaction: bool,
    /// It is still at hand: it may be sent once more if it was refused whole.
    pub kept: bool,
    /// When the client's command was taken up.
    pub since: Instant,
}

/// The session cannot go on: what it held is gone.
pub fn session() -> Vec<u8> {
    let message = "the connection to the primary is lost, and with it what this session held there: connect again";
    error_packet(1927, "08S01", message)
}

/// Nothing of the transaction was carried out: the client may run it again.
pub fn transaction(text: &str) -> Vec<u8> {
    error_packet(1213, "40001", text)
}

/// A number stands for no statement: it was never given, or its statement was closed.
pub fn unknown_statement() -> Vec<u8> {
    let message = "Unknown prepared statement handler: it was not prepared here, or was closed";
    error_packet(1243, "HY000", message)
}

/// Neither a primary nor a replica could be asked that has everything that was acknowledged.
pub fn nowhere(waited: Duration) -> Vec<u8> {
    let message =
        format!("no database that has everything that was written can be asked within {waited:?}");
    error_packet(1053, "08S01", &message)
}

/// Somebody has ended the session.
pub fn killed() -> Vec<u8> {
    error_packet(1927, "70100", "Connection was killed")
}

impl Session {
    /// A connection broke in the middle of a command. `Ok(true)`: try it again; `Ok(false)`: the client was told.
    pub(super) async fn broke(&mut self, broken: Broken, sent: Sent) -> Result<bool, End> {
        let begun = match broken {
            Broken::Client => return Err(End::Client),
            Broken::ReadOnly(sequence, error) => return self.refused(sequence, &error, sent).await,
            // Another database may know what this one does not; the primary has the last word.
            Broken::Unprepared(_) if sent.side == Side::Replica && sent.reads => return Ok(true),
            Broken::Unprepared(error) => {
                self.answer_error(&error).await?;
                return Ok(false);
            }
            Broken::Server { begun } => begun,
        };
        let slot = match sent.side {
            Side::Primary => &mut self.primary,
            Side::Replica => &mut self.replica,
        };
        if let Some(Backend { count, .. }) = slot.take() {
            count
                .broken
                .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        if begun {
            // Half an answer cannot be taken back.
            return Err(End::Client);
        }
        if self.presence.client.is_killed() {
            return Err(End::Told(killed()));
        }
        if sent.side == Side::Primary && self.is_bound() {
            return Err(End::Told(session()));
        }
        if sent.in_transaction && !sent.ends {
            let text = "the database is lost: run the transaction again";
            self.answer_error(&transaction(text)).await?;
            return Ok(false);
        }
        if sent.reads && !sent.in_transaction {
            return Ok(true);
        }
        let message = "the primary is lost before it answered: whether the statement was carried out is not known";
        Err(End::Told(error_packet(1053, "08S01", message)))
    }

    /// The primary was closed before the word to wait had come here: the command was not carried out, and can wait.
    async fn refused(&mut self, sequence: u8, error: &[u8], sent: Sent) -> Result<bool, End> {
        if sent.in_transaction && self.pinned.is_none() {
            self.primary = None;
            if self.held.variables {
                return Err(End::Told(session()));
            }
            let text = "the primary is being changed: run the transaction again";
            self.answer_error(&transaction(text)).await?;
            return Ok(false);
        }
        let may_wait = sent.kept && self.pinned.is_none() && sent.since.elapsed() < HOLD;
        // A server that is read-only by somebody else's word has no successor to wait for.
        if !may_wait || self.shared.known().plan.controller.is_none() {
            self.client.finish().await?;
            self.client.send_payload(sequence, error).await?;
            return Ok(false);
        }
        self.waited = true;
        self.client.while_open(sleep(AGAIN)).await?;
        Ok(true)
    }
}
