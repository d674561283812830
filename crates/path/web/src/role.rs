//! The process: listeners and plan from the node, one worker a listener, reports back.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use terrace_http::counters::{Counters, Sum};
use terrace_http::server::{self, Order as Tell, Service};
use terrace_http::upstream::{Group, check};
use terrace_protocol::report::{RoleReport, State, Traffic};
use terrace_service::{Order, Role, clock};
use terrace_site::plan::WebPlan;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::site::Site;

/// Over how long latency is shown.
const WINDOW: usize = 10;
/// How often a report is due, when nothing happens.
const REPORT: Duration = Duration::from_secs(1);
/// How often it is looked whether anything has.
const LOOK: Duration = Duration::from_millis(50);

/// Why the web server cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A descriptor.
    #[error("a descriptor cannot be used: {0}")]
    Descriptor(#[from] std::io::Error),
    /// It was given nothing to listen on.
    #[error("no listener was inherited")]
    NoListener,
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

struct Worker {
    tell: mpsc::UnboundedSender<Tell>,
    counters: Arc<Counters>,
    thread: JoinHandle<std::io::Result<()>>,
}

struct Server {
    id: String,
    /// Those of each worker, until the first plan comes: then they are its own.
    listeners: Vec<Vec<TcpListener>>,
    files: Option<OwnedFd>,
    access: Option<OwnedFd>,
    workers: Vec<Worker>,
    serving: Option<Serving>,
    generation: u64,
    since: u64,
    /// The sums of the last seconds, the oldest first.
    past: Vec<(Instant, Sum)>,
    /// Which instances got requests at the last report.
    told: Vec<bool>,
}

/// Serves until it is told to drain.
///
/// # Errors
/// When what was inherited is of no use.
pub async fn run(mut role: Role) -> Result<(), Error> {
    let mut server = Server {
        id: role.id.clone(),
        listeners: by_worker(role.descriptors.take_all("listen ")),
        files: role.descriptors.take("files"),
        access: role.descriptors.take("access"),
        workers: Vec::new(),
        serving: None,
        generation: 0,
        since: clock::unix_millis(),
        past: Vec::new(),
        told: Vec::new(),
    };
    if server.listeners.is_empty() {
        return Err(Error::NoListener);
    }
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
                Order::Facts(_) => {}
                Order::Drain(within) => {
                    let state = State::Draining;
                    role.control.report(RoleReport { state, ..server.report() });
                    // The threads are waited for beside the reports, which go on.
                    let drained = tokio::task::spawn_blocking(move || server.drain(within));
                    return drained.await.unwrap_or(Ok(()));
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
) -> Result<(), Error> {
    let listeners = listeners.into_iter().map(|one| vec![one]).collect();
    let (id, since) = ("web".to_owned(), clock::unix_millis());
    let (workers, past) = (Vec::new(), Vec::new());
    let mut server = Server {
        id,
        listeners,
        files,
        access,
        workers,
        serving: None,
        generation: 0,
        since,
        past,
        told: Vec::new(),
    };
    server.serve(plan)?;
    std::future::pending().await
}

/// Listeners by the number of the worker that they are for: `8.8.8.8:80 #0`.
fn by_worker(listeners: Vec<(String, OwnedFd)>) -> Vec<Vec<TcpListener>> {
    let mut all: Vec<Vec<TcpListener>> = Vec::new();
    for (name, listener) in listeners {
        let worker = name
            .rsplit_once('#')
            .and_then(|(_, number)| number.parse::<usize>().ok())
            .unwrap_or(0);
        // The node numbers them from 0, a handful at most.
        if all.len() <= worker.min(1024) {
            all.resize_with(worker.min(1024) + 1, Vec::new);
        }
        if let Some(own) = all.get_mut(worker) {
            own.push(TcpListener::from(listener));
        }
    }
    all.retain(|own| !own.is_empty());
    all
}

impl Server {
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
            let group = Arc::new(Group::new(route, known(&route.prefix)));
            for instance in &group.instances {
                let check = check::keep_checking(
                    Arc::clone(instance),
                    route.health.clone(),
                    plan.name.clone(),
                );
                checks.push(tokio::spawn(check).abort_handle());
            }
            groups.push((route.prefix.clone(), group));
        }
        self.tell_workers(&plan, &groups)?;
        self.serving = Some(Serving {
            plan,
            groups,
            checks,
        });
        Ok(())
    }

    fn tell_workers(
        &mut self,
        plan: &Arc<WebPlan>,
        groups: &[(String, Arc<Group>)],
    ) -> Result<(), Error> {
        for worker in &self.workers {
            let service = self.service(plan, groups)?;
            // A worker that has ended takes the whole process with it in a moment.
            let _ = worker.tell.send(Tell::Serve(service));
        }
        for (number, listeners) in std::mem::take(&mut self.listeners).into_iter().enumerate() {
            let service = self.service(plan, groups)?;
            let access = self.access.as_ref().map(OwnedFd::try_clone).transpose()?;
            let counters = Arc::new(Counters::default());
            let (tell, told) = mpsc::unbounded_channel();
            let of_worker = Arc::clone(&counters);
            let thread = std::thread::Builder::new()
                .name(format!("worker {number}"))
                .spawn(move || server::run(listeners, access, of_worker, service, told))?;
            self.workers.push(Worker {
                tell,
                counters,
                thread,
            });
        }
        Ok(())
    }

    fn service(
        &self,
        plan: &Arc<WebPlan>,
        groups: &[(String, Arc<Group>)],
    ) -> Result<Box<dyn FnOnce() -> Rc<dyn Service> + Send>, Error> {
        let (plan, groups) = (Arc::clone(plan), groups.to_vec());
        let files = self
            .files
            .as_ref()
            .filter(|_| plan.files.is_some())
            .map(OwnedFd::try_clone)
            .transpose()?;
        Ok(Box::new(move || Rc::new(Site::new(plan, groups, files))))
    }

    fn drain(self, within: Duration) -> Result<(), Error> {
        for worker in &self.workers {
            let _ = worker.tell.send(Tell::Drain(within));
        }
        for worker in self.workers {
            // A worker that panicked has nothing left to drain.
            if let Ok(ended) = worker.thread.join() {
                ended?;
            }
        }
        Ok(())
    }

    /// It is time for a report, or an instance has come in or gone out since the last.
    fn has_news(&self) -> bool {
        let due = self
            .past
            .last()
            .is_none_or(|(at, _)| at.elapsed() >= REPORT);
        due || self.healthy() != self.told
    }

    /// Which instances get requests.
    fn healthy(&self) -> Vec<bool> {
        let groups = self.serving.iter().flat_map(|serving| &serving.groups);
        groups
            .flat_map(|(_, group)| &group.instances)
            .map(|instance| instance.is_healthy())
            .collect()
    }

    fn report(&mut self) -> RoleReport {
        self.told = self.healthy();
        let mut sum = Sum::default();
        self.workers
            .iter()
            .for_each(|worker| worker.counters.add_to(&mut sum));
        let now = Instant::now();
        let traffic = self.past.first().map(|(then, before)| {
            let seconds = now.duration_since(*then).as_secs_f64().max(0.001);
            Traffic {
                requests: sum.requests,
                failed: sum.failed,
                in_flight: sum.in_flight(),
                bytes: sum.bytes,
                rate: (sum.requests - before.requests) as f64 / seconds,
                p50: sum.quantile_since(before, 0.5),
                p99: sum.quantile_since(before, 0.99),
            }
        });
        self.past.push((now, sum));
        if self.past.len() > WINDOW {
            self.past.remove(0);
        }
        let groups = self.serving.iter().flat_map(|serving| &serving.groups);
        let upstreams: Vec<_> = groups
            .flat_map(|(_, group)| &group.instances)
            .map(|one| one.report())
            .collect();
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
            ..RoleReport::default()
        }
    }
}
