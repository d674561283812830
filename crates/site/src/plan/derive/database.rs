//! The databases of a server, and who decides which of them takes writes.

use std::net::SocketAddr;
use std::time::Duration;

use crate::model::{self, Server, ServerName, Site};
use crate::wiring::{self, DATABASE, DATABASE_OWN, Peer, Wiring, router_id};

use super::super::{
    ClusterPlan, ControllerPlan, DatabasePlan, DatabaseUser, Part, PeerPlan, RolePlan, RouterPlan,
    SecretName, TargetPlan,
};
use super::Inputs;

/// The database server on this server.
pub(super) fn database(
    site: &Site,
    wiring: &Wiring,
    inputs: &Inputs,
    server: &Server,
) -> Option<RolePlan> {
    let database = site.database()?;
    let index = database
        .servers()
        .iter()
        .position(|name| name == server.name())?;
    let id = format!("{}/database", server.name());
    let listen = wiring
        .instance(&id)?
        .listens
        .iter()
        .map(SocketAddr::ip)
        .collect();
    let plan = DatabasePlan {
        engine: database.engine().copied(),
        listen,
        port: DATABASE,
        own_port: DATABASE_OWN,
        server_id: server_id(site, inputs, server.name()),
        report_host: server.name().to_string(),
        database: database.name().to_string(),
        users: users(database),
        primary_at_birth: index == 0,
        cluster: cluster(site, inputs, server),
    };
    Some(RolePlan {
        id,
        part: Part::Database(plan),
    })
}

/// The others, where there are several.
fn cluster(site: &Site, inputs: &Inputs, server: &Server) -> Option<ClusterPlan> {
    let controller = wiring::controller(site)?;
    let others = site.database()?.servers().iter();
    let peers = others
        .filter(|name| *name != server.name())
        .filter_map(|name| {
            Some(PeerPlan {
                server: name.to_string(),
                address: SocketAddr::new(site.server(name)?.address(), DATABASE),
                server_id: server_id(site, inputs, name),
            })
        });
    Some(ClusterPlan {
        controller: controller.to_string(),
        peers: peers.collect(),
    })
}

/// Who decides which of several takes writes, if that is done on this server.
pub(super) fn controller(site: &Site, wiring: &Wiring, server: &Server) -> Option<RolePlan> {
    let database = site.database()?;
    if wiring::controller(site)? != server.name() {
        return None;
    }
    let routers = wiring.tier(wiring::Tier::Router);
    let plan = ControllerPlan {
        members: database.servers().iter().map(ToString::to_string).collect(),
        ack: database.ack(),
        routers: routers.map(|router| router.server.to_string()).collect(),
    };
    Some(RolePlan {
        id: format!("{}/controller", server.name()),
        part: Part::Controller(plan),
    })
}

/// A replica that is further behind than this is not read from.
const LAG_LIMIT: Duration = Duration::from_secs(10);

/// The SQL router of the apps on this server.
pub(super) fn router(site: &Site, wiring: &Wiring, server: &Server) -> Option<RolePlan> {
    let database = site.database()?;
    let id = router_id(server.name());
    let listen = wiring.instance(&id)?.listens.clone();
    let from = Peer::Instance(id.clone());
    let mut targets: Vec<TargetPlan> = wiring
        .flows
        .iter()
        .filter(|flow| flow.from == from)
        .filter_map(|flow| {
            Some(TargetPlan {
                server: wiring.instance(&flow.to)?.server.to_string(),
                address: SocketAddr::new(flow.address, DATABASE),
                replica: false,
                lag: None,
            })
        })
        .collect();
    targets.sort_by_key(|target| target.server != server.name().as_str());
    let controller = wiring::controller(site).map(ToString::to_string);
    let plan = RouterPlan {
        listen,
        targets,
        epoch: 0,
        primary: database.servers().first()?.to_string(),
        hold: controller.is_some(),
        stale: false,
        controller,
        users: users(database),
        reads: database.reads(),
        lag_limit: LAG_LIMIT,
        vouched: false,
    };
    Some(RolePlan {
        id,
        part: Part::Router(plan),
    })
}

/// What was allotted; else its place in the file, beyond all that were.
fn server_id(site: &Site, inputs: &Inputs, server: &ServerName) -> u32 {
    let allotted = inputs.server_ids.get(server.as_str()).copied();
    let place = site
        .servers()
        .iter()
        .position(|other| other.name() == server);
    let beyond = inputs.server_ids.values().max().copied().unwrap_or(0);
    allotted.unwrap_or_else(|| {
        beyond
            .saturating_add(1)
            .saturating_add(u32::try_from(place.unwrap_or(0)).unwrap_or(0))
    })
}

/// The accounts of the file.
pub(super) fn users(database: &model::Database) -> Vec<DatabaseUser> {
    let users = database.users().iter().map(|user| DatabaseUser {
        name: user.name().to_string(),
        password: password(user),
    });
    users.collect()
}

/// Where an account's password is.
pub(super) fn password(user: &model::User) -> SecretName {
    SecretName(format!("database/{}", user.name()))
}
