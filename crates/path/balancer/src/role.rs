//! The process: listeners and plan from the node, one worker a listener, reports back.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use terrace_http::server::Service;
use terrace_http::spool::Spool;
use terrace_http::upstream::{Group, check, drain};
use terrace_http::workers::{Make, Workers};
use terrace_protocol::report::{RoleReport, State, UpstreamReport};
use terrace_protocol::role::Divert;
use terrace_service::{Order, Role, clock};
use terrace_site::plan::{BalancerPlan, HEALTH_PATH, TierPlan};
use tokio::task::AbortHandle;

use crate::front::Front;
use crate::tier::Tier;

/// How often it is looked whether anything has happened, and whether those in line can go.
const LOOK: Duration = Duration::from_millis(50);

/// Why the balancer cannot serve.
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
    plan: Arc<BalancerPlan>,
    tiers: Vec<Arc<Tier>>,
    checks: Vec<AbortHandle>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.checks.iter().for_each(AbortHandle::abort);
    }
}

struct Server {
    id: String,
    workers: Workers,
    serving: Option<Serving>,
    generation: u64,
    since: u64,
    /// The servers to empty, whatever the plan.
    diverted: Vec<Divert>,
    /// Which servers got requests at the last report, and which were being emptied.
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
    let mut server = Server::new(role.id.clone(), workers);
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            order = role.control.next() => match order {
                Order::Configure { generation, plan } => match serde_json::from_str::<BalancerPlan>(plan.get()) {
                    Ok(plan) => {
                        server.generation = generation;
                        server.serve(plan)?;
                        role.control.report(server.report());
                    }
                    Err(error) => role.control.refuse(generation, format!("it is no plan of a load balancer: {error}")),
                },
                Order::Divert(servers) => {
                    server.diverted = servers;
                    server.divert();
                    role.control.report(server.report());
                }
                Order::Log(file) => server.workers.log_to(file),
                Order::Facts(_) => {}
                Order::Drain(within) => {
                    let state = State::Draining;
                    role.control.report(RoleReport { state, ..server.report() });
                    return server.drain(within).await;
                }
            },
            _ = look.tick() => {
                server.look_after_lines();
                if server.has_news() {
                    role.control.report(server.report());
                }
            }
        }
    }
}

/// Serves a plan for ever, on listeners of the caller's: for benchmarks and tests.
///
/// # Errors
/// When a listener cannot be used.
pub async fn serve(
    plan: BalancerPlan,
    listeners: Vec<TcpListener>,
    access: Option<OwnedFd>,
    spool: Arc<Spool>,
) -> Result<(), Error> {
    let listeners = listeners.into_iter().map(|one| vec![one]).collect();
    let workers = Workers::new(listeners, access, spool)?;
    let mut server = Server::new("load-balancer".to_owned(), workers);
    server.serve(plan)?;
    let mut look = tokio::time::interval(LOOK);
    loop {
        look.tick().await;
        server.look_after_lines();
    }
}

impl Server {
    fn new(id: String, workers: Workers) -> Self {
        Self {
            id,
            workers,
            serving: None,
            generation: 0,
            since: clock::unix_millis(),
            diverted: Vec::new(),
            told: Vec::new(),
        }
    }

    /// Serves this plan from the next request on. The same plan again changes nothing.
    fn serve(&mut self, plan: BalancerPlan) -> Result<(), Error> {
        if self
            .serving
            .as_ref()
            .is_some_and(|serving| *serving.plan == plan)
        {
            return Ok(());
        }
        let (plan, now) = (Arc::new(plan), Instant::now());
        let before = self.serving.take();
        let known = |tier: &TierPlan| {
            let mut tiers = before.iter().flat_map(|serving| &serving.tiers);
            tiers.find(|known| known.plan().prefix == tier.prefix)
        };
        let tier = |plan: &TierPlan| Tier::new(plan.clone(), known(plan), now);
        let tiers: Vec<_> = plan.tiers.iter().map(tier).collect();
        let instances = tiers.iter().flat_map(|tier| tier.instances());
        drain::divert(instances, &self.diverted, now);
        let checks = tiers
            .iter()
            .flat_map(|tier| tier.instances().map(move |instance| (tier, instance)))
            .map(|(tier, instance)| {
                let health = tier.plan().health.clone();
                let lacks = Arc::clone(self.workers.lacks());
                let check =
                    check::keep_checking(Arc::clone(instance), health, plan.name.clone(), lacks);
                tokio::spawn(check).abort_handle()
            })
            .collect();
        let groups: Vec<_> = tiers.iter().map(group).collect();
        self.workers.serve(|| {
            let (plan, groups) = (Arc::clone(&plan), groups.clone());
            let make: Make = Box::new(move || Rc::new(Front::new(plan, groups)) as Rc<dyn Service>);
            Ok(make)
        })?;
        self.serving = Some(Serving {
            plan,
            tiers,
            checks,
        });
        Ok(())
    }

    fn tiers(&self) -> impl Iterator<Item = &Arc<Tier>> {
        self.serving.iter().flat_map(|serving| &serving.tiers)
    }

    /// Empties the servers that are named, and uses all others.
    fn divert(&self) {
        let instances = self.tiers().flat_map(|tier| tier.instances());
        drain::divert(instances, &self.diverted, Instant::now());
    }

    /// What is in flight is finished while reports go on: they are the next role's to make.
    async fn drain(self, within: Duration) -> Result<(), Error> {
        let drained = tokio::task::spawn_blocking(move || self.workers.drain(within));
        Ok(drained.await.unwrap_or(Ok(()))?)
    }

    fn look_after_lines(&self) {
        let now = Instant::now();
        self.tiers().for_each(|tier| tier.look_after_line(now));
    }

    /// It is time for a report, or a server has come in, gone out or been emptied since the last.
    fn has_news(&self) -> bool {
        self.workers.is_due() || news(&self.upstreams()) != self.told
    }

    fn upstreams(&self) -> Vec<UpstreamReport> {
        let now = Instant::now();
        self.tiers().flat_map(|tier| tier.reports(now)).collect()
    }

    fn report(&mut self) -> RoleReport {
        let traffic = self.workers.traffic();
        let upstreams = self.upstreams();
        self.told = news(&upstreams);
        let well = upstreams.iter().filter(|one| one.healthy).count();
        let emptied = upstreams.iter().filter(|one| one.drain.is_some()).count();
        let reason = match (&self.serving, emptied) {
            (None, _) => "waits for its plan".to_owned(),
            (Some(_), 0) => format!("{well} of {} healthy", upstreams.len()),
            (Some(_), some) => {
                format!(
                    "{well} of {} healthy, {some} being emptied",
                    upstreams.len()
                )
            }
        };
        RoleReport {
            id: self.id.clone(),
            role: "load-balancer".to_owned(),
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

fn group(tier: &Arc<Tier>) -> (String, Arc<Group>) {
    let plan = tier.plan();
    // A web server's role is `web-01/web`, a copy of an app `web-01/app/1`.
    let ours = tier.instances().all(|one| one.id.ends_with("/web"));
    let group = Group {
        name: plan.name.clone(),
        instances: tier.instances().map(Arc::clone).collect(),
        ours,
        // Any other path may be the app's to answer.
        checked_alone: ours && plan.health.path.as_deref() == Some(HEALTH_PATH),
        timeouts: plan.timeouts.clone(),
        streams: plan
            .streams
            .iter()
            .map(|stream| (stream.prefix.clone(), stream.above))
            .collect(),
        policy: Arc::clone(tier) as Arc<_>,
    };
    (plan.prefix.clone(), Arc::new(group))
}

/// What is told at once when it changes.
fn news(upstreams: &[UpstreamReport]) -> Vec<(bool, Option<(u64, bool)>)> {
    upstreams.iter().map(UpstreamReport::news).collect()
}
