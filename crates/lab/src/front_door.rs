//! The front door: a plain relay from 127.0.0.1 of this machine to the site, as a visitor who stands in
//! `internet`. It understands nothing of what passes.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

use nix::sched::{CloneFlags, setns};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// How many ports are tried beside the one that was asked for.
const TRIES: u16 = 100;

/// Listens on this port of 127.0.0.1, or the next free one.
///
/// # Errors
/// When a hundred of them are taken.
pub fn listen(port: u16) -> io::Result<std::net::TcpListener> {
    let mut last = io::Error::other("there is no such port");
    for port in port..=port.saturating_add(TRIES) {
        match std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Relays from `listener` to `target`, dialled from the network namespace `internet`, until the sender that it
/// returns is dropped.
///
/// # Errors
/// When the thread cannot be started.
pub fn open(
    listener: std::net::TcpListener,
    internet: OwnedFd,
    target: SocketAddr,
) -> io::Result<mpsc::Sender<()>> {
    listener.set_nonblocking(true)?;
    let (open, mut closed) = mpsc::channel(1);
    // A thread of its own that never leaves the namespace: every socket it makes is the visitor's.
    std::thread::Builder::new()
        .name("front-door".to_owned())
        .spawn(move || {
            let relayed = || -> io::Result<()> {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                setns(&internet, CloneFlags::CLONE_NEWNET)?;
                runtime.block_on(async {
                    let listener = TcpListener::from_std(listener)?;
                    tokio::select! {
                        () = accept(&listener, target) => {}
                        _ = closed.recv() => {}
                    }
                    Ok(())
                })
            };
            if let Err(error) = relayed() {
                tracing::error!(%error, "the front door is shut");
            }
        })?;
    Ok(open)
}

async fn accept(listener: &TcpListener, target: SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(relay(stream, target));
            }
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
        }
    }
}

async fn relay(mut visitor: TcpStream, target: SocketAddr) {
    // A connection that fails is closed, as the network would; each side hears the other's end.
    if let Ok(mut site) = TcpStream::connect(target).await {
        let _ = visitor.set_nodelay(true);
        let _ = site.set_nodelay(true);
        let _ = tokio::io::copy_bidirectional(&mut visitor, &mut site).await;
    }
}
