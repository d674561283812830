//! A site as questions are asked of it: servers, what stands on them, and who talks to whom, as flat lists
//! with names. Everything comes from the model and its wiring; nothing is decided here.

mod excerpt;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use terrace_site::model::{self, Ack, Balance, Inside, Reads, Site};
use terrace_site::plan::{Engine, Timeouts};
use terrace_site::wiring::{self, Instance, Peer, Preference};

/// One site.
#[derive(Clone, Debug)]
pub struct Design {
    /// Its name: `www.foobar.com`.
    pub site: String,
    /// The zone that holds it: `foobar.com`.
    pub zone: String,
    /// In the file's order.
    pub servers: Vec<Server>,
    /// What stands on them, tier by tier from the visitor down.
    pub elements: Vec<Element>,
    /// Who talks to whom.
    pub flows: Vec<Flow>,
    /// The addresses that the world dials.
    pub entry: Vec<String>,
    /// The web servers have a directory of files.
    pub serves_files: bool,
    /// Some bodies go on to an app as they come.
    pub streams: bool,
    /// The line of `certificate`, where there is one.
    pub certificate: Option<usize>,
    /// Between our own servers everything is encrypted too.
    pub encrypted_inside: bool,
    /// The line of `firewall`.
    pub firewall: Option<usize>,
    /// The line of `monitor`.
    pub monitor: Option<usize>,
    /// How the balancer chooses.
    pub balance: Option<Balance>,
    /// The balancers share an address that one of them holds.
    pub shares_address: bool,
    /// When the balancer, or the web server before the app, knows at the latest that a silent server is gone.
    pub notice: Duration,
    /// The web servers answer the balancer's checks themselves, so that silence is the server's and no app's.
    pub checked_alone: bool,
    /// How long an app has for the first byte of an answer, at most.
    pub first_byte: Duration,
    /// The server that decides which of several databases takes writes, where no majority does.
    pub controller: Option<String>,
    /// The database's program, where the file names one.
    pub engine: Option<Engine>,
    /// When a write is acknowledged.
    pub ack: Option<Ack>,
    /// Where reads go.
    pub reads: Option<Reads>,
    /// The servers that stand for others which are left out, each with how many those are.
    pub stands_for: BTreeMap<String, usize>,
}

/// One server.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its name.
    pub name: String,
    /// What others dial.
    pub addresses: Vec<String>,
    /// Its line in the file.
    pub line: usize,
}

/// A role on a server.
#[derive(Clone, Debug)]
pub struct Element {
    /// Its id: `web-01/web`.
    pub id: String,
    /// What it is.
    pub tier: Tier,
    /// The server that it stands on.
    pub server: String,
    /// The app's name, the database's name, the directory of files.
    pub name: String,
    /// Where it listens: `127.0.0.1:8001`.
    pub listens: Vec<String>,
    /// Its line in the file.
    pub line: usize,
}

/// What an element is, from the visitor down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Answers for the zone.
    Dns,
    /// Stands before the web servers.
    LoadBalancer,
    /// Files, and hand-over.
    Web,
    /// The code base.
    App,
    /// Stands before the databases, on every app server.
    Router,
    /// MySQL or MariaDB.
    Database,
    /// Has a voice in who is primary.
    Quorum,
    /// Collects what the others measure.
    Collector,
}

impl Tier {
    /// As a person says it.
    pub fn title(self) -> &'static str {
        match self {
            Tier::Dns => "name server",
            Tier::LoadBalancer => "load balancer",
            Tier::Web => "web server",
            Tier::App => "app server",
            Tier::Router => "SQL router",
            Tier::Database => "database",
            Tier::Quorum => "quorum",
            Tier::Collector => "collector",
        }
    }

    /// A request crosses it.
    pub fn on_the_path(self) -> bool {
        matches!(
            self,
            Tier::LoadBalancer | Tier::Web | Tier::App | Tier::Router | Tier::Database
        )
    }
}

/// One part talks to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The element that dials; `None`: the visitor.
    pub from: Option<String>,
    /// The element that is dialled.
    pub to: String,
    /// `HTTP`, `HTTPS`, `MySQL`, `MySQL replication`, `VRRP`.
    pub protocol: String,
    /// The port; VRRP has none.
    pub port: Option<u16>,
    /// Used only while the near one is not healthy.
    pub fallback: bool,
    /// Of the ways to the databases of a cluster: what takes it, `writes` or `reads`.
    pub purpose: Option<&'static str>,
}

impl Design {
    /// Looks at a site.
    pub fn of(site: &Site) -> Self {
        Self::wired(site, Self::without_flows(site), &wiring::wire(site))
    }

    fn wired(site: &Site, design: Self, wiring: &wiring::Wiring) -> Self {
        let tiers: HashMap<&str, &Instance> = wiring
            .instances
            .iter()
            .map(|instance| (instance.id.as_str(), instance))
            .collect();
        let flows = wiring.flows.iter();
        Self {
            flows: flows
                .filter_map(|flow| Flow::of(site, &tiers, flow))
                .collect(),
            ..design
        }
    }

    /// The same without who talks to whom: enough to say what stands where and what fails, and as long as the file, where
    /// the ways are as many as pairs of servers.
    pub fn without_flows(site: &Site) -> Self {
        let line = |origin: Option<terrace_site::model::Origin>| origin.map(|origin| origin.line);
        Self {
            site: site.name().to_string(),
            zone: site.zone().to_string(),
            servers: site.servers().iter().map(Server::of).collect(),
            elements: wiring::instances(site)
                .iter()
                .filter_map(|instance| Element::of(site, instance))
                .collect(),
            flows: Vec::new(),
            entry: wiring::addresses(site)
                .iter()
                .map(ToString::to_string)
                .collect(),
            serves_files: site.web().is_some_and(|web| web.files().is_some()),
            streams: site.apps().iter().any(|app| app.stream().is_some()),
            certificate: line(site.certificate().map(|word| word.origin())),
            encrypted_inside: site
                .certificate()
                .is_some_and(|word| word.inside() == Inside::Mutual),
            firewall: line(site.firewall().map(|word| word.origin())),
            monitor: line(site.monitor().map(|word| word.origin())),
            balance: site.load_balancer().map(|word| word.balance()),
            shares_address: site
                .load_balancer()
                .is_some_and(|word| !word.addresses().is_empty()),
            notice: notice(site),
            checked_alone: site.web().is_some_and(|web| web.health().path().is_none()),
            first_byte: first_byte(site),
            controller: terrace_site::wiring::controller(site).map(ToString::to_string),
            engine: site.database().and_then(|word| word.engine().copied()),
            ack: site.database().map(|word| word.ack()),
            reads: site.database().map(|word| word.reads()),
            stands_for: BTreeMap::new(),
        }
    }

    /// There is something of this tier.
    pub fn has(&self, tier: Tier) -> bool {
        self.tier(tier).next().is_some()
    }

    /// The elements of a tier, in the file's order.
    pub fn tier(&self, tier: Tier) -> impl Iterator<Item = &Element> {
        self.elements
            .iter()
            .filter(move |element| element.tier == tier)
    }

    /// The server of this name.
    pub fn server(&self, name: &str) -> Option<&Server> {
        self.servers.iter().find(|server| server.name == name)
    }

    /// What stands on a server, in the order in which a request crosses it.
    pub fn on(&self, server: &str) -> impl Iterator<Item = &Element> {
        self.elements
            .iter()
            .filter(move |element| element.server == server)
    }

    /// The servers of a tier, each once, in the file's order.
    pub fn servers_of(&self, tier: Tier) -> Vec<&str> {
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        for element in self.tier(tier) {
            if seen.insert(element.server.as_str()) {
                found.push(element.server.as_str());
            }
        }
        found
    }

    /// What an element is: of a cluster's databases also which.
    pub fn title(&self, element: &Element) -> String {
        let title = element.tier.title();
        if element.tier != Tier::Database {
            return title.to_owned();
        }
        match self.servers_of(Tier::Database).as_slice() {
            [_] => title.to_owned(),
            [primary, ..] if *primary == element.server => format!("{title}, primary"),
            [primary, ..] => format!("{title}, replica of {primary}"),
            [] => title.to_owned(),
        }
    }

    /// The tier that visitors meet first.
    pub fn entry_tier(&self) -> Option<Tier> {
        let tiers = [Tier::LoadBalancer, Tier::Web, Tier::App];
        tiers.into_iter().find(|tier| self.has(*tier))
    }

    /// The element of this id.
    pub fn element(&self, id: &str) -> Option<&Element> {
        self.elements.iter().find(|element| element.id == id)
    }
}

/// What the SQL router sends on this way, where it has a choice.
fn purpose(
    site: &Site,
    instances: &HashMap<&str, &Instance>,
    flow: &wiring::Flow,
) -> Option<&'static str> {
    let Peer::Instance(from) = &flow.from else {
        return None;
    };
    let database = site.database()?;
    let router = instances.get(from.as_str())?.tier == wiring::Tier::Router;
    if !router || database.servers().len() < 2 {
        return None;
    }
    let to = &instances.get(flow.to.as_str())?.server;
    let primary = database.servers().first() == Some(to);
    Some(match (database.reads(), primary) {
        (Reads::Primary, true) => "all",
        (Reads::Primary, false) => "standby",
        (_, true) => "writes",
        (_, false) => "reads",
    })
}

/// A server that answers nothing: a connection to it waits for the timeout, and so many checks must fail.
fn notice(site: &Site) -> Duration {
    let of = |health: &model::Health, timeouts: &model::Timeouts| {
        let connect = timeouts.connect().unwrap_or(Timeouts::default().connect);
        connect.max(health.every() * health.fall() + health.within())
    };
    let web = site.web().map(|web| of(web.health(), web.timeouts()));
    let apps = site
        .apps()
        .iter()
        .map(|app| of(app.health(), app.timeouts()));
    web.into_iter().chain(apps).max().unwrap_or_default()
}

fn first_byte(site: &Site) -> Duration {
    let usual = Timeouts::default().first_byte;
    let of = |app: &model::App| app.timeouts().first_byte().unwrap_or(usual);
    site.apps().iter().map(of).max().unwrap_or_default()
}

impl Server {
    fn of(server: &model::Server) -> Self {
        Self {
            name: server.name().to_string(),
            addresses: server
                .all_addresses()
                .iter()
                .map(ToString::to_string)
                .collect(),
            line: server.origin().line,
        }
    }
}

impl Element {
    /// What measures a server stands on every one of them: it is no part of a design's picture.
    fn of(site: &Site, instance: &Instance) -> Option<Self> {
        let tier = match instance.tier {
            wiring::Tier::Dns => Tier::Dns,
            wiring::Tier::LoadBalancer => Tier::LoadBalancer,
            wiring::Tier::Web => Tier::Web,
            wiring::Tier::App => Tier::App,
            wiring::Tier::Router => Tier::Router,
            wiring::Tier::Database => Tier::Database,
            wiring::Tier::Quorum => Tier::Quorum,
            wiring::Tier::Collector => Tier::Collector,
            wiring::Tier::Agent => return None,
        };
        let files = || {
            site.web()?
                .files()
                .map(|files| files.as_path().display().to_string())
        };
        let name = if tier == Tier::Web {
            files().unwrap_or_default()
        } else {
            instance.name.clone()
        };
        Some(Self {
            id: instance.id.clone(),
            tier,
            server: instance.server.to_string(),
            name,
            listens: instance.listens.iter().map(ToString::to_string).collect(),
            line: instance.origin.line,
        })
    }
}

impl Flow {
    /// `HTTP 8001`.
    pub fn title(&self) -> String {
        match self.port {
            Some(port) => format!("{} {port}", self.protocol),
            None => self.protocol.clone(),
        }
    }

    /// It keeps a replica current.
    pub fn is_replication(&self) -> bool {
        self.protocol == wiring::Protocol::Replication.title()
    }

    fn of(site: &Site, instances: &HashMap<&str, &Instance>, flow: &wiring::Flow) -> Option<Self> {
        instances
            .get(flow.to.as_str())
            .filter(|to| to.tier != wiring::Tier::Agent)?;
        let from = match &flow.from {
            Peer::Visitor => None,
            Peer::Instance(id) => Some(id.clone()),
        };
        Some(Self {
            from,
            to: flow.to.clone(),
            protocol: flow.protocol.title().to_owned(),
            port: flow.ports.first().copied(),
            fallback: flow.preference == Preference::Fallback,
            purpose: purpose(site, instances, flow),
        })
    }
}
