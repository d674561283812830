//! A new connection to an upstream, and whose fault it is when there is none.

use std::io;
use std::time::Duration;

use terrace_protocol::report::Lack;
use tokio::net::TcpStream;

use super::connection::Connection;
use super::{Worker, room};
use crate::log::{End, Phase};
use crate::upstream::check::plainly;
use crate::upstream::pool::Connection as Upstream;
use crate::upstream::{Group, Instance, Transport};

/// A peer that acknowledges nothing for this long, or for as long as a connection may take, is gone.
const SHORTEST_SILENCE: Duration = Duration::from_secs(2);

/// For how long an upstream's kernel may be silent.
pub(super) fn silence(group: &Group) -> Duration {
    group.timeouts.connect.max(SHORTEST_SILENCE)
}

/// Why there is no connection.
pub(super) enum Unmade {
    /// It did not come about: why, and what it comes to.
    Theirs(String, End),
    /// Something is missing here.
    Ours(Lack),
}

/// Connects. Where descriptors are missing, connections that wait for nothing make room.
pub(super) async fn connect(
    connection: &Connection,
    worker: &Worker,
    group: &Group,
    instance: &Instance,
) -> Result<Upstream, Unmade> {
    loop {
        let (error, end) = match dial(connection, group, instance).await {
            Ok(made) => return Ok(made),
            Err(failed) => failed,
        };
        let Some(lack) = worker.counters.lacks.of(&error) else {
            return Err(Unmade::Theirs(plainly(&error), end));
        };
        if !room::make_free(worker, lack).await {
            return Err(Unmade::Ours(lack));
        }
    }
}

async fn dial(
    connection: &Connection,
    group: &Group,
    instance: &Instance,
) -> Result<Upstream, (io::Error, End)> {
    let Transport::Tcp(address) = instance.transport;
    let connecting = TcpStream::connect(address);
    let due = connection.within(group.timeouts.connect);
    match connection.slot.by(due, connecting).await {
        Ok(Ok(stream)) => Ok(Upstream::new(stream, silence(group))),
        Ok(Err(error)) => Err((error, End::Down)),
        Err(_) => {
            let end = End::Late(connection.late(Phase::Connect));
            Err((io::Error::other("no connection in time"), end))
        }
    }
}
