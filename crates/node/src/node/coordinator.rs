//! The node's side of its connection to the coordinator. The node sends to the newest connection alone, and never waits for a
//! coordinator: one that stands still misses the messages of that time, and gets a full report when it connects again.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Context;
use serde_json::value::RawValue;
use terrace_protocol::node::{FromNode, Order, SOCKET, ToNode};
use terrace_protocol::role::Divert;
use terrace_protocol::{Channel, Outbox};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

/// What the coordinator wants.
pub(super) enum Asked {
    /// It is new here, and wants to know how things stand.
    Hello,
    Reconcile(Box<str>),
    Divert(Vec<Divert>),
    Letter(String, Box<RawValue>),
    Order(u64, Order),
    Find(u64, String),
    Stop,
}

/// What is asked; first, with the way to who asks.
type Heard = (Option<Outbox<FromNode>>, Asked);

/// The connection, if there is one.
pub(super) struct Coordinator {
    asked: mpsc::Receiver<Heard>,
    outbox: Option<Outbox<FromNode>>,
}

impl Coordinator {
    /// Listens in the run directory.
    pub(super) fn listen(run: &Path) -> anyhow::Result<Self> {
        let path = run.join(SOCKET);
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path)
            .with_context(|| format!("cannot listen on {}", path.display()))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        let (heard, asked) = mpsc::channel(8);
        tokio::spawn(attend(listener, heard));
        Ok(Self {
            asked,
            outbox: None,
        })
    }

    /// Waits for the next wish.
    pub(super) async fn next(&mut self) -> Asked {
        match self.asked.recv().await {
            Some((outbox, asked)) => {
                if outbox.is_some() {
                    self.outbox = outbox;
                }
                asked
            }
            None => std::future::pending().await,
        }
    }

    /// Sends a message to the coordinator, if one is connected. Of several reports that wait, only the newest is sent, after all
    /// other messages.
    pub(super) fn tell(&mut self, message: FromNode) {
        let Some(outbox) = &self.outbox else { return };
        if let FromNode::Report(_) = message {
            outbox.put_newest(message);
        } else if outbox.put(message).is_err() {
            self.outbox = None;
        }
    }
}

async fn attend(listener: UnixListener, heard: mpsc::Sender<Heard>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            continue;
        };
        tokio::spawn(hear(stream, heard.clone()));
    }
}

async fn hear(stream: UnixStream, heard: mpsc::Sender<Heard>) {
    let Channel {
        sender,
        mut receiver,
    } = match Channel::<FromNode, ToNode>::open_own(stream).await {
        Ok(channel) => channel,
        Err(error) => {
            tracing::warn!(%error, "a connection to the node was refused");
            return;
        }
    };
    if heard
        .send((Some(Outbox::open(sender)), Asked::Hello))
        .await
        .is_err()
    {
        return;
    }
    while let Ok(incoming) = receiver.receive().await {
        let asked = match incoming.message {
            ToNode::Reconcile { plan } => Asked::Reconcile(text(plan)),
            ToNode::Divert { servers } => Asked::Divert(servers),
            ToNode::Letter { from, letter } => Asked::Letter(from, letter),
            ToNode::Order { number, order } => Asked::Order(number, order),
            ToNode::Find { number, text } => Asked::Find(number, text),
            ToNode::Stop => Asked::Stop,
        };
        if heard.send((None, asked)).await.is_err() {
            return;
        }
    }
}

fn text(plan: Box<RawValue>) -> Box<str> {
    plan.into()
}
