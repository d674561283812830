//! The coordinator's socket: each connection is a task that hands on what is asked.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use terrace_protocol::Channel;
use terrace_protocol::control::{Reply, Request};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::{Event, Events};
use crate::Location;

/// Commands that are heard at once; more wait until one of them has its answer. Their descriptors are among those that the front
/// door leaves.
const MOST: usize = 128;
/// Who connects asks within this, or is no command of ours.
const ASKS_WITHIN: Duration = Duration::from_secs(5);

/// Listens beside the site's state.
pub(super) fn listen(location: &Location, events: Events) -> anyhow::Result<()> {
    let _ = std::fs::remove_file(location.socket());
    // By way of the directory's descriptor: a socket's path has at most 107 bytes.
    let directory = File::open(location.state()).context("the state directory cannot be opened")?;
    let path = format!("/proc/self/fd/{}/control.sock", directory.as_raw_fd());
    let listener = UnixListener::bind(path).context("the control socket cannot be made")?;
    std::fs::set_permissions(location.socket(), std::fs::Permissions::from_mode(0o600))?;
    let places = Arc::new(Semaphore::new(MOST));
    tokio::spawn(async move {
        let mut client = 0;
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            match listener.accept().await {
                Ok((stream, _)) => {
                    client += 1;
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
    });
    Ok(())
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
    let mut next = Ok(first);
    while let Ok(incoming) = next {
        let asked = Event::Asked {
            client,
            request: incoming.message,
            reply: sender.clone(),
        };
        if events.send(asked).is_err() {
            return;
        }
        next = receiver.receive().await;
    }
    // Nobody hears it when everything ends.
    let _ = events.send(Event::ClientGone(client));
}
