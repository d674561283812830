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

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::design::{Design, Tier};

pub use predict::predict;
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
    /// Every single fault of a design: each role, then each server four times.
    pub fn all(design: &Design) -> Vec<Self> {
        let roles = design
            .elements
            .iter()
            .filter(|element| element.tier != Tier::Collector);
        let roles = roles.map(|element| Fault::Kill(element.id.clone()));
        let kinds = [
            Fault::Crash,
            Fault::PowerOff,
            Fault::Partition,
            Fault::Freeze,
        ];
        let servers = design.servers.iter();
        let servers = servers.flat_map(|server| kinds.map(|kind| kind(server.name.clone())));
        roles.chain(servers).collect()
    }

    /// The server that fails as a whole.
    pub fn server(&self) -> Option<&str> {
        match self {
            Fault::Kill(_) => None,
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
    /// Its node has started the process again.
    Restart,
    /// The server's service manager has started it again.
    Return,
    /// The one that is silent is found out, and the others of its tier are asked instead.
    Others,
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

/// As short as it can be said: `delayed: restart`.
impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&words::cell(self))
    }
}

impl Recovery {
    /// What it takes at most, where the design says so.
    pub fn within(self, design: &Design) -> Option<Duration> {
        match self {
            Recovery::Others => Some(design.notice),
            Recovery::Alone => Some(ALONE_AFTER),
            _ => None,
        }
    }
}

/// A primary that waits for the acknowledgement of its last replica goes on without after this.
const ALONE_AFTER: Duration = Duration::from_secs(3);

/// What a person has to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Bring this server back: its power, its network.
    BringBack(String),
    /// Make this server the primary: `terrace failover`.
    Failover(String),
}

/// A row of the table: a fault, and how each function fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Prediction {
    /// What fails.
    pub fault: Fault,
    /// Every function that the site has, and how it fares.
    pub fates: Vec<(Function, Fate)>,
}

impl Prediction {
    /// How a function fares; `None`: the site does not have it.
    pub fn fate(&self, function: Function) -> Option<&Fate> {
        let mut fates = self.fates.iter();
        fates.find(|(of, _)| *of == function).map(|(_, fate)| fate)
    }

    /// The functions that need a person.
    pub fn lost(&self) -> Vec<Function> {
        let lost = |fate: &Fate| matches!(fate, Fate::FailsUntilOperator(_));
        let of = self.fates.iter().filter(|(_, fate)| lost(fate));
        of.map(|(function, _)| *function).collect()
    }
}

/// The whole table: every single fault.
pub fn predictions(design: &Design) -> Vec<Prediction> {
    let faults = Fault::all(design).into_iter();
    faults.map(|fault| predict(design, fault)).collect()
}

/// The servers whose loss takes something away until a person acts.
pub fn single_points(design: &Design) -> Vec<String> {
    let names = design.servers.iter().map(|server| server.name.clone());
    names
        .filter(|name| {
            !predict(design, Fault::PowerOff(name.clone()))
                .lost()
                .is_empty()
        })
        .collect()
}
