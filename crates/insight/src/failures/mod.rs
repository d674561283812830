//! What each single fault takes from the visitors, predicted from the design.
//!
//! A fault hits one process or one server; a function is something that a visitor wants; a fate is how that
//! fares. [`predictions`] is the whole table, and whoever injects the faults measures against it. A fate is of
//! those who come after the fault: what is under way on the process or server that fails may break with it.
//! The rules are in `predict`; nothing is measured here.

mod predict;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use terrace_site::times;

use crate::design::{Design, Tier};

pub use predict::predict;
pub(crate) use words::seconds;
pub use words::{lose, table};

/// What a visitor can want of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Function {
    /// A static page: a picture, a style sheet, anything that is a file.
    Files,
    /// A page that the app makes without data.
    Pages,
    /// A dynamic read: a page that reads the database.
    Reads,
    /// A dynamic write: a request that changes the database. It must not be repeated.
    Writes,
}

impl Function {
    /// As a person says it.
    pub fn title(self) -> &'static str {
        match self {
            Function::Files => "files",
            Function::Pages => "pages",
            Function::Reads => "reading",
            Function::Writes => "writing",
        }
    }

    /// The functions that this design has at all.
    pub fn of(design: &Design) -> Vec<Self> {
        let mut found = Vec::new();
        if design.has(Tier::Web) && design.serves_files {
            found.push(Function::Files);
        }
        if design.has(Tier::App) {
            found.push(Function::Pages);
            if design.has(Tier::Database) {
                found.extend([Function::Reads, Function::Writes]);
            }
        }
        found
    }
}

/// What fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The processes of a role die; its id.
    Kill(String),
    /// A database dies again whenever it is started; its id.
    Loop(String),
    /// Every process of a server dies at once; the machine and its service manager go on.
    Crash(String),
    /// A server is without power: it says nothing any more, not even that it is gone.
    PowerOff(String),
    /// A server is cut from the network, and runs on.
    Partition(String),
    /// A server stands still: its kernel takes connections, nobody answers on them.
    Freeze(String),
}

impl Fault {
    /// Every single fault of a design: each role, each database that does not stay up, then each server four times.
    pub fn all(design: &Design) -> Vec<Self> {
        let roles = design
            .elements
            .iter()
            .filter(|element| element.tier != Tier::Collector);
        let roles = roles.map(|element| Fault::Kill(element.id.clone()));
        let databases = design.tier(Tier::Database);
        let loops = databases.map(|element| Fault::Loop(element.id.clone()));
        let kinds = [
            Fault::Crash,
            Fault::PowerOff,
            Fault::Partition,
            Fault::Freeze,
        ];
        let servers = design.servers.iter();
        let servers = servers.flat_map(|server| kinds.map(|kind| kind(server.name.clone())));
        roles.chain(loops).chain(servers).collect()
    }

    /// The server that fails as a whole.
    pub fn server(&self) -> Option<&str> {
        match self {
            Fault::Kill(_) | Fault::Loop(_) => None,
            Fault::Crash(name)
            | Fault::PowerOff(name)
            | Fault::Partition(name)
            | Fault::Freeze(name) => Some(name),
        }
    }

    /// As it is asked for: `power-off`.
    pub fn word(&self) -> &'static str {
        match self {
            Fault::Kill(_) => "kill",
            Fault::Loop(_) => "crash-loop",
            Fault::Crash(_) => "crash",
            Fault::PowerOff(_) => "power-off",
            Fault::Partition(_) => "partition",
            Fault::Freeze(_) => "freeze",
        }
    }
}

/// `kill web-01/app`, `power-off web-01`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Fault::Kill(what)
        | Fault::Loop(what)
        | Fault::Crash(what)
        | Fault::PowerOff(what)
        | Fault::Partition(what)
        | Fault::Freeze(what)) = self;
        f.pad(&format!("{} {what}", self.word()))
    }
}

/// How a function fares, from the best to the worst.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Nobody notices.
    Unaffected,
    /// Some wait, until this has happened; then they are served. Nobody is told of a failure.
    Delayed(Recovery),
    /// Some are told of a failure, until this has happened. It happens by itself.
    FailsUntilRecovered(Recovery),
    /// It fails until a person does this.
    FailsUntilOperator(Act),
}

/// What happens by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recovery {
    /// Its node has started the process of a role of our own again.
    Restart,
    /// Its node has started the app again.
    AppRestart,
    /// Its node has started the database again, and where there are several it is what it was before.
    DatabaseRestart,
    /// The server's service manager has started it again.
    Return,
    /// The one that is silent is found out, and the others of its tier are asked instead.
    Others,
    /// The same, and what the silent one had been asked has been waited for in vain as long as an app may take.
    TimeOut,
    /// Another balancer has taken the address over.
    Takeover,
    /// A replica has become the primary.
    Failover,
    /// The primary has given up waiting for its last replica, and goes on alone.
    Alone,
}

/// What a visitor can tell of a fate, and so what can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Nobody is told of a failure.
    Kept,
    /// Some are, for as long as something takes that happens by itself.
    Pause,
    /// All are, until a person acts.
    Lost,
}

impl Fate {
    /// What of it can be measured.
    pub fn effect(&self) -> Effect {
        match self {
            Fate::Unaffected | Fate::Delayed(_) => Effect::Kept,
            Fate::FailsUntilRecovered(_) => Effect::Pause,
            Fate::FailsUntilOperator(_) => Effect::Lost,
        }
    }
}

impl Outlook {
    /// A fate for as long as it takes.
    pub fn of(design: &Design, function: Function, fate: Fate) -> Self {
        let within = fate.within(design);
        Self {
            function,
            fate,
            within,
        }
    }
}

impl Fate {
    /// How long it takes at most.
    pub fn within(&self, design: &Design) -> Option<Duration> {
        match self {
            Fate::Unaffected => Some(NOTICED),
            Fate::Delayed(recovery) | Fate::FailsUntilRecovered(recovery) => {
                recovery.within(design)
            }
            Fate::FailsUntilOperator(_) => None,
        }
    }
}

/// With its bound: `delayed: restart, 1 s`.
impl fmt::Display for Outlook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&words::bounded(self))
    }
}

/// As short as it can be said: `delayed: restart`.
impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&words::cell(self))
    }
}

impl Recovery {
    /// What it takes at most: a bound that the parts act by. `None`: no version runs what would do it.
    pub fn within(self, design: &Design) -> Option<Duration> {
        let app = times::APP_PAUSE + times::APP_EAGER;
        // What has died says nothing for so long, and what follows from that is done at the next look.
        let heard = times::SILENT + times::TELL;
        Some(match self {
            Recovery::Restart => times::ROLE_BACK,
            Recovery::AppRestart => app,
            Recovery::DatabaseRestart if design.tier(Tier::Database).count() > 1 => {
                times::DATABASE_AWAY + heard
            }
            Recovery::DatabaseRestart => times::DATABASE_AWAY,
            Recovery::Return => times::REVIVED_AFTER + times::ROLE_BACK + app,
            Recovery::Others => design.notice,
            Recovery::TimeOut => design.notice + design.first_byte,
            // A report is due, and two looks: one finds it gone, one lets it go.
            Recovery::Alone => heard + times::ALONE_AFTER + 3 * times::TELL,
            Recovery::Takeover | Recovery::Failover => return None,
        })
    }
}

/// Nobody notices what takes no longer.
pub const NOTICED: Duration = Duration::from_secs(1);

/// What a person has to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Bring this server back: its power, its network.
    BringBack(String),
    /// Make this server the primary: `terrace failover`.
    Failover(String),
    /// See to it that this role stays up.
    Mend(String),
}

/// How a function fares, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outlook {
    /// The function.
    pub function: Function,
    /// How it fares.
    pub fate: Fate,
    /// It takes no longer until nobody fails and nobody waits; `None`: a person ends it, or nothing that is bounded.
    pub within: Option<Duration>,
}

/// A row of the table: a fault, and how each function fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Prediction {
    /// What fails.
    pub fault: Fault,
    /// Every function that the site has.
    pub outlooks: Vec<Outlook>,
}

impl Prediction {
    /// How a function fares; `None`: the site does not have it.
    pub fn fate(&self, function: Function) -> Option<&Fate> {
        let mut outlooks = self.outlooks.iter();
        outlooks
            .find(|one| one.function == function)
            .map(|one| &one.fate)
    }

    /// The functions that need a person.
    pub fn lost(&self) -> Vec<Function> {
        let lost = |fate: &Fate| matches!(fate, Fate::FailsUntilOperator(_));
        let of = self.outlooks.iter().filter(|one| lost(&one.fate));
        of.map(|one| one.function).collect()
    }
}

/// The whole table: every single fault.
pub fn predictions(design: &Design) -> Vec<Prediction> {
    let faults = Fault::all(design).into_iter();
    faults.map(|fault| predict(design, fault)).collect()
}

/// The servers whose loss takes something away until a person acts.
pub fn single_points(design: &Design) -> Vec<String> {
    let mut known: HashMap<Standing<'_>, bool> = HashMap::new();
    let lost = |name: &String| {
        let prediction = predict(design, Fault::PowerOff(name.clone()));
        !prediction.lost().is_empty()
    };
    let standings = standings(design);
    let servers = design.servers.iter().map(|server| &server.name);
    let points = servers.filter(|name| match standings.get(name.as_str()) {
        // Servers that stand alike fare alike: one of them is asked for all.
        Some(standing) => *known.entry(standing.clone()).or_insert_with(|| lost(name)),
        None => lost(name),
    });
    points.cloned().collect()
}

/// Why the failure of one server differs from that of another: whether its controller decides which server is the primary, and the
/// tier and the name of each of its roles, with whether it is the first of that tier. Servers that are alike fail alike.
pub(crate) type Standing<'a> = (bool, Vec<(Tier, &'a str, bool)>);

pub(crate) fn standings(design: &Design) -> HashMap<&str, Standing<'_>> {
    let mut found: HashMap<&str, Standing<'_>> = HashMap::new();
    let mut begun: HashSet<Tier> = HashSet::new();
    for element in &design.elements {
        let first = begun.insert(element.tier);
        // The directory of files is the same for all web servers.
        let standing = found.entry(&element.server).or_default();
        standing.1.push((element.tier, &element.name, first));
    }
    for server in &design.servers {
        let decides = design.controller.as_deref() == Some(server.name.as_str());
        found.entry(&server.name).or_default().0 = decides;
    }
    found
}
