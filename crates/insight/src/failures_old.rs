//! What each element takes down when it fails.
//!
//! The prediction is a small simulation: take the element away, then follow each function of the site from
//! the visitor to the data and see whether a way is left. Whoever injects the fault measures against this.

use serde::Serialize;

use crate::design::{Design, Element, Tier};

/// What a visitor can want of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Function {
    /// A file: a picture, a style sheet, a page without program.
    Files,
    /// A page that the app makes without data.
    Pages,
    /// A page that reads the database.
    Reads,
    /// A request that changes the database.
    Writes,
}

impl Function {
    /// As a person says it.
    pub fn title(self) -> &'static str {
        match self {
            Function::Files => "files",
            Function::Pages => "pages of the app",
            Function::Reads => "reading",
            Function::Writes => "writing",
        }
    }
}

/// What fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// A process dies. Its node starts it again.
    Role(String),
    /// A server is gone, with everything on it, until somebody brings it back.
    Server(String),
}

/// How a function fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Nobody notices.
    Kept,
    /// It is away until something that happens by itself has happened: a restart, a takeover, a failover.
    Pause,
    /// It is away until a person acts.
    Lost,
}

/// A fault and what it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What fails.
    pub fault: Fault,
    /// Every function that the site has, and how it fares.
    pub effects: Vec<(Function, Effect)>,
}

impl Failure {
    /// The functions with this effect.
    pub fn having(&self, effect: Effect) -> Vec<Function> {
        self.effects
            .iter()
            .filter(|(_, found)| *found == effect)
            .map(|(function, _)| *function)
            .collect()
    }

    /// Something is away until a person acts.
    pub fn is_single_point(&self) -> bool {
        self.effects
            .iter()
            .any(|(_, effect)| *effect == Effect::Lost)
    }
}

/// The functions that this design has at all.
pub fn functions(design: &Design) -> Vec<Function> {
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

/// Every single fault: each role, then each server.
pub fn failures(design: &Design) -> Vec<Failure> {
    let roles = design
        .elements
        .iter()
        .filter(|element| element.tier.on_the_path());
    let roles = roles.map(|element| Fault::Role(element.id.clone()));
    let servers = design
        .servers
        .iter()
        .map(|server| Fault::Server(server.name.clone()));
    roles
        .chain(servers)
        .map(|fault| fail(design, fault))
        .collect()
}

/// The servers without which something is lost.
pub fn single_points(design: &Design) -> Vec<String> {
    failures(design)
        .into_iter()
        .filter(Failure::is_single_point)
        .filter_map(|failure| match failure.fault {
            Fault::Server(name) => Some(name),
            Fault::Role(_) => None,
        })
        .collect()
}

fn fail(design: &Design, fault: Fault) -> Failure {
    let down = |element: &Element| match &fault {
        Fault::Role(id) => element.id == *id,
        Fault::Server(name) => element.server == *name,
    };
    let effect = |function| {
        let effect = tiers(function)
            .iter()
            .filter(|tier| design.has(**tier))
            .map(|tier| tier_effect(design, *tier, function, &down))
            .fold(Effect::Kept, worse);
        match fault {
            // What has lost its last process gets it back: the node starts it again.
            Fault::Role(_) if effect == Effect::Lost => Effect::Pause,
            _ => effect,
        }
    };
    let effects = functions(design)
        .into_iter()
        .map(|function| (function, effect(function)))
        .collect();
    Failure { fault, effects }
}

/// The tiers that a function crosses, in order.
fn tiers(function: Function) -> &'static [Tier] {
    let all = &[Tier::LoadBalancer, Tier::Web, Tier::App, Tier::Database];
    match function {
        Function::Files => &all[..2],
        Function::Pages => &all[..3],
        Function::Reads | Function::Writes => all,
    }
}

fn tier_effect(
    design: &Design,
    tier: Tier,
    function: Function,
    down: &dyn Fn(&Element) -> bool,
) -> Effect {
    let members: Vec<&Element> = design.tier(tier).collect();
    let left = members.iter().filter(|element| !down(element)).count();
    if left == 0 {
        return Effect::Lost;
    }
    match tier {
        Tier::Database if function == Function::Writes => writes(design, &members, down),
        // Either of a cluster holds the address; the others' visitors wait for the takeover.
        Tier::LoadBalancer if left < members.len() => Effect::Pause,
        _ => Effect::Kept,
    }
}

/// Writes need the primary; with a quorum, another takes its place by itself.
fn writes(design: &Design, members: &[&Element], down: &dyn Fn(&Element) -> bool) -> Effect {
    if !members.first().is_some_and(|primary| down(primary)) {
        return Effect::Kept;
    }
    let voters: Vec<&Element> = design.tier(Tier::Quorum).collect();
    let voting = voters.iter().filter(|element| !down(element)).count();
    if voting * 2 > voters.len() {
        Effect::Pause
    } else {
        Effect::Lost
    }
}

fn worse(one: Effect, other: Effect) -> Effect {
    match (one, other) {
        (Effect::Lost, _) | (_, Effect::Lost) => Effect::Lost,
        (Effect::Pause, _) | (_, Effect::Pause) => Effect::Pause,
        _ => Effect::Kept,
    }
}
