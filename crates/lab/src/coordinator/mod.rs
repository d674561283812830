//! The coordinator: one process that owns a rehearsal, and hears the commands.
//!
//! It is one loop over events: what commands ask, what nodes report, what builds come to, which keeper has ended.
//! Bringing up is in `bring_up`, trying again what failed in `again`, changing what runs in `apply`, breaking it in
//! `faults`, emptying a server in `drain`, changing the primary in `primary`, the end in `stop`, what is shown in `standing`, what is kept on the disk in `kept`; connections to nodes are in
//! `nodes`, builds in `build`. What runs on a host is decided by its node; here it is only told its plan.

mod again;
mod apply;
mod bring_up;
mod build;
mod build_log;
mod clients;
mod drain;
mod faults;
mod ground;
mod kept;
mod nodes;
mod primary;
mod rollout;
mod rollout_order;
mod standing;
mod stop;

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use terrace_protocol::build::{Built, Failure};
use terrace_protocol::control::{Broken, Reply, Request};
use terrace_protocol::node::{FromNode, Step, ToNode};
use terrace_protocol::report::ServerReport;
use terrace_protocol::{Outbox, keeper::Exit};
use terrace_service::{Diagnostics, clock, descriptors};
use terrace_site::model::Site;
use terrace_site::plan::ServerPlan;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::Location;
use crate::client::Start;
use crate::front_door::{self, Door};
use crate::hosts::Host;
use crate::hosts::keeper::Keeper;
use crate::hosts::network::Wire;
use crate::hosts::user::{self, Mode};
use crate::registry::Entry;
use crate::state::Memory;
use kept::Kept;

/// How often it is looked whether the site is ready, or will never be.
const LOOK: Duration = Duration::from_millis(100);

/// Runs the coordinator to its end. To be called while this process has a single thread.
///
/// # Errors
/// When it cannot begin; the error is for the log that the client reads.
pub fn run(start: Start, diagnostics: &Diagnostics) -> anyhow::Result<ExitCode> {
    let location = Location::of(&start.file, &start.site)?;
    let entry = Entry::take(&location)?;
    let mode = user::enable().context(
        "hosts are made of namespaces, and this machine lets only root make them: run as root, or allow user namespaces \
         (sysctl kernel.unprivileged_userns_clone=1)",
    )?;
    diagnostics.write_in_background()?;
    location.make()?;
    let lock = location.lock()?;
    let descriptors = descriptors::allow(front_door::WANTED)
        .context("it cannot be found out how many files may be open")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // What it holds is given back before its clients hear of the end.
    runtime.block_on(async move {
        let (events, heard) = mpsc::unbounded_channel();
        clients::listen(&[location.socket(), entry.socket()], &events)?;
        let kept = Kept::new(entry, location.clone());
        let ended = Coordinator::new(
            start,
            location.clone(),
            mode,
            events,
            (lock, descriptors),
            kept,
        )
        .serve(heard)
        .await;
        let _ = std::fs::remove_file(location.socket());
        ended
    })
}

/// Something happened.
enum Event {
    /// A command asks something.
    Asked {
        client: u64,
        request: Request,
        reply: Outbox<Reply>,
    },
    /// A command is gone.
    ClientGone(u64),
    /// A node can be spoken to.
    NodeUp {
        server: String,
        sender: Outbox<ToNode>,
    },
    /// A node says something.
    Node { server: String, message: FromNode },
    /// A build came to its end.
    Built {
        app: String,
        number: u64,
        result: Result<Built, Failure>,
    },
    /// A build began, rather than being found done.
    Building { app: String },
    /// A host's keeper ended, and with it the host.
    HostEnded { server: String, exit: Exit },
    /// A host that ended is to come back.
    HostDue { server: String },
}

type Events = mpsc::UnboundedSender<Event>;

/// A server of the rehearsal.
struct Server {
    host: Host,
    /// The plan that the site's file makes for this server.
    plan: ServerPlan,
    /// The plan that the coordinator has sent to its node: the one before, until the rollout reaches this server.
    given: ServerPlan,
    /// Since when it is ready with what it was given, and used by all who send requests to it.
    ready: Option<Instant>,
    network: OwnedFd,
    /// Until its end is heard: no host is made beside one that still dies.
    keeper: Option<Keeper>,
    node: Option<Outbox<ToNode>>,
    report: Option<(ServerReport, Instant)>,
    /// Set once all its roles have stopped.
    stopped: bool,
    /// What is wrong with it until it is mended.
    fault: Option<Broken>,
}

/// Whoever waits for the site to be up.
struct Waiting {
    client: u64,
    reply: Outbox<Reply>,
    /// It stays connected, and the site ends with it.
    foreground: bool,
    since: Instant,
    /// It has been told how it ended.
    told: bool,
}

struct Coordinator {
    start: Start,
    location: Location,
    mode: Mode,
    events: Events,
    /// Held for as long as we live.
    _lock: File,
    kept: Kept,
    memory: Option<Memory>,
    site: Option<Site>,
    /// The text of the last good file.
    source: String,
    /// The directories that it stands on.
    ground: ground::Ground,
    wire: Option<Wire>,
    servers: BTreeMap<String, Server>,
    /// The file's order.
    order: Vec<String>,
    releases: BTreeMap<String, String>,
    builds: build::Builds,
    /// When the last build came to its end: what comes up has its time from then on.
    settled: Instant,
    /// Servers that balancers and web servers are to empty.
    diverted: drain::Diverted,
    /// Who waits for a change of the primary, by the order's number.
    orders: BTreeMap<u64, Outbox<Reply>>,
    orders_given: u64,
    /// Who waits until the plans have been taken over.
    applying: Vec<rollout::Applying>,
    /// When a plan was given last.
    gave: Instant,
    waiting: Vec<Waiting>,
    front_door: Option<Door>,
    /// How many descriptors this process may have.
    descriptors: u64,
    since: u64,
}

impl Coordinator {
    fn new(
        start: Start,
        location: Location,
        mode: Mode,
        events: Events,
        (lock, descriptors): (File, u64),
        kept: Kept,
    ) -> Self {
        Self {
            start,
            location,
            mode,
            events,
            _lock: lock,
            kept,
            memory: None,
            site: None,
            source: String::new(),
            ground: ground::Ground::default(),
            wire: None,
            servers: BTreeMap::new(),
            order: Vec::new(),
            releases: BTreeMap::new(),
            builds: build::Builds::default(),
            settled: Instant::now(),
            diverted: drain::Diverted::default(),
            orders: BTreeMap::new(),
            orders_given: 0,
            applying: Vec::new(),
            gave: Instant::now(),
            waiting: Vec::new(),
            front_door: None,
            descriptors,
            since: clock::unix_millis(),
        }
    }

    async fn serve(
        mut self,
        mut heard: mpsc::UnboundedReceiver<Event>,
    ) -> anyhow::Result<ExitCode> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut look = tokio::time::interval(LOOK);
        self.keep();
        // A client that starts a coordinator asks at once; one that was killed before never will.
        let abandoned = tokio::time::sleep(Duration::from_secs(30));
        tokio::pin!(abandoned);
        loop {
            let ends = tokio::select! {
                Some(event) = heard.recv() => self.handle(event).await?,
                _ = look.tick() => {
                    self.keep();
                    self.roll_out();
                    self.look();
                    false
                }
                _ = terminate.recv() => true,
                _ = interrupt.recv() => true,
                () = &mut abandoned, if self.site.is_none() => true,
            };
            if ends {
                self.stop(&mut heard).await;
                return Ok(ExitCode::SUCCESS);
            }
        }
    }

    /// `true`: everything is to end.
    async fn handle(&mut self, event: Event) -> anyhow::Result<bool> {
        match event {
            Event::Asked {
                client,
                request,
                reply,
            } => return self.answer(client, request, reply).await,
            Event::ClientGone(client) => {
                let is_its = |waiting: &Waiting| waiting.client == client;
                let owned = |waiting: &Waiting| is_its(waiting) && waiting.foreground;
                let ends = self.waiting.iter().any(owned);
                self.waiting.retain(|waiting| !is_its(waiting));
                return Ok(ends);
            }
            Event::NodeUp { server, sender } => self.node_up(&server, sender),
            Event::Node { server, message } => self.node_says(&server, message),
            Event::Building { app } => {
                self.step(
                    "app",
                    format!("{app}: its release is being built"),
                    None,
                    true,
                );
            }
            Event::Built {
                app,
                number,
                result,
            } => self.built(app, number, result)?,
            Event::HostEnded { server, exit } => self.host_ended(&server, exit),
            Event::HostDue { server } => self.revive(&server).await,
        }
        Ok(false)
    }

    async fn answer(
        &mut self,
        client: u64,
        request: Request,
        reply: Outbox<Reply>,
    ) -> anyhow::Result<bool> {
        let answer = match request {
            Request::Down => {
                // Whoever asks for the end hears of it, beside those who waited.
                if !self.waiting.iter().any(|waiting| waiting.client == client) {
                    self.wait(client, reply, false);
                }
                return Ok(true);
            }
            Request::Status => Reply::Status(Box::new(self.status())),
            Request::File => Reply::File {
                source: self.source.clone(),
            },
            Request::Enter { server } => self.enter(&server),
            Request::Drain {
                server,
                within,
                force,
            } => self.drain(&server, within, force),
            Request::Undrain { server } => self.undrain(&server),
            request @ (Request::Order(_) | Request::Find { .. }) => {
                match self.pass_on(request, reply.clone()) {
                    Ok(()) => return Ok(false),
                    Err(refused) => refused,
                }
            }
            Request::Break(fault) => self.break_down(&fault).await,
            Request::Mend => self.mend().await,
            Request::Apply { file } => match self.apply(&file, &reply) {
                Some(answer) => answer,
                None => return Ok(false),
            },
            Request::Up { detach, file } => {
                self.wait(client, reply.clone(), !detach);
                let (begun, ends) = match &self.site {
                    None => (self.bring_up().await, true),
                    Some(_) => (self.try_again(&file), false),
                };
                let Err(refused) = begun else {
                    return Ok(false);
                };
                self.waiting.retain(|waiting| waiting.client != client);
                let _ = reply.put(refused);
                if ends {
                    reply.sent().await;
                }
                return Ok(ends);
            }
        };
        // A client that is gone has no use for the answer.
        let _ = reply.put(answer);
        Ok(false)
    }

    /// Tells this client from now on what is done.
    fn wait(&mut self, client: u64, reply: Outbox<Reply>, foreground: bool) {
        self.waiting.push(Waiting {
            client,
            reply,
            foreground,
            since: Instant::now(),
            told: false,
        });
    }

    /// Tells whoever waits that something was done.
    fn step(&self, what: &str, text: String, took: Option<Duration>, fine: bool) {
        let took = took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        self.tell_step(Step {
            what: what.to_owned(),
            text,
            took,
            fine,
        });
    }

    /// A command that was suspended misses some; it is not hung up on, because the site of a foreground `up` ends with it.
    fn tell_step(&self, step: Step) {
        for waiting in &self.waiting {
            waiting.reply.offer(Reply::Step(step.clone()));
        }
    }

    fn tell(&self, reply: Reply) {
        for waiting in &self.waiting {
            // A client that is gone has no use for it.
            let _ = waiting.reply.put(reply.clone());
        }
    }
}
