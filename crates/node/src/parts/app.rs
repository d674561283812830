//! The copies of an app on this server. What is to be done is decided by `terrace_app`; here it is done.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sys::signal::Signal;
use terrace_app::launch::{self, Secrets, Surroundings};
use terrace_app::{Action, Event, Machine, Settings, Verdict, Wanted, health, migrate, rollout};
use terrace_protocol::build::short;
use terrace_protocol::keeper::{Exit, Spawn};
use terrace_protocol::report::{RoleReport, State};
use terrace_service::{SecretStore, clock, users};
use terrace_site::plan::{AppPlan, CopyPlan, Part as Kind};
use tokio::sync::mpsc;

use super::{Part, ended, seconds};
use crate::logs;

/// How many of its last lines are shown of a copy that ended.
const LAST_LINES: usize = 5;
/// A migration that failed is tried again after this.
const MIGRATE_AGAIN: Duration = Duration::from_secs(2);

/// Runs the copies until they are to end.
pub(crate) async fn run(part: Part) -> String {
    let (heard_in, heard) = mpsc::unbounded_channel();
    let Some(plan) = plan_of(&part) else {
        return "app (no plan)".to_owned();
    };
    let surroundings = Surroundings {
        site: part.site.clone(),
        server: part.context.home.server.clone(),
        releases: part.context.home.releases.clone(),
        state: part.context.home.state.clone(),
    };
    let begun = Instant::now();
    let mut app = App {
        part,
        plan,
        surroundings,
        copies: BTreeMap::new(),
        heard_in,
        ready: Ready::No { again: begun },
        begun,
        told: false,
        trouble: None,
    };
    app.adopt().await;
    app.serve(heard).await
}

fn plan_of(part: &Part) -> Option<AppPlan> {
    match &part.plans.borrow().part {
        Kind::App(plan) => Some(plan.clone()),
        _ => None,
    }
}

/// What a copy's processes and checks report.
type Heard = (String, Event);

/// Whether copies of the release may start.
enum Ready {
    /// Not yet; to be looked at again then.
    No { again: Instant },
    /// The release is there, and the database is prepared for it.
    Yes { release: String },
}

struct Copy {
    plan: CopyPlan,
    machine: Machine,
    /// How long its log was when it was last started.
    log_from: u64,
}

struct App {
    part: Part,
    plan: AppPlan,
    surroundings: Surroundings,
    copies: BTreeMap<String, Copy>,
    heard_in: mpsc::UnboundedSender<Heard>,
    ready: Ready,
    begun: Instant,
    /// Whoever waits has been told that all copies answer.
    told: bool,
    /// Why no copy can start, if none can.
    trouble: Option<String>,
}

impl App {
    /// Finds the copies that run already: the node was restarted, they were not.
    async fn adopt(&mut self) {
        let now = Instant::now();
        let (processes, _) = self.part.context.keeper.list().await.unwrap_or_default();
        for plan in self.plan.copies.clone() {
            let mut machine = Machine::new(Settings::of(&self.plan), now);
            let runs = processes
                .iter()
                .find(|kept| kept.id == plan.id && kept.exit.is_none());
            if let (Some(kept), Some(running)) = (runs, self.running_as(&plan.id)) {
                let actions = machine.handle(
                    Event::Adopted {
                        pid: kept.pid,
                        running,
                    },
                    now,
                );
                self.await_exit(&plan.id);
                self.copies.insert(
                    plan.id.clone(),
                    Copy {
                        plan: plan.clone(),
                        machine,
                        log_from: 0,
                    },
                );
                self.carry_out(&plan.id, actions).await;
            } else {
                self.copies.insert(
                    plan.id.clone(),
                    Copy {
                        plan,
                        machine,
                        log_from: 0,
                    },
                );
            }
        }
    }

    async fn serve(&mut self, mut heard: mpsc::UnboundedReceiver<Heard>) -> String {
        let mut stopped = self.part.stopped.clone();
        loop {
            self.prepare().await;
            self.roll_out().await;
            self.report();
            let wake = self.wake();
            tokio::select! {
                Some((id, event)) = heard.recv() => self.handle(&id, event).await,
                () = tokio::time::sleep_until(wake.into()) => self.tick().await,
                changed = self.part.plans.changed() => if changed.is_ok() {
                    self.replan().await;
                },
                () = ended(&mut stopped) => return self.stop(&mut heard).await,
            }
        }
    }

    fn wake(&self) -> Instant {
        let again = match self.ready {
            Ready::No { again } if self.plan.release.is_some() => Some(again),
            _ => None,
        };
        let machines = self.copies.values().filter_map(|copy| copy.machine.wake());
        let idle = Instant::now() + Duration::from_secs(1);
        machines.chain(again).min().unwrap_or(idle).min(idle)
    }

    async fn tick(&mut self) {
        for id in self.ids() {
            self.handle(&id, Event::Tick).await;
        }
    }

    fn ids(&self) -> Vec<String> {
        self.copies.keys().cloned().collect()
    }

    async fn handle(&mut self, id: &str, event: Event) {
        if let Some(copy) = self.copies.get_mut(id) {
            let actions = copy.machine.handle(event, Instant::now());
            self.carry_out(id, actions).await;
        }
    }

    /// The plan has changed: settings apply at once, copies that are gone stop, new ones come.
    async fn replan(&mut self) {
        self.part.plans.mark_unchanged();
        let Some(plan) = plan_of(&self.part) else {
            return;
        };
        if self.plan.release.is_none() && plan.release.is_some() {
            self.begun = Instant::now();
        }
        self.plan = plan;
        self.ready = Ready::No {
            again: Instant::now(),
        };
        let settings = Settings::of(&self.plan);
        for plan in self.plan.copies.clone() {
            let machine = Machine::new(settings.clone(), Instant::now());
            let copy = self.copies.entry(plan.id.clone()).or_insert(Copy {
                plan: plan.clone(),
                machine,
                log_from: 0,
            });
            copy.machine.configure(settings.clone());
            copy.plan = plan;
        }
        for id in self.ids() {
            if !self.plan.copies.iter().any(|copy| copy.id == id) {
                self.handle(&id, Event::Stop).await;
            }
        }
    }

    /// Makes sure that copies of the wanted release may start: directories, and the migration.
    async fn prepare(&mut self) {
        let Ready::No { again } = self.ready else {
            return;
        };
        let Some(release) = self
            .plan
            .release
            .clone()
            .filter(|_| Instant::now() >= again)
        else {
            return;
        };
        match self.try_to_prepare(&release).await {
            Ok(()) => {
                self.ready = Ready::Yes { release };
                self.trouble = None;
            }
            Err(error) => {
                let text = format!("{error:#}");
                tracing::warn!(id = self.part.id, error = text, "the release cannot start");
                if self.trouble.as_ref() != Some(&text) {
                    self.part.context.step("app", text.clone(), None, false);
                }
                self.trouble = Some(text);
                self.ready = Ready::No {
                    again: Instant::now() + MIGRATE_AGAIN,
                };
            }
        }
    }

    async fn try_to_prepare(&self, release: &str) -> anyhow::Result<()> {
        let owner = users::app(self.plan.index).id;
        for directory in launch::directories(&self.plan, &self.surroundings) {
            let made = fs::DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(&directory);
            made.with_context(|| format!("{} cannot be made", directory.display()))?;
            match chown(&directory, Some(owner), Some(owner)) {
                // Where only one user is mapped everything is that user's already.
                Err(error) if error.raw_os_error() != Some(nix::libc::EINVAL) => {
                    return Err(error).with_context(|| {
                        format!("{} cannot be given to the app", directory.display())
                    });
                }
                _ => {}
            }
        }
        let record = migrate::Record::of(&self.surroundings.state, &self.plan.name);
        let Some(command) = record.due(&self.plan, release)? else {
            return Ok(());
        };
        let begun = Instant::now();
        let id = format!("{}/migrate", self.part.id);
        let mut spawn = launch::migration(
            &self.plan,
            command,
            &id,
            release,
            &self.surroundings,
            &self.secrets()?,
        );
        spawn.id = id;
        let (exit, output) = self.part.context.keeper.run(spawn, None).await?;
        if exit != Exit::Code(0) {
            let lines: Vec<&str> = output.lines().collect();
            let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
            bail!("the migration `{command}` ended with {exit}:\n{last}");
        }
        record.done(command, release)?;
        self.part.context.step(
            "app",
            format!("migration `{command}`, once for this release"),
            Some(begun.elapsed()),
            true,
        );
        Ok(())
    }

    fn secrets(&self) -> anyhow::Result<Secrets> {
        Ok(Secrets::of(
            &self.plan,
            &SecretStore::new(&self.part.context.home.secrets),
        )?)
    }

    /// Tells the copies whose turn it is what to run.
    async fn roll_out(&mut self) {
        let Ready::Yes { release } = &self.ready else {
            return;
        };
        let wanted = match self.wanted(release) {
            Ok(wanted) => wanted,
            Err(error) => {
                self.trouble = Some(format!("{error:#}"));
                self.ready = Ready::No {
                    again: Instant::now() + MIGRATE_AGAIN,
                };
                return;
            }
        };
        let ids: Vec<String> = wanted.keys().cloned().collect();
        loop {
            let turn: Vec<(&Machine, &Wanted)> = ids
                .iter()
                .filter_map(|id| Some((&self.copies.get(id)?.machine, wanted.get(id)?)))
                .collect();
            let due = rollout::due(&turn);
            if due.is_empty() {
                return;
            }
            for index in due {
                let id = &ids[index];
                self.handle(id, Event::Run(wanted[id].clone())).await;
            }
        }
    }

    fn wanted(&self, release: &str) -> anyhow::Result<BTreeMap<String, Wanted>> {
        let secrets = self.secrets()?;
        let of = |copy: &CopyPlan| {
            let spawn = launch::copy(&self.plan, copy, release, &self.surroundings, &secrets);
            (
                copy.id.clone(),
                Wanted {
                    release: release.to_owned(),
                    revision: launch::revision(&spawn),
                },
            )
        };
        Ok(self.plan.copies.iter().map(of).collect())
    }

    async fn carry_out(&mut self, id: &str, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Spawn(wanted) => {
                    let event = match self.spawn(id, &wanted).await {
                        Ok(pid) => Event::Started { pid },
                        Err(error) => Event::NotStarted(format!("{error:#}")),
                    };
                    // By way of the queue: the machine is asked again only when it has finished speaking.
                    let _ = self.heard_in.send((id.to_owned(), event));
                }
                Action::Terminate => self.signal(id, Signal::SIGTERM).await,
                Action::Kill => self.signal(id, Signal::SIGKILL).await,
                // The keeper has ended what was left of the group before it told of the end.
                Action::Sweep => {}
                Action::Check { number } => self.check(id, number),
            }
        }
    }

    async fn signal(&self, id: &str, signal: Signal) {
        if let Err(error) = self
            .part
            .context
            .keeper
            .signal(id, signal as i32, true)
            .await
        {
            tracing::warn!(id, %signal, error = format!("{error:#}"), "a signal was not sent");
        }
    }

    fn check(&self, id: &str, number: u64) {
        let Some(copy) = self.copies.get(id) else {
            return;
        };
        let (id, address, plan) = (id.to_owned(), copy.plan.listen, self.plan.health.clone());
        let (site, heard) = (self.part.site.clone(), self.heard_in.clone());
        tokio::spawn(async move {
            let verdict: Verdict = health::check(address, &site, &plan).await;
            let _ = heard.send((id, Event::Checked { number, verdict }));
        });
    }

    async fn spawn(&mut self, id: &str, wanted: &Wanted) -> anyhow::Result<u32> {
        let secrets = self.secrets()?;
        let log = self.part.context.log(id);
        let copy = self.copies.get_mut(id).context("there is no such copy")?;
        copy.log_from = logs::length(&log);
        let spawn = launch::copy(
            &self.plan,
            &copy.plan,
            &wanted.release,
            &self.surroundings,
            &secrets,
        );
        self.remember(id, wanted)?;
        let output = Some(self.part.context.keep_log(id).await?);
        let pid = self
            .part
            .context
            .keeper
            .spawn(Spawn {
                output,
                open_files: Some(20_000),
                ..spawn
            })
            .await?;
        self.await_exit(id);
        Ok(pid)
    }

    fn await_exit(&self, id: &str) {
        let (context, id, heard) = (
            self.part.context.clone(),
            id.to_owned(),
            self.heard_in.clone(),
        );
        tokio::spawn(async move {
            let exit = context.keeper.exited(&id).await;
            let text = logs::since(&context.log(&id), 0);
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            let lines = lines[lines.len().saturating_sub(LAST_LINES)..].to_vec();
            let _ = heard.send((id, Event::Exited { exit, lines }));
        });
    }

    fn note(&self, id: &str) -> PathBuf {
        self.surroundings
            .state
            .join("copies")
            .join(format!("{}.json", id.replace('/', ".")))
    }

    /// What a copy is started as, for a node that comes after this one.
    fn remember(&self, id: &str, wanted: &Wanted) -> anyhow::Result<()> {
        let path = self.note(id);
        fs::create_dir_all(self.surroundings.state.join("copies"))?;
        let text = serde_json::to_string(&(&wanted.release, &wanted.revision))?;
        fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))
    }

    fn running_as(&self, id: &str) -> Option<Wanted> {
        let text = fs::read_to_string(self.note(id)).ok()?;
        let (release, revision) = serde_json::from_str(&text).ok()?;
        Some(Wanted { release, revision })
    }

    fn report(&mut self) {
        let (now, clock) = (Instant::now(), clock::unix_millis());
        let reports: Vec<RoleReport> = self
            .copies
            .iter()
            .map(|(id, copy)| self.one(id, copy, now, clock))
            .collect();
        let serving = reports
            .iter()
            .filter(|report| report.state == State::Serving)
            .count();
        if !self.told && serving == reports.len() && self.plan.release.is_some() && serving > 0 {
            self.told = true;
            let answers = self
                .plan
                .health
                .path
                .clone()
                .unwrap_or_else(|| "connections".to_owned());
            let copies = if serving == 1 {
                "copy answers"
            } else {
                "copies answer"
            };
            let text = format!("{serving} of {} {copies} {answers}", reports.len());
            self.part
                .context
                .step("app", text, Some(self.begun.elapsed()), true);
        }
        self.part.reports.tell(reports);
    }

    fn one(&self, id: &str, copy: &Copy, now: Instant, clock: u64) -> RoleReport {
        let mut report = copy.machine.report(id, now, clock);
        if let Some(release) = &self.plan.release
            && report.what.is_empty()
        {
            report.what = format!("release {}", short(release));
        }
        if report.state == State::Waiting {
            report.reason = match (&self.trouble, &self.plan.release) {
                (Some(trouble), _) => trouble.clone(),
                (None, None) => "its release is being built".to_owned(),
                (None, Some(_)) => "its turn comes".to_owned(),
            };
        }
        report
    }

    async fn stop(&mut self, heard: &mut mpsc::UnboundedReceiver<Heard>) -> String {
        let begun = Instant::now();
        for id in self.ids() {
            self.handle(&id, Event::Stop).await;
        }
        while !self.copies.values().all(|copy| copy.machine.is_stopped()) {
            self.report();
            let wake = self.wake();
            tokio::select! {
                Some((id, event)) = heard.recv() => self.handle(&id, event).await,
                () = tokio::time::sleep_until(wake.into()) => self.tick().await,
            }
        }
        format!("app (drained {})", seconds(begun.elapsed()))
    }
}
