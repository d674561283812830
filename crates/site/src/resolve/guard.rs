//! `certificate`, `firewall`, `monitor`.

use std::time::Duration;

use crate::model::{
    Alert, Allow, Certificate, Firewall, Inside, Issuer, IssuerWord, Monitor, Plain, Port,
    ServerName, SshAccess,
};
use crate::problem::Problem;
use crate::read::tree::{Node, Span};

use super::context::Context;
use super::values::{child, children};

const SSH_PORT: u16 = 22;
const EVERY: Duration = Duration::from_secs(1);
const KEEP: Duration = Duration::from_secs(7 * 86_400);

impl Context<'_> {
    pub(super) fn certificate(&mut self, node: &Node) -> Option<Certificate> {
        let issuer = self.issuer(node);
        let inside = self.choice(node, "inside").unwrap_or(Inside::Mutual);
        let hsts = self.property(node, "hsts");
        Some(Certificate {
            issuer: issuer?,
            inside,
            hsts,
            origin: self.origin(node.span),
        })
    }

    fn issuer(&mut self, node: &Node) -> Option<Issuer> {
        let given = |name: &str| node.property(name);
        let files = given("cert").or_else(|| given("key"));
        if let (Some(files), Some(issuer)) = (files, given("issuer")) {
            let message = "a certificate that is there needs no issuer";
            let problem = Problem::error(
                "given-twice",
                message,
                issuer.span,
                "take this out, or `cert` and `key`",
            );
            self.report(problem.and(files.span, "it is given here"));
        }
        if files.is_some() {
            for (name, other) in [("cert", "key"), ("key", "cert")] {
                if given(name).is_none() {
                    let message = format!("`{other}` stands without `{name}`");
                    let label = format!("add {name}=\"{name}.pem\"");
                    self.report(Problem::error("missing", message, node.name.span, label));
                }
            }
            let (certificate, key) = (self.property(node, "cert"), self.property(node, "key"));
            return Some(Issuer::Files {
                certificate: certificate?,
                key: key?,
            });
        }
        if given("issuer").is_none() {
            self.only_for_acme(node);
            return Some(Issuer::Own);
        }
        match self.choice(node, "issuer")? {
            IssuerWord::Acme => Some(Issuer::Acme {
                email: self.property(node, "email"),
                directory: self.property(node, "directory"),
            }),
            IssuerWord::Own => {
                self.only_for_acme(node);
                Some(Issuer::Own)
            }
        }
    }

    fn only_for_acme(&mut self, node: &Node) {
        for name in ["email", "directory"] {
            if let Some(property) = node.property(name) {
                let message = format!("`{name}` is for issuer=acme");
                let problem = Problem::error(
                    "no-effect",
                    message,
                    property.span,
                    "add issuer=acme, or take this out",
                );
                self.report(problem);
            }
        }
    }

    pub(super) fn firewall(&mut self, node: &Node) -> Firewall {
        let ssh = children(node, "ssh").map(|ssh| SshAccess {
            networks: self.all(ssh),
            port: self.port(ssh, "port").unwrap_or(SSH_PORT),
            origin: self.origin(ssh.span),
        });
        let ssh = ssh.collect();
        let allow = children(node, "allow")
            .map(|allow| self.allow(allow))
            .collect();
        Firewall {
            ssh,
            allow,
            origin: self.origin(node.span),
        }
    }

    /// `allow web-01 "8080/tcp" from="…"`: servers, then ports; no servers means all of them.
    fn allow(&mut self, node: &Node) -> Allow {
        let is_port = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
        let (ports, servers): (Vec<_>, Vec<_>) = node
            .arguments
            .iter()
            .partition(|argument| argument.value.text().is_none_or(is_port));
        let ports: Vec<Port> = ports
            .into_iter()
            .filter_map(|port| self.argument(port))
            .collect();
        if node.arguments.len() == servers.len() {
            let message = "`allow` names no port";
            self.report(Problem::error(
                "missing",
                message,
                node.name.span,
                "add a port, such as \"8080/tcp\"",
            ));
        }
        let named = Node {
            arguments: servers.into_iter().cloned().collect(),
            children: None,
            ..node.clone()
        };
        Allow {
            servers: self.named_servers(&named),
            ports,
            from: self.property(node, "from"),
            origin: self.origin(node.span),
        }
    }

    /// `entry`: who collects where the file names nobody.
    pub(super) fn monitor(&mut self, node: &Node, entry: Option<&ServerName>) -> Monitor {
        let collectors = match child(node, "collect") {
            Some(collect) => self.named_servers(collect),
            None => entry.cloned().into_iter().collect(),
        };
        let alerts = children(node, "alert").filter_map(|alert| {
            let lasting = self.property(alert, "for").unwrap_or(Duration::ZERO);
            let condition = self.first::<Plain>(alert)?;
            Some(Alert {
                condition,
                lasting,
                origin: self.origin(alert.span),
            })
        });
        let alerts = alerts.collect();
        let monitor = Monitor {
            every: self.property(node, "every").unwrap_or(EVERY),
            keep: self.property(node, "keep").unwrap_or(KEEP),
            collectors,
            alerts,
            sends: self.all_of(node, "send"),
            remote_writes: self.all_of(node, "remote-write"),
            origin: self.origin(node.span),
        };
        if monitor.keep < monitor.every {
            let span = node
                .property("keep")
                .map_or(Span::default(), |keep| keep.span);
            let message = "what is measured is thrown away before the next measurement";
            self.report(Problem::error(
                "out-of-range",
                message,
                span,
                "`keep` is longer than `every`",
            ));
        }
        monitor
    }
}
