//! Who talks to whom: the way of a request first, then what goes on beside it.

use std::net::IpAddr;

use crate::model::Site;

use super::instances::{LOOPBACK, address};
use super::{Flow, Instance, Peer, Preference, Protocol, QUORUM, QUORUM_PEERS, Tier};

pub(super) fn flows(site: &Site, entry: Option<Tier>, instances: &[Instance]) -> Vec<Flow> {
    let wires = Wires { site, instances };
    let mut found = Vec::new();
    wires.visitors(entry, &mut found);
    wires.along_the_path(&mut found);
    wires.to_the_database(&mut found);
    wires.replication(&mut found);
    wires.quorum(&mut found);
    wires.takeover(&mut found);
    wires.metrics(&mut found);
    found
}

struct Wires<'a> {
    site: &'a Site,
    instances: &'a [Instance],
}

impl<'a> Wires<'a> {
    fn tier(&self, tier: Tier) -> Vec<&'a Instance> {
        self.instances
            .iter()
            .filter(|instance| instance.tier == tier)
            .collect()
    }

    fn visitors(&self, entry: Option<Tier>, found: &mut Vec<Flow>) {
        for name_server in self.tier(Tier::Dns) {
            found.extend(visits(name_server, Protocol::Dns, Preference::Balanced));
        }
        let clustered = self
            .site
            .load_balancer()
            .is_some_and(|balancer| !balancer.addresses().is_empty());
        let Some(entry) = entry else { return };
        for (index, instance) in self.tier(entry).into_iter().enumerate() {
            // One of a cluster holds the address at a time.
            let preference = if clustered && index > 0 {
                Preference::Fallback
            } else {
                Preference::Balanced
            };
            found.extend(visits(instance, Protocol::Http, preference));
        }
    }

    /// Balancer to web, web to app; where a tier is missing, to the one behind it.
    fn along_the_path(&self, found: &mut Vec<Flow>) {
        let (balancers, webs) = (self.tier(Tier::LoadBalancer), self.tier(Tier::Web));
        for balancer in &balancers {
            self.next_tier(balancer, &webs, Protocol::Http, found);
        }
        for before in if webs.is_empty() { &balancers } else { &webs } {
            for app in self.site.apps() {
                let of_app = |instance: &&Instance| instance.name == app.name().as_str();
                let apps: Vec<&Instance> =
                    self.tier(Tier::App).into_iter().filter(of_app).collect();
                self.next_tier(before, &apps, Protocol::Http, found);
            }
        }
    }

    /// An app knows only the SQL router beside it. That needs every database: any of them may become primary,
    /// and writes go there wherever it stands, reads to the replicas. So none is near, and none a fallback.
    fn to_the_database(&self, found: &mut Vec<Flow>) {
        let (routers, databases) = (self.tier(Tier::Router), self.tier(Tier::Database));
        for app in self.tier(Tier::App) {
            let beside = routers.iter().filter(|router| router.server == app.server);
            let beside: Vec<&Instance> = beside.copied().collect();
            let asked = if beside.is_empty() {
                &databases
            } else {
                &beside
            };
            self.next_tier(app, asked, Protocol::Mysql, found);
        }
        for router in routers {
            for database in &databases {
                let same = database.server == router.server;
                found.push(beside(
                    router,
                    database,
                    Protocol::Mysql,
                    dialled(database, same),
                    vec![super::DATABASE],
                    Preference::Balanced,
                ));
            }
        }
    }

    /// The rule of the tiers: near first, the rest as fallback; without a near one all together.
    fn next_tier(
        &self,
        from: &Instance,
        next: &[&Instance],
        protocol: Protocol,
        found: &mut Vec<Flow>,
    ) {
        let near = next.iter().any(|to| to.server == from.server);
        for to in next {
            let same = to.server == from.server;
            let preference = match (near, same) {
                (true, true) => Preference::Near,
                (true, false) => Preference::Fallback,
                (false, _) => Preference::Balanced,
            };
            let address = dialled(to, same);
            let ports = to
                .listens
                .iter()
                .filter(|listen| listen.ip() == address)
                .map(|listen| listen.port())
                .collect();
            found.push(Flow {
                from: Peer::Instance(from.id.clone()),
                to: to.id.clone(),
                protocol,
                address,
                ports,
                preference,
            });
        }
    }

    /// Replicas follow the primary at birth; the other ways are taken once another one is primary.
    fn replication(&self, found: &mut Vec<Flow>) {
        let databases = self.tier(Tier::Database);
        for (index, primary) in databases.iter().enumerate() {
            let preference = if index == 0 {
                Preference::Balanced
            } else {
                Preference::Fallback
            };
            for replica in databases
                .iter()
                .filter(|replica| replica.server != primary.server)
            {
                let address = dialled(primary, false);
                let ports = vec![super::DATABASE];
                found.push(beside(
                    replica,
                    primary,
                    Protocol::Replication,
                    address,
                    ports,
                    preference,
                ));
            }
        }
    }

    fn quorum(&self, found: &mut Vec<Flow>) {
        let voices = self.tier(Tier::Quorum);
        for from in self.tier(Tier::Database) {
            for to in &voices {
                found.extend(self.inside(from, to, Protocol::Quorum, &[QUORUM]));
            }
        }
        for from in &voices {
            for to in voices.iter().filter(|to| to.server != from.server) {
                found.extend(self.inside(from, to, Protocol::QuorumPeers, &[QUORUM_PEERS]));
            }
        }
    }

    /// Balancers that share an address hear each other.
    fn takeover(&self, found: &mut Vec<Flow>) {
        if self
            .site
            .load_balancer()
            .is_none_or(|balancer| balancer.addresses().is_empty())
        {
            return;
        }
        let balancers = self.tier(Tier::LoadBalancer);
        for from in &balancers {
            for to in balancers.iter().filter(|to| to.server != from.server) {
                found.extend(self.inside(from, to, Protocol::Vrrp, &[]));
            }
        }
    }

    fn metrics(&self, found: &mut Vec<Flow>) {
        for collector in self.tier(Tier::Collector) {
            for agent in self.tier(Tier::Agent) {
                found.extend(self.inside(collector, agent, Protocol::Metrics, &[super::AGENT]));
            }
        }
    }

    /// From server to server, on the address that other servers dial first.
    fn inside(
        &self,
        from: &Instance,
        to: &Instance,
        protocol: Protocol,
        ports: &[u16],
    ) -> Option<Flow> {
        let address = address(self.site, &to.server).first().copied()?;
        Some(beside(
            from,
            to,
            protocol,
            address,
            ports.to_vec(),
            Preference::Balanced,
        ))
    }
}

/// A visitor's ways to an instance: one for each address and protocol.
fn visits(to: &Instance, usual: Protocol, preference: Preference) -> Vec<Flow> {
    let protocol = |port| match port {
        super::HTTPS => Protocol::Https,
        _ => usual,
    };
    let listens = to.listens.iter();
    listens
        .map(|listen| Flow {
            from: Peer::Visitor,
            to: to.id.clone(),
            protocol: protocol(listen.port()),
            address: listen.ip(),
            ports: vec![listen.port()],
            preference,
        })
        .collect()
}

/// Loopback, where both stand on one server and it listens there; else its own address.
fn dialled(to: &Instance, same: bool) -> IpAddr {
    let mut addresses = to.listens.iter().map(|listen| listen.ip());
    let other = |address: &IpAddr| *address != LOOPBACK;
    let found = if same {
        addresses.next()
    } else {
        addresses.find(other)
    };
    found.unwrap_or(LOOPBACK)
}

fn beside(
    from: &Instance,
    to: &Instance,
    protocol: Protocol,
    address: IpAddr,
    ports: Vec<u16>,
    preference: Preference,
) -> Flow {
    Flow {
        from: Peer::Instance(from.id.clone()),
        to: to.id.clone(),
        protocol,
        address,
        ports,
        preference,
    }
}
