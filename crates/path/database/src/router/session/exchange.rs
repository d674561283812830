//! One command and its answer: sent to its side, in the words that this side knows, and relayed back.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::watch;

use super::backend::Backend;
use super::command::Command;
use super::relay::{Broken, Progress, Relay, pass_rest};
use super::scan::Outcome;
use super::statements::{self, Statements, Translated};
use super::waiting::Watch;
use super::{Session, Side};
use crate::gtid::Position;
use crate::router::classify::Route;
use crate::router::shared::Known;
use crate::router::wire::{Ok as OkPacket, Wire};

/// What an exchange has brought.
#[derive(Debug, Default)]
pub(super) struct Answered {
    /// The command's payload, where something is to be learned from it.
    pub payload: Vec<u8>,
    /// What its answer came to.
    pub outcome: Outcome,
    /// A statement was prepared: the database's own number for it.
    pub prepared: Option<u32>,
}

impl Session {
    /// Sends and relays. The command stays in the client's buffer if it is kept and was not answered, and else does not.
    pub(super) async fn exchange(
        &mut self,
        command: &Command,
        side: Side,
    ) -> Result<Answered, Broken> {
        let plain = self.plain();
        let slot = match side {
            Side::Primary => &mut self.primary,
            Side::Replica => &mut self.replica,
        };
        let backend = slot.as_mut().ok_or(Broken::Server { begun: false })?;
        let packet = &self.client.data()[..4 + command.length];
        let statements = &mut self.statements;
        let watch = Watch::on(&self.shared, backend, side, command.route);
        self.waited |= prepare(statements, &packet[4..], backend, &mut self.plans, &watch).await?;
        if self.waited && self.client.is_closed() {
            return Err(Broken::Client);
        }
        let payload = learned(packet, command.route);
        let translated = statements.translate(packet, backend)?;
        let executed = translated.executed;
        backend.count.statements.fetch_add(1, Ordering::Relaxed);
        self.presence.client.runs(side == Side::Replica);
        let progress = Progress::default();
        let (engine, epoch) = (backend.engine, backend.epoch);
        let (status, known, wire) = (&mut backend.status, &mut backend.schema, &mut backend.wire);
        let (schema, held, incarnation) = (&mut self.schema, &mut self.held, backend.incarnation);
        let mut on_ok = |ok: &OkPacket| {
            *status = ok.status;
            if let Some(database) = &ok.schema {
                schema.clone_from(database);
                known.clone_from(database);
            }
            if side == Side::Primary {
                held.hear(ok, incarnation);
                let committed = || Position::read(engine, ok.gtid.as_deref()?);
                if let Some(committed) = committed() {
                    self.shared.newest.wrote(epoch, committed);
                }
            }
        };
        let relay = Relay {
            client: &mut self.client,
            server: wire,
            plain,
            on_ok: &mut on_ok,
            progress: &progress,
            newest: &self.shared.newest,
        };
        let (outcome, prepared) = tokio::select! {
            biased;
            passed = carry_out(command, translated, relay) => passed?,
            () = watch.lost(&mut self.plans, &progress) => {
                return Err(Broken::Server { begun: progress.begun() });
            }
        };
        if let (Some(executed), Some(definitions)) = (executed, &outcome.definitions) {
            statements.told(executed, definitions, backend);
        }
        self.client.use_packet();
        Ok(Answered {
            payload,
            outcome,
            prepared,
        })
    }
}

/// Sends a command and passes its answer on. The number of a statement that was prepared is the server's.
async fn carry_out(
    command: &Command,
    translated: Translated,
    mut relay: Relay<'_>,
) -> Result<(Outcome, Option<u32>), Broken> {
    let gone = |_| Broken::Server { begun: false };
    let Relay { client, server, .. } = &mut relay;
    let packet = &client.data()[..4 + command.length];
    let sent = server.send(translated.packets.as_deref().unwrap_or(packet));
    sent.await.map_err(gone)?;
    if !command.kept {
        client.use_packet();
    }
    pass_rest(client, server).await?;
    let prepared = match translated.name {
        Some(name) => rename(server, name).await.map_err(gone)?,
        None => None,
    };
    let response = command.response.clone();
    let outcome = relay.pass(response, translated.untold).await?;
    Ok((outcome, prepared))
}

/// What must be remembered of a command, if it is answered.
fn learned(packet: &[u8], route: Route) -> Vec<u8> {
    if matches!(packet[4], 0x16 | 0x1a) || route == Route::Remember {
        packet[4..].to_vec()
    } else {
        Vec::new()
    }
}

/// Tells a database the statement that is to be executed there, if it has not heard it: whether it had to be told.
async fn prepare(
    statements: &mut Statements,
    payload: &[u8],
    backend: &mut Backend,
    plans: &mut watch::Receiver<Arc<Known>>,
    watch: &Watch<'_>,
) -> Result<bool, Broken> {
    let Some(question) = statements.unheard(payload, backend) else {
        return Ok(false);
    };
    let progress = Progress::default();
    let told = tokio::select! {
        biased;
        told = backend.ask(&question) => told.ok(),
        () = watch.lost(plans, &progress) => None,
    };
    let told = told.ok_or(Broken::Server { begun: false })?;
    let heard = statements.heard(payload, told, (backend, watch.side));
    heard.map_err(Broken::Unprepared)?;
    Ok(true)
}

/// The answer to a PREPARE: its number is replaced by the client's; the one that it was, if the statement was taken.
async fn rename(server: &mut Wire, name: u32) -> std::io::Result<Option<u32>> {
    server.need(5).await?;
    if server.data()[4] != 0 {
        return Ok(None);
    }
    server.need(9).await?;
    let theirs = statements::id(&server.data()[4..]);
    server.data_mut()[5..9].copy_from_slice(&name.to_le_bytes());
    Ok(theirs)
}
