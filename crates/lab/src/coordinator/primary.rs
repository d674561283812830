//! What nodes have to say to each other, and an operator's word to the one that controls who is primary.
//!
//! The nodes of a rehearsal have no connection of their own: their letters are carried here, and only where the network
//! would let the two servers reach each other.

use std::time::Duration;

use serde_json::value::RawValue;
use terrace_protocol::control::{Reply, Request};
use terrace_protocol::node::{FromNode, Order, ToNode};
use terrace_protocol::{Outbox, node};
use terrace_site::plan::Part;

use super::bring_up::refused;
use super::{Coordinator, Event, Server};

/// How long a node may take to answer: longer than any change of the primary that is not decided is under way.
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);

impl Coordinator {
    /// Carries a letter; what cannot be carried is lost.
    pub(super) fn carry(&self, from: &str, to: &str, letter: Box<RawValue>) {
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
            let _ = node.put(ToNode::Letter { from, letter });
        }
    }

    /// Passes on what a node answers later. `Err`: why it cannot.
    pub(super) fn pass_on(&mut self, request: Request, reply: Outbox<Reply>) -> Result<(), Reply> {
        match request {
            Request::Order(order) => self.order(order, reply),
            Request::Find { text } => self.find(text, reply),
            _ => Ok(()),
        }
    }

    /// Passes an order on to the controller; its answer comes later. `Err`: why it cannot.
    fn order(&mut self, order: Order, reply: Outbox<Reply>) -> Result<(), Reply> {
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
        let told = node.put(ToNode::Order { number, order });
        told.map_err(|_| away("does not listen"))?;
        let name = server.plan.server.clone();
        self.wait_for(number, reply, name, move |why| {
            let reason = format!("{why}; whether the primary changes, `terrace status` shows");
            let outcome = Err(node::Refused::new("unanswered", reason));
            FromNode::Ordered { number, outcome }
        });
        Ok(())
    }

    /// Waits for what a node answers, and not for ever: it may be killed, or cut off, before it does.
    fn wait_for(
        &mut self,
        number: u64,
        reply: Outbox<Reply>,
        server: String,
        unanswered: impl FnOnce(String) -> FromNode + Send + 'static,
    ) {
        self.orders.insert(number, reply);
        let events = self.events.clone();
        tokio::spawn(async move {
            tokio::time::sleep(ANSWERS_WITHIN).await;
            let seconds = ANSWERS_WITHIN.as_secs();
            let message = unanswered(format!("{server} has not answered within {seconds} s"));
            // Whoever was answered meanwhile is not waited for any more.
            let _ = events.send(Event::Node { server, message });
        });
    }

    /// Has the primary's node look for a text; its answer comes later. `Err`: why it cannot.
    fn find(&mut self, text: String, reply: Outbox<Reply>) -> Result<(), Reply> {
        let writable = |server: &&Server| {
            let reports = server.report.iter().flat_map(|(report, _)| &report.roles);
            let mut databases = reports.filter_map(|role| role.database.as_ref());
            databases.any(|database| database.writable)
        };
        let primary = self.servers.values().find(writable);
        let node = primary.and_then(|server| Some((server, server.node.as_ref()?)));
        let (server, node) = node.ok_or_else(|| refused("no database takes writes now", None))?;
        let name = server.plan.server.clone();
        self.orders_given += 1;
        let number = self.orders_given;
        let told = node.put(ToNode::Find { number, text });
        told.map_err(|error| refused(error, None))?;
        self.wait_for(number, reply, name, move |why| {
            let outcome = Err(why);
            FromNode::Found { number, outcome }
        });
        Ok(())
    }

    /// A search came to its end.
    pub(super) fn found(&mut self, number: u64, outcome: Result<Vec<String>, String>) {
        let answer = match outcome {
            Ok(found) => Reply::Found(found),
            Err(why) => refused(why, None),
        };
        self.answered(number, answer);
    }

    fn answered(&mut self, number: u64, answer: Reply) {
        if let Some(reply) = self.orders.remove(&number) {
            // A client that is gone has no use for the answer.
            let _ = reply.put(answer);
        }
    }

    /// An order came to its end.
    pub(super) fn ordered(&mut self, number: u64, outcome: Result<String, node::Refused>) {
        let answer = match outcome {
            Ok(done) => Reply::Done(done),
            Err(refused) => Reply::Refused(refused),
        };
        self.answered(number, answer);
    }
}
