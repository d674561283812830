//! The rules: what is taken away, and what the rest does about it.
//!
//! A function crosses the tiers from the visitor down, and fares as the worst of them. What the rules rest on:
//! the keeper holds the sockets of our own roles, so connections wait while one is started again; an app and a
//! database listen themselves, so they refuse; a balancer and a web server ask another one when a connection
//! fails, and repeat what is idempotent when nothing came back.
//! Where two outcomes are possible the worse is predicted: a wrong "safe" is worse than a wrong alarm.

use std::time::Duration;

use terrace_site::model::{Ack, Reads};

use super::{Act, Fate, Fault, Function, Outlook, Prediction, Recovery};
use crate::design::{Design, Element, Tier};

/// What becomes of each function of the site.
pub fn predict(design: &Design, fault: Fault) -> Prediction {
    let case = Case {
        design,
        fault: &fault,
    };
    let outlooks = Function::of(design)
        .into_iter()
        .map(|function| case.outlook(function))
        .collect();
    Prediction { fault, outlooks }
}

struct Case<'a> {
    design: &'a Design,
    fault: &'a Fault,
}

impl Case<'_> {
    /// The worst of what happens on the way; what takes longest bounds it.
    fn outlook(&self, function: Function) -> Outlook {
        let fates = tiers(function).iter().map(|tier| match self.fault {
            Fault::Kill(id) | Fault::Loop(id) => self.killed(id, *tier, function),
            _ => self.server_lost(*tier, function),
        });
        let outlook = |fate| Outlook::of(self.design, function, fate);
        fates.fold(outlook(Fate::Unaffected), |one, fate| {
            let other = outlook(fate);
            let longest = |one: Duration, other: Duration| one.max(other);
            let within = one.within.zip(other.within);
            Outlook {
                within: within.map(|(one, other)| longest(one, other)),
                fate: worse(one.fate, other.fate),
                function,
            }
        })
    }

    /// A role's processes die; its node starts them again at once.
    fn killed(&self, id: &str, tier: Tier, function: Function) -> Fate {
        let Some(element) = self.design.element(id).filter(|one| one.tier == tier) else {
            return Fate::Unaffected;
        };
        match tier {
            Tier::LoadBalancer if self.is_standby(element) => Fate::Unaffected,
            // Their sockets outlive them: whoever comes meanwhile waits in the queue.
            Tier::Dns | Tier::LoadBalancer | Tier::Web | Tier::Router => {
                Fate::Delayed(Recovery::Restart)
            }
            // A refused connection is tried elsewhere at once.
            Tier::App if self.has_stand_in(element) => Fate::Unaffected,
            Tier::App => Fate::FailsUntilRecovered(Recovery::AppRestart),
            Tier::Database => self.database(function, &|one| one.id == id),
            Tier::Quorum | Tier::Collector => Fate::Unaffected,
        }
    }

    /// A server fails with everything on it.
    fn server_lost(&self, tier: Tier, function: Function) -> Fate {
        let down = |element: &Element| self.is_down(element);
        let lost: Vec<&Element> = self.design.tier(tier).filter(|one| down(one)).collect();
        if lost.is_empty() {
            return Fate::Unaffected;
        }
        match tier {
            Tier::Database => self.database(function, &down),
            Tier::Quorum => self.quorum(),
            // It stands and falls with the apps on its server.
            Tier::Router | Tier::Collector => Fate::Unaffected,
            Tier::Dns if lost.len() < self.design.tier(tier).count() => {
                Fate::Delayed(Recovery::Others)
            }
            Tier::LoadBalancer if self.design.shares_address => self.takeover(&lost),
            Tier::Web | Tier::App if lost.iter().all(|one| self.has_stand_in(one)) => {
                self.stand_in(tier, function)
            }
            _ => self.away(),
        }
    }

    /// Nothing can take its place.
    fn away(&self) -> Fate {
        match self.fault {
            Fault::Kill(_) => Fate::FailsUntilRecovered(Recovery::Restart),
            Fault::Loop(id) => Fate::FailsUntilOperator(Act::Mend(id.clone())),
            Fault::Crash(_) => Fate::FailsUntilRecovered(Recovery::Return),
            Fault::PowerOff(server) | Fault::Partition(server) | Fault::Freeze(server) => {
                Fate::FailsUntilOperator(Act::BringBack(server.clone()))
            }
        }
    }

    /// The others of its tier are asked instead.
    fn stand_in(&self, tier: Tier, function: Function) -> Fate {
        let has_web = |server: &str| {
            let mut webs = self.design.tier(Tier::Web);
            webs.any(|one| one.server == server)
        };
        match (self.fault, function) {
            // Its kernel still takes what is sent, and that must not be sent twice. Where no kernel answers, no connection is
            // made, and what was not sent goes elsewhere.
            (Fault::Freeze(server), Function::Writes)
                if self.design.checked_alone && has_web(server) =>
            {
                Fate::FailsUntilRecovered(Recovery::Others)
            }
            (Fault::Freeze(_), Function::Writes) => Fate::FailsUntilRecovered(Recovery::TimeOut),
            // Its kernel refuses connections, and those are tried elsewhere at once.
            (Fault::Crash(_), _) => Fate::Unaffected,
            // Its kernel still takes requests, and no check can tell an app that stands still from one that is busy: what
            // it has been asked is not asked of another. A web server of ours is never too busy to answer.
            (Fault::Freeze(server), _) if tier == Tier::App && !has_web(server) => {
                Fate::FailsUntilRecovered(Recovery::TimeOut)
            }
            _ => Fate::Delayed(Recovery::Others),
        }
    }

    /// Another balancer takes the address over; the first of the file holds it at birth.
    fn takeover(&self, lost: &[&Element]) -> Fate {
        if lost.len() == self.design.tier(Tier::LoadBalancer).count() {
            return self.away();
        }
        if lost.iter().all(|one| self.is_standby(one)) {
            return Fate::Unaffected;
        }
        match self.fault {
            // Its kernel still takes connections, which nobody will ever answer.
            Fault::Freeze(_) => Fate::FailsUntilRecovered(Recovery::Takeover),
            _ => Fate::Delayed(Recovery::Takeover),
        }
    }

    fn database(&self, function: Function, down: &dyn Fn(&Element) -> bool) -> Fate {
        let all: Vec<&Element> = self.design.tier(Tier::Database).collect();
        let (Some(primary), replicas) = (all.first(), all.get(1..).unwrap_or_default()) else {
            return Fate::Unaffected;
        };
        let left: Vec<&Element> = replicas.iter().copied().filter(|one| !down(one)).collect();
        let reads_of_primary = replicas.is_empty() || self.design.reads == Some(Reads::Primary);
        match (function, down(primary)) {
            (Function::Files | Function::Pages, _) => Fate::Unaffected,
            (Function::Reads, true) if reads_of_primary => self.without_primary(&left),
            // The replica has what was acknowledged.
            (Function::Reads, true) => Fate::Unaffected,
            (Function::Reads, false) if reads_of_primary => Fate::Unaffected,
            // A refused connection is tried elsewhere at once; a silent one has to be found out.
            (Function::Reads, false) if !self.is_silent() => Fate::Unaffected,
            (Function::Reads, false) => Fate::Delayed(Recovery::Others),
            (Function::Writes, true) => self.without_primary(&left),
            (Function::Writes, false) if left.is_empty() => self.without_replica(),
            (Function::Writes, false) => Fate::Unaffected,
        }
    }

    /// Writes need the primary. `left`: the replicas that live.
    fn without_primary(&self, left: &[&Element]) -> Fate {
        match self.fault {
            // The SQL router holds what it has not sent for as long as that takes.
            Fault::Kill(_) => return Fate::Delayed(Recovery::DatabaseRestart),
            Fault::Crash(_) => return Fate::Delayed(Recovery::Return),
            _ => {}
        }
        let Some(heir) = left.first() else {
            return self.away();
        };
        if self.design.has(Tier::Quorum) {
            return match self.has_majority() {
                // The old one's lease must have run out first: longer than every visitor waits.
                true => Fate::FailsUntilRecovered(Recovery::Failover),
                false => self.away(),
            };
        }
        match self.controller() {
            Some(server) if self.fault.server() != Some(server) => {
                Fate::FailsUntilOperator(Act::Failover(heir.server.clone()))
            }
            // Who was primary, and who had what, is written down on the server that is lost.
            _ => self.away(),
        }
    }

    /// The last replica is lost, and the primary waits for its acknowledgement.
    fn without_replica(&self) -> Fate {
        match (self.design.ack, self.fault) {
            (None | Some(Ack::None), _) => Fate::Unaffected,
            (Some(Ack::Always), _) => self.away(),
            (Some(Ack::Replica), Fault::Kill(_)) => Fate::Delayed(Recovery::DatabaseRestart),
            (Some(Ack::Replica), Fault::Crash(_)) => Fate::Delayed(Recovery::Return),
            (Some(Ack::Replica), _) => Fate::Delayed(Recovery::Alone),
        }
    }

    /// Without a majority the primary's lease runs out, and it stops writing.
    fn quorum(&self) -> Fate {
        match self.fault {
            _ if self.has_majority() => Fate::Unaffected,
            // It is back before the lease has run out.
            Fault::Kill(_) | Fault::Crash(_) => Fate::Unaffected,
            _ => self.away(),
        }
    }

    fn has_majority(&self) -> bool {
        let voters = self.design.tier(Tier::Quorum);
        let left = voters.filter(|one| !self.is_down(one)).count();
        left * 2 > self.design.tier(Tier::Quorum).count()
    }

    /// Without a quorum, who is primary is written down on the first server without a database, else beside
    /// the primary.
    fn controller(&self) -> Option<&str> {
        let databases = self.design.servers_of(Tier::Database);
        let mut servers = self.design.servers.iter();
        let apart = servers.find(|server| !databases.contains(&server.name.as_str()));
        apart
            .map(|server| server.name.as_str())
            .or(databases.first().copied())
    }

    /// What fails says nothing any more, not even that it is gone.
    fn is_silent(&self) -> bool {
        matches!(
            self.fault,
            Fault::PowerOff(_) | Fault::Partition(_) | Fault::Freeze(_)
        )
    }

    fn is_down(&self, element: &Element) -> bool {
        match self.fault {
            Fault::Kill(id) | Fault::Loop(id) => element.id == *id,
            _ => self.fault.server() == Some(element.server.as_str()),
        }
    }

    /// A balancer that waits for the address.
    fn is_standby(&self, balancer: &Element) -> bool {
        let first = self.design.tier(Tier::LoadBalancer).next();
        self.design.shares_address && first.is_some_and(|first| first.id != balancer.id)
    }

    /// Somebody stands before it who can ask another one for the same. At the entry visitors hold the
    /// address of this very one.
    fn has_stand_in(&self, element: &Element) -> bool {
        let same = |other: &&Element| {
            other.id != element.id
                && !self.is_down(other)
                && (element.tier != Tier::App || other.name == element.name)
        };
        self.design.entry_tier() != Some(element.tier)
            && self.design.tier(element.tier).any(|other| same(&other))
    }
}

/// The tiers that a function crosses or rests on, in order.
fn tiers(function: Function) -> &'static [Tier] {
    let all = &[
        Tier::Dns,
        Tier::LoadBalancer,
        Tier::Web,
        Tier::App,
        Tier::Router,
        Tier::Database,
        Tier::Quorum,
    ];
    match function {
        Function::Files => &all[..3],
        Function::Pages => &all[..4],
        Function::Reads => &all[..6],
        Function::Writes => all,
    }
}

fn worse(one: Fate, other: Fate) -> Fate {
    if rank(&other) > rank(&one) {
        other
    } else {
        one
    }
}

/// How bad it is; of what is equally bad, how long it takes.
fn rank(fate: &Fate) -> (u8, u8) {
    let time = |recovery: &Recovery| match recovery {
        Recovery::Others => 0,
        Recovery::Alone => 1,
        Recovery::Restart => 2,
        Recovery::AppRestart => 3,
        Recovery::DatabaseRestart => 4,
        Recovery::Takeover => 5,
        Recovery::Return => 6,
        Recovery::Failover => 7,
        Recovery::TimeOut => 8,
    };
    match fate {
        Fate::Unaffected => (0, 0),
        Fate::Delayed(recovery) => (1, time(recovery)),
        Fate::FailsUntilRecovered(recovery) => (2, time(recovery)),
        // Bringing the server back mends everything; a failover only the writing.
        Fate::FailsUntilOperator(Act::Failover(_)) => (3, 0),
        Fate::FailsUntilOperator(Act::Mend(_) | Act::BringBack(_)) => (3, 1),
    }
}
