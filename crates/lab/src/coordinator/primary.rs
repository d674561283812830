//! What nodes have to say to each other, and an operator's word to the one that controls who is primary.
//!
//! The nodes of a rehearsal have no connection of their own: their letters are carried here, and only where the network
//! would let the two servers reach each other.

use serde_json::value::RawValue;
use terrace_protocol::control::Reply;
use terrace_protocol::node::{Order, ToNode};
use terrace_protocol::{Sender, node};
use terrace_site::plan::Part;

use super::Coordinator;
use super::bring_up::refused;

impl Coordinator {
    /// Carries a letter; what cannot be carried is lost.
    pub(super) async fn carry(&self, from: &str, to: &str, letter: Box<RawValue>) {
        // What is out, silent or stands still hears nothing and says nothing.
        let reached = [from, to].map(|name| {
            let server = self.servers.get(name);
            server.filter(|server| server.fault.is_none())
        });
        let [Some(_), Some(server)] = reached else {
            return;
        };
        if let Some(node) = &server.node {
            let from = from.to_owned();
            let _ = node.send(&ToNode::Letter { from, letter }).await;
        }
    }

    /// Passes an order on to the controller; its answer comes later. `Err`: why it cannot.
    pub(super) async fn order(&mut self, order: Order, reply: Sender<Reply>) -> Result<(), Reply> {
        let (node::Order::Switchover { to } | node::Order::Failover { to, .. }) = &order;
        let on = |part: fn(&Part) -> bool| {
            let servers = self.servers.values();
            servers.filter(move |server| server.plan.roles.iter().any(|role| part(&role.part)))
        };
        let Some(server) = on(|part| matches!(part, Part::Controller(_))).next() else {
            let database = on(|part| matches!(part, Part::Database(_))).next();
            return Err(match database {
                Some(one) => refused(
                    format!("{} carries the only database", one.plan.server),
                    Some("name a second server in `database`, and the data is copied there"),
                ),
                None => refused("this site has no database", None),
            });
        };
        if !self.servers.contains_key(to) {
            let remedy = format!("there are {}", self.order.join(", "));
            return Err(refused(format!("there is no server {to}"), Some(&remedy)));
        }
        let away = |why: &str| {
            let cause = format!(
                "{}, which decides who is primary, {why}",
                server.plan.server
            );
            refused(cause, Some("bring it back first: terrace status"))
        };
        let node = server.node.as_ref().filter(|_| server.fault.is_none());
        let node = node.ok_or_else(|| away("cannot be reached"))?;
        self.orders_given += 1;
        let number = self.orders_given;
        let told = node.send(&ToNode::Order { number, order }).await;
        told.map_err(|_| away("does not listen"))?;
        self.orders.insert(number, reply);
        Ok(())
    }

    /// An order came to its end.
    pub(super) async fn ordered(&mut self, number: u64, outcome: Result<String, String>) {
        let Some(reply) = self.orders.remove(&number) else {
            return;
        };
        let answer = match outcome {
            Ok(done) => Reply::Done(done),
            Err(why) => refused(why, None),
        };
        // A client that is gone has no use for the answer.
        let _ = reply.send(&answer).await;
    }
}
