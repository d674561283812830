//! How the site stands, and when it counts as up.

use std::time::Duration;

use terrace_protocol::build::Failure;
use terrace_protocol::control::{Enter, Reply, ServerStatus, Status};
use terrace_protocol::report::{RoleReport, State};
use terrace_site::plan::{INTERNET, Part};

use super::{Coordinator, Server};
use crate::front_door::{self, Door};
use crate::hosts::user::Mode;

/// Beside the time that an app is given to start: until `up` says that it does not come.
const PATIENCE: Duration = Duration::from_secs(30);

impl Coordinator {
    pub(super) fn status(&self) -> Status {
        let server = |name: &String| {
            let server = &self.servers[name];
            ServerStatus {
                name: name.clone(),
                addresses: server
                    .plan
                    .addresses
                    .iter()
                    .map(ToString::to_string)
                    .collect(),
                report: server.report.as_ref().map(|(report, _)| report.clone()),
                age: server.report.as_ref().map_or(0, |(_, at)| {
                    u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX)
                }),
                up: server.is_up(),
            }
        };
        Status {
            site: self.location.name().to_owned(),
            file: self.location.file().to_owned(),
            generation: self.memory.as_ref().map_or(0, |memory| memory.generation),
            mode: self.mode.title().to_owned(),
            front_door: self.front_door.as_ref().map(|door| {
                let port = door.address().port();
                format!("http://{}.localhost:{port}/", self.location.name())
            }),
            door: self.front_door.as_ref().map(Door::report),
            since: self.since,
            servers: self.order.iter().map(server).collect(),
        }
    }

    pub(super) fn enter(&self, name: &str) -> Reply {
        match self.servers.get(name).and_then(Server::running) {
            Some(keeper) => Reply::Enter(Enter {
                keeper: keeper.pid,
                user_namespace: self.mode == Mode::UserNamespace,
            }),
            None => Reply::Failed {
                cause: format!("no server `{name}` is up"),
                remedy: Some(format!("there are {}", self.order.join(", "))),
            },
        }
    }

    /// Tells whoever waits that the site is up, or that it does not come up and why; each once.
    pub(super) async fn look(&mut self) {
        if self.site.is_none() || self.waiting.as_ref().is_none_or(|waiting| waiting.told) {
            return;
        }
        if self.is_ready() {
            self.announce().await;
        } else if let Some((cause, remedy)) = self.trouble() {
            if let Some(waiting) = &mut self.waiting {
                waiting.told = true;
            }
            self.open_front_door();
            self.tell(&Reply::Failed { cause, remedy }).await;
        }
    }

    pub(super) fn roles(&self) -> impl Iterator<Item = &RoleReport> {
        self.servers
            .values()
            .filter_map(|server| server.report.as_ref())
            .flat_map(|(report, _)| &report.roles)
    }

    fn is_ready(&self) -> bool {
        let generation = self.memory.as_ref().map_or(0, |memory| memory.generation);
        let current = self.servers.values().all(|server| {
            server
                .report
                .as_ref()
                .is_some_and(|(report, _)| report.generation == generation)
        });
        self.building == 0
            && self.failures.is_empty()
            && current
            && self.roles().all(RoleReport::is_well)
    }

    /// Why the site does not come up: what failed, and what to do next.
    fn trouble(&self) -> Option<(String, Option<String>)> {
        if let Some((app, failure)) = self.failures.iter().next() {
            // The rest of the site comes up first, so that it can be looked at.
            let rest = self
                .roles()
                .filter(|role| role.role != "app")
                .all(|role| role.state == State::Serving);
            return (rest && self.servers.values().all(|server| server.report.is_some()))
                .then(|| broken_build(app, failure));
        }
        let late = self
            .waiting
            .as_ref()
            .is_some_and(|waiting| waiting.since.elapsed() > self.patience())
            && self.building == 0;
        let failing = |role: &&RoleReport| {
            role.state == State::Failing || (late && role.state != State::Serving)
        };
        let role = self.roles().find(failing)?;
        let server = role.id.split('/').next().unwrap_or_default();
        let log = role
            .id
            .strip_prefix(&format!("{server}/"))
            .unwrap_or(&role.id);
        let slow = role.reason.starts_with("not ready within");
        let time = if slow {
            "give a slower app more time with start-within=; "
        } else {
            ""
        };
        let next = format!(
            "{time}terrace logs {server}/{log}; the rest of the site runs on: terrace status"
        );
        let asked = self.asked(&role.id).unwrap_or_default();
        Some((
            format!("{} does not come up: {}{asked}", role.id, role.reason),
            Some(next),
        ))
    }

    /// How a copy of an app is asked whether it is ready.
    fn asked(&self, id: &str) -> Option<String> {
        let parts = self.servers.values().flat_map(|server| &server.plan.roles);
        parts.into_iter().find_map(|role| {
            let Part::App(app) = &role.part else {
                return None;
            };
            let copy = app.copies.iter().find(|copy| copy.id == id)?;
            let what = app.health.path.as_deref().unwrap_or("a connection");
            let listen = copy.listen;
            Some(format!(
                "; it is asked for {what} at {listen} ($HOST:$PORT)"
            ))
        })
    }

    fn patience(&self) -> Duration {
        let parts = self.servers.values().flat_map(|server| &server.plan.roles);
        let apps = parts.filter_map(|role| match &role.part {
            Part::App(app) => Some(app.start_within),
            _ => None,
        });
        PATIENCE + apps.max().unwrap_or_default()
    }

    async fn announce(&mut self) {
        let Some(waiting) = &mut self.waiting else {
            return;
        };
        waiting.told = true;
        self.open_front_door();
        self.tell(&Reply::Ready(self.status())).await;
    }

    /// Lets browsers of this machine in; without it the site is up all the same.
    fn open_front_door(&mut self) {
        if self.front_door.is_some() {
            return;
        }
        let site = self.site.as_ref().map(terrace_site::wiring::wire);
        let target = site.and_then(|wiring| wiring.addresses.first().copied());
        let network = self
            .servers
            .get(INTERNET)
            .and_then(|server| server.network.try_clone().ok());
        let (Some(target), Some(network)) = (target, network) else {
            return;
        };
        let most = front_door::most(self.descriptors, self.servers.len());
        let target = (target, terrace_site::wiring::HTTP).into();
        let opened = front_door::listen(self.start.port)
            .and_then(|listeners| Door::open(listeners, network, target, most));
        match opened {
            Ok(opened) => self.front_door = Some(opened),
            Err(error) => tracing::error!(%error, "the front door cannot be opened"),
        }
    }
}

fn broken_build(app: &str, failure: &Failure) -> (String, Option<String>) {
    let lines: String = failure
        .lines
        .iter()
        .map(|line| format!("\n    {line}"))
        .collect();
    let remedy = failure.remedy.clone().unwrap_or_else(|| {
        format!("mend the code of {app} or its `build`, then `terrace down` and `terrace up`")
    });
    (
        format!("{app} has no release: {}{lines}", failure.cause),
        Some(remedy),
    )
}
