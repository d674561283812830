//! A body is taken whole from its visitor before anybody behind us is asked: however slowly it comes, it holds no place
//! but its own connection's. Up to [`HELD`] it stays where it was read; the rest of a larger one waits in a file.

use super::connection::Connection;
use super::exchange::Failure;
use super::upload::HELD;
use super::{Service, Worker, write};
use crate::body::Framing;
use crate::log::Phase;
use crate::spool::{Bounds, NoRoom, Spooled};
use crate::timer::Pace;

/// Takes the body; of one larger than `above` no more than that. Returns whether it had to be waited for.
pub(super) async fn take(
    connection: &mut Connection,
    worker: &Worker,
    service: &dyn Service,
    above: u64,
) -> Result<bool, Failure> {
    let come = (connection.input.len() - connection.consumed) as u64;
    match connection.head.framing {
        Framing::None => return Ok(false),
        // The usual form: it came with its head.
        Framing::Length(length) if length <= come || length > above => return Ok(false),
        Framing::Length(_) | Framing::Chunked | Framing::Close => {}
    }
    let mut body = connection.request_body();
    let (limits, timeouts) = (service.limits(), service.timeouts());
    let mut pace = Pace::new(timeouts.idle, timeouts.rate, connection.slot.now());
    connection.output.clear();
    loop {
        let taken = body.pass(
            &connection.input[connection.consumed..],
            &mut connection.output,
        );
        connection.consumed += taken.map_err(|_| Failure::Visitor(400, Phase::Visitor))?;
        if body.passed() > limits.body {
            return Err(Failure::Visitor(413, Phase::Visitor));
        }
        let in_memory = connection.consumed - connection.head_length;
        if in_memory > HELD || connection.spooled.is_some() {
            spool(connection, worker, service)?;
        }
        if body.is_done() || body.passed() > above {
            connection.body = body;
            return Ok(true);
        }
        connection.go_on(timeouts.idle).await?;
        let due = connection.no_later(pace.until());
        let Connection {
            stream,
            input,
            slot,
            ..
        } = &mut *connection;
        match slot.by(due, write::read(stream, input)).await {
            Ok(Ok(0) | Err(_)) => return Err(Failure::Gone),
            Ok(Ok(read)) => pace.moved(read, slot.now()),
            Err(_) => return Err(Failure::Visitor(408, connection.late(Phase::Visitor))),
        }
    }
}

/// Moves what has come to the body's file.
fn spool(
    connection: &mut Connection,
    worker: &Worker,
    service: &dyn Service,
) -> Result<(), Failure> {
    let (limits, owner) = (service.limits(), connection.sharer(service));
    let bounds = Bounds {
        all: limits.spool,
        each: limits.spool_share(),
    };
    let put = |spooled: &mut Option<Spooled>, bytes: &[u8]| {
        let file = match spooled {
            Some(file) => file,
            None => spooled.insert(worker.spool.file(owner)?),
        };
        file.append(bytes, bounds)
    };
    put(&mut connection.spooled, &connection.output).map_err(|why: NoRoom| {
        worker.spool.refuse();
        tracing::debug!(%why, "a body is refused");
        let lack = match &why {
            NoRoom::Disk(error) => worker.counters.lacks.of(error),
            NoRoom::Share => return Failure::Share,
            NoRoom::Bound => None,
        };
        lack.map_or(Failure::NoRoom, Failure::Lack)
    })?;
    connection.output.clear();
    let body = connection.head_length..connection.consumed;
    connection.input.drain(body);
    connection.consumed = connection.head_length;
    Ok(())
}
