//! How far the replicas of a primary that is away have received.
//!
//! They are asked with an account of the router's own, which may see that and nothing else.

use std::collections::HashMap;
use std::time::Duration;

use mysql_async::{Conn, IoError, OptsBuilder};
use terrace_site::plan::{Engine, TargetPlan};
use tokio::time::timeout;

use super::shared::{Known, Shared};
use crate::gtid::Position;
use crate::replication::{Error, ROUTER_USER, position};

/// A replica that has not said by then how far it is, is away.
const ANSWERS_WITHIN: Duration = Duration::from_millis(500);

/// The connections to the replicas.
#[derive(Default)]
pub struct Replicas(HashMap<String, Conn>);

impl Replicas {
    /// Asks them all: those that answer, the nearest first.
    pub async fn ask(&mut self, shared: &Shared, known: &Known) -> Vec<(String, Position)> {
        let Some(engine) = shared.greeting().map(|greeting| greeting.engine()) else {
            return Vec::new();
        };
        let targets: Vec<&TargetPlan> = known.plan.replicas().collect();
        let asking = targets.iter().map(|target| {
            let before = self.0.remove(&target.server);
            timeout(ANSWERS_WITHIN, asked(engine, before, target, known))
        });
        let said = futures_util::future::join_all(asking).await;
        let mut have = Vec::new();
        for (target, said) in targets.into_iter().zip(said) {
            match said {
                Ok(Ok((conn, position))) => {
                    self.0.insert(target.server.clone(), conn);
                    have.push((target.server.clone(), position));
                }
                Ok(Err(error)) => {
                    if let Error::Sql(mysql_async::Error::Io(IoError::Io(error))) = &error {
                        shared.lacks.of(error);
                    }
                    tracing::debug!(%error, server = target.server, "it does not say how far it is");
                }
                Err(_) => tracing::debug!(server = target.server, "it is silent"),
            }
        }
        have
    }
}

/// Over the connection that there is, or a new one.
async fn asked(
    engine: Engine,
    before: Option<Conn>,
    target: &TargetPlan,
    known: &Known,
) -> Result<(Conn, Position), Error> {
    let mut conn = match before {
        Some(conn) => conn,
        None => {
            let options = OptsBuilder::default()
                .ip_or_hostname(target.address.ip().to_string())
                .tcp_port(target.address.port())
                .prefer_socket(false)
                .user(Some(ROUTER_USER))
                .pass(Some(known.own.expose()));
            Conn::new(options).await?
        }
    };
    let position = position(engine, &mut conn).await?;
    Ok((conn, position))
}
