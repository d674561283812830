//! Servers: their definitions, and the words that name them.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use crate::model::{FromText, Member, MemberState, Plain, Server, ServerName, Ssh};
use crate::problem::Problem;
use crate::read::tree::{Node, Value};

use super::context::{Context, Defined};
use super::values::{child, children};
use super::vocabulary::Word;

const SSH_PORT: u16 = 22;
pub(super) const WEIGHTS: std::ops::RangeInclusive<u32> = 1..=256;

impl Context<'_> {
    /// The names of all servers, before anything that names them is read.
    pub(super) fn define_servers(&mut self, site: &Node) {
        for node in children(site, "server") {
            let Some(argument) = node.arguments.first() else {
                continue;
            };
            if argument
                .value
                .text()
                .is_some_and(|text| text.parse::<IpAddr>().is_ok())
            {
                let message = "the server's name is missing";
                self.report(Problem::error(
                    "missing",
                    message,
                    argument.span,
                    "before its address stands its name, such as web-01",
                ));
                continue;
            }
            let Some(name) = self.argument::<ServerName>(argument) else {
                continue;
            };
            if let Some(first) = self.defined(name.as_str()) {
                let problem = Problem::error(
                    "server-twice",
                    format!("two servers are called `{name}`"),
                    argument.span,
                    "another name is needed here",
                );
                let problem = problem.and(first.span, "here first");
                self.report(problem);
                continue;
            }
            self.define(Defined {
                name,
                span: argument.span,
            });
        }
    }

    /// One definition, whose name was read before.
    pub(super) fn server(&mut self, node: &Node, word: &Word) -> Option<Server> {
        let argument = node.arguments.first()?;
        let named = argument.value.text().and_then(|name| self.defined(name));
        let defined = named.filter(|server| server.span == argument.span).cloned();
        let addresses = self.addresses(node, 1);
        if node.arguments.len() < 2 && defined.is_some() {
            self.missing(node, "an address", "one, such as \"10.0.0.21\"", word);
        }
        let place = self.property::<Plain>(node, "place");
        let mut public: Vec<IpAddr> = children(node, "public")
            .flat_map(|public| self.addresses(public, 0))
            .collect();
        let ssh = child(node, "ssh").and_then(|ssh| {
            let port = self.port(ssh, "port").unwrap_or(SSH_PORT);
            let target = self.first::<Plain>(ssh)?;
            Some(Ssh {
                target,
                port,
                origin: self.origin(ssh.span),
            })
        });
        let first = *addresses.first()?;
        if public.is_empty() {
            public.push(first);
        }
        Some(Server {
            name: defined?.name,
            addresses,
            public,
            place,
            ssh,
            origin: self.origin(node.span),
        })
    }

    /// Addresses that something else can dial.
    pub(super) fn addresses(&mut self, node: &Node, skip: usize) -> Vec<IpAddr> {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        for argument in node.arguments.iter().skip(skip) {
            let Some(address) = self.argument::<IpAddr>(argument) else {
                continue;
            };
            if let Some(why) = cannot_be_dialled(address) {
                let message = format!("`{address}` cannot be a server's address");
                self.report(Problem::error("wrong-value", message, argument.span, why));
                continue;
            }
            if !seen.insert(address) {
                let message = format!("`{address}` stands twice");
                self.report(Problem::error(
                    "address-twice",
                    message,
                    argument.span,
                    "once is enough",
                ));
                continue;
            }
            found.push(address);
        }
        found
    }

    /// The servers behind a word; none means all of them.
    pub(super) fn named_servers(&mut self, node: &Node) -> Vec<ServerName> {
        if node.arguments.is_empty() {
            return self
                .servers
                .iter()
                .map(|server| server.name.clone())
                .collect();
        }
        let mut found: Vec<ServerName> = Vec::new();
        let mut named: HashSet<&str> = HashSet::new();
        for argument in &node.arguments {
            let written = self.slice(argument.span).to_owned();
            let Some(name) = argument.value.text() else {
                let message = format!("`{written}` is not a server's name");
                self.report(Problem::error(
                    "wrong-type",
                    message,
                    argument.span,
                    "a server is expected here",
                ));
                continue;
            };
            if let Some(problem) = self.address_for_name(name, &argument.value, argument.span) {
                self.report(problem);
                continue;
            }
            match self.defined(name) {
                None => {
                    let problem = self.unknown_server(name, argument.span);
                    self.report(problem);
                }
                Some(_) if !named.insert(name) => {
                    let message = format!("`{}` names {name} twice", node.name.value);
                    self.report(Problem::error(
                        "named-twice",
                        message,
                        argument.span,
                        "once is enough",
                    ));
                }
                Some(server) => found.push(server.name.clone()),
            }
        }
        found
    }

    fn address_for_name(
        &self,
        name: &str,
        value: &Value,
        span: crate::read::tree::Span,
    ) -> Option<Problem> {
        let wrong =
            matches!(value, Value::Text(_)) && <IpAddr as FromText>::from_text(name).is_ok();
        wrong.then(|| {
            let message = format!("`{name}` is an address; here stands a server's name");
            Problem::error("unknown-server", message, span, "a server is expected here")
                .help(format!("name it first: server web-03 \"{name}\""))
        })
    }

    /// The members of a tier, with what the word says about each.
    pub(super) fn members(&mut self, node: &Node, word: &Word) -> Vec<Member> {
        let servers = self.named_servers(node);
        let own: Vec<&Node> = node
            .children()
            .iter()
            .filter(|child| {
                let name = &child.name.value;
                self.defined(name).is_some() && word.child(name).is_none()
            })
            .collect();
        let named: HashSet<&str> = servers.iter().map(ServerName::as_str).collect();
        let mut settings: HashMap<&str, (&Node, Member)> = HashMap::new();
        for child in &own {
            let name = &child.name.value;
            if !named.contains(name.as_str()) {
                let message = format!("`{}` does not stand on {name}", word.name);
                let problem = Problem::error(
                    "not-a-member",
                    message,
                    child.name.span,
                    format!("add {name} to the line of `{}`", word.name),
                );
                self.report(problem.and(node.name.span, "here its servers are named"));
            }
            if let Some((first, _)) = settings.get(name.as_str()) {
                self.report(super::context::twice(child, first, "once"));
            } else if let Some(member) = self.member(child) {
                settings.insert(name, (child, member));
            }
        }
        let origin = self.origin(node.span);
        let usual = |server| Member {
            server,
            weight: 1,
            state: MemberState::Active,
            origin,
        };
        let member = |server: ServerName| {
            let own = settings.get(server.as_str());
            own.map_or_else(|| usual(server), |(_, member)| member.clone())
        };
        let members: Vec<Member> = servers.into_iter().map(member).collect();
        if !members.is_empty()
            && members
                .iter()
                .all(|member| member.state == MemberState::Backup)
        {
            let message = format!("every server of `{}` is a backup", word.name);
            self.report(Problem::error(
                "no-active",
                message,
                node.name.span,
                "at least one is active",
            ));
        }
        members
    }

    /// `web-02 weight=2 state=backup`.
    fn member(&mut self, node: &Node) -> Option<Member> {
        let weight = self.number(node, "weight", WEIGHTS).unwrap_or(1);
        let state = self.choice(node, "state").unwrap_or(MemberState::Active);
        let server = self.defined(&node.name.value)?.name.clone();
        Some(Member {
            server,
            weight,
            state,
            origin: self.origin(node.span),
        })
    }
}

/// Why nothing can dial an address.
fn cannot_be_dialled(address: IpAddr) -> Option<&'static str> {
    let rehearsal = ["192.0.2.53", "198.51.100.10"];
    if address.is_unspecified() {
        Some("it stands for every address")
    } else if address.is_loopback() {
        Some("it is the same on every server; others cannot dial it")
    } else if address.is_multicast() || address.to_string() == "255.255.255.255" {
        Some("it stands for a group")
    } else if rehearsal.contains(&address.to_string().as_str()) {
        Some("a rehearsal gives it to the world outside")
    } else {
        None
    }
}
