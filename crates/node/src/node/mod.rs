//! The node: what runs on this server is made what the plan says.
//!
//! One verb, from nothing or from something: every role of the plan has a task of its own, which is started,
//! told its new plan, or stopped. A node that was restarted asks the keeper what runs and goes on from there.

mod coordinator;
mod excerpt;
mod files;
mod held;
pub(crate) mod letters;
mod reconcile;
mod room;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use terrace_protocol::node::{FromNode, Home, Step};
use terrace_protocol::report::{DiskReport, RoleReport, ServerReport};
use terrace_protocol::role::Divert;
use terrace_service::{Descriptors, SecretStore};
use terrace_site::plan::{Part, RolePlan, ServerPlan};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use coordinator::{Asked, Coordinator};
pub(crate) use held::Keeper;
use letters::Post;
use reconcile::Change;

use crate::logs::{Outputs, Writer, access};
use crate::parts;

/// How often a coordinator hears how things stand, when nothing changes.
const REPORT: Duration = Duration::from_secs(1);

/// Serves until the keeper ends.
///
/// # Errors
/// When the process was not started by a keeper.
pub fn run(home: Home) -> anyhow::Result<ExitCode> {
    let keeper = Descriptors::inherited()?.require("keeper")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // Everything on one thread: the parts need not be Send.
    let parts = tokio::task::LocalSet::new();
    parts.block_on(&runtime, async {
        let (keeper, lost) = Keeper::open(keeper).await?;
        let mut node = Node::new(home, keeper)?;
        node.resume().await;
        tokio::select! {
            result = node.serve() => result,
            // Without the keeper there is nothing to hold on to.
            () = lost => Ok(ExitCode::FAILURE),
        }
    })
}

/// What every part of a node has.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) home: Arc<Home>,
    pub(crate) keeper: Keeper,
    /// What a person waits for.
    pub(crate) steps: mpsc::UnboundedSender<Step>,
    /// The way to the parts on other servers.
    pub(crate) post: Post,
    /// What the programs of this server print.
    pub(crate) outputs: Outputs,
    /// The access log that is written now.
    pub(crate) access: watch::Receiver<access::Current>,
    /// Whether the disk has room; what failed for want of it is tried again when it has.
    pub(crate) room: watch::Receiver<DiskReport>,
}

impl Context {
    /// Has the keeper hold what a program prints into, and returns the name that it has there. `web-01/app/1` has `app.1.log`.
    pub(crate) async fn keep_log(&self, id: &str, writer: Writer) -> anyhow::Result<String> {
        self.outputs.keep(&self.keeper, id, writer).await
    }

    /// The site's secrets.
    pub(crate) fn secrets(&self) -> SecretStore {
        match self.home.makes_secrets {
            true => SecretStore::new(&self.home.secrets),
            false => SecretStore::of_others(&self.home.secrets),
        }
    }

    /// Tells whoever waits that something was done.
    pub(crate) fn step(&self, what: &str, text: String, took: Option<Duration>, fine: bool) {
        let took = took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        // Nobody waits: then nobody needs to know.
        let _ = self.steps.send(Step {
            what: what.to_owned(),
            text,
            took,
            fine,
        });
    }
}

/// A role's task, and how to talk to it.
struct Running {
    plan: watch::Sender<RolePlan>,
    /// The generation that its plan changed in last.
    changed: u64,
    stop: watch::Sender<bool>,
    reports: watch::Receiver<Vec<RoleReport>>,
    /// Ends with how the role was stopped: `app (drained 0.1 s)`.
    task: JoinHandle<String>,
}

impl Running {
    /// How the role stands in this generation. An app that has not taken up its plan yet is in the one before.
    fn of_generation(&self, generation: u64) -> Vec<RoleReport> {
        let mut reports = self.reports.borrow().clone();
        for report in &mut reports {
            let is_behind = report.role == "app" && report.generation < self.changed;
            if !is_behind {
                report.generation = generation;
            }
        }
        reports
    }
}

struct Node {
    context: Context,
    steps: mpsc::UnboundedReceiver<Step>,
    /// Letters that are to be carried away.
    outgoing: mpsc::UnboundedReceiver<FromNode>,
    coordinator: Coordinator,
    plan: Option<ServerPlan>,
    generation: watch::Sender<u64>,
    running: BTreeMap<String, Running>,
    /// The servers that balancers and web servers are to empty; `None`: nobody has said yet, so what they do stays.
    diverted: watch::Sender<Option<Vec<Divert>>>,
    /// The newest report of all, for an agent.
    facts: watch::Sender<ServerReport>,
    /// A plan that runs and could not be kept yet.
    unkept: Option<Box<str>>,
    /// Why, as was said last.
    unkept_why: Option<String>,
    /// Ticks whenever any report changed.
    changed: (watch::Sender<u64>, watch::Receiver<u64>),
}

impl Node {
    fn new(home: Home, keeper: Keeper) -> anyhow::Result<Self> {
        let (steps, heard) = mpsc::unbounded_channel();
        let coordinator = Coordinator::listen(&home.run)?;
        let (post, outgoing) = Post::new(&home.server);
        let outputs = Outputs::begin(&home.server, home.logs.clone())?;
        let (current, access) = watch::channel(None);
        tokio::spawn(access::look_after(home.logs.join("access.log"), current));
        let (looked, room) = watch::channel(DiskReport::default());
        tokio::spawn(room::watch(home.state.clone(), looked));
        Ok(Self {
            context: Context {
                home: Arc::new(home),
                keeper,
                steps,
                post,
                outputs,
                access,
                room,
            },
            steps: heard,
            outgoing,
            coordinator,
            plan: None,
            generation: watch::Sender::new(0),
            running: BTreeMap::new(),
            diverted: watch::Sender::new(None),
            facts: watch::Sender::new(ServerReport::default()),
            unkept: None,
            unkept_why: None,
            changed: watch::channel(0),
        })
    }

    /// Goes on where the node before was killed; a server that has just come up waits for its plan.
    async fn resume(&mut self) {
        let runs = self
            .context
            .keeper
            .list()
            .await
            .is_ok_and(|(processes, _)| !processes.is_empty());
        if !runs {
            return;
        }
        let adopted = self.context.outputs.adopt(&self.context.keeper).await;
        if let Err(error) = adopted {
            let error = format!("{error:#}");
            tracing::error!(error, "what the programs print is not read");
        }
        match files::read_plan(&self.context.home.state) {
            Ok(Some(plan)) => self.reconcile(plan).await,
            Ok(None) => {}
            Err(error) => {
                tracing::error!(%error, "the plan that runs cannot be read: waiting for the coordinator's");
            }
        }
    }

    async fn serve(&mut self) -> anyhow::Result<ExitCode> {
        let mut every = tokio::time::interval(REPORT);
        loop {
            tokio::select! {
                // What was done is told before how things stand after it.
                biased;
                Some(step) = self.steps.recv() => self.coordinator.tell(FromNode::Step(step)),
                Some(letter) = self.outgoing.recv() => self.coordinator.tell(letter),
                asked = self.coordinator.next() => match asked {
                    Asked::Hello => self.report(),
                    Asked::Reconcile(plan) => self.take(&plan).await,
                    Asked::Divert(servers) => drop(self.diverted.send_replace(Some(servers))),
                    Asked::Letter(from, letter) => self.context.post.arrived(from, &letter),
                    Asked::Order(number, order) => self.context.post.ordered(number, order),
                    Asked::Find(number, text) => self.context.post.sought(number, text),
                    Asked::Stop => self.stop().await,
                },
                _ = self.changed.1.changed() => self.report(),
                _ = every.tick() => {
                    self.keep_plan();
                    self.report();
                }
            }
        }
    }

    /// A plan from the coordinator: one that cannot be run is refused, and the one before stays. One that cannot be kept is run
    /// all the same: a node that comes after this one is told it anew.
    async fn take(&mut self, text: &str) {
        let plan = match files::parse_plan(text) {
            Ok(plan) => plan,
            Err((generation, reason)) => {
                self.coordinator
                    .tell(FromNode::Refused { generation, reason });
                return;
            }
        };
        self.unkept = Some(text.into());
        self.keep_plan();
        self.reconcile(plan).await;
    }

    /// Keeps the plan that runs, if it is not kept yet.
    fn keep_plan(&mut self) {
        let Some(text) = self.unkept.take() else {
            return;
        };
        if let Err(error) = files::write_plan(&self.context.home.state, &text) {
            let error = error.to_string();
            if self.unkept_why.as_ref() != Some(&error) {
                tracing::warn!(error, "the plan cannot be kept yet");
                self.unkept_why = Some(error);
            }
            self.unkept = Some(text);
        }
    }

    async fn reconcile(&mut self, plan: ServerPlan) {
        self.generation.send_replace(plan.generation);
        let before: Vec<RolePlan> = self
            .plan
            .iter()
            .flat_map(|plan| plan.roles.clone())
            .collect();
        for change in reconcile::changes(&before, &plan.roles) {
            match change {
                Change::Start(role) => self.start(role, &plan),
                Change::Update(role) => {
                    if let Some(running) = self.running.get_mut(&role.id) {
                        running.changed = plan.generation;
                        running.plan.send_replace(role);
                    }
                }
                Change::Stop(id) => {
                    if let Some(running) = self.running.remove(&id) {
                        running.stop.send_replace(true);
                        let _ = running.task.await;
                    }
                }
            }
        }
        self.plan = Some(plan);
        self.report();
    }

    fn start(&mut self, role: RolePlan, server: &ServerPlan) {
        let id = role.id.clone();
        let (plan, plans) = watch::channel(role.clone());
        let (stop, stopped) = watch::channel(false);
        let (report, reports) = watch::channel(parts::first_report(&role));
        let part = parts::Part {
            context: self.context.clone(),
            site: server.site.clone(),
            id: id.clone(),
            plans,
            generation: self.generation.subscribe(),
            stopped,
            diverted: self.diverted.subscribe(),
            facts: self.facts.subscribe(),
            reports: parts::Reports::new(report, self.changed.0.clone()),
        };
        let task = match role.part {
            Part::LoadBalancer(_)
            | Part::Web(_)
            | Part::Router(_)
            | Part::Dns(_)
            | Part::Agent(_) => tokio::task::spawn_local(parts::own::run(part)),
            Part::App(_) => tokio::task::spawn_local(parts::app::run(part)),
            Part::Database(_) => tokio::task::spawn_local(parts::database::run(part)),
            Part::Controller(_) => tokio::task::spawn_local(parts::controller::run(part)),
        };
        self.running.insert(
            id,
            Running {
                plan,
                changed: server.generation,
                stop,
                reports,
                task,
            },
        );
    }

    /// Entry first, database last: the reverse of the plan's order.
    async fn stop(&mut self) {
        let order: Vec<String> = self
            .plan
            .iter()
            .flat_map(|plan| &plan.roles)
            .rev()
            .map(|role| role.id.clone())
            .collect();
        let mut roles = Vec::new();
        for id in order {
            if let Some(running) = self.running.remove(&id) {
                running.stop.send_replace(true);
                roles.push(
                    running
                        .task
                        .await
                        .unwrap_or_else(|_| format!("{id} (lost)")),
                );
            }
        }
        self.plan = None;
        self.coordinator.tell(FromNode::Stopped { roles });
    }

    fn report(&mut self) {
        let generation = self.plan.as_ref().map_or(0, |plan| plan.generation);
        let order = self.plan.iter().flat_map(|plan| &plan.roles);
        let roles = order
            .filter_map(|role| self.running.get(&role.id))
            .flat_map(|running| running.of_generation(generation))
            .collect();
        let report = ServerReport {
            server: self.context.home.server.clone(),
            generation,
            roles,
            // The disk that everything of this server is on. One that was never looked at says nothing of itself.
            disk: Some(*self.context.room.borrow()).filter(|disk| disk.size > 0),
        };
        self.facts.send_replace(report.clone());
        self.coordinator.tell(FromNode::Report(report));
    }
}
