//! What the node asks of its keeper.

use std::collections::HashMap;
use std::future::Future;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, bail};
use terrace_protocol::keeper::{Answer, Ask, Exit, Kept, Request, Say, Spawn};
use terrace_protocol::{Channel, Receiver, Sender};
use tokio::net::UnixStream;
use tokio::sync::{oneshot, watch};

use super::excerpt::Output;

/// The keeper, as any part of the node may ask it.
#[derive(Clone)]
pub(crate) struct Keeper {
    sender: Sender<Ask>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    number: AtomicU64,
    heard: Mutex<Heard>,
    /// Ticks with every exit.
    exits: watch::Sender<u64>,
}

#[derive(Default)]
struct Heard {
    waiting: HashMap<u64, oneshot::Sender<(Answer, Vec<OwnedFd>)>>,
    exits: HashMap<String, (u32, Exit)>,
}

impl Shared {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        // A panic elsewhere leaves the map whole: each use is a single insertion or removal.
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keeper {
    /// Talks to the keeper on this socket. The future ends when the keeper is gone.
    pub(super) async fn open(socket: OwnedFd) -> anyhow::Result<(Self, impl Future<Output = ()>)> {
        let stream = std::os::unix::net::UnixStream::from(socket);
        stream.set_nonblocking(true)?;
        let channel = Channel::open_own(UnixStream::from_std(stream)?).await?;
        let shared = Arc::new(Shared::default());
        let keeper = Self {
            sender: channel.sender,
            shared: Arc::clone(&shared),
        };
        let listening = tokio::spawn(listen(channel.receiver, shared));
        Ok((keeper, async {
            let _ = listening.await;
        }))
    }

    async fn ask(
        &self,
        request: Request,
        beside: &[BorrowedFd<'_>],
    ) -> anyhow::Result<(Answer, Vec<OwnedFd>)> {
        let number = self.shared.number.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        self.shared.heard().waiting.insert(number, answer);
        self.sender
            .send_with(&Ask { number, request }, beside)
            .await
            .context("the keeper is gone")?;
        match answered.await.context("the keeper is gone")? {
            (Answer::Failed(why), _) => bail!(why),
            answer => Ok(answer),
        }
    }

    /// Starts a process and returns its number.
    pub(crate) async fn spawn(&self, spawn: Spawn) -> anyhow::Result<u32> {
        // An end that nobody asked for is not this one's.
        self.shared.heard().exits.remove(&spawn.id);
        match self.ask(Request::Spawn(spawn), &[]).await?.0 {
            Answer::Spawned { pid } => Ok(pid),
            other => bail!("the keeper answered {other:?}"),
        }
    }

    /// Sends a signal to a process, or to its whole group.
    pub(crate) async fn signal(&self, id: &str, signal: i32, group: bool) -> anyhow::Result<()> {
        self.ask(
            Request::Signal {
                id: id.to_owned(),
                signal,
                group,
            },
            &[],
        )
        .await
        .map(drop)
    }

    /// Gives a descriptor into the keeper's hands.
    pub(crate) async fn store(&self, name: &str, descriptor: OwnedFd) -> anyhow::Result<()> {
        self.ask(
            Request::Store {
                name: name.to_owned(),
            },
            &[descriptor.as_fd()],
        )
        .await
        .map(drop)
    }

    /// A copy of a stored descriptor.
    pub(crate) async fn fetch(&self, name: &str) -> anyhow::Result<OwnedFd> {
        let request = Request::Fetch {
            name: name.to_owned(),
        };
        let (_, descriptors) = self.ask(request, &[]).await?;
        descriptors
            .into_iter()
            .next()
            .context("the keeper answered without it")
    }

    /// Has a stored descriptor closed.
    pub(crate) async fn forget(&self, name: &str) -> anyhow::Result<()> {
        self.ask(
            Request::Forget {
                name: name.to_owned(),
            },
            &[],
        )
        .await
        .map(drop)
    }

    /// The processes that run or whose end nobody has heard of, and the names of stored descriptors.
    pub(crate) async fn list(&self) -> anyhow::Result<(Vec<Kept>, Vec<String>)> {
        match self.ask(Request::List, &[]).await?.0 {
            Answer::Kept {
                processes,
                descriptors,
            } => Ok((processes, descriptors)),
            other => bail!("the keeper answered {other:?}"),
        }
    }

    /// The process of this id, if it runs.
    pub(crate) async fn process(&self, id: &str) -> anyhow::Result<Option<Kept>> {
        let (processes, _) = self.list().await?;
        Ok(processes
            .into_iter()
            .find(|kept| kept.id == id && kept.exit.is_none()))
    }

    /// Waits for the end of a process.
    pub(crate) async fn exited(&self, id: &str) -> Exit {
        let mut exits = self.shared.exits.subscribe();
        loop {
            let ended = self.shared.heard().exits.remove(id);
            if let Some((_, exit)) = ended {
                // Beside this future: one that is dropped while it waits must not take the news with it.
                let (keeper, id) = (self.clone(), id.to_owned());
                tokio::spawn(async move { keeper.ask(Request::Reap { id }, &[]).await.map(drop) });
                return exit;
            }
            if exits.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Runs a process to its end; returns how it ended and what it wrote, of a long text the beginning and the end.
    pub(crate) async fn run(
        &self,
        mut spawn: Spawn,
        input: Option<OwnedFd>,
    ) -> anyhow::Result<(Exit, String)> {
        let (output, theirs) = Output::new()?;
        let names = [
            format!("{} output", spawn.id),
            format!("{} input", spawn.id),
        ];
        self.store(&names[0], theirs).await?;
        spawn.output = Some(names[0].clone());
        if let Some(input) = input {
            self.store(&names[1], input).await?;
            spawn.input = Some(names[1].clone());
        }
        let id = spawn.id.clone();
        let started = self.spawn(spawn).await;
        for name in &names {
            self.forget(name).await?;
        }
        started?;
        Ok(output.until(self.exited(&id)).await)
    }
}

async fn listen(mut receiver: Receiver<Say>, shared: Arc<Shared>) {
    while let Ok(incoming) = receiver.receive().await {
        match incoming.message {
            Say::Answer { number, answer } => {
                let waiting = shared.heard().waiting.remove(&number);
                if let Some(waiting) = waiting {
                    // Whoever asked has given up.
                    let _ = waiting.send((answer, incoming.descriptors));
                }
            }
            Say::Exited { id, pid, exit } => {
                shared.heard().exits.insert(id, (pid, exit));
                shared.exits.send_modify(|count| *count += 1);
            }
        }
    }
}
