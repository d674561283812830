//! Bytes both ways between two connections, held nowhere while nothing moves.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use rustix::net::Shutdown;
use tokio::net::TcpStream;

/// So much is moved at a time.
const CHUNK: usize = 16 * 1024;

/// Relays between a visitor and the site until both have said all, or one breaks off; `moved` is set when anything moves.
/// Each side hears the other's end; a connection that fails is closed, as the network would.
///
/// # Errors
/// When the site cannot be dialled, or a side breaks off.
pub(super) async fn relay(
    visitor: &TcpStream,
    target: SocketAddr,
    moved: &Cell<Instant>,
) -> io::Result<()> {
    let site = TcpStream::connect(target).await?;
    let _ = visitor.set_nodelay(true);
    let _ = site.set_nodelay(true);
    tokio::try_join!(pass(visitor, &site, moved), pass(&site, visitor, moved))?;
    Ok(())
}

/// One way, to its end.
async fn pass(from: &TcpStream, to: &TcpStream, moved: &Cell<Instant>) -> io::Result<()> {
    loop {
        from.readable().await?;
        match step(from, to) {
            Ok(Step::End) => {
                let _ = rustix::net::shutdown(to, Shutdown::Write);
                return Ok(());
            }
            Ok(Step::Moved(rest)) => {
                moved.set(Instant::now());
                send(&rest, to, moved).await?;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

enum Step {
    /// Nothing more will come.
    End,
    /// Something was taken; this of it is still to be sent.
    Moved(Vec<u8>),
}

fn step(from: &TcpStream, to: &TcpStream) -> io::Result<Step> {
    let mut chunk = [0; CHUNK];
    let taken = from.try_read(&mut chunk)?;
    if taken == 0 {
        return Ok(Step::End);
    }
    let sent = match to.try_write(&chunk[..taken]) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
        sent => sent?,
    };
    Ok(Step::Moved(chunk[sent..taken].to_vec()))
}

async fn send(mut rest: &[u8], to: &TcpStream, moved: &Cell<Instant>) -> io::Result<()> {
    while !rest.is_empty() {
        to.writable().await?;
        match to.try_write(rest) {
            Ok(sent) => {
                moved.set(Instant::now());
                rest = &rest[sent..];
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
