//! A site that cannot be wrong: servers, what stands on them, and what keeps them safe.
//!
//! Fields are private and only the resolver builds these types, after every check has passed. So whoever
//! holds a [`Site`] may rely on it: a server that is named exists, a list that must not be empty is not, and no
//! string stands for something else. What follows from the roles (who talks to whom) is in `wiring`.

mod app;
mod choice;
mod database;
mod dns;
mod entry;
mod guard;
mod names;
mod part;
mod quantities;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

pub use app::{
    App, Health, KeepDirectory, Launch, Schedule, StopStart, Timeouts, Variable, Worker,
};
pub use choice::{Ack, Balance, Choice, Inside, IssuerWord, MemberState, Move, Reads, Stick};
pub use database::{Backup, Database, Quorum, User};
pub use dns::{Dns, Record};
pub use entry::{ClusterAddress, Limit, LoadBalancer, Queue, Web};
pub use guard::{Alert, Allow, Certificate, Firewall, Issuer, Monitor, Port, SshAccess, Transport};
pub use names::{
    DomainName, Email, HostPort, Identifier, Label, Network, ServerName, VariableName,
};
pub use quantities::{Cpu, Rate, Size};
pub use text::{Command, FilePath, FromText, HttpPath, Plain, Url};

pub(crate) use part::part;

use crate::read::tree::Span;

/// Where something stands in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The line, from 1.
    pub line: usize,
    /// The bytes.
    #[serde(skip)]
    pub span: Span,
}

part! {
    /// A website and everything that it runs on.
    Site {
        /// Its name: `www.foobar.com`.
        one name: DomainName,
        /// The zone that holds its names: `foobar.com`.
        one zone: DomainName,
        /// Further names that are served like the site's own.
        list aliases: Name,
        /// Names that lead to the site's own.
        list redirects: Name,
        /// The servers, in the file's order; never empty.
        list servers: Server,
        /// Where each stands among them.
        one places: Places,
        /// What stands before the web servers.
        maybe load_balancer: LoadBalancer,
        /// The web servers.
        maybe web: Web,
        /// The apps, in the file's order; at most one answers for `/`.
        list apps: App,
        /// The database servers.
        maybe database: Database,
        /// Who decides which database server is primary.
        maybe quorum: Quorum,
        /// Our own name servers.
        maybe dns: Dns,
        /// Where the site's certificate comes from.
        maybe certificate: Certificate,
        /// What may come in beside what the wiring needs.
        maybe firewall: Firewall,
        /// Who watches.
        maybe monitor: Monitor,
        /// Where the reserved word `promise` stands.
        list promises: Origin,
    }
}

impl Site {
    /// The server of this name; every name that the model holds has one.
    pub fn server(&self, name: &ServerName) -> Option<&Server> {
        let found = self.servers.get(*self.places.0.get(name)?);
        found.filter(|server| server.name == *name)
    }
}

/// Where each server stands in the file's order, by its name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Places(BTreeMap<ServerName, usize>);

impl Places {
    pub(crate) fn of(servers: &[Server]) -> Self {
        let names = servers.iter().map(|server| server.name.clone());
        Self(names.zip(0..).collect())
    }
}

part! {
    /// Another name of the site.
    Name {
        /// The name.
        one name: DomainName,
    }
}

part! {
    /// A machine.
    Server {
        /// Its name: `web-01`.
        one name: ServerName,
        /// What other servers dial; never empty.
        list addresses: IpAddr,
        /// What the world dials; never empty: the first address, where the file names none.
        list public: IpAddr,
        /// What fails together: a rack, a room, a data centre.
        maybe place: Plain,
        /// How the person who deploys gets in.
        maybe ssh: Ssh,
    }
}

impl Server {
    /// The address that other servers dial first.
    pub fn address(&self) -> IpAddr {
        self.addresses[0]
    }

    /// All addresses that are its own, each once.
    pub fn all_addresses(&self) -> Vec<IpAddr> {
        let public = self
            .public
            .iter()
            .filter(|address| !self.addresses.contains(address));
        self.addresses.iter().chain(public).copied().collect()
    }
}

part! {
    /// How the person who deploys gets in.
    Ssh {
        /// `deploy@web-01.example.org`.
        one target: Plain,
        /// The port.
        copy port: u16,
    }
}

part! {
    /// A server's share in a tier.
    Member {
        /// The server.
        one server: ServerName,
        /// Its share of the requests, beside the others.
        copy weight: u32,
        /// Whether it is used from the start.
        copy state: MemberState,
    }
}
