//! Roles of our own: balancers, web servers, SQL routers, name servers, agents. The node makes their sockets, the keeper keeps them, and
//! a role that dies is started again on the same sockets, so connections wait and none is refused.

mod process;
mod routes;
mod sockets;
mod words;

use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use terrace_database::router::Told;
use terrace_protocol::keeper::Exit;
use terrace_protocol::report::{RoleReport, State};
use terrace_protocol::role::{Divert, FromRole};
use terrace_service::{Backoff, clock};
use terrace_site::plan::{Part as Kind, RolePlan};
use tokio::sync::watch;

use super::{Part, ended, seconds};
use crate::logs::access;
use process::Process;
use routes::Routes;
use sockets::Birth;

/// How long a role may finish what is in flight.
const DRAIN: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const CALM: Duration = Duration::from_secs(10);
/// So many ends in a row are no accident.
const LOOP: u32 = 3;

/// Runs the role until it is to end.
pub(crate) async fn run(part: Part) -> String {
    let word = part.plans.borrow().part.word();
    let report = RoleReport {
        id: part.id.clone(),
        role: word.to_owned(),
        since: clock::unix_millis(),
        state: State::Starting,
        ..RoleReport::default()
    };
    let mut role = Own {
        report,
        failures: 0,
        sends_on: matches!(word, "load-balancer" | "web"),
        is_agent: word == "agent",
        access: part.context.access.clone(),
        routes: Routes::of(&part),
        part,
        told: false,
        log_from: 0,
        begun: Instant::now(),
    };
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, CALM);
    let mut stopped = role.part.stopped.clone();
    loop {
        let started = Instant::now();
        match role.live().await {
            Ok(Life::Stopped(took)) => return format!("{word} (drained {})", seconds(took)),
            Ok(Life::Replaced) => continue,
            Ok(Life::Exited(exit)) => role.failed(exit.to_string(), started),
            Err(error) => role.failed(format!("{error:#}"), started),
        }
        let room = super::room_made(&role.part.context);
        tokio::select! {
            () = tokio::time::sleep(backoff.pause(started.elapsed())) => {}
            () = room => {}
            () = ended(&mut stopped) => {
                role.release().await;
                return format!("{word} (was down)");
            }
        }
        role.report.restarts += 1;
    }
}

/// How one life of the process ended.
enum Life {
    Exited(Exit),
    /// It was to end, and took this long.
    Stopped(Duration),
    /// The plan needs it to be born with something else.
    Replaced,
}

/// What happened.
enum Event {
    Exited(Exit),
    Heard(Box<FromRole>),
    /// The connection is lost, and must be made again.
    Lost,
    Planned,
    /// Servers are to be emptied, or used again: for those who send requests on.
    Diverted,
    /// The access log was begun anew: for those who write it.
    Logged,
    /// How the server stands is told anew: for an agent.
    Facts,
    /// Statements go elsewhere, or wait: for an SQL router.
    Routed,
    Stop,
}

struct Own {
    part: Part,
    report: RoleReport,
    /// Ends in a row that nobody asked for.
    failures: u32,
    /// It sends requests on: it is to hear which servers to empty, and writes the access log.
    sends_on: bool,
    /// It is to hear how everything stands.
    is_agent: bool,
    access: watch::Receiver<access::Current>,
    /// It is to hear where statements go.
    routes: Option<Routes>,
    /// Whoever waits has been told that it serves.
    told: bool,
    /// How much it had printed when it was last started.
    log_from: u64,
    begun: Instant,
}

impl Own {
    /// One life: sockets, process, connection, until it ends or is to end.
    async fn live(&mut self) -> anyhow::Result<Life> {
        let mut plan = self.part.plans.borrow_and_update().clone();
        self.log_from = self.part.context.outputs.mark(&self.part.id);
        let mut process = Process::start(&self.part.context, &plan).await?;
        self.report.pid = process.pid;
        let outcome = self.serve(&mut process, &mut plan).await;
        if outcome.is_err() {
            // One that cannot be talked to is of no use; its sockets stay for the next.
            process.kill().await?;
            process.ended().await;
        }
        outcome
    }

    async fn serve(&mut self, process: &mut Process, plan: &mut RolePlan) -> anyhow::Result<Life> {
        let mut event = self.told(process, plan).await?;
        loop {
            match event {
                Event::Exited(exit) => return Ok(Life::Exited(exit)),
                Event::Heard(message) => self.heard(*message, plan),
                Event::Diverted => {
                    let servers = self.diverted();
                    process.divert(servers).await;
                }
                Event::Logged => process.give_access_log().await,
                Event::Facts => {
                    let facts = self.part.facts.borrow_and_update().clone();
                    process.inform(facts).await;
                }
                Event::Lost | Event::Routed => {
                    event = self.told(process, plan).await?;
                    continue;
                }
                Event::Planned => {
                    let new = self.part.plans.borrow_and_update().clone();
                    let replaced = Birth::of(&new) != Birth::of(plan);
                    *plan = new;
                    if replaced {
                        self.show(State::Draining, "is replaced for its new plan".to_owned());
                        process.drain(DRAIN).await?;
                        return Ok(Life::Replaced);
                    }
                    event = self.told(process, plan).await?;
                    continue;
                }
                Event::Stop => {
                    let begun = Instant::now();
                    self.show(State::Draining, "finishes what is in flight".to_owned());
                    process.drain(DRAIN).await?;
                    self.release().await;
                    return Ok(Life::Stopped(begun.elapsed()));
                }
            }
            event = self.next(process).await;
        }
    }

    /// Tells the role its plan, unless something else happens before it listens; then waits for what comes next.
    async fn told(&mut self, process: &mut Process, plan: &RolePlan) -> anyhow::Result<Event> {
        let keeper = self.part.context.keeper.clone();
        let mut stopped = self.part.stopped.clone();
        let generation = *self.part.generation.borrow();
        let (diverted, text) = (self.diverted(), self.text(plan)?);
        tokio::select! {
            biased;
            exit = keeper.exited(&self.part.id) => return Ok(Event::Exited(exit)),
            () = ended(&mut stopped) => return Ok(Event::Stop),
            told = process.configure(diverted, text, generation) => told?,
        }
        Ok(self.next(process).await)
    }

    /// The servers that it is to empty; `None`: that is not known, or it is not concerned.
    fn diverted(&mut self) -> Option<Vec<Divert>> {
        let servers = self.part.diverted.borrow_and_update().clone();
        servers.filter(|_| self.sends_on)
    }

    /// Its plan, in the shape that belongs to the role.
    fn text(&self, plan: &RolePlan) -> anyhow::Result<Box<RawValue>> {
        let text = match (&plan.part, &self.routes) {
            (Kind::LoadBalancer(plan), _) => serde_json::to_string(plan)?,
            (Kind::Web(plan), _) => serde_json::to_string(plan)?,
            (Kind::Dns(plan), _) => serde_json::to_string(plan)?,
            (Kind::Agent(plan), _) => serde_json::to_string(plan)?,
            (Kind::Router(plan), Some(routes)) => {
                let secrets = self.part.context.secrets();
                let told = Told::new(routes.fill_in(plan), &secrets)?;
                serde_json::to_string(&told)?
            }
            _ => anyhow::bail!("{} is no role of ours", plan.id),
        };
        Ok(RawValue::from_string(text)?)
    }

    async fn next(&mut self, process: &mut Process) -> Event {
        let keeper = &self.part.context.keeper;
        let mut stopped = self.part.stopped.clone();
        tokio::select! {
            exit = keeper.exited(&self.part.id) => Event::Exited(exit),
            heard = process.hear() => heard.map_or(Event::Lost, |heard| Event::Heard(Box::new(heard))),
            changed = self.part.diverted.changed(), if self.sends_on => if changed.is_ok() { Event::Diverted } else { Event::Stop },
            changed = self.part.facts.changed(), if self.is_agent => if changed.is_ok() { Event::Facts } else { Event::Stop },
            changed = self.access.changed(), if self.sends_on => if changed.is_ok() { Event::Logged } else { Event::Stop },
            () = routes::changed(&mut self.routes) => Event::Routed,
            changed = self.part.plans.changed() => if changed.is_ok() { Event::Planned } else { Event::Stop },
            () = ended(&mut stopped) => Event::Stop,
        }
    }

    fn heard(&mut self, message: FromRole, plan: &RolePlan) {
        match message {
            FromRole::Report(report) => {
                if report.state == State::Serving {
                    self.failures = 0;
                    self.tell_once(plan);
                }
                let before = std::mem::take(&mut self.report);
                self.report = RoleReport {
                    id: before.id,
                    role: before.role,
                    pid: before.pid,
                    restarts: before.restarts,
                    ..*report
                };
            }
            FromRole::Refused { reason, .. } => {
                tracing::error!(id = self.part.id, reason, "the role refused its plan");
                self.report.reason = format!("refused its plan: {reason}");
            }
        }
        self.part.reports.tell(vec![self.report.clone()]);
    }

    fn tell_once(&mut self, plan: &RolePlan) {
        if !std::mem::replace(&mut self.told, true) {
            let server = &self.part.context.home.server;
            if let Some((what, text)) = words::serving(plan, &self.part.site, server) {
                let took = Some(self.begun.elapsed());
                self.part.context.step(&what, text, took, true);
            }
        }
    }

    fn failed(&mut self, cause: String, started: Instant) {
        self.failures = if started.elapsed() >= CALM {
            1
        } else {
            self.failures + 1
        };
        tracing::warn!(id = self.part.id, cause, "the role ended");
        let written = self
            .part
            .context
            .outputs
            .since(&self.part.id, self.log_from);
        let reason = match written.lines().next_back() {
            Some(last) => format!("{cause}: {last}"),
            None => cause,
        };
        if self.failures == LOOP && !self.told {
            self.part
                .context
                .step(&self.report.role, reason.clone(), None, false);
        }
        self.report.pid = 0;
        self.show(
            if self.failures >= LOOP {
                State::Failing
            } else {
                State::Restarting
            },
            reason,
        );
    }

    fn show(&mut self, state: State, reason: String) {
        if self.report.state != state {
            self.report.since = clock::unix_millis();
        }
        self.report.state = state;
        self.report.reason = reason;
        self.part.reports.tell(vec![self.report.clone()]);
    }

    async fn release(&self) {
        if let Err(error) = sockets::release(&self.part.context, &self.part.id).await {
            tracing::warn!(
                id = self.part.id,
                error = format!("{error:#}"),
                "its sockets stay open"
            );
        }
    }
}
