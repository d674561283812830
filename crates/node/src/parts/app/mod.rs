//! The copies of an app on this server. What is to be done is decided by `terrace_app`; here it is done.

mod copy;
mod prepare;
mod report;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::sys::signal::Signal;
use terrace_app::launch::{self, Secrets, Surroundings};
use terrace_app::{Action, Event, Machine, Settings, Wanted, rollout};
use terrace_protocol::report::LogOf;
use terrace_service::Backoff;
use terrace_site::plan::{AppPlan, CopyPlan, Part as Kind};
use tokio::sync::mpsc;

use super::{Part, ended, seconds};
use copy::{Copy, Notes};

/// How many of its last lines are shown of what ended.
const LAST_LINES: usize = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(300);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Runs the copies until they are to end.
pub(crate) async fn run(part: Part) -> String {
    let (heard_in, heard) = mpsc::unbounded_channel();
    let Some(plan) = plan_of(&part) else {
        return "app (no plan)".to_owned();
    };
    let home = &part.context.home;
    let surroundings = Surroundings {
        site: part.site.clone(),
        server: home.server.clone(),
        releases: home.releases.clone(),
        state: home.state.clone(),
    };
    let generation = *part.generation.borrow();
    let mut app = App {
        part,
        plan,
        surroundings,
        copies: BTreeMap::new(),
        heard_in,
        ready: Ready::now(),
        pauses: pauses(),
        unprepared: None,
        begun: Instant::now(),
        told: false,
        wanted: BTreeMap::new(),
        generation,
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

fn pauses() -> Backoff {
    Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE)
}

/// What is heard of the copies and of what is done for them.
enum Heard {
    Copy(String, Event),
    /// The preparation of a release has ended.
    Prepared(String, anyhow::Result<()>),
}

/// Whether copies of the release may start.
enum Ready {
    /// Not yet; to be prepared then.
    No { again: Instant },
    /// It is being prepared.
    Underway,
    /// The database is prepared for it.
    Yes { release: String },
}

impl Ready {
    fn now() -> Self {
        let again = Instant::now();
        Ready::No { again }
    }
}

/// What could not be prepared the last time, and is tried again.
struct Unprepared {
    /// Since when it fails: milliseconds since 1970.
    since: u64,
    trouble: String,
    /// The log that says more.
    log: Option<Box<LogOf>>,
}

struct App {
    part: Part,
    plan: AppPlan,
    surroundings: Surroundings,
    copies: BTreeMap<String, Copy>,
    heard_in: mpsc::UnboundedSender<Heard>,
    ready: Ready,
    pauses: Backoff,
    /// Why preparations fail, as long as they do.
    unprepared: Option<Unprepared>,
    /// When copies could begin to start.
    begun: Instant,
    /// Whoever waits has been told that all copies answer.
    told: bool,
    /// What each copy is to run, once the release is ready.
    wanted: BTreeMap<String, Wanted>,
    /// The generation of the plan that is being carried out.
    generation: u64,
}

impl App {
    /// Finds the copies that run already: the node was restarted, they were not.
    async fn adopt(&mut self) {
        let now = Instant::now();
        let (processes, _) = self.part.context.keeper.list().await.unwrap_or_default();
        let notes = Notes(self.surroundings.state.join("copies"));
        for plan in self.plan.copies.clone() {
            let id = plan.id.clone();
            let runs = processes
                .iter()
                .find(|kept| kept.id == id && kept.exit.is_none());
            let copy = Copy::new(plan, Machine::new(Settings::of(&self.plan), now));
            if runs.is_some() {
                copy.await_exit(&self.part.context, &self.heard_in);
                self.told = true;
            }
            self.copies.insert(id.clone(), copy);
            if let Some(kept) = runs {
                let running = notes.read(&id);
                self.handle(
                    &id,
                    Event::Adopted {
                        pid: kept.pid,
                        running,
                    },
                )
                .await;
            }
        }
    }

    async fn serve(&mut self, mut heard: mpsc::UnboundedReceiver<Heard>) -> String {
        let mut stopped = self.part.stopped.clone();
        loop {
            self.prepare();
            self.roll_out().await;
            let planned = |id: &String| self.plan.copies.iter().any(|copy| copy.id == *id);
            self.copies
                .retain(|id, copy| planned(id) || !copy.machine.is_stopped());
            self.report();
            let wake = self.wake();
            tokio::select! {
                Some(event) = heard.recv() => self.heard(event).await,
                () = tokio::time::sleep_until(wake.into()) => self.tick().await,
                () = super::room_made(&self.part.context) => self.retry().await,
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
        self.copies.values_mut().for_each(Copy::note);
        for id in self.ids() {
            self.handle(&id, Event::Tick).await;
        }
    }

    /// The disk has room again, for want of which anything may have failed.
    async fn retry(&mut self) {
        if let Ready::No { again, .. } = &mut self.ready {
            *again = Instant::now();
        }
        for id in self.ids() {
            self.handle(&id, Event::Retry).await;
        }
    }

    fn ids(&self) -> Vec<String> {
        self.copies.keys().cloned().collect()
    }

    async fn heard(&mut self, heard: Heard) {
        match heard {
            Heard::Copy(id, event) => self.handle(&id, event).await,
            Heard::Prepared(release, outcome) => self.prepared(release, outcome),
        }
    }

    async fn handle(&mut self, id: &str, event: Event) {
        if let Some(copy) = self.copies.get_mut(id) {
            if let Some(news) = copy.news(&event) {
                self.part.context.step("app", news, None, false);
            }
            let actions = copy.machine.handle(event, Instant::now());
            self.carry_out(id, actions).await;
        }
    }

    /// The plan has changed: settings apply at once, copies that are gone stop, new ones come.
    async fn replan(&mut self) {
        self.part.plans.mark_unchanged();
        self.generation = *self.part.generation.borrow();
        let Some(plan) = plan_of(&self.part) else {
            return;
        };
        self.plan = plan;
        self.pauses = pauses();
        if !matches!(self.ready, Ready::Underway) {
            self.ready = Ready::now();
            self.unprepared = None;
        }
        let settings = Settings::of(&self.plan);
        for plan in self.plan.copies.clone() {
            let fresh = || Copy::new(plan.clone(), Machine::new(settings.clone(), Instant::now()));
            let copy = self.copies.entry(plan.id.clone()).or_insert_with(fresh);
            copy.machine.configure(settings.clone());
            copy.plan = plan;
        }
        for id in self.ids() {
            if !self.plan.copies.iter().any(|copy| copy.id == id) {
                self.handle(&id, Event::Stop).await;
            }
        }
    }

    fn secrets(&self) -> anyhow::Result<Secrets> {
        Ok(Secrets::of(&self.plan, &self.part.context.secrets())?)
    }

    /// Tells the copies whose turn it is what to run.
    async fn roll_out(&mut self) {
        let Ready::Yes { release } = &self.ready else {
            return;
        };
        let wanted = self.wanted(release);
        self.unprepared = None;
        self.wanted.clone_from(&wanted);
        let ids: Vec<String> = wanted.keys().cloned().collect();
        loop {
            let turn = |id: &String| Some((&self.copies.get(id)?.machine, wanted.get(id)?));
            let due = rollout::due(&ids.iter().filter_map(turn).collect::<Vec<_>>());
            if due.is_empty() {
                return;
            }
            for index in due {
                let id = &ids[index];
                self.handle(id, Event::Run(wanted[id].clone())).await;
            }
        }
    }

    /// A secret that is set anew is seen by what starts next: no copy is started anew for it.
    fn wanted(&self, release: &str) -> BTreeMap<String, Wanted> {
        let secrets = Secrets::unread(&self.plan);
        let of = |copy: &CopyPlan| {
            let spawn = launch::copy(&self.plan, copy, release, &self.surroundings, &secrets);
            let revision = launch::revision(&spawn);
            (
                copy.id.clone(),
                Wanted {
                    release: release.to_owned(),
                    revision,
                },
            )
        };
        self.plan.copies.iter().map(of).collect()
    }

    async fn carry_out(&mut self, id: &str, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Spawn(wanted) => {
                    if let Err(error) = self.spawn(id, &wanted).await {
                        let event = Event::NotStarted(format!("{error:#}"));
                        let _ = self.heard_in.send(Heard::Copy(id.to_owned(), event));
                    }
                }
                Action::Terminate => self.signal(id, Signal::SIGTERM).await,
                Action::Kill => self.signal(id, Signal::SIGKILL).await,
                // The keeper has ended what was left of the group before it told of the end.
                Action::Sweep => {}
                Action::Check { number } => {
                    if let Some(copy) = self.copies.get(id) {
                        copy.check(number, &self.part.site, &self.plan, &self.heard_in);
                    }
                }
            }
        }
    }

    /// The machine hears of it by way of the queue: it is asked again only when it has finished speaking.
    async fn spawn(&mut self, id: &str, wanted: &Wanted) -> anyhow::Result<()> {
        let secrets = self.secrets()?;
        let context = &self.part.context;
        let copy = self.copies.get_mut(id).context("there is no such copy")?;
        let pid = copy
            .spawn(context, &self.plan, &self.surroundings, &secrets, wanted)
            .await?;
        // Before its end is waited for: one that ends at once is heard of in this order.
        let _ = self
            .heard_in
            .send(Heard::Copy(id.to_owned(), Event::Started { pid }));
        copy.await_exit(context, &self.heard_in);
        Ok(())
    }

    async fn signal(&self, id: &str, signal: Signal) {
        let sent = self
            .part
            .context
            .keeper
            .signal(id, signal as i32, true)
            .await;
        if let Err(error) = sent {
            tracing::warn!(id, %signal, error = format!("{error:#}"), "a signal was not sent");
        }
    }

    async fn stop(&mut self, heard: &mut mpsc::UnboundedReceiver<Heard>) -> String {
        let begun = Instant::now();
        if matches!(self.ready, Ready::Underway) {
            // It runs again at the next start. There may be none at this moment.
            let id = prepare::migration_id(&self.part.id);
            let _ = self
                .part
                .context
                .keeper
                .signal(&id, Signal::SIGKILL as i32, true)
                .await;
        }
        for id in self.ids() {
            self.handle(&id, Event::Stop).await;
        }
        while !self.copies.values().all(|copy| copy.machine.is_stopped()) {
            self.report();
            let wake = self.wake();
            tokio::select! {
                Some(event) = heard.recv() => self.heard(event).await,
                () = tokio::time::sleep_until(wake.into()) => self.tick().await,
            }
        }
        format!("app (drained {})", seconds(begun.elapsed()))
    }
}
