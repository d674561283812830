//! `KILL`: by the number that a client knows itself by, on the server where its statement runs.
//!
//! Users may kill what is their own, so the word goes over a short connection as the user who says it. A session that is
//! killed as a whole ends here: that its connections to the databases are gone would only make it connect again.

use std::sync::Arc;

use super::command::Command;
use super::{Backend, End, Session, statements};
use crate::router::classify::Route;
use crate::router::presence::{Client, Place};
use crate::router::wire::{error_packet, login};

/// A client that is to be killed, or only its statement.
pub(super) struct Killed {
    id: u64,
    client: Arc<Client>,
    query: bool,
}

impl Session {
    /// The client that a command is to kill; `None`: it kills none of ours, and the server says what it thinks of it.
    pub(super) fn killed(&self, command: &Command) -> Option<Killed> {
        let (id, query) = match (command.code, command.route) {
            (0x03, Route::Kill { id, query }) => (id, query),
            (0x0c, _) => {
                let id = statements::id(&self.client.data()[4..4 + command.length])?;
                (u64::from(id), false)
            }
            _ => return None,
        };
        let client = self.shared.client(id)?;
        Some(Killed { id, client, query })
    }

    /// Kills it, and answers.
    pub(super) async fn kill(&mut self, killed: Killed) -> Result<bool, End> {
        let Killed { id, client, query } = killed;
        if !client.belongs_to(&self.answer.user) {
            let text = format!("You are not owner of thread {id}");
            self.answer_error(&error_packet(1095, "HY000", &text))
                .await?;
            return Ok(true);
        }
        let places = if query {
            client.running().into_iter().collect()
        } else {
            client.kill()
        };
        let what = if query { "QUERY " } else { "" };
        let mut refused = None;
        for place in places {
            if let Err(error) = self.kill_at(&place, what).await {
                refused = Some(match error {
                    login::Error::Refused(error) => error,
                    other => {
                        let text = format!("{} cannot be told to kill: {other}", place.server);
                        error_packet(1053, "08S01", &text)
                    }
                });
            }
        }
        match refused {
            // A session that is killed as a whole ends, whatever its servers say.
            Some(error) if query => {
                self.answer_error(&error).await?;
                Ok(true)
            }
            _ => self.agree().await,
        }
    }

    /// Kills one connection on its server; one that has gone is as good.
    async fn kill_at(&self, place: &Place, what: &str) -> Result<(), login::Error> {
        let known = self.shared.known();
        let mut targets = known.plan.targets.iter();
        let target = targets
            .find(|target| target.server == place.server)
            .ok_or(login::Error::Plan("such server"))?;
        let password = known
            .password(&self.answer.user)
            .ok_or(login::Error::Plan("such user"))?;
        let mut answer = self.answer.clone();
        answer.database.clear();
        let epoch = known.plan.epoch;
        let mut short = Backend::connect(&self.shared, target, epoch, &answer, password).await?;
        let word = format!("\x03KILL {what}{}", place.thread);
        let told = short.ask(word.as_bytes()).await?;
        let gone = [0xff, 0x46, 0x04];
        if told.ok.is_some() || told.first.starts_with(&gone) {
            Ok(())
        } else {
            Err(login::Error::Refused(told.first))
        }
    }
}
