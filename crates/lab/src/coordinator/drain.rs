//! Emptying a server before it is maintained: balancers, and the web servers on other servers, send new requests
//! elsewhere, what it has finishes.
//!
//! Whether it may be emptied is decided here alone, over all who send requests to it: they all obey, or none is asked.

use terrace_protocol::control::Reply;
use terrace_protocol::node::ToNode;
use terrace_protocol::report::{RoleReport, server_of};
use terrace_protocol::role::Divert;

use super::Coordinator;
use super::bring_up::refused;

/// The servers that are emptied, as was ordered: reports are behind that.
#[derive(Default)]
pub(super) struct Diverted {
    orders: Vec<Divert>,
    given: u64,
}

/// Why a server is not emptied.
#[derive(Debug, PartialEq, Eq)]
enum Cannot {
    /// Nobody who could do otherwise sends requests to it.
    NotUsed,
    /// Somebody would have nobody else.
    Last,
}

impl Diverted {
    /// A server is to be emptied; returns the order's number.
    fn empty(&mut self, server: &str, within: u64) -> u64 {
        self.reuse(server);
        self.given += 1;
        self.orders.push(Divert {
            server: server.to_owned(),
            number: self.given,
            within,
        });
        self.given
    }

    /// A server is to be used again.
    fn reuse(&mut self, server: &str) {
        self.orders.retain(|order| order.server != server);
    }

    pub(super) fn holds(&self, server: &str) -> bool {
        self.orders.iter().any(|order| order.server == server)
    }

    /// Whether all who send requests to a server have somebody well to send them to instead.
    fn can_empty<'a>(
        &self,
        server: &str,
        roles: impl Iterator<Item = &'a RoleReport>,
    ) -> Result<(), Cannot> {
        let (mut used, mut last) = (false, false);
        for role in roles {
            for leaving in role.drains(server) {
                used = true;
                last |= !role.upstreams.iter().any(|other| {
                    let on = server_of(&other.instance);
                    let open = on == server_of(&role.id) && role.role == "web" || !self.holds(on);
                    let instead = on != server && tier(&other.instance) == tier(&leaving.instance);
                    instead && open && other.healthy
                });
            }
        }
        match (used, last) {
            (false, _) => Err(Cannot::NotUsed),
            // It is emptied already, and gets another deadline.
            (true, true) if !self.holds(server) => Err(Cannot::Last),
            (true, _) => Ok(()),
        }
    }
}

/// What an instance is one of: `app` of `web-01/app/1`.
fn tier(instance: &str) -> Option<&str> {
    instance.split('/').nth(1)
}

impl Coordinator {
    /// Begins to empty a server. How far it is stands in the reports of all who send requests to it.
    pub(super) fn drain(&mut self, server: &str, within: u64, force: bool) -> Reply {
        if let Some(refusal) = self.cannot_drain(server, force) {
            return refusal;
        }
        let number = self.diverted.empty(server, within);
        self.tell_diverted();
        Reply::Begun { number }
    }

    /// Uses a server again. Where somebody has not heard of that yet, it is said again.
    pub(super) fn undrain(&mut self, server: &str) -> Reply {
        let is_emptied = self
            .roles()
            .flat_map(|role| role.drains(server))
            .any(|upstream| upstream.drain.is_some());
        if !is_emptied && !self.diverted.holds(server) {
            return refused(format!("{server} is not drained"), Some("terrace status"));
        }
        self.diverted.reuse(server);
        self.tell_diverted();
        Reply::Done(format!("{server} is used again"))
    }

    fn cannot_drain(&self, name: &str, force: bool) -> Option<Reply> {
        let Some(server) = self.servers.get(name) else {
            let remedy = format!("there are {}", self.order.join(", "));
            return Some(refused(format!("there is no server {name}"), Some(&remedy)));
        };
        let reports = server.report.iter().flat_map(|(report, _)| &report.roles);
        let mut databases = reports.filter_map(|role| role.database.as_ref());
        let is_primary = databases.any(|database| database.writable);
        if is_primary && !force {
            let remedy = "move the primary first: terrace switchover SERVER; or drain the HTTP roles alone: --force";
            let cause = format!("{name} holds the primary database: writes cannot go elsewhere");
            return Some(refused(cause, Some(remedy)));
        }
        match self.diverted.can_empty(name, self.roles()) {
            Err(Cannot::NotUsed) => {
                let cause = format!(
                    "no balancer sends requests to {name}, and no web server on another server"
                );
                Some(refused(cause, None))
            }
            Err(Cannot::Last) if !force => {
                let remedy = "--force drains it all the same; visitors then get 503";
                let cause = format!("{name} is the last that serves");
                Some(refused(cause, Some(remedy)))
            }
            Err(Cannot::Last) | Ok(()) => None,
        }
    }

    fn tell_diverted(&self) {
        for name in &self.order {
            self.send_diverted(name);
        }
    }

    /// Tells a node; one that cannot be reached hears it when it comes back.
    pub(super) fn send_diverted(&self, name: &str) {
        let node = self
            .servers
            .get(name)
            .and_then(|server| server.node.as_ref());
        if let Some(node) = node {
            let servers = self.diverted.orders.clone();
            let _ = node.put(ToNode::Divert { servers });
        }
    }
}

#[cfg(test)]
mod tests {
    use terrace_protocol::report::UpstreamReport;

    use super::*;

    /// A role that sends to these: `web-02/app/1`, or `!web-02/app/1` where it is not well.
    fn role(id: &str, upstreams: &[&str]) -> RoleReport {
        let upstream = |name: &&str| UpstreamReport {
            instance: name.trim_start_matches('!').to_owned(),
            healthy: !name.starts_with('!'),
            ..UpstreamReport::default()
        };
        RoleReport {
            id: id.to_owned(),
            role: tier(id).unwrap().to_owned(),
            upstreams: upstreams.iter().map(upstream).collect(),
            ..RoleReport::default()
        }
    }

    fn can(diverted: &[&str], server: &str, roles: &[RoleReport]) -> Result<(), Cannot> {
        let mut all = Diverted::default();
        for server in diverted {
            all.empty(server, 0);
        }
        all.can_empty(server, roles.iter())
    }

    #[test]
    fn what_was_ordered_counts_and_not_what_is_reported() {
        let roles = [role("lb-01/load-balancer", &["web-01/web", "web-02/web"])];
        assert_eq!(can(&[], "web-02", &roles), Ok(()));
        assert_eq!(can(&["web-01"], "web-02", &roles), Err(Cannot::Last));
        assert_eq!(can(&["web-01", "web-02"], "web-02", &roles), Ok(()));
        assert_eq!(can(&[], "lb-01", &roles), Err(Cannot::NotUsed));

        let mut all = Diverted::default();
        assert_eq!(all.empty("web-01", 1), 1);
        all.reuse("web-01");
        assert_eq!(all.can_empty("web-02", roles.iter()), Ok(()));
        assert_eq!(all.empty("web-02", 1), 2);
        assert_eq!(all.empty("web-02", 2), 3);
        let orders: Vec<_> = all
            .orders
            .iter()
            .map(|one| (one.number, one.within))
            .collect();
        assert_eq!(orders, [(3, 2)]);
    }

    #[test]
    fn every_tier_must_have_somebody_left() {
        let shop_alone = ["s-01/blog/1", "s-02/blog/1", "s-02/shop/1", "s-02/shop/2"];
        let roles = [role("lb-01/load-balancer", &shop_alone)];
        assert_eq!(can(&[], "s-01", &roles), Ok(()));
        assert_eq!(can(&[], "s-02", &roles), Err(Cannot::Last));
        let two = [
            role("lb-01/load-balancer", &["s-01/web", "s-02/web"]),
            role("lb-02/load-balancer", &["!s-01/web", "s-02/web"]),
        ];
        assert_eq!(can(&[], "s-01", &two), Ok(()));
        assert_eq!(can(&[], "s-02", &two), Err(Cannot::Last));
    }

    #[test]
    fn web_servers_keep_the_apps_beside_them_and_need_those_of_others() {
        let balancer = role("lb-01/load-balancer", &["web-01/web", "web-02/web"]);
        let one = role("web-01/web", &["!web-01/app/1", "web-02/app/1"]);
        let two = role("web-02/web", &["web-02/app/1", "!web-01/app/1"]);
        assert_eq!(can(&[], "web-01", &[balancer.clone(), two.clone()]), Ok(()));
        let roles = [balancer, one, two];
        assert_eq!(can(&[], "web-02", &roles), Err(Cannot::Last));

        // One that is emptied still has the app beside it.
        let beside = [role("web-01/web", &["web-01/app/1", "web-02/app/1"])];
        assert_eq!(can(&["web-01"], "web-02", &beside), Ok(()));

        let apps = [role("web-01/web", &["app-01/app/1", "app-02/app/1"])];
        assert_eq!(can(&[], "app-01", &apps), Ok(()));
        assert_eq!(can(&["app-01"], "app-02", &apps), Err(Cannot::Last));
        assert_eq!(can(&[], "web-01", &apps), Err(Cannot::NotUsed));
    }
}
