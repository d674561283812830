//! What each kind of role needs, one task per role: roles of our own, apps, databases.

pub(crate) mod app;
pub(crate) mod controller;
pub(crate) mod database;
pub(crate) mod own;

use std::time::Duration;

use terrace_protocol::report::{
    DiskReport, Level, RoleReport, ServerReport, State, UpstreamReport,
};
use terrace_protocol::role::Divert;
use terrace_site::plan::{Part as Kind, RolePlan};
use tokio::sync::watch;

use crate::node::Context;

/// What a role's task is given.
pub(crate) struct Part {
    pub(crate) context: Context,
    /// The site's name.
    pub(crate) site: String,
    /// The role's id.
    pub(crate) id: String,
    /// Its plan, now and as it changes.
    pub(crate) plans: watch::Receiver<RolePlan>,
    /// The generation of the plan that runs.
    pub(crate) generation: watch::Receiver<u64>,
    /// Becomes true when the role is to end.
    pub(crate) stopped: watch::Receiver<bool>,
    /// The servers that a balancer or web server is to empty; `None`: the coordinator has not said yet.
    pub(crate) diverted: watch::Receiver<Option<Vec<Divert>>>,
    /// How everything on this server stands.
    pub(crate) facts: watch::Receiver<ServerReport>,
    pub(crate) reports: Reports,
}

/// Where a role's task says how it stands.
pub(crate) struct Reports {
    reports: watch::Sender<Vec<RoleReport>>,
    changed: watch::Sender<u64>,
}

impl Reports {
    pub(crate) fn new(
        reports: watch::Sender<Vec<RoleReport>>,
        changed: watch::Sender<u64>,
    ) -> Self {
        Self { reports, changed }
    }

    /// Says how the role stands; a change of state, of who is primary and of who gets requests is heard at once, the rest with the next
    /// regular report.
    pub(crate) fn tell(&self, reports: Vec<RoleReport>) {
        let key = |reports: &[RoleReport]| -> Vec<_> {
            reports
                .iter()
                .map(|one| {
                    let news = one.upstreams.iter().map(UpstreamReport::news);
                    let database = one.database.as_ref();
                    let stands = database.map(|one| (one.writable, one.source.clone()));
                    let taken = (one.generation, one.outdated.clone());
                    (
                        one.state,
                        one.restarts,
                        stands,
                        taken,
                        news.collect::<Vec<_>>(),
                    )
                })
                .collect()
        };
        let before = self.reports.send_replace(reports);
        if key(&before) != key(&self.reports.borrow()) {
            self.changed.send_modify(|count| *count += 1);
        }
    }
}

/// How a role stands before its task has looked: a copy of an app is a role of its own.
pub(crate) fn first_report(role: &RolePlan) -> Vec<RoleReport> {
    let ids = match &role.part {
        Kind::App(plan) => plan.copies.iter().map(|copy| copy.id.clone()).collect(),
        _ => vec![role.id.clone()],
    };
    let report = |id| RoleReport {
        id,
        role: role.part.word().to_owned(),
        state: State::Starting,
        since: terrace_service::clock::unix_millis(),
        ..RoleReport::default()
    };
    ids.into_iter().map(report).collect()
}

/// Waits until the role is to end.
pub(crate) async fn ended(stopped: &mut watch::Receiver<bool>) {
    if stopped.wait_for(|stopped| *stopped).await.is_err() {
        // The node has let go of this role: that is an end, too.
    }
}

/// Waits until a disk that had no room has some again.
pub(crate) async fn room_made(context: &Context) {
    let mut room = context.room.clone();
    let has_room = |disk: &DiskReport| disk.worst() == Level::Fine;
    let had_none = !has_room(&room.borrow());
    if !had_none || room.wait_for(has_room).await.is_err() {
        // It has room, or the node ends: then this is not what is waited for.
        std::future::pending::<()>().await;
    }
}

/// `0.1 s`.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
