//! One command and its answer: sent to its side, in the words that this side knows, and relayed back.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::watch;

use super::backend::Backend;
use super::relay::{Broken, Outcome, pass_rest, relay};
use super::{Session, Side, statements};
use crate::gtid::Position;
use crate::router::classify::Route;
use crate::router::shared::{Known, Shared};
use crate::router::wire::bytes::put_packets;
use crate::router::wire::{Ok as OkPacket, Response, WHOLE};

impl Session {
    /// Sends and relays. The command's payload is given back where something is to be learned from it. It stays in the
    /// client's buffer if it is `kept` and was not answered, and else does not.
    pub(super) async fn exchange(
        &mut self,
        length: usize,
        side: Side,
        route: Route,
        kept: bool,
        response: Response,
    ) -> Result<(Vec<u8>, Outcome), Broken> {
        let plain = self.plain();
        let slot = if side == Side::Primary {
            &mut self.primary
        } else {
            &mut self.replica
        };
        let packet = &self.client.data()[..4 + length];
        let payload = learned(packet, route);
        let sending = match slot {
            Some(backend) => {
                match rewritten(&self.shared, &mut self.statements, packet, route, backend).await {
                    Ok(Some(out)) => backend.wire.send(&out).await,
                    Ok(None) => backend.wire.send(packet).await,
                    Err(error) => Err(error),
                }
            }
            None => Err(std::io::ErrorKind::NotConnected.into()),
        };
        if !kept {
            self.client.consume(4 + length);
        }
        sending.map_err(|_| Broken::Server { begun: false })?;
        let Some(backend) = slot else {
            return Err(Broken::Server { begun: false });
        };
        backend.count.statements.fetch_add(1, Ordering::Relaxed);
        pass_rest(&mut self.client, &mut backend.wire, length).await?;
        let shared = Arc::clone(&self.shared);
        let (server, epoch, engine) = (&backend.server, backend.epoch, backend.engine);
        let (schema, status, known) = (&mut self.schema, &mut backend.status, &mut backend.schema);
        let mut on_ok = |ok: &OkPacket| {
            *status = ok.status;
            if let Some(database) = &ok.schema {
                schema.clone_from(database);
                known.clone_from(database);
            }
            let committed = || Position::read(engine, ok.gtid.as_deref()?);
            if side == Side::Primary
                && let Some(committed) = committed()
            {
                shared.newest.wrote(epoch, committed);
            }
        };
        let mut begun = false;
        let outcome = tokio::select! {
            biased;
            outcome = relay(
                &mut self.client,
                &mut backend.wire,
                response,
                plain,
                &mut on_ok,
                &mut begun,
            ) => outcome?,
            () = left(&mut self.plans, side, server, epoch) => return Err(Broken::Server { begun }),
        };
        if kept {
            self.client.consume(4 + length);
        }
        Ok((payload, outcome))
    }
}

/// What must be remembered of a command, if it is answered.
fn learned(packet: &[u8], route: Route) -> Vec<u8> {
    if matches!(packet[4], 0x16 | 0x18 | 0x19) || route == Route::Remember {
        packet[4..].to_vec()
    } else {
        Vec::new()
    }
}

/// Waits until the plans no longer name this database for this side: it may never answer.
async fn left(plans: &mut watch::Receiver<Arc<Known>>, side: Side, server: &str, epoch: u64) {
    loop {
        let stays = {
            let known = plans.borrow_and_update();
            let replica = known.plan.replica();
            match side {
                Side::Primary => known.plan.epoch == epoch,
                Side::Replica => replica.is_some_and(|target| target.server == server),
            }
        };
        if !stays {
            return;
        }
        if plans.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The packets that stand for this one at the database; `None`: itself.
async fn rewritten(
    shared: &Shared,
    prepared: &mut statements::Statements,
    packet: &[u8],
    route: Route,
    backend: &mut Backend,
) -> std::io::Result<Option<Vec<u8>>> {
    let payload = &packet[4..];
    let changed = match (payload[0], route) {
        (0x17..=0x1a | 0x1c, _) if payload.len() < WHOLE => {
            let Some(changed) = prepared.translate(payload, backend).await? else {
                return Err(std::io::ErrorKind::Unsupported.into());
            };
            changed
        }
        (0x03, Route::Kill { id, query }) => {
            let Some(thread) = shared.thread(id) else {
                return Ok(None);
            };
            format!("\x03KILL {}{thread}", if query { "QUERY " } else { "" }).into_bytes()
        }
        (0x0c, _) => match statements::id(payload).and_then(|id| shared.thread(u64::from(id))) {
            Some(thread) => [&[0x0c][..], &thread.to_le_bytes()].concat(),
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    let mut out = Vec::with_capacity(changed.len() + 4);
    put_packets(&mut out, packet[3], &changed);
    Ok(Some(out))
}
