//! The process: listeners and plan from the node, one worker a listener, reports back.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use terrace_http::server::Service;
use terrace_http::spool::Spool;
use terrace_http::upstream::{Group, Instance, check, drain};
use terrace_http::workers::{Make, Workers};
use terrace_protocol::report::{RoleReport, State, UpstreamReport, server_of};
use terrace_protocol::role::Divert;
use terrace_service::{Order, Role, clock};
use terrace_site::plan::WebPlan;
use tokio::task::AbortHandle;

use crate::site::Site;

/// How often it is looked whether anything has happened.
const LOOK: Duration = Duration::from_millis(50);

/// Why the web server cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A descriptor.
    #[error("a descriptor cannot be used: {0}")]
    Descriptor(std::io::Error),
    /// It was given nothing to listen on.
    #[error("no listener was inherited")]
    NoListener,
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Descriptor(error)
    }
}

/// What is being served.
struct Serving {
    plan: Arc<WebPlan>,
    groups: Vec<(String, Arc<Group>)>,
    checks: Vec<AbortHandle>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.checks.iter().for_each(AbortHandle::abort);
    }
}

struct Server {
    id: String,
    files: Option<OwnedFd>,
    workers: Workers,
    serving: Option<Serving>,
    generation: u64,
    since: u64,
    /// The servers to empty, whatever the plan.
    diverted: Vec<Divert>,
    /// Which instances got requests at the last report, and which were being emptied.
    told: Vec<(bool, Option<(u64, bool)>)>,
}

/// Serves until it is told to drain.
///
/// # Errors
/// When what was inherited is of no use.
pub async fn run(mut role: Role) -> Result<(), Error> {
    let listeners = Workers::by_number(role.descriptors.take_all("listen "));
    if listeners.is_empty() {
        return Err(Error::NoListener);
    }
    let spool = Spool::new(role.descriptors.take("spool"));
    let workers = Workers::new(listeners, role.descriptors.take("access"), spool)?;
    let mut server = Server::new(role.id.clone(), role.descriptors.take("files"), workers);
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            order = role.control.next() => match order {
                Order::Configure { generation, plan } => match serde_json::from_str::<WebPlan>(plan.get()) {
                    Ok(plan) => {
                        server.generation = generation;
                        server.serve(plan)?;
                        role.control.report(server.report());
                    }
                    Err(error) => role.control.refuse(generation, format!("it is no plan of a web server: {error}")),
                },
                Order::Divert(servers) => {
                    server.divert(servers);
                    role.control.report(server.report());
                }
                Order::Log(file) => server.workers.log_to(file),
                Order::Facts(_) => {}
                Order::Drain(within) => {
                    let state = State::Draining;
                    role.control.report(RoleReport { state, ..server.report() });
                    // The threads are waited for beside the reports, which go on.
                    let drained = tokio::task::spawn_blocking(move || server.workers.drain(within));
                    return Ok(drained.await.unwrap_or(Ok(()))?);
                }
            },
            _ = look.tick() => if server.has_news() {
                role.control.report(server.report());
            },
        }
    }
}

/// Serves a plan for ever, on listeners of the caller's: for benchmarks and tests.
///
/// # Errors
/// When a listener cannot be used.
pub async fn serve(
    plan: WebPlan,
    listeners: Vec<TcpListener>,
    files: Option<OwnedFd>,
    access: Option<OwnedFd>,
    spool: Arc<Spool>,
) -> Result<(), Error> {
    let listeners = listeners.into_iter().map(|one| vec![one]).collect();
    let workers = Workers::new(listeners, access, spool)?;
    let mut server = Server::new("web".to_owned(), files, workers);
    server.serve(plan)?;
    std::future::pending().await
}

impl Server {
    fn new(id: String, files: Option<OwnedFd>, workers: Workers) -> Self {
        Self {
            id,
            files,
            workers,
            serving: None,
            generation: 0,
            since: clock::unix_millis(),
            diverted: Vec::new(),
            told: Vec::new(),
        }
    }

    /// Serves this plan from the next request on. The same plan again changes nothing.
    fn serve(&mut self, plan: WebPlan) -> Result<(), Error> {
        if self
            .serving
            .as_ref()
            .is_some_and(|serving| *serving.plan == plan)
        {
            return Ok(());
        }
        let plan = Arc::new(plan);
        let before = self.serving.take();
        let known = |prefix: &str| {
            let groups = before.iter().flat_map(|serving| &serving.groups);
            groups
                .into_iter()
                .find(|(known, _)| known == prefix)
                .map(|(_, group)| &**group)
        };
        let mut groups = Vec::new();
        let mut checks = Vec::new();
        for route in &plan.routes {
            let group = Arc::new(Group::near(route, known(&route.prefix)));
            for instance in &group.instances {
                let check = check::keep_checking(
                    Arc::clone(instance),
                    route.health.clone(),
                    plan.name.clone(),
                    Arc::clone(self.workers.lacks()),
                );
                checks.push(tokio::spawn(check).abort_handle());
            }
            groups.push((route.prefix.clone(), group));
        }
        drain::divert(instances(&groups), &self.diverted, Instant::now());
        let files = self.files.as_ref().filter(|_| plan.files.is_some());
        self.workers.serve(|| {
            let (plan, groups) = (Arc::clone(&plan), groups.clone());
            let files = files.map(OwnedFd::try_clone).transpose()?;
            let make: Make =
                Box::new(move || Rc::new(Site::new(plan, groups, files)) as Rc<dyn Service>);
            Ok(make)
        })?;
        self.serving = Some(Serving {
            plan,
            groups,
            checks,
        });
        Ok(())
    }

    fn instances(&self) -> impl Iterator<Item = &Arc<Instance>> {
        let serving = self.serving.iter();
        serving.flat_map(|serving| instances(&serving.groups))
    }

    /// Empties the apps of the servers that are named, and uses all others. Those beside it are not its to empty: what
    /// still comes to this server is finished by them.
    fn divert(&mut self, servers: Vec<Divert>) {
        let own = server_of(&self.id);
        self.diverted = servers;
        self.diverted.retain(|divert| divert.server != own);
        drain::divert(self.instances(), &self.diverted, Instant::now());
    }

    /// It is time for a report, or an instance has come in, gone out or been emptied since the last.
    fn has_news(&self) -> bool {
        self.workers.is_due() || news(&self.upstreams()) != self.told
    }

    fn upstreams(&self) -> Vec<UpstreamReport> {
        let now = Instant::now();
        self.instances().map(|one| one.report(now)).collect()
    }

    fn report(&mut self) -> RoleReport {
        let traffic = self.workers.traffic();
        let upstreams = self.upstreams();
        self.told = news(&upstreams);
        let well = upstreams.iter().filter(|upstream| upstream.healthy).count();
        let reason = match (&self.serving, upstreams.len()) {
            (None, _) => "waits for its plan".to_owned(),
            (Some(_), 0) => "files only".to_owned(),
            (Some(_), all) => format!("app {well} of {all} healthy"),
        };
        RoleReport {
            id: self.id.clone(),
            role: "web".to_owned(),
            state: if self.serving.is_some() {
                State::Serving
            } else {
                State::Starting
            },
            reason,
            since: self.since,
            generation: self.generation,
            traffic,
            upstreams,
            lacks: self.workers.lacks().report(),
            ..RoleReport::default()
        }
    }
}

fn instances(groups: &[(String, Arc<Group>)]) -> impl Iterator<Item = &Arc<Instance>> {
    groups.iter().flat_map(|(_, group)| &group.instances)
}

/// What is told at once when it changes.
fn news(upstreams: &[UpstreamReport]) -> Vec<(bool, Option<(u64, bool)>)> {
    upstreams.iter().map(UpstreamReport::news).collect()
}
