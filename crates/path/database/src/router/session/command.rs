//! One command: read, sent to its side, answered.

use tokio::time::Instant;

use super::backend::Backend;
use super::lost::Sent;
use super::relay::Outcome;
use super::statements::Statement;
use super::{End, Session, Side, statements};
use crate::router::classify::{Reason, Route, classify};
use crate::router::lexer::{Lexer, Token};
use crate::router::wire::{Response, WHOLE, capability, status};

/// Longer statements are not read to their end.
const READ: usize = 1 << 20;
/// A session with more settings than this stays on the primary.
const SETTINGS: usize = 64;

impl Session {
    /// Serves the next command. `Ok(false)`: the client has left.
    pub(super) async fn command(&mut self) -> Result<bool, End> {
        let length = self.client.packet().await?;
        let Some(command) = self.client.data().get(4).copied().filter(|_| length > 0) else {
            return Err(End::Client);
        };
        match command {
            0x01 => return Ok(false),
            // Whoever pings wants to know whether it can go on, and here it can.
            0x0e if self.is_free_of_primary() => return self.agree(length).await,
            0x11 => {
                let payload = self.client.data()[4..4 + length].to_vec();
                self.client.consume(4 + length);
                return self.change_user(&payload).await;
            }
            _ => {}
        }
        let Some(response) = Response::to(
            command,
            self.answer.capabilities & capability::DEPRECATE_EOF != 0,
        ) else {
            return self.unknown(length).await;
        };
        let route = self.route(command, length);
        if self.reads_in_transaction() && !self.may_stay(command, route, length) {
            self.move_transaction().await?;
        }
        self.carry(command, length, route, response).await
    }

    /// Answers a command that asks nothing of a database.
    async fn agree(&mut self, length: usize) -> Result<bool, End> {
        self.client.consume(4 + length);
        let [low, high] = status::AUTOCOMMIT.to_le_bytes();
        let ok = [0, 0, 0, low, high, 0, 0];
        self.client.send_payload(1, &ok).await?;
        Ok(true)
    }

    /// Where this command may go, from what it is and says.
    fn route(&self, command: u8, length: usize) -> Route {
        let payload = &self.client.data()[4..4 + length];
        match command {
            0x03 if length > READ => {
                let first = Lexer::new(&payload[1..READ]).next();
                let known = ["INSERT", "REPLACE"]
                    .iter()
                    .any(|word| first.is_some_and(|one| one.is(word)));
                if known {
                    Route::Primary
                } else {
                    Route::PrimaryPin(Reason::NotUnderstood)
                }
            }
            0x03 => classify(&payload[1..]),
            0x17 => {
                let statement = self.executed(payload);
                // A cursor is fetched from later.
                let simple = payload.get(5) == Some(&0);
                match statement.map(|one| (one.route, one.long_data)) {
                    // What was set cannot be repeated without its values.
                    Some((Route::Remember, _)) => Route::PrimaryPin(Reason::Setting),
                    Some((Route::Replica, false)) if simple => Route::Replica,
                    Some((route @ Route::PrimaryPin(_), _)) => route,
                    _ => Route::Primary,
                }
            }
            _ => Route::Primary,
        }
    }

    /// In a READ ONLY transaction on the replica: this can be said there too.
    fn may_stay(&self, command: u8, route: Route, length: usize) -> bool {
        let payload = &self.client.data()[5..4 + length];
        let ends = || {
            let first = Lexer::new(payload).next();
            ["COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE"]
                .iter()
                .any(|word| first.is_some_and(|one| one.is(word)))
        };
        match command {
            0x03 => {
                matches!(route, Route::Replica | Route::Last) || (route == Route::Primary && ends())
            }
            0x17 => route == Route::Replica,
            // About prepared statements, or about nothing: these go to the primary beside the transaction.
            0x09 | 0x0e | 0x16 | 0x18 | 0x19 | 0x1a | 0x1c => true,
            _ => false,
        }
    }

    /// A READ ONLY transaction asks for what only the primary has: it goes on there.
    async fn move_transaction(&mut self) -> Result<(), End> {
        self.replica = None;
        if !self.reach_primary().await? {
            return Err(End::Client);
        }
        if let Some(primary) = &mut self.primary {
            primary.ask(b"\x03START TRANSACTION READ ONLY").await?;
        }
        Ok(())
    }

    /// Sends the command to its side, and the answer back; once more elsewhere where that is safe.
    async fn carry(
        &mut self,
        command: u8,
        length: usize,
        route: Route,
        response: Response,
    ) -> Result<bool, End> {
        let without = self.goes_without_primary();
        if without && command == 0x03 && ends_transaction(&self.client.data()[5..4 + length]) {
            return self.agree(length).await;
        }
        let mut side = match route {
            Route::Remember if without => Side::Replica,
            _ => self.choose(command, route),
        };
        // A read stays in the buffer until it is answered, so that it can be asked again; a write, so that it can wait
        // where it was refused whole.
        let mut again = route == Route::Replica && length < WHOLE;
        let kept = again || self.may_wait(command, length);
        let since = Instant::now();
        loop {
            if side == Side::Replica && !self.stays_on_replica(route) && !self.reach_replica().await
            {
                side = Side::Primary;
            }
            if side == Side::Primary && !self.reach_primary().await? {
                self.client.consume(4 + length);
                return Ok(true);
            }
            let sent = Sent {
                kept,
                since,
                ..self.sent(side, again, length)
            };
            match self
                .exchange(length, side, route, kept, response.clone())
                .await
            {
                Ok((payload, outcome)) => {
                    self.settle(command, route, side, &payload, &outcome)
                        .await?;
                    return Ok(true);
                }
                Err(broken) => {
                    if !self.broke(broken, sent).await? {
                        if kept {
                            self.client.consume(4 + length);
                        }
                        return Ok(true);
                    }
                    (side, again) = (Side::Primary, false);
                }
            }
        }
    }

    /// The replica is asked as it is: a transaction is open there, or the question is about the statement before.
    fn stays_on_replica(&self, route: Route) -> bool {
        self.reads_in_transaction() || (route == Route::Last && self.replica.is_some())
    }

    /// One plain write that commits by itself.
    fn may_wait(&self, command: u8, length: usize) -> bool {
        let free = self.primary.as_ref().is_none_or(Backend::is_free);
        let payload = &self.client.data()[4..4 + length];
        free && self.pinned.is_none()
            && length <= READ
            && match command {
                0x03 => stays_open(&payload[1..]),
                0x17 => self
                    .executed(payload)
                    .is_some_and(|one| !one.long_data && one.stays_open),
                _ => false,
            }
    }

    fn executed(&self, payload: &[u8]) -> Option<&Statement> {
        self.statements.0.get(&statements::id(payload)?)
    }

    fn sent(&self, side: Side, reads: bool, length: usize) -> Sent {
        let open = |one: &Option<Backend>| one.as_ref().is_some_and(Backend::in_transaction);
        let in_transaction = open(if side == Side::Primary {
            &self.primary
        } else {
            &self.replica
        });
        let payload = &self.client.data()[4..4 + length];
        let stays = || match payload[0] {
            0x03 => stays_open(&payload[1..]),
            0x17 => self.executed(payload).is_some_and(|one| one.stays_open),
            // Anything else may commit what went before.
            _ => false,
        };
        let ends = in_transaction && (length > READ || !stays());
        Sent {
            side,
            reads,
            ends,
            in_transaction,
            kept: false,
            since: Instant::now(),
        }
    }

    /// What the session has learned from a command that was answered.
    async fn settle(
        &mut self,
        command: u8,
        route: Route,
        side: Side,
        payload: &[u8],
        outcome: &Outcome,
    ) -> Result<(), End> {
        if route != Route::Last {
            self.last = side;
        }
        if let Route::PrimaryPin(reason) = route {
            self.pinned.get_or_insert(reason);
        }
        match command {
            0x16 => {
                if let Some(primary) = &self.primary {
                    self.statements
                        .prepared(&payload[1..], &outcome.first, primary);
                }
            }
            0x18 => {
                let statement =
                    statements::id(payload).and_then(|id| self.statements.0.get_mut(&id));
                if let Some(statement) = statement {
                    statement.long_data = true;
                }
            }
            0x19 => {
                if let Some(replica) = &mut self.replica
                    && let Some(id) = self.statements.close(payload, replica)
                {
                    let close = [&[0x19][..], &id.to_le_bytes()].concat();
                    // A replica that is gone has closed it, too.
                    let _ = replica.wire.send_payload(0, &close).await;
                }
                if let Some(id) = statements::id(payload) {
                    self.statements.0.remove(&id);
                }
            }
            0x1f if !outcome.refused => {
                self.forget();
                if let Some(primary) = &mut self.primary {
                    primary.track().await?;
                }
            }
            _ if route == Route::Remember && !outcome.refused => self.remember(payload, side),
            _ => {}
        }
        Ok(())
    }

    fn remember(&mut self, payload: &[u8], side: Side) {
        self.settings.push(payload.to_vec());
        if self.settings.len() > SETTINGS {
            self.pinned.get_or_insert(Reason::Setting);
        }
        // That side has heard it from the client itself.
        let heard = match side {
            Side::Primary => &mut self.primary,
            Side::Replica => &mut self.replica,
        };
        if let Some(heard) = heard {
            heard.told = self.settings.len();
        }
    }

    /// A command whose answer has a shape that we do not know: from here on bytes are passed, both ways.
    async fn unknown(&mut self, length: usize) -> Result<bool, End> {
        if !self.reach_primary().await? {
            self.client.consume(4 + length);
            return Ok(true);
        }
        let Some(primary) = &mut self.primary else {
            return Err(End::Client);
        };
        loop {
            primary.wire.send(self.client.data()).await?;
            let all = self.client.data().len();
            self.client.consume(all);
            self.client.send(primary.wire.data()).await?;
            let all = primary.wire.data().len();
            primary.wire.consume(all);
            tokio::select! {
                read = self.client.fill() => read?,
                read = primary.wire.fill() => read?,
            }
        }
    }
}

/// `COMMIT` or `ROLLBACK` and nothing else: without a transaction it asks for nothing.
fn ends_transaction(sql: &[u8]) -> bool {
    let mut tokens = Lexer::new(sql).filter(|token| *token != Token::Symbol(b';'));
    let first = tokens.next();
    let ends = first.is_some_and(|one| one.is("COMMIT") || one.is("ROLLBACK"));
    ends && tokens.next().is_none_or(|token| token.is("WORK")) && tokens.next().is_none()
}

/// A statement after which a transaction that was open still is.
pub(super) fn stays_open(sql: &[u8]) -> bool {
    let mut tokens = Lexer::new(sql);
    let first = tokens.next();
    let words = ["SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE"];
    words
        .iter()
        .any(|word| first.is_some_and(|one| one.is(word)))
        && tokens.all(|token| !matches!(token, Token::Symbol(b';') | Token::Unsure))
}
