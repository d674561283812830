//! The settings of a load balancer.

use std::net::SocketAddr;
use std::time::Duration;

use crate::model::{self, App, Balance, LoadBalancer, Member, MemberState, Server, Site};
use crate::wiring::{HTTPS, Peer, Wiring, app_id};

use super::super::{
    Algorithm, BalancerPlan, EjectionPlan, HEALTH_PATH, HealthPlan, MemberPlan, Part, QueuePlan,
    RolePlan, StreamPlan, TierPlan, Timeouts,
};
use super::Inputs;
use super::roles::{health, limits, timeouts};

/// A server that comes back gets its full share after this.
const SLOW_START: Duration = Duration::from_secs(3);
/// The tier behind has its own times for what is behind it; the one before waits this much longer, so that it
/// hears the other's word.
const MARGIN: Duration = Duration::from_secs(1);

/// The load balancer on this server.
pub(super) fn load_balancer(
    site: &Site,
    wiring: &Wiring,
    inputs: &Inputs,
    server: &Server,
) -> Option<RolePlan> {
    let balancer = site.load_balancer()?;
    let id = format!("{}/load-balancer", server.name());
    let listens = wiring.instance(&id)?.listens.iter();
    let listen = listens.filter(|listen| listen.port() != HTTPS).copied();
    let algorithm = match balancer.balance() {
        Balance::LeastConnections => Algorithm::LeastConnections,
        // The other two are not built yet, and refused before anything runs.
        Balance::RoundRobin | Balance::Random | Balance::Source => Algorithm::RoundRobin,
    };
    let plan = BalancerPlan {
        listen: listen.collect(),
        workers: inputs.workers,
        name: site.name().to_string(),
        tiers: tiers(site, wiring, &id, algorithm, &queue(balancer)),
        trust: balancer
            .trust()
            .iter()
            .map(|network| (network.address(), network.prefix()))
            .collect(),
        limits: limits(site, balancer.limit()),
        timeouts: site
            .web()
            .map_or_else(Timeouts::default, |web| timeouts(*web.timeouts())),
    };
    Some(RolePlan {
        id,
        part: Part::LoadBalancer(plan),
    })
}

/// Nobody waits where the file sets no bound.
fn queue(balancer: &LoadBalancer) -> QueuePlan {
    let usual = QueuePlan::default();
    let Some(queue) = balancer.queue() else {
        return usual;
    };
    QueuePlan {
        in_flight: queue.in_flight().copied(),
        waiting: queue.waiting().copied().unwrap_or(usual.waiting),
        within: queue.within().copied().unwrap_or(usual.within),
    }
}

/// The web servers; the apps, where there are none.
fn tiers(
    site: &Site,
    wiring: &Wiring,
    balancer: &str,
    algorithm: Algorithm,
    queue: &QueuePlan,
) -> Vec<TierPlan> {
    let tier = |prefix: String, name: String, members, health, timeouts| TierPlan {
        prefix,
        name,
        algorithm,
        members,
        health,
        ejection: EjectionPlan::default(),
        queue: queue.clone(),
        slow_start: SLOW_START,
        timeouts,
        streams: streams(site.apps()),
    };
    if let Some(web) = site.web() {
        let id = |member: &Member| format!("{}/web", member.server());
        let members = members(wiring, balancer, web.members(), id);
        let mut asked = health(web.health());
        asked.path.get_or_insert_with(|| HEALTH_PATH.to_owned());
        let longest = longest(site.apps());
        return vec![tier("/".into(), "web".into(), members, asked, longest)];
    }
    let run = |app: &&App| matches!(app.launch(), model::Launch::Run(_));
    let of_app = |app: &App| {
        let id = |member: &Member| app_id(app, member.server());
        let members = members(wiring, balancer, app.members(), id);
        let health: HealthPlan = health(app.health());
        let (prefix, name) = (app.path().to_string(), app.name().to_string());
        tier(prefix, name, members, health, timeouts(*app.timeouts()))
    };
    let mut tiers: Vec<TierPlan> = site.apps().iter().filter(run).map(of_app).collect();
    tiers.sort_by(|a, b| {
        let shorter = b.prefix.len().cmp(&a.prefix.len());
        shorter.then_with(|| a.prefix.cmp(&b.prefix))
    });
    tiers
}

/// Which bodies go on as they come: whichever app they are for, through web servers too.
fn streams(apps: &[App]) -> Vec<StreamPlan> {
    let each = apps.iter().map(|app| StreamPlan {
        prefix: app.path().to_string(),
        above: app.stream().map(|size| size.bytes()),
    });
    let mut streams: Vec<StreamPlan> = each.collect();
    streams.sort_by_key(|stream| std::cmp::Reverse(stream.prefix.len()));
    streams
}

/// Where each member listens, as this balancer reaches it: a copy of an app is one of its own.
fn members(
    wiring: &Wiring,
    balancer: &str,
    members: &[Member],
    id: impl Fn(&Member) -> String,
) -> Vec<MemberPlan> {
    let from = Peer::Instance(balancer.to_owned());
    let mut found = Vec::new();
    for member in members {
        let id = id(member);
        let flows = wiring.flows.iter();
        for flow in flows.filter(|flow| flow.from == from && flow.to == id) {
            let is_app = !id.ends_with("/web");
            found.extend(flow.ports.iter().zip(1..).map(|(port, copy)| MemberPlan {
                instance: if is_app {
                    format!("{id}/{copy}")
                } else {
                    id.clone()
                },
                address: SocketAddr::new(flow.address, *port),
                weight: member.weight(),
                backup: member.state() == MemberState::Backup,
            }));
        }
    }
    found
}

/// What the slowest app may take, and a little more.
fn longest(apps: &[App]) -> Timeouts {
    let usual = Timeouts::default();
    let most = |of: fn(&Timeouts) -> Duration| {
        let each = apps.iter().map(|app| of(&timeouts(*app.timeouts())));
        each.fold(of(&usual), Duration::max) + MARGIN
    };
    let totals = apps.iter().map(|app| timeouts(*app.timeouts()).total);
    Timeouts {
        connect: usual.connect,
        first_byte: most(|times| times.first_byte),
        idle: most(|times| times.idle),
        // One without such a bound leaves all without.
        total: totals
            .collect::<Option<Vec<_>>>()
            .and_then(|totals| totals.into_iter().max())
            .map(|longest| longest + MARGIN),
        rate: usual.rate,
    }
}
