//! `load-balancer` and `web`, and what tiers share: health and timeouts.

use std::ops::RangeInclusive;

use crate::model::{
    Balance, ClusterAddress, Health, HttpPath, Limit, LoadBalancer, Move, Queue, Rate, Timeouts,
    Web,
};
use crate::problem::Problem;
use crate::read::tree::Node;

use super::context::Context;
use super::values::{child, children};
use super::vocabulary::Word;

/// Checks in a row.
pub(super) const CHECKS: RangeInclusive<u32> = 1..=100;
/// Statuses of HTTP.
pub(super) const STATUSES: RangeInclusive<u32> = 100..=599;
/// Requests or connections.
pub(super) const MANY: RangeInclusive<u32> = 1..=1_000_000;
/// Requests that may wait.
pub(super) const MANY_OR_NONE: RangeInclusive<u32> = 0..=1_000_000;

impl Context<'_> {
    pub(super) fn load_balancer(&mut self, node: &Node, word: &Word) -> LoadBalancer {
        let mut addresses = Vec::new();
        for shared in children(node, "address") {
            let moves = self.choice(shared, "move").unwrap_or(Move::Vrrp);
            let origin = self.origin(shared.span);
            let each = self.addresses(shared, 0).into_iter();
            addresses.extend(each.map(|address| ClusterAddress {
                address,
                moves,
                origin,
            }));
        }
        LoadBalancer {
            members: self.members(node, word),
            balance: self.choice(node, "balance").unwrap_or(Balance::RoundRobin),
            stick: self.choice(node, "stick"),
            addresses,
            trust: self.all_of(node, "trust"),
            limit: child(node, "limit").map(|limit| self.limit(limit)),
            queue: child(node, "queue").map(|queue| self.queue(queue)),
            origin: self.origin(node.span),
        }
    }

    fn limit(&mut self, node: &Node) -> Limit {
        Limit {
            requests: self.property::<Rate>(node, "requests"),
            connections: self.number(node, "connections", MANY),
            body: self.property(node, "body"),
            spool: self.property(node, "spool"),
            origin: self.origin(node.span),
        }
    }

    fn queue(&mut self, node: &Node) -> Queue {
        if node.property("in-flight").is_none() {
            let message = "`queue` does not say how many requests a server gets at a time";
            let problem = Problem::error(
                "nothing-to-wait-for",
                message,
                node.name.span,
                "add in-flight=100",
            );
            self.report(problem.help("without that bound no request ever waits"));
        }
        Queue {
            in_flight: self.number(node, "in-flight", MANY),
            waiting: self.number(node, "waiting", MANY_OR_NONE),
            within: self.property(node, "within"),
            origin: self.origin(node.span),
        }
    }

    pub(super) fn web(&mut self, node: &Node, word: &Word, apps: usize) -> Web {
        let files = self.property(node, "static");
        if node.property("static").is_none() && apps == 0 {
            let message = "`web` has nothing to serve";
            let problem = Problem::error(
                "nothing-to-serve",
                message,
                node.name.span,
                "add static=\"foobar/public\"",
            );
            self.report(problem.help("a web server hands over files, or requests to an `app`"));
        }
        Web {
            members: self.members(node, word),
            files,
            health: child(node, "health")
                .map(|health| self.health(health))
                .unwrap_or_default(),
            timeouts: self.timeouts(node),
            limit: child(node, "limit").map(|limit| self.limit(limit)),
            origin: self.origin(node.span),
        }
    }

    /// `health "/path" every= within= rise= fall= expect=`.
    pub(super) fn health(&mut self, node: &Node) -> Health {
        let usual = Health::default();
        Health {
            path: self.first::<HttpPath>(node),
            every: self.property(node, "every").unwrap_or(usual.every),
            within: self.property(node, "within").unwrap_or(usual.within),
            rise: self.number(node, "rise", CHECKS).unwrap_or(usual.rise),
            fall: self.number(node, "fall", CHECKS).unwrap_or(usual.fall),
            expect: self
                .number(node, "expect", STATUSES)
                .and_then(|status| u16::try_from(status).ok()),
        }
    }

    pub(super) fn timeouts(&mut self, node: &Node) -> Timeouts {
        let Some(node) = child(node, "timeouts") else {
            return Timeouts::default();
        };
        Timeouts {
            connect: self.property(node, "connect"),
            first_byte: self.property(node, "first-byte"),
            idle: self.property(node, "idle"),
            total: self.property(node, "total"),
            rate: self.property(node, "rate"),
        }
    }
}
