//! Releases: made by a process of their own, in the machine's network and with the caller's environment.
//!
//! What becomes of each is kept until the next attempt: whether it is underway, done or failed, since when, and why. Everything
//! that its commands write goes to a log of its own.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use terrace_protocol::build::{Built, Failure, Link, Order, Progress, short};
use terrace_protocol::control::{BuildState, BuildStatus};
use terrace_protocol::report::{LogOf, RoleReport, State};
use terrace_service::clock;
use terrace_site::plan::{AppPlan, Launch, Part};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{Coordinator, Event, Events, build_log::BuildLog};
use crate::hosts::first::{self, First};
use crate::hosts::user::Mode;

/// A build that is killed and does not end within this time is left to the kernel.
const PATIENCE: Duration = Duration::from_secs(5);

/// The latest attempt to make a release of an app.
pub(super) struct Build {
    /// Which attempt: what is heard of one before is of the past.
    number: u64,
    /// Since when it is in its state: milliseconds since 1970.
    since: u64,
    stage: Stage,
    task: JoinHandle<()>,
    /// When it is dropped the build ends.
    stop: oneshot::Sender<()>,
}

enum Stage {
    Underway,
    Done,
    Failed(Failure),
}

/// The latest attempts, by the app's name.
#[derive(Default)]
pub(super) struct Builds {
    by_app: BTreeMap<String, Build>,
    attempts: u64,
}

impl Builds {
    /// Some have not come to their end.
    pub(super) fn are_underway(&self) -> bool {
        let mut all = self.by_app.values();
        all.any(|build| matches!(build.stage, Stage::Underway))
    }

    /// Since when the first of those that have not come to their end is underway, and whose it is.
    pub(super) fn underway(&self) -> Option<(&str, u64)> {
        let all = self.by_app.iter();
        let underway = all.filter(|(_, build)| matches!(build.stage, Stage::Underway));
        let first = underway.min_by_key(|(_, build)| build.since);
        first.map(|(app, build)| (app.as_str(), build.since))
    }

    /// The apps that have no release because their build failed.
    pub(super) fn failed(&self) -> impl Iterator<Item = (&str, &Failure)> {
        self.by_app
            .iter()
            .filter_map(|(app, build)| match &build.stage {
                Stage::Failed(failure) => Some((app.as_str(), failure)),
                _ => None,
            })
    }

    /// How each stands.
    pub(super) fn status(&self, log: impl Fn(&str) -> PathBuf) -> Vec<BuildStatus> {
        let one = |(app, build): (&String, &Build)| {
            let (state, failure) = match &build.stage {
                Stage::Underway => (BuildState::Building, None),
                Stage::Done => (BuildState::Built, None),
                Stage::Failed(failure) => (BuildState::Failed, Some(failure.clone())),
            };
            let log = Some(log(app)).filter(|log| log.is_file());
            BuildStatus {
                app: app.clone(),
                state,
                since: build.since,
                failure,
                log,
            }
        };
        self.by_app.iter().map(one).collect()
    }

    /// What a copy says that waits for a release: how that release stands.
    pub(super) fn tell(&self, app: &str, report: &mut RoleReport) {
        let Some(build) = self.by_app.get(app) else {
            return;
        };
        let (state, reason) = match &build.stage {
            Stage::Underway => (State::Waiting, "its release is being built".to_owned()),
            Stage::Failed(failure) => (
                State::Failing,
                format!("its build failed: {}", failure.cause),
            ),
            Stage::Done => return,
        };
        report.state = state;
        report.reason = reason;
        report.since = build.since;
        report.log = Some(Box::new(LogOf::Build(app.to_owned())));
    }

    /// Ends all that are underway, and waits until nothing of them runs.
    pub(super) async fn end(&mut self) {
        let all = std::mem::take(&mut self.by_app).into_values();
        let ends = all.map(|Build { task, stop, .. }| {
            drop(stop);
            task
        });
        let _ = tokio::time::timeout(PATIENCE, futures_util::future::join_all(ends)).await;
    }
}

impl Coordinator {
    /// Begins a build for each of these apps of the site.
    pub(super) fn start_builds(&mut self, wanted: impl Fn(&str) -> bool) {
        let mut apps: Vec<AppPlan> = Vec::new();
        for plan in self.servers.values().flat_map(|server| &server.plan.roles) {
            if let Part::App(app) = &plan.part
                && wanted(&app.name)
                && !apps.iter().any(|known| known.name == app.name)
            {
                apps.push(app.clone());
            }
        }
        for app in apps {
            let order = order(&app, self.mode, self.releases.get(&app.name));
            let (releases, events) = (self.location.state().join("releases"), self.events.clone());
            let log = BuildLog::new(self.location.build_log(&app.name));
            self.builds.attempts += 1;
            let number = self.builds.attempts;
            let (stop, stopped) = oneshot::channel();
            let task = tokio::spawn(async move {
                let result = build(&order, releases, log, &events, stopped).await;
                let app = order.app;
                let _ = events.send(Event::Built {
                    app,
                    number,
                    result,
                });
            });
            let build = Build {
                number,
                since: clock::unix_millis(),
                stage: Stage::Underway,
                task,
                stop,
            };
            self.builds.by_app.insert(app.name, build);
        }
    }

    /// A build came to its end. When the last one has, the nodes are told.
    pub(super) fn built(
        &mut self,
        app: String,
        number: u64,
        result: Result<Built, Failure>,
    ) -> anyhow::Result<()> {
        let known = self.builds.by_app.get_mut(&app);
        let Some(build) = known.filter(|build| build.number == number) else {
            return Ok(());
        };
        build.since = clock::unix_millis();
        match result {
            Ok(built) => {
                build.stage = Stage::Done;
                let took = Duration::from_millis(built.took);
                let how = match built.fresh {
                    true => "build (once)",
                    false => "built before",
                };
                // Where there are several, each is named.
                let several = self.site.as_ref().is_some_and(|site| site.apps().len() > 1);
                let name = if several {
                    format!("{app}: ")
                } else {
                    String::new()
                };
                let text = format!("{name}release {}: {how}", short(&built.release));
                self.releases.insert(app, built.release);
                self.step("app", text, Some(took), true);
            }
            Err(failure) => {
                let text = format!("{app}: {}", failure.cause);
                build.stage = Stage::Failed(failure);
                self.step("app", text, None, false);
            }
        }
        self.settled = std::time::Instant::now();
        if !self.builds.are_underway() && !self.releases.is_empty() {
            self.replan();
            self.roll_out();
        }
        Ok(())
    }
}

/// `in_use`: the release that runs, if one does.
fn order(app: &AppPlan, mode: Mode, in_use: Option<&String>) -> Order {
    let Launch::Run(run) = &app.launch;
    let keep = app.keep.iter().map(|keep| Link {
        at: keep.at.clone(),
        to: PathBuf::from("/var/lib/terrace/keep")
            .join(&app.name)
            .join(&keep.name),
    });
    Order {
        app: app.name.clone(),
        code: app.code.clone(),
        releases: "/srv".into(),
        build: app.build.clone(),
        run: Some(run.clone()),
        other_user: mode == Mode::Root,
        keep: keep.collect(),
        in_use: in_use.into_iter().cloned().collect(),
    }
}

/// Makes a release, in a builder that is the first process of a pid namespace. When `stop` is dropped it ends at once. Nothing
/// that the build has started runs when this is done.
async fn build(
    order: &Order,
    releases: PathBuf,
    log: BuildLog,
    events: &Events,
    stop: oneshot::Receiver<()>,
) -> Result<Built, Failure> {
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("terrace")
        .args(["internal", "build"])
        .arg(releases);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .process_group(0);
    let mut builder = first::start(format!("build {}", order.app), command)
        .await
        .map_err(|error| broken("cannot be started", &error))?;
    let result = tokio::select! {
        result = converse(&mut builder, order, log, events) => result,
        _ = stop => Err(broken("was stopped", &"the site goes down")),
    };
    builder.handle.kill();
    let _ = builder.ended.await;
    result
}

fn broken(what: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure {
        cause: format!("the builder {what}: {error}"),
        ..Failure::default()
    }
}

/// Gives the builder its order, and hears how it goes.
async fn converse(
    builder: &mut First,
    order: &Order,
    mut log: BuildLog,
    events: &Events,
) -> Result<Built, Failure> {
    let (Some(input), Some(output)) = (builder.stdin.take(), builder.stdout.take()) else {
        return Err(broken("cannot be spoken to", &"it has no pipes"));
    };
    let told = |error: std::io::Error| broken("cannot be told", &error);
    let mut input = ChildStdin::from_std(input).map_err(told)?;
    let output = ChildStdout::from_std(output).map_err(told)?;
    let line =
        serde_json::to_string(order).map_err(|error| broken("cannot be told", &error))? + "\n";
    input.write_all(line.as_bytes()).await.map_err(told)?;
    let mut lines = BufReader::new(output).lines();
    // Its input stays open until it has ended: when it closes the builder gives up.
    let mut result = Err(broken("ended", &"it said nothing"));
    while let Ok(Some(line)) = lines.next_line().await {
        match serde_json::from_str(&line) {
            Ok(Progress::Done(built)) => result = Ok(built),
            Ok(Progress::Failed(failure)) => {
                log.line(&failure.cause);
                result = Err(failure);
            }
            Ok(Progress::Building { .. }) => drop(events.send(Event::Building {
                app: order.app.clone(),
            })),
            Ok(Progress::Command(command)) => log.line(&format!("$ {command}")),
            Ok(Progress::Line(line)) => log.line(&line),
            Err(error) => tracing::warn!(%error, "the builder said something else"),
        }
    }
    result
}
