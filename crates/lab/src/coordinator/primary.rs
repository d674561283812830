//! What nodes have to say to each other, and an operator's word to the one that controls who is primary.
//!
//! The nodes of a rehearsal have no connection of their own: their letters are carried here, and only where the network
//! would let the two servers reach each other.

use serde_json::value::RawValue;
use terrace_protocol::control::{Reply, Request};
use terrace_protocol::node::{Order, ToNode};
use terrace_protocol::{Sender, node};
use terrace_site::plan::Part;

use super::bring_up::refused;
use super::{Coordinator, Server};

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

    /// Passes on what a node answers later. `Err`: why it cannot.
    pub(super) async fn pass_on(
        &mut self,
        request: Request,
        reply: Sender<Reply>,
    ) -> Result<(), Reply> {
        match request {
            Request::Order(order) => self.order(order, reply).await,
            Request::Find { text } => self.find(text, reply).await,
            _ => Ok(()),
        }
    }

    /// Passes an order on to the controller; its answer comes later. `Err`: why it cannot.
    async fn order(&mut self, order: Order, reply: Sender<Reply>) -> Result<(), Reply> {
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

    /// Has the primary's node look for a text; its answer comes later. `Err`: why it cannot.
    async fn find(&mut self, text: String, reply: Sender<Reply>) -> Result<(), Reply> {
        let writable = |server: &&Server| {
            let reports = server.report.iter().flat_map(|(report, _)| &report.roles);
            let mut databases = reports.filter_map(|role| role.database.as_ref());
            databases.any(|database| database.writable)
        };
        let primary = self.servers.values().find(writable);
        let node = primary.and_then(|server| server.node.as_ref());
        let node = node.ok_or_else(|| refused("no database takes writes now", None))?;
        self.orders_given += 1;
        let number = self.orders_given;
        let told = node.send(&ToNode::Find { number, text }).await;
        told.map_err(|error| refused(error, None))?;
        self.orders.insert(number, reply);
        Ok(())
    }

    /// A search came to its end.
    pub(super) async fn found(&mut self, number: u64, outcome: Result<Vec<String>, String>) {
        let answer = match outcome {
            Ok(found) => Reply::Found(found),
            Err(why) => refused(why, None),
        };
        self.answered(number, &answer).await;
    }

    async fn answered(&mut self, number: u64, answer: &Reply) {
        if let Some(reply) = self.orders.remove(&number) {
            // A client that is gone has no use for the answer.
            let _ = reply.send(answer).await;
        }
    }

    /// An order came to its end.
    pub(super) async fn ordered(&mut self, number: u64, outcome: Result<String, String>) {
        let answer = match outcome {
            Ok(done) => Reply::Done(done),
            Err(why) => refused(why, None),
        };
        self.answered(number, &answer).await;
    }
}
