//! The settings of a load balancer: over whom requests are spread, and how.

use std::net::SocketAddr;
use std::time::Duration;

use crate::model::{Balance, Health, LoadBalancer, Member, MemberState, Server, Site, Web};
use crate::wiring::{HTTPS, Peer, Wiring, app_id};

use super::super::{
    Algorithm, BalancerPlan, EjectionPlan, HEALTH_PATH, HealthPlan, Limits, MemberPlan, Part,
    QueuePlan, RolePlan, TierPlan, Timeouts,
};
use super::Inputs;
use super::roles::{health, timeouts};

/// One that comes back gets its full share after this.
const SLOW_START: Duration = Duration::from_secs(5);

/// The load balancer on this server.
pub(super) fn balancer(
    site: &Site,
    wiring: &Wiring,
    inputs: &Inputs,
    server: &Server,
) -> Option<RolePlan> {
    let balancer = site.load_balancer()?;
    let id = format!("{}/load-balancer", server.name());
    let listens = &wiring.instance(&id)?.listens;
    let listen = listens.iter().filter(|listen| listen.port() != HTTPS);
    let mut limits = Limits::default();
    if let Some(limit) = balancer.limit() {
        if let Some(body) = limit.body() {
            limits.body = body.bytes();
        }
        if let Some(connections) = limit.connections() {
            limits.connections = usize::try_from(*connections).unwrap_or(usize::MAX);
        }
    }
    let plan = BalancerPlan {
        listen: listen.copied().collect(),
        workers: inputs.workers,
        name: site.name().to_string(),
        tiers: tiers(site, wiring, &id, balancer),
        trust: balancer
            .trust()
            .iter()
            .map(|network| (network.address(), network.prefix()))
            .collect(),
        limits,
        timeouts: Timeouts::default(),
    };
    Some(RolePlan {
        id,
        part: Part::Balancer(plan),
    })
}

/// One tier of web servers; each app, the longest path first, where there are none.
fn tiers(site: &Site, wiring: &Wiring, id: &str, balancer: &LoadBalancer) -> Vec<TierPlan> {
    if let Some(web) = site.web() {
        return vec![web_tier(wiring, id, balancer, web)];
    }
    let mut tiers: Vec<TierPlan> = site
        .apps()
        .iter()
        .map(|app| TierPlan {
            prefix: app.path().to_string(),
            name: app.name().to_string(),
            algorithm: algorithm(balancer.balance()),
            members: members(wiring, id, app.members(), true, |member| {
                app_id(app, member.server())
            }),
            health: health(app.health()),
            ejection: EjectionPlan::default(),
            queue: QueuePlan::default(),
            slow_start: SLOW_START,
            timeouts: timeouts(*app.timeouts()),
        })
        .collect();
    tiers.sort_by(|one, other| {
        (other.prefix.len(), &one.prefix).cmp(&(one.prefix.len(), &other.prefix))
    });
    tiers
}

fn web_tier(wiring: &Wiring, id: &str, balancer: &LoadBalancer, web: &Web) -> TierPlan {
    TierPlan {
        prefix: "/".to_owned(),
        name: "web".to_owned(),
        algorithm: algorithm(balancer.balance()),
        members: members(wiring, id, web.members(), false, |member| {
            format!("{}/web", member.server())
        }),
        health: own_health(web.health()),
        ejection: EjectionPlan::default(),
        queue: QueuePlan::default(),
        slow_start: SLOW_START,
        timeouts: Timeouts::default(),
    }
}

/// A web server answers for itself, whatever becomes of the app: where the file names no path, it is asked by the
/// one that every web server of ours has.
fn own_health(asked: &Health) -> HealthPlan {
    let mut plan = health(asked);
    plan.path.get_or_insert_with(|| HEALTH_PATH.to_owned());
    plan
}

/// `copies`: each port is a copy of its own, as apps have them.
fn members(
    wiring: &Wiring,
    id: &str,
    members: &[Member],
    copies: bool,
    role: impl Fn(&Member) -> String,
) -> Vec<MemberPlan> {
    let from = Peer::Instance(id.to_owned());
    let mut found = Vec::new();
    for member in members {
        let to = role(member);
        let Some(flow) = wiring
            .flows
            .iter()
            .find(|flow| flow.from == from && flow.to == to)
        else {
            continue;
        };
        for (port, copy) in flow.ports.iter().zip(1..) {
            found.push(MemberPlan {
                instance: if copies {
                    format!("{to}/{copy}")
                } else {
                    to.clone()
                },
                address: SocketAddr::new(flow.address, *port),
                weight: member.weight(),
                backup: member.state() == MemberState::Backup,
            });
        }
    }
    found
}

fn algorithm(balance: Balance) -> Algorithm {
    match balance {
        Balance::LeastConnections => Algorithm::LeastConnections,
        // What the file may ask for beside these two is refused before there is a plan.
        Balance::RoundRobin | Balance::Random | Balance::Source => Algorithm::RoundRobin,
    }
}
