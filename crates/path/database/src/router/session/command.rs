//! One command: read, sent to its side, answered.

use tokio::time::Instant;

use super::backend::Backend;
use super::exchange::Answered;
use super::lost::{self, Sent};
use super::replica::Found;
use super::{End, HOLD, Session, Side};
use crate::router::classify::{Reason, Route, classify, of_server};
use crate::router::lexer::{Lexer, Token};
use crate::router::wire::{Response, Shape, WHOLE, error_packet, status};

/// Longer statements are not read to their end.
const READ: usize = 1 << 20;
/// A session with more settings than this stays on the primary.
const SETTINGS: usize = 64;

/// A command, whose first packet stands at the beginning of the client's buffer until it is used.
pub(super) struct Command {
    pub code: u8,
    /// The length of that packet's payload.
    pub length: usize,
    pub route: Route,
    /// It stays in the buffer until it is answered.
    pub kept: bool,
    /// What its answer looks like.
    pub response: Response,
}

impl Session {
    /// Serves the next command. `Ok(false)`: the client has left.
    pub(super) async fn command(&mut self) -> Result<bool, End> {
        let length = self.next_packet().await?;
        let Some(code) = self.client.data().get(4).copied().filter(|_| length > 0) else {
            return Err(End::Client);
        };
        if self.presence.client.is_killed() {
            return Err(End::Told(lost::killed()));
        }
        match code {
            0x01 => return Ok(false),
            // Whoever pings wants to know whether it can go on, and here it can.
            0x0e if self.is_idle() && !self.held.variables => return self.agree().await,
            0x1f if self.is_primary_away() => return self.reset_without_primary().await,
            0x11 => {
                let payload = self.client.data()[4..4 + length].to_vec();
                self.client.use_packet();
                return self.change_user(&payload).await;
            }
            _ => {}
        }
        let Some(response) = Response::to(code, Shape::of(&self.answer)) else {
            let error = error_packet(1047, "08S01", "Unknown command");
            self.answer_error(&error).await?;
            return Ok(true);
        };
        let opens_cursor = self
            .statements
            .opens_cursor(&self.client.data()[4..4 + length]);
        let command = Command {
            code,
            length,
            route: self.route(code, length),
            kept: false,
            response: response.opening_cursor(opens_cursor),
        };
        if command.response.done() {
            return self.unanswered(&command).await;
        }
        if self
            .statements
            .is_unknown(&self.client.data()[4..4 + length])
        {
            let error = lost::unknown_statement();
            self.answer_error(&error).await?;
            return Ok(true);
        }
        if code == 0x16 {
            self.statements.forget_last();
        }
        if let Some(killed) = self.killed(&command) {
            return self.kill(killed).await;
        }
        if self.reads_in_transaction() && !self.may_stay(code, command.route, length) {
            self.move_transaction().await?;
        }
        self.carry(command).await
    }

    /// Answers a command that asks nothing of a database.
    pub(super) async fn agree(&mut self) -> Result<bool, End> {
        self.client.use_packet();
        let status = match self.held.autocommit_off {
            true => 0,
            false => status::AUTOCOMMIT,
        };
        let [low, high] = status.to_le_bytes();
        let ok = [0, 0, 0, low, high, 0, 0];
        self.client.answer(&ok).await?;
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
            0x03 => match classify(&payload[1..]) {
                Route::Replica if of_server(&self.schema) => Route::Primary,
                route => route,
            },
            0x17 => {
                let statement = self.statements.of(payload);
                // A cursor is fetched from later.
                let simple = payload.get(5) == Some(&0);
                match statement.map(|one| (one.route, one.data.is_some())) {
                    // What was set cannot be repeated without its values.
                    Some((Route::Remember, _)) => Route::PrimaryPin(Reason::Setting),
                    Some((Route::Replica, false)) if simple && length < WHOLE => Route::Replica,
                    Some((
                        route @ (Route::PrimaryPin(_) | Route::PrimaryHolds | Route::Inserted),
                        _,
                    )) => route,
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
        if let Some(error) = self.reach_primary().await? {
            return Err(End::Told(error));
        }
        if let Some(primary) = &mut self.primary {
            primary.ask(b"\x03START TRANSACTION READ ONLY").await?;
        }
        Ok(())
    }

    /// Sends the command to its side, and the answer back; once more elsewhere where that is safe.
    async fn carry(&mut self, mut command: Command) -> Result<bool, End> {
        let Command {
            code,
            length,
            route,
            ..
        } = command;
        if self.asks_for_nothing(&command) {
            return self.agree().await;
        }
        let without = self.goes_without_primary(route);
        let mut side = if without && self.needs_no_primary(&command) {
            Side::Replica
        } else {
            self.choose(code, route)
        };
        // A read stays in the buffer until it is answered, so that it can be asked again; a write, so that it can wait
        // where it was refused whole.
        let mut again = route == Route::Replica && length < WHOLE;
        command.kept = again || self.may_wait(code, length);
        let since = Instant::now();
        loop {
            if let Some(error) = self.reach(&command, &mut side, since).await? {
                self.answer_error(&error).await?;
                return Ok(true);
            }
            let sent = Sent {
                kept: command.kept,
                since,
                ..self.sent(side, again, length)
            };
            match self.exchange(&command, side).await {
                Ok(answered) => {
                    self.settle(&command, side, answered).await?;
                    return Ok(true);
                }
                Err(broken) => {
                    if !self.broke(broken, sent).await? {
                        return Ok(true);
                    }
                    again &= since.elapsed() < HOLD;
                    side = self.next_side(side, again).await?;
                }
            }
        }
    }

    /// Sees to a connection for this command: on its side, or to the primary where no replica may answer. `Some`: an error
    /// that says why there is none.
    async fn reach(
        &mut self,
        command: &Command,
        side: &mut Side,
        since: Instant,
    ) -> Result<Option<Vec<u8>>, End> {
        while *side == Side::Replica && !self.stays_on_replica(command.route) {
            match self.find_replica(command, since).await? {
                Found::Here => break,
                Found::AtPrimary => {}
                Found::Nowhere => return Ok(Some(lost::nowhere(since.elapsed()))),
            }
            if self.may_reach_primary().await? {
                *side = Side::Primary;
            }
        }
        match side {
            Side::Primary => self.ready(command).await,
            Side::Replica => Ok(None),
        }
    }

    /// Sees to a primary on which this command means what the client means by it. `Some`: an error that says why not.
    async fn ready(&mut self, command: &Command) -> Result<Option<Vec<u8>>, End> {
        if let Some(error) = self.reach_primary().await? {
            return Ok(Some(error));
        }
        let here = self.primary.as_ref().map_or(0, |one| one.incarnation);
        let inserted = self.held.inserted;
        if command.route == Route::Inserted && inserted != 0 && inserted != here {
            return Err(End::Told(lost::session()));
        }
        if command.code != 0x17 {
            return Ok(None);
        }
        let payload = &self.client.data()[4..4 + command.length];
        let statement = self.statements.of_mut(payload);
        let gone = statement.and_then(|one| one.data.take_if(|at| *at != here));
        let text = "the data that was sent ahead is lost with its connection: send it and the statement again";
        Ok(gone.map(|_| lost::transaction(text)))
    }

    /// The replica is asked as it is: a transaction is open there, or the question is about the statement before.
    fn stays_on_replica(&self, route: Route) -> bool {
        self.reads_in_transaction() || (route == Route::Last && self.replica.is_some())
    }

    /// One plain write outside a transaction, or the first of one.
    fn may_wait(&self, command: u8, length: usize) -> bool {
        let open = self.primary.as_ref().is_some_and(Backend::in_transaction);
        let payload = &self.client.data()[4..4 + length];
        !open
            && self.pinned.is_none()
            && length <= READ
            && match command {
                0x03 => stays_open(&payload[1..]),
                0x17 => self
                    .statements
                    .of(payload)
                    .is_some_and(|one| one.data.is_none() && one.stays_open),
                _ => false,
            }
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
            0x17 => self
                .statements
                .of(payload)
                .is_some_and(|one| one.stays_open),
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
        command: &Command,
        side: Side,
        answered: Answered,
    ) -> Result<(), End> {
        let Answered {
            payload,
            outcome,
            prepared,
        } = answered;
        match command.route {
            Route::Last => {}
            Route::PrimaryHolds => (self.last, self.held.variables) = (side, true),
            _ => self.last = side,
        }
        if let Route::PrimaryPin(reason) = command.route {
            self.pinned.get_or_insert(reason);
        }
        match command.code {
            0x16 => {
                let on = match side {
                    Side::Primary => &self.primary,
                    Side::Replica => &self.replica,
                };
                if let (Some(on), Some(theirs)) = (on, prepared) {
                    let sql = &payload[1..];
                    self.statements.prepared(sql, outcome, theirs, (on, side));
                }
            }
            0x1a => {
                if let Some(statement) = self.statements.of_mut(&payload) {
                    statement.data = None;
                }
            }
            0x1f if !outcome.refused => {
                self.forget();
                if let Some(primary) = &mut self.primary {
                    primary.track().await?;
                }
            }
            _ if command.route == Route::Remember && !outcome.refused => {
                self.remember(&payload, side);
            }
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
