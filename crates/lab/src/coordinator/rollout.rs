//! New plans on their way to the servers: which server's turn it is decides `rollout_order`, here it is done, and told to who
//! waits for it.

use std::time::{Duration, Instant};

use terrace_protocol::Outbox;
use terrace_protocol::control::{Reply, Trouble};
use terrace_protocol::report::{RoleReport, State, server_of};
use terrace_site::plan::{AppPlan, Part, ServerPlan};

use super::rollout_order::{Place, due};
use super::{Coordinator, Server};

/// A server that says nothing for so long is not ready.
const SILENT: Duration = Duration::from_secs(3);

/// A command that waits until every server runs what the file says.
pub(super) struct Applying {
    reply: Outbox<Reply>,
    changes: Vec<String>,
}

/// Why a server is not ready with what it was given.
struct Hindrance {
    cause: String,
    remedy: String,
    /// It is not worth waiting for.
    is_final: bool,
}

fn apps(plan: &ServerPlan) -> impl Iterator<Item = &AppPlan> {
    plan.roles.iter().filter_map(|role| match &role.part {
        Part::App(app) => Some(app),
        _ => None,
    })
}

impl Server {
    /// Its node was not told yet what it is to run.
    pub(super) fn waits(&self) -> bool {
        self.given.generation != self.plan.generation
    }

    /// Its copies are to start anew, and their turn has not come.
    pub(super) fn keeps(&self) -> bool {
        self.waits() && self.differs(AppPlan::starts_like)
    }

    /// Some app of its plan is not as the one that it was given.
    fn differs(&self, alike: impl Fn(&AppPlan, &AppPlan) -> bool) -> bool {
        let given = |app: &AppPlan| apps(&self.given).find(|one| one.name == app.name);
        apps(&self.plan).any(|app| given(app).is_some_and(|before| !alike(before, app)))
    }

    fn place(&self) -> Place {
        let prepares = |before: &AppPlan, after: &AppPlan| before.prepares_like(after);
        Place {
            waits: self.waits(),
            restarts: self.differs(AppPlan::starts_like),
            has_copies: apps(&self.plan).any(|app| !app.copies.is_empty()),
            is_first: self.differs(prepares) && apps(&self.plan).any(|app| app.migrate.is_some()),
            ready: self.ready,
        }
    }
}

impl Coordinator {
    /// The new plans start copies anew or migrate, or others before them are not everywhere yet: that takes a while.
    pub(super) fn is_taking_time(&self) -> bool {
        let servers = || self.servers.values();
        let alike = |before: &AppPlan, after: &AppPlan| {
            before.release.is_none() || (before.starts_like(after) && before.prepares_like(after))
        };
        servers().any(|server| server.differs(alike)) || self.under_way()
    }

    /// Some server was given a plan that it is not ready with, while another waits for that.
    fn under_way(&self) -> bool {
        let is_due = due(&self.places(), Instant::now()).len();
        let waiting = self.servers.values().filter(|server| server.waits());
        waiting.count() > is_due
    }

    pub(super) fn wait_for_rollout(&mut self, reply: Outbox<Reply>, changes: Vec<String>) {
        self.gave = Instant::now();
        self.applying.push(Applying { reply, changes });
        self.roll_out();
    }

    fn places(&self) -> Vec<Place> {
        let servers = self.order.iter().filter_map(|name| self.servers.get(name));
        servers.map(Server::place).collect()
    }

    /// Gives plans to the servers whose turn it is, and tells who waits how that came out.
    pub(super) fn roll_out(&mut self) {
        let now = Instant::now();
        for name in &self.order {
            let is_ready = self.hindrance(name).is_none();
            if let Some(server) = self.servers.get_mut(name) {
                server.ready = is_ready.then(|| server.ready.unwrap_or(now));
            }
        }
        for index in due(&self.places(), now) {
            let name = self.order[index].clone();
            if let Some(server) = self.servers.get_mut(&name) {
                server.given = server.plan.clone();
                server.ready = None;
            }
            self.gave = now;
            self.send_plan(&name);
        }
        self.tell_applied();
    }

    /// Why a server is not ready with what it was given; `None`: it is, or has no copies of an app.
    fn hindrance(&self, name: &str) -> Option<Hindrance> {
        let server = self.servers.get(name)?;
        apps(&server.given).next()?;
        let pending = |cause: String| {
            Some(Hindrance {
                cause,
                remedy: "terrace status".to_owned(),
                is_final: false,
            })
        };
        let report = server.report.as_ref();
        let report = report.filter(|(_, at)| server.is_up() && at.elapsed() < SILENT);
        let Some((report, _)) = report else {
            return pending(format!("{name} does not answer"));
        };
        let generation = server.given.generation;
        for role in report.roles.iter().filter(|role| role.role == "app") {
            if report.generation != generation || role.generation != generation {
                return pending(format!("{} has not taken up its plan", role.id));
            }
            let is_coming = role.outdated.as_ref().is_some_and(|one| !one.failed);
            // How one stands that has yet to change is of the plan before.
            if role.has_failed() && !is_coming {
                let Trouble { cause, remedy } = self.failing_role(role);
                return Some(Hindrance {
                    cause,
                    remedy,
                    is_final: true,
                });
            }
            if role.state != State::Serving || role.outdated.is_some() {
                return pending(format!("{} is not ready: {}", role.id, role.trouble()));
            }
        }
        if self.diverted.holds(name) {
            return Some(Hindrance {
                cause: format!("{name} is drained"),
                remedy: format!("terrace undrain {name}"),
                is_final: true,
            });
        }
        let (role, why) = self
            .roles()
            .find_map(|role| Some((role, unused(role, name)?)))?;
        pending(format!("{} sends nothing to {name}: {why}", role.id))
    }

    /// Tells who waits, when all that was to change has, or does not.
    fn tell_applied(&mut self) {
        if self.applying.is_empty() || self.builds.are_underway() {
            return;
        }
        let given = self
            .order
            .iter()
            .filter(|name| !self.servers[*name].waits());
        let waiting = self.order.iter().filter(|name| self.servers[*name].waits());
        let waiting: Vec<&str> = waiting.map(String::as_str).collect();
        // One that is drained holds up others, and is itself as it should be.
        let counts = |name: &&String| !waiting.is_empty() || !self.diverted.holds(name);
        let given = given.filter(counts);
        let hindrances: Vec<Hindrance> = given.filter_map(|name| self.hindrance(name)).collect();
        let is_late = self.gave.elapsed() > self.patience();
        let is_over = hindrances.iter().any(|one| one.is_final) || is_late;
        let is_done = hindrances.is_empty() && waiting.is_empty();
        if !(is_over || is_done) {
            return;
        }
        let keep = self.order.iter().filter(|name| self.servers[*name].keeps());
        let keep: Vec<&str> = keep.map(String::as_str).collect();
        let kept = match keep.is_empty() {
            true => String::new(),
            false => format!("; what ran before runs on at {}", keep.join(", ")),
        };
        let told = |one: Hindrance| Trouble {
            cause: format!("{}{kept}", one.cause),
            remedy: format!("{}; when that is mended: terrace apply", one.remedy),
        };
        let troubles: Vec<Trouble> = hindrances.into_iter().map(told).collect();
        for Applying { reply, changes } in std::mem::take(&mut self.applying) {
            let troubles = troubles.clone();
            // A client that is gone has no use for the answer.
            let _ = reply.put(Reply::Applied { changes, troubles });
        }
    }
}

/// Why a balancer or web server sends nothing to a server that it knows; `None`: it does.
fn unused<'a>(role: &'a RoleReport, server: &str) -> Option<&'a str> {
    let of_server = role
        .upstreams
        .iter()
        .filter(|one| server_of(&one.instance) == server);
    let sends_on = ["load-balancer", "web"].contains(&&*role.role);
    let mut out = of_server.filter(|one| sends_on && !one.healthy);
    out.next().map(|one| one.reason.as_str())
}
