//! The coordinator's socket: each connection is a task that hands on what is asked.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;

use anyhow::Context;
use terrace_protocol::Channel;
use terrace_protocol::control::{Reply, Request};
use tokio::net::{UnixListener, UnixStream};

use super::{Event, Events};
use crate::Location;

/// Listens beside the site's state.
pub(super) fn listen(location: &Location, events: Events) -> anyhow::Result<()> {
    let _ = std::fs::remove_file(location.socket());
    // By way of the directory's descriptor: a socket's path has at most 107 bytes.
    let directory = File::open(location.state()).context("the state directory cannot be opened")?;
    let path = format!("/proc/self/fd/{}/control.sock", directory.as_raw_fd());
    let listener = UnixListener::bind(path).context("the control socket cannot be made")?;
    std::fs::set_permissions(location.socket(), std::fs::Permissions::from_mode(0o600))?;
    tokio::spawn(async move {
        let mut client = 0;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    client += 1;
                    tokio::spawn(hear(client, stream, events.clone()));
                }
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
            }
        }
    });
    Ok(())
}

async fn hear(client: u64, stream: UnixStream, events: Events) {
    let Ok(Channel {
        sender,
        mut receiver,
    }) = Channel::<Reply, Request>::open_own(stream).await
    else {
        return;
    };
    while let Ok(incoming) = receiver.receive().await {
        let asked = Event::Asked {
            client,
            request: incoming.message,
            reply: sender.clone(),
        };
        if events.send(asked).is_err() {
            return;
        }
    }
    // Nobody hears it when everything ends.
    let _ = events.send(Event::ClientGone(client));
}
