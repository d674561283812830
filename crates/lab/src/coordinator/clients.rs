//! The coordinator's socket: each connection is a task that hands on what is asked.

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use terrace_protocol::control::{Reply, Request};
use terrace_protocol::{Channel, Outbox};
use terrace_service::kept::Damaged;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::{Event, Events};

/// Commands that are heard at once; more wait until one of them has its answer. Their descriptors are among those that the front
/// door leaves.
const MOST: usize = 128;
/// Who connects asks within this, or is no command of ours.
const ASKS_WITHIN: Duration = Duration::from_secs(5);

/// Listens beside the site's state, and in the run directory.
pub(super) fn listen(sockets: &[PathBuf], events: &Events) -> anyhow::Result<()> {
    let (clients, places) = (Arc::new(AtomicU64::new(0)), Arc::new(Semaphore::new(MOST)));
    for socket in sockets {
        let remedy = "remove it, it is made anew";
        let listener = bind(socket).map_err(Damaged::unusable(socket, remedy))?;
        let (clients, places) = (Arc::clone(&clients), Arc::clone(&places));
        tokio::spawn(accept(listener, clients, places, events.clone()));
    }
    Ok(())
}

fn bind(socket: &Path) -> std::io::Result<UnixListener> {
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // By way of the directory's descriptor: a socket's path has at most 107 bytes.
    let directory = File::open(socket.parent().unwrap_or(Path::new("/")))?;
    let name = socket.file_name().unwrap_or_default().display();
    let path = format!("/proc/self/fd/{}/{name}", directory.as_raw_fd());
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

async fn accept(
    listener: UnixListener,
    clients: Arc<AtomicU64>,
    places: Arc<Semaphore>,
    events: Events,
) {
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let client = clients.fetch_add(1, Ordering::Relaxed);
                let hearing = hear(client, stream, events.clone());
                tokio::spawn(async move {
                    hearing.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a command cannot be heard");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn hear(client: u64, stream: UnixStream, events: Events) {
    let asks = async {
        let mut channel = Channel::<Reply, Request>::open_own(stream).await.ok()?;
        let first = channel.receiver.receive().await.ok()?;
        Some((channel, first))
    };
    let Ok(Some((channel, first))) = tokio::time::timeout(ASKS_WITHIN, asks).await else {
        return;
    };
    let Channel {
        sender,
        mut receiver,
    } = channel;
    let reply = Outbox::open(sender);
    let mut next = Ok(first);
    while let Ok(incoming) = next {
        let asked = Event::Asked {
            client,
            request: incoming.message,
            reply: reply.clone(),
        };
        if events.send(asked).is_err() {
            return;
        }
        next = receiver.receive().await;
    }
    // Nobody hears it when everything ends.
    let _ = events.send(Event::ClientGone(client));
}
