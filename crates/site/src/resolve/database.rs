//! `database` and `quorum`.

use std::time::Duration;

use crate::model::{Ack, Backup, Database, DomainName, FromText, Identifier, Quorum, Reads, User};
use crate::problem::Problem;
use crate::read::tree::Node;

use super::context::Context;
use super::values::{child, children};

const DAY: Duration = Duration::from_secs(86_400);

impl Context<'_> {
    /// `site` names the database where the file does not.
    pub(super) fn database(&mut self, node: &Node, site: &DomainName) -> Database {
        let name = self
            .property(node, "name")
            .unwrap_or_else(|| usual_name(site));
        let mut users: Vec<User> = Vec::new();
        for argument in children(node, "user").flat_map(|user| &user.arguments) {
            let Some(user) = self.argument::<Identifier>(argument) else {
                continue;
            };
            let origin = self.origin(argument.span);
            match users.iter().find(|first| first.name == user) {
                Some(first) => {
                    let message = format!("the user `{user}` stands twice");
                    let problem =
                        Problem::error("given-twice", message, argument.span, "once is enough");
                    self.problems
                        .push(problem.and(first.origin.span, "here first"));
                }
                None => users.push(User { name: user, origin }),
            }
        }
        let origin = self.origin(node.span);
        if users.is_empty() {
            users.push(User {
                name: name.clone(),
                origin,
            });
        }
        Database {
            servers: self.named_servers(node),
            engine: self.choice(node, "engine"),
            name,
            ack: self.choice(node, "ack").unwrap_or(Ack::Replica),
            reads: self.choice(node, "reads").unwrap_or(Reads::OwnWrites),
            users,
            backup: child(node, "backup").map(|backup| self.backup(backup)),
            origin,
        }
    }

    fn backup(&mut self, node: &Node) -> Backup {
        Backup {
            every: self.property(node, "every").unwrap_or(DAY),
            keep: self.property(node, "keep").unwrap_or(30 * DAY),
            to: self.property(node, "to"),
            origin: self.origin(node.span),
        }
    }

    pub(super) fn quorum(&mut self, node: &Node, databases: Option<&Database>) -> Quorum {
        let quorum = Quorum {
            servers: self.named_servers(node),
            origin: self.origin(node.span),
        };
        let span = node.name.span;
        let Some(database) = databases else {
            let message = "`quorum` has nothing to decide";
            let problem = Problem::error("no-database", message, span, "there is no `database`");
            self.report(problem.help("add: database db-01 db-02"));
            return quorum;
        };
        if database.servers.len() == 1 {
            let message = "`quorum` has one database server to choose from";
            let problem = Problem::warning("quorum-size", message, span, "no other can take over");
            self.report(problem.and(database.origin.span, "name a second server here"));
        }
        let voices = quorum.servers.len();
        if voices == 1 {
            let message = "a quorum of one decides nothing when its server fails";
            self.report(Problem::warning(
                "quorum-size",
                message,
                span,
                "three servers outlive the failure of one",
            ));
        } else if voices > 0 && voices.is_multiple_of(2) {
            let message = format!(
                "a quorum of {voices} outlives no more failures than one of {}",
                voices - 1
            );
            let label = format!("take one away, or make them {}", voices + 1);
            self.report(Problem::warning("quorum-size", message, span, label));
        }
        quorum
    }
}

/// The site's second-level label: `foobar` of `www.foobar.com`; the one before it where that is as short as
/// the `co` of `foobar.co.uk`. It follows from the site's name alone, so no other change renames the data.
fn usual_name(site: &DomainName) -> Identifier {
    let labels: Vec<&str> = site.labels().rev().collect();
    let label = match labels.as_slice() {
        [_, second, third, ..] if second.len() <= 3 && *third != "www" => third,
        [_, second, ..] => second,
        _ => "site",
    };
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = label.chars().map(plain).take(32).collect();
    Identifier::from_text(&name).unwrap_or_else(|_| Identifier("site".to_owned()))
}
