//! The keeper: the only parent on a server.
//!
//! It starts processes, reaps them, reports how they ended, and holds descriptors by name, so that neither a
//! process nor a listening socket is lost when the node dies. It understands the node's messages and nothing
//! else, decides nothing, and starts the node again when it ends. In a host of the lab it is pid 1: its death is
//! the host's.

mod children;
mod spawn;
mod store;

use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use terrace_protocol::keeper::{Answer, Ask, Exit, Program, Request, Say, Spawn};
use terrace_protocol::node::Home;
use terrace_protocol::{Channel, Incoming};
use terrace_service::{Backoff, Descriptors};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::net::unix::pipe::Receiver as Lifeline;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use children::Children;
use store::Store;

/// The id of the node among the keeper's processes.
const NODE: &str = "node";

/// Serves one node after the other, until it is told to end or its owner is gone.
///
/// # Errors
/// When it cannot begin: there is no `/proc`.
pub fn run(home: &Home) -> anyhow::Result<ExitCode> {
    spawn::become_reaper()?;
    let lifeline = Descriptors::inherited()?.take("lifeline");
    spawn::keep_descriptors_from_children()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async { Keeper::new(home)?.serve(lifeline).await })
}

struct Keeper {
    home: String,
    children: Children,
    store: Store,
    backoff: Backoff,
    node_since: Instant,
}

/// What happened.
enum Event {
    Asked(Box<Incoming<Ask>>),
    /// The node has closed its end, or has sent what cannot be understood.
    NodeLost,
    ChildEnded,
    /// Time to start the node.
    NodeDue,
    /// Everything is to end.
    End,
}

type Node = Channel<Say, Ask>;

impl Keeper {
    fn new(home: &Home) -> anyhow::Result<Self> {
        let second = Duration::from_secs(1);
        Ok(Self {
            home: serde_json::to_string(home)?,
            children: Children::new()?,
            store: Store::default(),
            backoff: Backoff::new(Duration::from_millis(10), second * 2, second * 10),
            node_since: Instant::now(),
        })
    }

    async fn serve(mut self, lifeline: Option<OwnedFd>) -> anyhow::Result<ExitCode> {
        let mut signals = Signals::new(lifeline)?;
        let mut node: Option<Node> = None;
        let mut due = Some(Instant::now());
        loop {
            match signals.next(node.as_mut(), due).await {
                Event::Asked(asked) => {
                    if let Some(open) = &node
                        && !self.answer(open, *asked).await
                    {
                        node = None;
                    }
                }
                Event::NodeLost => node = None,
                Event::ChildEnded => {
                    if self.reap(node.as_ref()).await {
                        let pause = self.backoff.pause(self.node_since.elapsed());
                        due = Some(Instant::now() + pause);
                        node = None;
                    }
                }
                Event::NodeDue => {
                    due = None;
                    match self.start_node().await {
                        Ok(started) => node = Some(started),
                        Err(error) => {
                            tracing::error!(
                                error = format!("{error:#}"),
                                "the node cannot be started"
                            );
                            if !self.children.runs(NODE) {
                                due = Some(Instant::now() + self.backoff.pause(Duration::ZERO));
                            }
                        }
                    }
                }
                Event::End => {
                    self.children.kill_all();
                    return Ok(ExitCode::SUCCESS);
                }
            }
        }
    }

    async fn start_node(&mut self) -> anyhow::Result<Node> {
        let (ours, theirs) = UnixStream::pair()?;
        let theirs = OwnedFd::from(theirs.into_std()?);
        self.store.put("keeper".to_owned(), theirs);
        let spawn = Spawn {
            id: NODE.to_owned(),
            program: Program::Own,
            arguments: vec!["internal".into(), "node".into(), self.home.clone()],
            environment: crate::environment(),
            descriptors: vec!["keeper".to_owned()],
            ..Spawn::default()
        };
        let started = self.children.spawn(&spawn, &self.store);
        self.store.forget("keeper");
        started?;
        self.node_since = Instant::now();
        let opened = tokio::time::timeout(Duration::from_secs(10), Node::open_own(ours)).await;
        let node = match opened.context("it does not greet") {
            Ok(Ok(node)) => node,
            failed => {
                // Its end brings the next one.
                let _ = self.children.signal(NODE, nix::libc::SIGKILL, true);
                failed??
            }
        };
        for (id, pid, exit) in self.children.ended() {
            node.sender.send(&Say::Exited { id, pid, exit }).await?;
        }
        Ok(node)
    }

    /// `false`: the node cannot be answered any more.
    async fn answer(&mut self, node: &Node, asked: Incoming<Ask>) -> bool {
        let Incoming {
            message: Ask { number, request },
            descriptors,
        } = asked;
        let (answer, beside) = self.carry_out(request, descriptors);
        let borrowed: Vec<_> = beside.iter().map(std::os::fd::AsFd::as_fd).collect();
        node.sender
            .send_with(&Say::Answer { number, answer }, &borrowed)
            .await
            .is_ok()
    }

    fn carry_out(
        &mut self,
        request: Request,
        descriptors: Vec<OwnedFd>,
    ) -> (Answer, Option<OwnedFd>) {
        let done = |result: Result<(), String>| match result {
            Ok(()) => Answer::Done,
            Err(why) => Answer::Failed(why),
        };
        let answer = match request {
            Request::Spawn(spawn) => match self.children.spawn(&spawn, &self.store) {
                Ok(pid) => Answer::Spawned { pid },
                Err(error) => Answer::Failed(format!("{error:#}")),
            },
            Request::Signal { id, signal, group } => done(self.children.signal(&id, signal, group)),
            Request::Reap { id } => {
                self.children.forget(&id);
                Answer::Done
            }
            Request::Store { name } => match descriptors.into_iter().next() {
                Some(descriptor) => {
                    self.store.put(name, descriptor);
                    Answer::Done
                }
                None => Answer::Failed(format!("no descriptor came with `{name}`")),
            },
            Request::Forget { name } => {
                self.store.forget(&name);
                Answer::Done
            }
            Request::Fetch { name } => match self.store.copy(&name) {
                Ok(descriptor) => return (Answer::Done, Some(descriptor)),
                Err(why) => Answer::Failed(why),
            },
            Request::List => {
                let processes = self
                    .children
                    .list()
                    .into_iter()
                    .filter(|kept| kept.id != NODE)
                    .collect();
                Answer::Kept {
                    processes,
                    descriptors: self.store.names(),
                }
            }
        };
        (answer, None)
    }

    /// Reaps whatever has ended and reports it; `true`: the node was among it.
    async fn reap(&mut self, node: Option<&Node>) -> bool {
        let mut node_ended = false;
        for (id, pid, exit) in self.children.reap() {
            if id == NODE {
                tracing::warn!(%exit, "the node ended, it is started again");
                self.children.forget(NODE);
                node_ended = true;
            } else if let Some(node) = node {
                // One that is not heard now is said again to the next node.
                let _ = node.sender.send(&Say::Exited { id, pid, exit }).await;
            }
        }
        node_ended
    }
}

/// What wakes the keeper.
struct Signals {
    child: Signal,
    end: Signal,
    /// A terminal's: not for a keeper. They are handled, not ignored, because children inherit what is ignored.
    _unheeded: [Signal; 2],
    lifeline: Option<Lifeline>,
}

impl Signals {
    fn new(lifeline: Option<OwnedFd>) -> anyhow::Result<Self> {
        let lifeline = lifeline.map(Lifeline::from_owned_fd).transpose()?;
        Ok(Self {
            child: signal(SignalKind::child())?,
            end: signal(SignalKind::terminate())?,
            _unheeded: [
                signal(SignalKind::interrupt())?,
                signal(SignalKind::hangup())?,
            ],
            lifeline,
        })
    }

    async fn next(&mut self, node: Option<&mut Node>, due: Option<Instant>) -> Event {
        let asked = async {
            match node {
                Some(node) => match node.receiver.receive().await {
                    Ok(asked) => Event::Asked(Box::new(asked)),
                    Err(_) => Event::NodeLost,
                },
                None => std::future::pending().await,
            }
        };
        let later = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = asked => event,
            _ = self.child.recv() => Event::ChildEnded,
            _ = self.end.recv() => Event::End,
            () = gone(self.lifeline.as_mut()) => Event::End,
            () = later => Event::NodeDue,
        }
    }
}

/// Waits until the other end of the lifeline is closed: its owner has died.
async fn gone(lifeline: Option<&mut Lifeline>) {
    match lifeline {
        Some(lifeline) => while lifeline.read(&mut [0; 16]).await.is_ok_and(|read| read > 0) {},
        None => std::future::pending().await,
    }
}

/// How a process that the keeper started came to its end.
type Ended = (String, u32, Exit);
