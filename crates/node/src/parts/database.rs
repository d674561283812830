//! The database server: found, born, started, asked how it is, started again, stopped.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use terrace_database::{
    Directories, Error, Finished, Health, Instance, ProcessError, Processes, Settings, Stopped,
    Updated,
};
use terrace_protocol::keeper::{Exit, Spawn};
use terrace_protocol::report::{RoleReport, State};
use terrace_service::{Backoff, SecretStore, clock, users};
use terrace_site::plan::{DatabasePlan, Part as Kind};

use super::{Part, ended, seconds};
use crate::logs;
use crate::node::Context;

/// How often it is asked how it is.
const PROBE: Duration = Duration::from_millis(500);
/// From SIGTERM to SIGKILL: what is not written then is recovered at the next start.
const STOP_WITHIN: Duration = Duration::from_secs(20);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const CALM: Duration = Duration::from_secs(10);
const LOOP: u32 = 3;

/// Runs the database until it is to end.
pub(crate) async fn run(part: Part) -> String {
    let report = RoleReport {
        id: part.id.clone(),
        role: "database".to_owned(),
        state: State::Starting,
        since: clock::unix_millis(),
        ..RoleReport::default()
    };
    let processes = Arc::new(Held {
        context: part.context.clone(),
        log_from: Mutex::new(0),
    });
    let backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, CALM);
    let mut database = Database {
        part,
        processes,
        report,
        backoff,
        failures: 0,
        told: false,
    };
    let mut stopped = database.part.stopped.clone();
    loop {
        let begun = Instant::now();
        // Only on its way up may it be interrupted: once it is up, `watch` hears of the end itself.
        let up = tokio::select! {
            up = database.bring_up() => up,
            () = ended(&mut stopped) => Ok(None),
        };
        let life = match up {
            Ok(Some(instance)) => database.watch(instance).await,
            Ok(None) => Ok(Life::ToStop(None)),
            Err(error) => Err(error),
        };
        match life {
            Ok(Life::ToStop(instance)) => return database.stop(instance).await,
            Ok(Life::Exited(exit)) => database.failed(exit.to_string(), begun),
            Ok(Life::NeedsRestart) => continue,
            Err(error) => database.failed(words(&error), begun),
        }
        tokio::select! {
            () = tokio::time::sleep(database.backoff.pause(begun.elapsed())) => {}
            () = ended(&mut stopped) => return "database (down)".to_owned(),
        }
        database.report.restarts += 1;
    }
}

/// An error with all that is behind it, in a line.
fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}

enum Life {
    ToStop(Option<Box<Instance>>),
    Exited(Exit),
    NeedsRestart,
}

struct Database {
    part: Part,
    processes: Arc<Held>,
    report: RoleReport,
    backoff: Backoff,
    failures: u32,
    /// Whoever waits has been told that it is there.
    told: bool,
}

impl Database {
    fn plan(&mut self) -> Option<DatabasePlan> {
        match &self.part.plans.borrow_and_update().part {
            Kind::Database(plan) => Some(plan.clone()),
            _ => None,
        }
    }

    fn settings(&self) -> Settings {
        let home = &self.part.context.home;
        Settings {
            id: self.part.id.clone(),
            directories: Directories {
                home: home.state.join("database"),
                run: home.run.join("database"),
                templates: home.templates.clone(),
            },
            user: Some(users::DATABASE),
            search: home.search.clone(),
            secrets: SecretStore::new(&home.secrets),
        }
    }

    /// Finds it, gives it birth where there is nothing yet, and starts it.
    async fn bring_up(&mut self) -> Result<Option<Instance>, Error> {
        let Some(plan) = self.plan() else {
            return Ok(None);
        };
        let begun = Instant::now();
        let name = plan.database.clone();
        let mut instance = Instance::prepare(self.settings(), plan, self.processes.clone()).await?;
        self.report.what = instance.found().to_string();
        let runs = self
            .part
            .context
            .keeper
            .process(&self.part.id)
            .await
            .ok()
            .flatten()
            .is_some();
        let started = if runs {
            instance.attach().await?
        } else {
            instance.start().await?
        };
        self.report.pid = started.pid;
        if !self.told {
            self.told = true;
            let origin = if instance.born().is_some() {
                "new"
            } else {
                "its data found"
            };
            let text = format!("{}, {origin}, database \"{name}\"", self.report.what);
            self.part
                .context
                .step("database", text, Some(begun.elapsed()), true);
        }
        Ok(Some(instance))
    }

    /// Asks it how it is until it ends, is to end, or has another plan.
    async fn watch(&mut self, mut instance: Instance) -> Result<Life, Error> {
        let (processes, id) = (Arc::clone(&self.processes), self.part.id.clone());
        let exited = processes.exited(&id);
        tokio::pin!(exited);
        let mut stopped = self.part.stopped.clone();
        let mut probe = tokio::time::interval(PROBE);
        loop {
            let health = async {
                probe.tick().await;
                instance.probe().await
            };
            tokio::select! {
                health = health => self.judge(&health),
                exit = &mut exited => {
                    let exit = exit.map_err(Error::from)?;
                    return Ok(Life::Exited(exit));
                }
                () = ended(&mut stopped) => return Ok(Life::ToStop(Some(Box::new(instance)))),
                changed = self.part.plans.changed() => if changed.is_ok() && let Some(plan) = self.plan()
                    && let Updated::NeedsRestart = instance.update(plan).await? {
                    instance.stop(STOP_WITHIN).await?;
                    return Ok(Life::NeedsRestart);
                },
            }
        }
    }

    fn judge(&mut self, health: &Health) {
        let state = match health {
            Health::Answers { .. } => {
                self.failures = 0;
                State::Serving
            }
            Health::Silent { .. } | Health::Unreachable(_) => State::Failing,
        };
        self.show(state, health.to_string());
    }

    fn failed(&mut self, cause: String, begun: Instant) {
        self.failures = if begun.elapsed() >= CALM {
            1
        } else {
            self.failures + 1
        };
        tracing::warn!(id = self.part.id, cause, "the database ended");
        self.report.pid = 0;
        if self.failures == LOOP && !self.told {
            self.part
                .context
                .step("database", cause.clone(), None, false);
        }
        self.show(
            if self.failures >= LOOP {
                State::Failing
            } else {
                State::Restarting
            },
            cause,
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

    async fn stop(&mut self, instance: Option<Box<Instance>>) -> String {
        self.show(
            State::Draining,
            "writes out what it has in memory".to_owned(),
        );
        let Some(mut instance) = instance else {
            // It was on its way up: whatever of it runs ends as at a power cut, which it recovers from.
            let id = &self.part.id;
            if self
                .part
                .context
                .keeper
                .process(id)
                .await
                .ok()
                .flatten()
                .is_some()
            {
                let kill = nix::sys::signal::Signal::SIGKILL as i32;
                let _ = self.part.context.keeper.signal(id, kill, true).await;
                self.part.context.keeper.exited(id).await;
            }
            return "database (before it was up)".to_owned();
        };
        match instance.stop(STOP_WITHIN).await {
            Ok(Stopped::Clean(took)) => format!("database (clean, {})", seconds(took)),
            Ok(Stopped::Killed(exit)) => format!("database ({exit}; recovers at the next start)"),
            Err(error) => format!("database ({})", words(&error)),
        }
    }
}

/// The keeper, as the database wants processes.
struct Held {
    context: Context,
    /// Where the log of the last start begins.
    log_from: Mutex<u64>,
}

fn failed(error: anyhow::Error) -> ProcessError {
    ProcessError(format!("{error:#}"))
}

#[async_trait]
impl Processes for Held {
    async fn run(&self, spawn: Spawn, input: Option<OwnedFd>) -> Result<Finished, ProcessError> {
        let (exit, output) = self
            .context
            .keeper
            .run(spawn, input)
            .await
            .map_err(failed)?;
        Ok(Finished { exit, output })
    }

    async fn start(&self, mut spawn: Spawn) -> Result<u32, ProcessError> {
        *self.log_from.lock().unwrap_or_else(PoisonError::into_inner) =
            logs::length(&self.context.log(&spawn.id));
        spawn.output = Some(self.context.keep_log(&spawn.id).await.map_err(failed)?);
        self.context.keeper.spawn(spawn).await.map_err(failed)
    }

    async fn signal(&self, id: &str, signal: i32) -> Result<(), ProcessError> {
        self.context
            .keeper
            .signal(id, signal, false)
            .await
            .map_err(failed)
    }

    async fn exited(&self, id: &str) -> Result<Exit, ProcessError> {
        Ok(self.context.keeper.exited(id).await)
    }

    async fn output(&self, id: &str) -> String {
        let from = *self.log_from.lock().unwrap_or_else(PoisonError::into_inner);
        logs::since(&self.context.log(id), from)
    }
}
