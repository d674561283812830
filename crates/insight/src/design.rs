//! A site as questions are asked of it: servers, what stands on them, and who talks to whom, as flat lists
//! with names. Everything comes from the model and its wiring; nothing is decided here.

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
    /// The line of `certificate`, where there is one.
    pub certificate: Option<usize>,
    /// Between our own servers everything is encrypted too.
    pub encrypted_inside: bool,
    /// The line of `firewall`.
    pub firewall: Option<usize>,
    /// The line of `monitor`.
    pub monitor: Option<usize>,
    /// How the balancer chooses: `round-robin`.
    pub balance: Option<String>,
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
            Tier::Database => "database",
            Tier::Quorum => "quorum",
            Tier::Collector => "collector",
        }
    }

    /// A request crosses it.
    pub fn on_the_path(self) -> bool {
        matches!(
            self,
            Tier::LoadBalancer | Tier::Web | Tier::App | Tier::Database
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
    /// The port.
    pub port: u16,
    /// Used only while the near one is not healthy.
    pub fallback: bool,
}

impl Design {
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

    /// The element of this id.
    pub fn element(&self, id: &str) -> Option<&Element> {
        self.elements.iter().find(|element| element.id == id)
    }
}
