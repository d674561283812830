//! A connection that has changed its protocol (RFC 9110 §7.8), as for WebSocket: bytes both ways until both sides have
//! said all. What they mean is not known here; whether the change was asked for is seen in `exchange`.

use std::cell::Cell;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::net::tcp::ReadHalf;

use super::connection::{Connection, Outcome};
use super::heads::response_head;
use super::{Worker, write};
use crate::log::{End, Phase};
use crate::upstream::Group;
use crate::upstream::pool::Connection as Upstream;

/// Which end of a direction broke.
enum Broken {
    Reading,
    Writing,
}

/// Brings the head that changes the protocol, then bytes both ways. It may last for as long as something moves, and ends
/// with the time that there is to drain.
pub(super) async fn tunnel(
    connection: &mut Connection,
    worker: &Worker,
    group: &Group,
    mut upstream: Upstream,
) -> Outcome {
    response_head(connection, worker, &upstream, false, false);
    let early = connection.response.length;
    let Connection {
        stream,
        input,
        output,
        slot,
        consumed,
        ..
    } = connection;
    let Upstream {
        stream: other,
        buffer,
        ..
    } = &mut upstream;
    // What has come behind the heads goes first; the request's stays for the log.
    output.extend_from_slice(&buffer[early..]);
    buffer.clear();
    buffer.extend_from_slice(&input[*consumed..]);
    input.truncate(*consumed);

    let bytes = Cell::new(0);
    let moved = || slot.postpone(slot.after(group.timeouts.idle));
    let brought = |count: usize| bytes.set(bytes.get() + count as u64);
    let (mut visitor, to_visitor) = stream.split();
    let (mut app, to_app) = other.split();
    let up = async {
        match pour(&mut visitor, to_app.as_ref(), buffer, moved, |_| ()).await {
            // It may have said all that it has to say, and that is still on its way.
            Ok(()) | Err(Broken::Writing) => Ok(()),
            Err(Broken::Reading) => Err(End::Gone),
        }
    };
    let down = async {
        let poured = pour(&mut app, to_visitor.as_ref(), output, moved, brought).await;
        poured.map_err(|broken| match broken {
            Broken::Reading => End::Cut,
            Broken::Writing => End::Gone,
        })
    };
    let both = async { tokio::try_join!(up, down) };
    slot.watch(&worker.over);
    let end = match slot.within(group.timeouts.idle, both).await {
        Ok(Ok(_)) => End::Ok,
        Ok(Err(end)) => end,
        Err(_) if slot.has_moved() => End::Late(Phase::Total),
        Err(_) => End::Late(Phase::Idle),
    };
    slot.unwatch();
    Outcome::answered(101, bytes.get(), end, false)
}

/// One direction: what is in the buffer, then all that comes, then that no more comes.
async fn pour(
    from: &mut ReadHalf<'_>,
    to: &TcpStream,
    buffer: &mut Vec<u8>,
    moved: impl Fn(),
    brought: impl Fn(usize),
) -> Result<(), Broken> {
    loop {
        if !buffer.is_empty() {
            let sent = write::send(to, buffer, false).await;
            sent.map_err(|_| Broken::Writing)?;
            moved();
            brought(buffer.len());
            buffer.clear();
        }
        match from.read_buf(buffer).await {
            Ok(0) => {
                // A side that is gone is found out by reading from it.
                let _ = rustix::net::shutdown(to, rustix::net::Shutdown::Write);
                return Ok(());
            }
            Ok(_) => moved(),
            Err(_) => return Err(Broken::Reading),
        }
    }
}
