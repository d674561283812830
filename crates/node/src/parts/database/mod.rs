//! The database server: found, born, started, asked how it is, started again, stopped.
//!
//! One that stands alone opens itself for writes. One of several stays closed and does what the controller says, which
//! is in `member`; `copying` hands its data to another one, or takes it.

mod copying;
mod lost;
mod member;
mod processes;
mod standing;

use std::sync::Arc;
use std::time::{Duration, Instant};

use terrace_database::failover::{Report, Run, Standing, Token};
use terrace_database::replication;
use terrace_database::{Directories, Error, Instance, Processes, Settings, Stopped, Updated};
use terrace_protocol::keeper::Exit;
use terrace_protocol::report::{Level, RoleReport, State};
use terrace_service::{Backoff, clock, disk, users};
use terrace_site::plan::{ClusterPlan, DatabasePlan, Part as Kind};
use tokio::sync::broadcast;

use super::{Part, ended, seconds};
use crate::node::letters::{self, Received};
use processes::Held;

/// How often it is asked how it is.
const PROBE: Duration = Duration::from_millis(500);
/// From SIGTERM to SIGKILL: what is not written then is recovered at the next start.
const STOP_WITHIN: Duration = Duration::from_secs(20);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const CALM: Duration = Duration::from_secs(10);
const LOOP: u32 = 3;
/// A server that has room and does not commit by then waits for what is there already.
const COMMITS_WITHIN: Duration = Duration::from_secs(2);

/// Runs the database until it is to end.
pub(crate) async fn run(part: Part) -> String {
    let report = RoleReport {
        id: part.id.clone(),
        role: "database".to_owned(),
        state: State::Starting,
        since: clock::unix_millis(),
        ..RoleReport::default()
    };
    let processes = Arc::new(Held::new(part.context.clone()));
    let backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, CALM);
    let had_data = part.context.home.had_data;
    let mut database = Database {
        letters: part.context.post.letters(),
        searches: part.context.post.searches(),
        part,
        processes,
        report,
        backoff,
        failures: 0,
        told: false,
        newborn: false,
        had_data,
        lost: false,
        heard: None,
        reborn: None,
        not_done: None,
        unwell_since: None,
        full: None,
        asked: None,
        last: None,
    };
    let mut stopped = database.part.stopped.clone();
    let mut wanted = None;
    loop {
        let begun = Instant::now();
        match database.live(wanted).await {
            Ok(Life::ToStop(instance)) => return database.stop(instance).await,
            Ok(Life::Exited(exit)) => {
                database.tell(Report::Down, false);
                database.failed(exit.to_string(), begun);
                wanted = None;
            }
            Ok(Life::NeedsRestart) => continue,
            Ok(Life::Fenced) => match database.stay_down().await {
                Some(start) => {
                    wanted = Some(start);
                    continue;
                }
                None => return "database (kept down)".to_owned(),
            },
            Err(error) => {
                database.lost = matches!(error, Error::Lost { .. });
                database.failed(words(&error), begun);
                // Until it is up once as a replica, nobody may read what it committed and nobody acknowledged.
                wanted = wanted.filter(|start| start.replica);
            }
        }
        let context = database.part.context.clone();
        let room = super::room_made(&context);
        let pause = database.backoff.pause(begun.elapsed());
        tokio::select! {
            () = database.pause(pause) => {}
            () = room => {}
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
    /// The controller had it killed, and it stays down until the controller says otherwise.
    Fenced,
}

/// The controller wants it to be started.
#[derive(Clone, Copy)]
struct Start {
    /// Names the answer.
    token: Token,
    /// As a replica: what it committed and nobody acknowledged is rolled back.
    replica: bool,
}

struct Database {
    part: Part,
    processes: Arc<Held>,
    report: RoleReport,
    backoff: Backoff,
    failures: u32,
    /// Whoever waits has been told that it is there.
    told: bool,
    /// Its data was made by this node.
    newborn: bool,
    /// It has had data: an empty directory does not take its place, unless another server has the same data.
    had_data: bool,
    /// The data that it had is gone.
    lost: bool,
    /// What other nodes say.
    letters: broadcast::Receiver<Received>,
    /// The texts that somebody looks for.
    searches: broadcast::Receiver<(u64, String)>,
    /// The newest of the controller's commands.
    heard: Option<Token>,
    /// The run that was started as a replica.
    reborn: Option<Run>,
    /// Why the controller's last command was not carried out.
    not_done: Option<String>,
    /// Since when it does not serve, though it runs.
    unwell_since: Option<Instant>,
    /// The run whose disk was full, until it goes on.
    full: Option<Run>,
    /// What that run was asked last and has not answered.
    asked: Option<member::AbortOnDrop>,
    /// How it stood when it last said so.
    last: Option<Standing>,
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
            secrets: self.part.context.secrets(),
            had_data: self.had_data,
        }
    }

    fn cluster(&self) -> Option<ClusterPlan> {
        match &self.part.plans.borrow().part {
            Kind::Database(plan) => plan.cluster.clone(),
            _ => None,
        }
    }

    /// From its start to its end.
    async fn live(&mut self, start: Option<Start>) -> Result<Life, Error> {
        let mut stopped = self.part.stopped.clone();
        // Only on its way up may it be interrupted: once it is up, whoever watches hears of the end itself.
        let instance = tokio::select! {
            up = self.bring_up(start.is_some_and(|start| start.replica)) => up?,
            () = ended(&mut stopped) => None,
        };
        let Some(instance) = instance else {
            return Ok(Life::ToStop(None));
        };
        if self.cluster().is_none() {
            return self.watch(instance).await;
        }
        self.follow(instance, start).await
    }

    /// Finds it, gives it birth where there is nothing yet, and starts it.
    async fn bring_up(&mut self, replica: bool) -> Result<Option<Instance>, Error> {
        let Some(plan) = self.plan() else {
            return Ok(None);
        };
        let begun = Instant::now();
        let name = plan.database.clone();
        let together = plan.cluster.is_some();
        let runs = self
            .part
            .context
            .keeper
            .process(&self.part.id)
            .await
            .ok()
            .flatten()
            .is_some();
        self.had_data |= runs;
        let mut instance = Instance::prepare(self.settings(), plan, self.processes.clone()).await?;
        self.had_data = true;
        if together {
            instance.leave_closed();
        }
        self.newborn |= instance.born().is_some();
        self.report.what = instance.found().to_string();
        match (runs, replica) {
            (true, _) => instance.attach().await,
            (false, true) => instance.start_as_replica().await,
            (false, false) => instance.start().await,
        }?;
        self.reborn = instance.run().filter(|_| replica);
        self.report.pid = instance.pid().unwrap_or(0);
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
                health = health => {
                    self.judge(&health);
                    if self.part.context.room.borrow().level == Level::Full {
                        self.full = instance.run();
                    }
                    self.hurry(&instance).await;
                }
                exit = &mut exited => {
                    let exit = exit.map_err(Error::from)?;
                    return Ok(Life::Exited(exit));
                }
                (number, text) = letters::next(&mut self.searches) => self.find(&mut instance, number, &text).await,
                () = ended(&mut stopped) => return Ok(Life::ToStop(Some(Box::new(instance)))),
                changed = self.part.plans.changed() => if changed.is_ok() && let Some(plan) = self.plan()
                    && let Updated::NeedsRestart = instance.update(plan).await? {
                    instance.stop(STOP_WITHIN).await?;
                    return Ok(Life::NeedsRestart);
                },
            }
        }
    }

    /// A server that met a full disk tries again a minute later, and who writes waits for that. Once there is room one that takes
    /// writes is killed instead: it recovers within seconds, as from any crash. Never a replica: what it has received and not
    /// applied would be gone.
    async fn hurry(&mut self, instance: &Instance) {
        if self.full.is_none() || self.full != instance.run() {
            return;
        }
        let home = &self.part.context.home.state;
        let has_room = disk::of(home).is_ok_and(|disk| disk.level != Level::Full);
        let database = self.report.database.as_ref();
        let writes = database.is_some_and(|database| database.writable);
        if !has_room || !writes {
            return;
        }
        let commits = replication::commits(instance.found().engine, instance.door());
        if tokio::time::timeout(COMMITS_WITHIN, commits).await.is_ok() {
            self.full = None;
            return;
        }
        tracing::warn!(
            id = self.part.id,
            "it waits for room that there is: it is started anew"
        );
        let kill = nix::sys::signal::Signal::SIGKILL as i32;
        if let Err(error) = self.processes.signal(&self.part.id, kill).await {
            tracing::warn!(id = self.part.id, %error, "it is not started anew");
        }
    }

    async fn find(&self, instance: &mut Instance, number: u64, text: &str) {
        let found = instance.find(text).await.map_err(|error| words(&error));
        self.part.context.post.found(number, found);
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
