//! Going on without a primary: what a session that only reads asks for is answered by a replica, or by the router itself.

use tokio::time::sleep;

use super::command::Command;
use super::{AGAIN, Backend, End, Session, Side};
use crate::router::classify::{Route, classify, one};
use crate::router::lexer::{Lexer, Token};
use crate::router::wire::login;

impl Session {
    /// A session that has nothing at a primary that is away goes on without it.
    pub(super) fn goes_without_primary(&mut self, route: Route) -> bool {
        let without = self.is_primary_away()
            && self.is_free()
            && self.is_idle()
            && !self.held.variables
            && route != Route::Inserted
            && !self.statements.await_data();
        if without {
            self.primary = None;
        }
        without
    }

    /// A replica answers as well as the primary would: nothing is changed but the session.
    pub(super) fn needs_no_primary(&self, command: &Command) -> bool {
        let payload = &self.client.data()[4..4 + command.length];
        match command.code {
            // Another database, the fields of a table, a statement that is begun anew.
            0x02 | 0x04 | 0x1a => true,
            0x03 => {
                matches!(command.route, Route::Replica | Route::Remember)
                    || without_primary(&payload[1..])
            }
            0x16 => classify(&payload[1..]) == Route::Replica || without_primary(&payload[1..]),
            0x17 => {
                let statement = self.statements.of(payload);
                // A cursor is fetched from later.
                let simple = payload.get(5) == Some(&0);
                simple && statement.is_some_and(|one| one.without_primary && one.data.is_none())
            }
            _ => false,
        }
    }

    /// A read that no replica may answer goes to the primary, unless that turns out to be away: then a replica may.
    pub(super) async fn may_reach_primary(&mut self) -> Result<bool, End> {
        let known = self.shared.known();
        let usable = |one: &Backend| one.epoch == known.plan.epoch && !one.wire.is_stale();
        let connected = self.primary.as_ref().is_some_and(usable);
        if connected || self.is_bound() || known.plan.replicas().next().is_none() {
            return Ok(true);
        }
        match self.connect_primary(&known).await? {
            Ok(()) | Err(login::Error::Refused(_) | login::Error::Lack(_)) => Ok(true),
            Err(_) => {
                self.shared.newest.set_away(true);
                Ok(false)
            }
        }
    }

    /// Where a read is asked again whose database is lost: at a replica, if there is no primary or it is the one that is
    /// lost.
    pub(super) async fn next_side(&mut self, lost: Side, again: bool) -> Result<Side, End> {
        if !again || (lost == Side::Replica && !self.is_primary_away()) {
            return Ok(Side::Primary);
        }
        self.waited = true;
        self.client.while_open(sleep(AGAIN)).await?;
        Ok(Side::Replica)
    }

    /// It needs no database: there is no primary, and no transaction to end.
    pub(super) fn asks_for_nothing(&self, command: &Command) -> bool {
        let sql = &self.client.data()[5..4 + command.length];
        command.code == 0x03
            && self.is_primary_away()
            && self.is_idle()
            && (ends_transaction(sql) || (!self.held.autocommit_off && turns_autocommit_on(sql)))
    }

    /// COM_RESET_CONNECTION: what the session had at the primary ends with its connection.
    pub(super) async fn reset_without_primary(&mut self) -> Result<bool, End> {
        self.primary = None;
        self.forget();
        self.agree().await
    }
}

/// One statement that asks the server itself, for its variables or what it knows: it goes to the primary, which may differ
/// from its replicas in that; but where there is no primary, another one's answer is better than none.
pub fn without_primary(sql: &[u8]) -> bool {
    let mut tokens: Vec<Token<'_>> = Lexer::new(sql).collect();
    if tokens.last() == Some(&Token::Symbol(b';')) {
        tokens.pop();
    }
    let plain = |token: &Token<'_>| !matches!(token, Token::Symbol(b';') | Token::Unsure);
    if !tokens.iter().all(plain) {
        return false;
    }
    match tokens.first() {
        Some(first) if first.is("SHOW") => true,
        Some(first) if first.is("SELECT") => {
            tokens.retain(|token| *token != Token::SystemVariable);
            one(&tokens) == Route::Replica
        }
        Some(first) => first.is("USE"),
        None => false,
    }
}

/// `COMMIT` or `ROLLBACK` and nothing else: without a transaction it asks for nothing.
fn ends_transaction(sql: &[u8]) -> bool {
    let mut tokens = Lexer::new(sql).filter(|token| *token != Token::Symbol(b';'));
    let first = tokens.next();
    let ends = first.is_some_and(|one| one.is("COMMIT") || one.is("ROLLBACK"));
    ends && tokens.next().is_none_or(|token| token.is("WORK")) && tokens.next().is_none()
}

/// `SET autocommit=1`: where it is on, it asks for nothing.
fn turns_autocommit_on(sql: &[u8]) -> bool {
    let mut tokens = Lexer::new(sql).filter(|token| {
        let scope = ["SESSION", "LOCAL"].iter().any(|word| token.is(word));
        !scope && !matches!(token, Token::SystemVariable | Token::Symbol(b';' | b'.'))
    });
    let mut next = || tokens.next();
    next().is_some_and(|one| one.is("SET"))
        && next().is_some_and(|one| one.is("AUTOCOMMIT"))
        && next() == Some(Token::Symbol(b'='))
        && next().is_some_and(|one| one == Token::Number(b"1") || one.is("ON") || one.is("TRUE"))
        && next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_turns_on_what_is_on_asks_for_nothing() {
        for sql in [
            "SET autocommit=1",
            "set session autocommit = ON;",
            "SET @@session.autocommit=1",
        ] {
            assert!(turns_autocommit_on(sql.as_bytes()), "{sql}");
        }
        for sql in [
            "SET autocommit=0",
            "SET autocommit=1, time_zone='+00:00'",
            "SET GLOBAL autocommit=1",
        ] {
            assert!(!turns_autocommit_on(sql.as_bytes()), "{sql}");
        }
    }
}
