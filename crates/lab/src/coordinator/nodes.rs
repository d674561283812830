//! Connections to nodes: dialled until they answer, and again when a node was killed and came back.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use terrace_protocol::keeper::Exit;
use terrace_protocol::node::{FromNode, SOCKET, ToNode};
use terrace_protocol::report::{RoleReport, ServerReport};
use terrace_protocol::{Channel, Outbox};
use terrace_site::times::REVIVED_AFTER;
use tokio::net::UnixStream;

use super::{Coordinator, Event, Events, Server};
use crate::hosts::keeper::Keeper;

/// Between two attempts to reach a node.
const AGAIN: Duration = Duration::from_millis(10);

/// Dials the node of a server for as long as anybody listens to what it says.
pub(super) async fn converse(server: String, run: PathBuf, events: Events) {
    while !events.is_closed() {
        let Some(channel) = dial(&run).await else {
            tokio::time::sleep(AGAIN).await;
            continue;
        };
        let Channel {
            sender,
            mut receiver,
        } = channel;
        if events
            .send(Event::NodeUp {
                server: server.clone(),
                sender: Outbox::open(sender),
            })
            .is_err()
        {
            return;
        }
        while let Ok(incoming) = receiver.receive().await {
            let said = Event::Node {
                server: server.clone(),
                message: incoming.message,
            };
            if events.send(said).is_err() {
                return;
            }
        }
    }
}

async fn dial(run: &std::path::Path) -> Option<Channel<ToNode, FromNode>> {
    let directory = File::open(run).ok()?;
    let stream = UnixStream::connect(format!("/proc/self/fd/{}/{SOCKET}", directory.as_raw_fd()))
        .await
        .ok()?;
    // A node that is just being killed accepts and says nothing.
    tokio::time::timeout(Duration::from_secs(2), Channel::open_own(stream))
        .await
        .ok()?
        .ok()
}

/// It is a database that runs, so it has its data.
fn has_data(role: &RoleReport) -> bool {
    role.role == "database" && role.pid > 0
}

impl Server {
    /// Its keeper, if it runs, as far as anybody knows.
    pub(super) fn running(&self) -> Option<&Keeper> {
        self.keeper.as_ref().filter(|keeper| !keeper.killed)
    }

    /// It runs, as far as anybody knows.
    pub(super) fn is_up(&self) -> bool {
        self.running().is_some()
    }

    /// Ends the host at once; from then on nothing is known of it.
    pub(super) fn kill(&mut self) {
        if let Some(keeper) = &mut self.keeper {
            keeper.kill();
        }
        self.forget();
    }

    /// What its node reports. Of a host that was killed it is of the past; and one that waits for its plan has no role that is
    /// not well, which says nothing.
    fn heard(&mut self, report: ServerReport) {
        let says = self.is_up() && report.generation > 0;
        self.report = says.then(|| (report, Instant::now()));
    }

    /// Its end was heard: another host may be made.
    pub(super) fn ended(&mut self) {
        self.keeper = None;
        self.forget();
    }

    /// What was known of the host is of the past.
    fn forget(&mut self) {
        self.node = None;
        self.report = None;
    }
}

impl Coordinator {
    pub(super) fn node_up(&mut self, server: &str, sender: Outbox<ToNode>) {
        match self.servers.get_mut(server) {
            Some(server) if server.is_up() => server.node = Some(sender),
            _ => return,
        }
        // Before the plan: a role that begins sends nothing where nothing is to go.
        self.send_diverted(server);
        self.send_plan(server);
    }

    /// Tells a node the plan that it was given; one that cannot be reached hears it when it comes back.
    pub(super) fn send_plan(&self, server: &str) {
        let Some(server) = self.servers.get(server) else {
            return;
        };
        let Some(node) = &server.node else { return };
        let plan = serde_json::to_string(&server.given).and_then(RawValue::from_string);
        match plan {
            Ok(plan) => drop(node.put(ToNode::Reconcile { plan })),
            Err(error) => tracing::error!(%error, "a plan cannot be written"),
        }
    }

    pub(super) fn node_says(&mut self, name: &str, message: FromNode) {
        let Some(server) = self.servers.get_mut(name) else {
            return;
        };
        match message {
            FromNode::Report(mut report) => {
                for role in &mut report.roles {
                    role.reason = server.host.as_seen_outside(&role.reason);
                    if let Some(outdated) = &mut role.outdated {
                        outdated.reason = server.host.as_seen_outside(&outdated.reason);
                    }
                }
                let is_born = report.roles.iter().any(has_data);
                server.heard(report);
                if is_born {
                    self.remember_data(name);
                }
                self.roll_out();
                self.look();
            }
            FromNode::Step(mut step) => {
                step.text = server.host.as_seen_outside(&step.text);
                self.tell_step(step);
            }
            FromNode::Refused { generation, reason } => {
                self.step(
                    name,
                    format!("refused plan {generation}: {reason}"),
                    None,
                    false,
                );
            }
            FromNode::Letter { to, letter } => self.carry(name, &to, letter),
            FromNode::Ordered { number, outcome } => self.ordered(number, outcome),
            FromNode::Found { number, outcome } => self.found(number, outcome),
            FromNode::Stopped { roles } => {
                server.stopped = true;
                let text = if roles.is_empty() {
                    "nothing ran".to_owned()
                } else {
                    format!("stopped: {}", roles.join(", "))
                };
                self.step(name, text, None, true);
            }
        }
    }

    /// A database has its data there: from now on an empty one does not take its place.
    fn remember_data(&mut self, name: &str) {
        let Some(memory) = &mut self.memory else {
            return;
        };
        if memory.databases.insert(name.to_owned()) {
            self.kept.is_due();
        }
        if let Some(server) = self.servers.get_mut(name) {
            server.host.had_data = true;
        }
    }

    /// The keeper is gone, and everything on the host with it.
    pub(super) fn host_ended(&mut self, name: &str, exit: Exit) {
        let Some(server) = self.servers.get_mut(name) else {
            return;
        };
        tracing::warn!(server = name, %exit, "the host ended, it is made anew");
        server.ended();
        let (events, name) = (self.events.clone(), name.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(REVIVED_AFTER).await;
            let _ = events.send(Event::HostDue { server: name });
        });
    }
}
