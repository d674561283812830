//! How the site stands, and when it counts as up.

use std::time::{Duration, Instant};

use terrace_protocol::build::Failure;
use terrace_protocol::control::{Enter, PlannedRole, Reply, ServerStatus, Status, Trouble};
use terrace_protocol::report::{RoleReport, ServerReport, State};
use terrace_site::plan::{INTERNET, Part, RolePlan};

use super::{Coordinator, Server, Waiting};
use crate::front_door::{self, Door};
use crate::hosts::user::Mode;

/// Beside the time that an app is given to start: until `up` says that it does not come.
const PATIENCE: Duration = Duration::from_secs(30);

fn planned(role: &RolePlan) -> PlannedRole {
    PlannedRole {
        id: role.id.clone(),
        role: role.part.word().to_owned(),
    }
}

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
                report: self.report_of(server),
                age: server.report.as_ref().map_or(0, |(_, at)| {
                    u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX)
                }),
                up: server.is_up(),
                waits: server.keeps(),
                broken: server.fault,
                planned: server.plan.roles.iter().map(planned).collect(),
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
            lost: self.ground.lost(),
            unkept: self.kept.why_not(),
            builds: self.builds.status(|app| self.location.build_log(app)),
        }
    }

    /// What the server's node reports; of copies that wait for their release, how that comes along.
    fn report_of(&self, server: &Server) -> Option<ServerReport> {
        let (mut report, _) = server.report.clone()?;
        let waiting = |role: &&mut RoleReport| role.role == "app" && role.state == State::Waiting;
        for role in report.roles.iter_mut().filter(waiting) {
            if let Some(app) = self.app_of(&role.id) {
                self.builds.tell(app, role);
            }
        }
        Some(report)
    }

    /// The app of this role, by the id of the role or of one of its copies.
    pub(super) fn app_of(&self, id: &str) -> Option<&str> {
        let roles = self.servers.values().flat_map(|server| &server.plan.roles);
        roles.into_iter().find_map(|role| match &role.part {
            Part::App(app) => {
                let is_copy = app.copies.iter().any(|copy| copy.id == id);
                (is_copy || role.id == id).then_some(app.name.as_str())
            }
            _ => None,
        })
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

    /// Tells those who wait that the site is up, or that it does not come up and why; each once.
    pub(super) fn look(&mut self) {
        let untold = |waiting: &&Waiting| !waiting.told;
        let Some(since) = self
            .waiting
            .iter()
            .filter(untold)
            .map(|one| one.since)
            .max()
        else {
            return;
        };
        if self.site.is_none() {
            return;
        }
        let is_ready = self.is_ready();
        let troubles = match is_ready {
            true => Vec::new(),
            false => self.troubles(since),
        };
        if !is_ready && troubles.is_empty() {
            return;
        }
        self.open_front_door();
        let reply = match is_ready {
            true => Reply::Ready(Box::new(self.status())),
            false => Reply::Incomplete(troubles),
        };
        for waiting in self.waiting.iter_mut().filter(|waiting| !waiting.told) {
            waiting.told = true;
            // A client that is gone has no use for it.
            let _ = waiting.reply.put(reply.clone());
        }
    }

    pub(super) fn roles(&self) -> impl Iterator<Item = &RoleReport> {
        self.servers
            .values()
            .filter_map(|server| server.report.as_ref())
            .flat_map(|(report, _)| &report.roles)
    }

    /// Every server runs the latest plan, every app has its release, and every role does its work.
    pub(super) fn is_ready(&self) -> bool {
        let has_failed = self.builds.failed().next().is_some();
        !self.builds.are_underway()
            && !has_failed
            && self.is_current()
            && self.servers.values().all(|server| !server.waits())
            && self.roles().all(RoleReport::is_well)
    }

    /// Every server reports on the plan that it was given.
    fn is_current(&self) -> bool {
        self.servers.values().all(|server| {
            let report = server.report.as_ref();
            report.is_some_and(|(report, _)| report.generation == server.given.generation)
        })
    }

    /// Why the site does not come up: what failed, and what to do next. Nothing, as long as it may still come.
    fn troubles(&self, since: Instant) -> Vec<Trouble> {
        if self.builds.are_underway() {
            return Vec::new();
        }
        let late = since.max(self.settled).elapsed() > self.patience();
        if !late && !self.is_current() {
            return Vec::new();
        }
        let unbuilt = |role: &RoleReport| {
            let app = self.app_of(&role.id);
            self.builds.failed().any(|(failed, _)| app == Some(failed))
        };
        let judged = || self.roles().filter(|role| !unbuilt(role));
        let failing = judged().any(RoleReport::has_failed);
        // The rest of the site comes up first, so that it can be looked at.
        let pending = judged().any(|role| role.state != State::Serving);
        if !late && !failing && pending {
            return Vec::new();
        }
        let builds = self
            .builds
            .failed()
            .map(|(app, failure)| self.failed_build(app, failure));
        let mut troubles: Vec<Trouble> = builds.collect();
        let mut reasons = Vec::new();
        for role in judged() {
            let fails = role.has_failed() || (late && role.state != State::Serving);
            // Copies of one app fail for one reason.
            if fails && !reasons.contains(&role.trouble()) {
                reasons.push(role.trouble());
                troubles.push(self.failing_role(role));
            }
        }
        if late {
            troubles.extend(self.silent());
        }
        troubles
    }

    pub(super) fn failing_role(&self, role: &RoleReport) -> Trouble {
        let slow = role.trouble().starts_with("not ready within");
        let time = if slow {
            "give a slower app more time with start-within=; "
        } else {
            ""
        };
        // One that was never started was not asked anything.
        let started = role.log.is_none();
        let asked = started.then(|| self.asked(&role.id)).flatten();
        let asked = asked.unwrap_or_default();
        let log = role.log_words();
        Trouble {
            cause: format!("{} does not come up: {}{asked}", role.id, role.trouble()),
            remedy: format!(
                "{time}terrace logs {log}; the rest of the site runs on: terrace status"
            ),
        }
    }

    fn failed_build(&self, app: &str, failure: &Failure) -> Trouble {
        let lines = failure.lines.iter().map(|line| format!("\n    {line}"));
        let lines: String = lines.collect();
        let mend = format!("mend the code of {app}, or its `build`");
        let mend = failure.remedy.as_deref().unwrap_or(&mend);
        let log = self.location.build_log(app);
        let whole = match log.is_file() {
            true => format!("; all that it wrote: terrace logs --build {app}"),
            false => String::new(),
        };
        Trouble {
            cause: format!("{app} has no release: {}{lines}", failure.cause),
            remedy: format!("{mend}; `terrace up` tries again{whole}"),
        }
    }

    /// Servers that have said nothing.
    fn silent(&self) -> impl Iterator<Item = Trouble> {
        let silent = |(_, server): &(&String, &Server)| server.report.is_none();
        let servers = self.servers.iter().filter(silent);
        servers.map(|(name, _)| Trouble {
            cause: format!("{name} does not come up: its node has said nothing"),
            remedy: format!("terrace logs {name}/keeper"),
        })
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

    pub(super) fn patience(&self) -> Duration {
        let parts = self.servers.values().flat_map(|server| &server.plan.roles);
        let apps = parts.filter_map(|role| match &role.part {
            Part::App(app) => Some(app.start_within),
            _ => None,
        });
        PATIENCE + apps.max().unwrap_or_default()
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
