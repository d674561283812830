//! Commands that are never answered: a statement is closed, or data for one is sent ahead.
//!
//! Whatever goes wrong with them, nothing may be said: the client would take it for the answer to what it asks next.
//! So the loss of data is remembered, and told when the statement is executed.

use super::backend::Backend;
use super::command::Command;
use super::relay::Broken;
use super::{End, Session, Side};

/// An epoch that no plan has.
const OVER: u64 = u64::MAX;

impl Session {
    /// Carries out a command that nobody answers.
    pub(super) async fn unanswered(&mut self, command: &Command) -> Result<bool, End> {
        if command.code == 0x19 {
            self.close(command.length).await;
        } else {
            self.send_ahead(command).await?;
        }
        self.client.finish().await?;
        Ok(true)
    }

    /// The client has done with a statement: so have both databases.
    async fn close(&mut self, length: usize) {
        let payload = &self.client.data()[4..4 + length];
        let Some(statement) = self.statements.remove(payload) else {
            return;
        };
        let both = [&mut self.primary, &mut self.replica];
        for backend in both.into_iter().flatten() {
            if let Some(theirs) = statement.number(backend) {
                let close = [&[0x19][..], &theirs.to_le_bytes()].concat();
                // One that is gone has closed it, too.
                let _ = backend.wire.send_payload(0, &close).await;
            }
        }
    }

    /// A part of a parameter, for an execution that is to come.
    async fn send_ahead(&mut self, command: &Command) -> Result<(), End> {
        let payload = &self.client.data()[4..4 + command.length];
        if self.statements.of(payload).is_none() {
            return Ok(());
        }
        let payload = payload[..5].to_vec();
        // That an open transaction is lost is told by the next command that is answered.
        let open = self.primary.as_ref().is_some_and(Backend::in_transaction);
        let mut at = 0;
        if open || self.reach_primary().await?.is_none() {
            match self.exchange(command, Side::Primary).await {
                Ok(_) => at = self.primary.as_ref().map_or(0, |one| one.incarnation),
                Err(Broken::Client) => return Err(End::Client),
                Err(_) => {
                    if let Some(primary) = &mut self.primary {
                        primary.epoch = OVER;
                    }
                }
            }
        }
        if let Some(statement) = self.statements.of_mut(&payload) {
            // Where a part is lost, what comes after it is of no use.
            let before = statement.data.unwrap_or(at);
            statement.data = Some(if before == at { at } else { 0 });
        }
        Ok(())
    }
}
