//! Emptying a server before it is maintained: balancers send new requests elsewhere, what it has finishes.

use terrace_protocol::control::Reply;
use terrace_protocol::node::ToNode;
use terrace_protocol::report::RoleReport;
use terrace_protocol::role::Divert;
use terrace_site::plan::Part;

use super::Coordinator;
use super::bring_up::refused;

impl Coordinator {
    /// Begins to empty a server. How far it is stands in the balancers' reports.
    pub(super) async fn drain(&mut self, server: String, within: u64, force: bool) -> Reply {
        if let Some(refusal) = self.cannot_drain(&server, force) {
            return refusal;
        }
        self.diverted.retain(|divert| divert.server != server);
        self.diverted.push(Divert {
            server,
            within: Some(within),
            force,
        });
        self.tell_diverted().await;
        Reply::Begun
    }

    /// Uses a server again.
    pub(super) async fn undrain(&mut self, server: &str) -> Reply {
        if !self.diverted.iter().any(|divert| divert.server == server) {
            return refused(format!("{server} is not drained"), Some("terrace status"));
        }
        self.diverted.retain(|divert| divert.server != server);
        self.tell_diverted().await;
        Reply::Begun
    }

    fn cannot_drain(&self, name: &str, force: bool) -> Option<Reply> {
        let Some(server) = self.servers.get(name) else {
            let remedy = format!("there are {}", self.order.join(", "));
            return Some(refused(format!("there is no server {name}"), Some(&remedy)));
        };
        let is_primary = server.plan.roles.iter().any(
            |role| matches!(&role.part, Part::Database(database) if database.primary_at_birth),
        );
        if is_primary && !force {
            let remedy = "move the primary first: terrace switchover SERVER; or drain the HTTP roles alone: --force";
            let cause = format!("{name} holds the primary database: writes cannot go elsewhere");
            return Some(refused(cause, Some(remedy)));
        }
        let on_server = |instance: &str| instance.split('/').next() == Some(name);
        let upstreams: Vec<_> = self
            .balancers()
            .flat_map(|balancer| &balancer.upstreams)
            .collect();
        if !upstreams
            .iter()
            .any(|upstream| on_server(&upstream.instance))
        {
            return Some(refused(
                format!("no balancer sends requests to {name}"),
                None,
            ));
        }
        let left = upstreams.iter().any(|upstream| {
            !on_server(&upstream.instance) && upstream.healthy && upstream.drain.is_none()
        });
        (!left && !force).then(|| {
            let remedy = "--force drains it all the same; visitors then get 503";
            refused(format!("{name} is the last that serves"), Some(remedy))
        })
    }

    fn balancers(&self) -> impl Iterator<Item = &RoleReport> {
        let reports = self
            .servers
            .values()
            .filter_map(|server| server.report.as_ref());
        reports
            .flat_map(|(report, _)| &report.roles)
            .filter(|role| role.role == "load-balancer")
    }

    async fn tell_diverted(&self) {
        for name in &self.order {
            self.send_diverted(name).await;
        }
    }

    /// Tells a node; one that cannot be reached hears it when it comes back.
    pub(super) async fn send_diverted(&self, name: &str) {
        let node = self
            .servers
            .get(name)
            .and_then(|server| server.node.as_ref());
        if let Some(node) = node {
            let servers = self.diverted.clone();
            let _ = node.send(&ToNode::Divert { servers }).await;
        }
    }
}
