//! Releases: made by a process of their own, in the machine's network and with the caller's environment.

use std::path::PathBuf;
use std::process::Stdio;

use terrace_protocol::build::{Built, Failure, Link, Order, Progress, short};
use terrace_site::plan::{AppPlan, Launch};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

use super::{Coordinator, Event, Events};
use crate::hosts::user::Mode;

impl Coordinator {
    /// Begins a build for each app of the site.
    pub(super) fn start_builds(&mut self) {
        let mut apps: Vec<AppPlan> = Vec::new();
        for plan in self.servers.values().flat_map(|server| &server.plan.roles) {
            if let terrace_site::plan::Part::App(app) = &plan.part
                && !apps.iter().any(|known| known.name == app.name)
            {
                apps.push(app.clone());
            }
        }
        self.building = apps.len();
        for app in apps {
            let order = order(&app, self.mode);
            let (releases, events) = (self.location.state().join("releases"), self.events.clone());
            self.builds.push(tokio::spawn(async move {
                let result = build(&order, releases, &events).await;
                let _ = events.send(Event::Built {
                    app: order.app,
                    result,
                });
            }));
        }
    }

    /// A build came to its end. When the last one has, the nodes are told.
    pub(super) async fn built(
        &mut self,
        app: String,
        result: Result<Built, Failure>,
    ) -> anyhow::Result<()> {
        self.building -= 1;
        match result {
            Ok(built) => {
                let took = std::time::Duration::from_millis(built.took);
                let how = if built.fresh {
                    "build (once)"
                } else {
                    "built before"
                };
                // Where there are several, each is named.
                let several = self.site.as_ref().is_some_and(|site| site.apps().len() > 1);
                let name = if several {
                    format!("{app}: ")
                } else {
                    String::new()
                };
                self.step(
                    "app",
                    format!("{name}release {}: {how}", short(&built.release)),
                    Some(took),
                    true,
                )
                .await;
                self.releases.insert(app, built.release);
            }
            Err(failure) => {
                self.step("app", format!("{app}: {}", failure.cause), None, false)
                    .await;
                self.failures.insert(app, failure);
            }
        }
        if self.building == 0 && !self.releases.is_empty() {
            self.replan();
            for server in self.order.clone() {
                self.send_plan(&server).await;
            }
        }
        Ok(())
    }
}

fn order(app: &AppPlan, mode: Mode) -> Order {
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
        in_use: Vec::new(),
    }
}

async fn build(order: &Order, releases: PathBuf, events: &Events) -> Result<Built, Failure> {
    let broken = |what: &str, error: &dyn std::fmt::Display| Failure {
        cause: format!("the builder {what}: {error}"),
        ..Failure::default()
    };
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("terrace")
        .args(["internal", "build"])
        .arg(releases);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command
        .spawn()
        .map_err(|error| broken("cannot be started", &error))?;
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(broken("cannot be spoken to", &"it has no pipes"));
    };
    let line =
        serde_json::to_string(order).map_err(|error| broken("cannot be told", &error))? + "\n";
    input
        .write_all(line.as_bytes())
        .await
        .map_err(|error| broken("cannot be told", &error))?;
    let mut lines = BufReader::new(output).lines();
    // Its input stays open until it has ended: when it closes the builder gives up.
    let mut result = Err(broken("ended", &"it said nothing"));
    while let Ok(Some(line)) = lines.next_line().await {
        match serde_json::from_str(&line) {
            Ok(Progress::Done(built)) => result = Ok(built),
            Ok(Progress::Failed(failure)) => result = Err(failure),
            Ok(Progress::Building { .. }) => drop(events.send(Event::Building {
                app: order.app.clone(),
            })),
            Ok(Progress::Command(command)) => tracing::info!(app = order.app, command, "builds"),
            Ok(Progress::Line(line)) => tracing::info!(app = order.app, line, "build"),
            Err(error) => tracing::warn!(%error, "the builder said something else"),
        }
    }
    drop(input);
    child
        .wait()
        .await
        .map_err(|error| broken("cannot be waited for", &error))?;
    result
}
