//! The settings of each role on one server.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::model::{self, App, Server, Site};
use crate::wiring::{Peer, Preference, Wiring, app_id, router_id};

use super::super::{
    AppPlan, CopyPlan, DatabaseAccess, HealthPlan, KeepPlan, Launch, Limits, Part, RolePlan,
    RoutePlan, SecretName, Timeouts, UpstreamPlan, WebPlan,
};
use super::Inputs;
use super::database::password;

/// The apps on this server.
pub(super) fn apps(
    site: &Site,
    wiring: &Wiring,
    inputs: &Inputs,
    server: &Server,
) -> Vec<RolePlan> {
    let apps = site.apps().iter().enumerate();
    apps.filter_map(|(index, app)| app_role(site, wiring, inputs, server, index, app))
        .collect()
}

fn app_role(
    site: &Site,
    wiring: &Wiring,
    inputs: &Inputs,
    server: &Server,
    index: usize,
    app: &App,
) -> Option<RolePlan> {
    let model::Launch::Run(command) = app.launch() else {
        return None;
    };
    let id = app_id(app, server.name());
    let listens = &wiring.instance(&id)?.listens;
    let copies = listens.iter().zip(1..).map(|(listen, copy)| CopyPlan {
        id: format!("{id}/{copy}"),
        listen: *listen,
    });
    let first = app
        .members()
        .first()
        .is_some_and(|member| member.server() == server.name());
    let variables = app
        .env()
        .iter()
        .map(|variable| (variable.name().to_string(), variable.value().clone()));
    let secrets = app
        .secrets()
        .iter()
        .map(|name| (name.to_string(), SecretName(name.to_string())));
    let keep = app.keep().iter().map(|keep| KeepPlan {
        name: keep.name().to_string(),
        at: keep.at().as_path().to_owned(),
    });
    let plan = AppPlan {
        name: app.name().to_string(),
        index: u32::try_from(index).unwrap_or(0),
        code: inputs.base.join(app.code().as_path()),
        build: app
            .build()
            .iter()
            .map(|command| command.as_str().to_owned())
            .collect(),
        release: inputs.releases.get(app.name().as_str()).cloned(),
        launch: Launch::Run(command.as_str().to_owned()),
        migrate: app
            .migrate()
            .filter(|_| first)
            .map(|command| command.as_str().to_owned()),
        env: variables.collect(),
        secrets: secrets.collect::<BTreeMap<_, _>>(),
        database: database_access(site, wiring, server),
        keep: keep.collect(),
        copies: copies.collect(),
        health: health(app.health()),
        start_within: app.stop_start().start_within(),
        stop_within: app.stop_start().stop_within(),
    };
    Some(RolePlan {
        id,
        part: Part::App(plan),
    })
}

/// The SQL router beside it, whoever is primary.
fn database_access(site: &Site, wiring: &Wiring, server: &Server) -> Option<DatabaseAccess> {
    let database = site.database()?;
    let router = wiring.instance(&router_id(server.name()))?;
    let user = database.users().first()?;
    Some(DatabaseAccess {
        address: *router.listens.first()?,
        name: database.name().to_string(),
        user: user.name().to_string(),
        password: password(user),
    })
}

/// The web server on this server.
pub(super) fn web(
    site: &Site,
    wiring: &Wiring,
    inputs: &Inputs,
    server: &Server,
) -> Option<RolePlan> {
    let web = site.web()?;
    let id = format!("{}/web", server.name());
    let listen = wiring
        .instance(&id)?
        .listens
        .iter()
        .filter(|listen| listen.port() != crate::wiring::HTTPS);
    let aliases = site.aliases().iter().map(|alias| alias.name().to_string());
    let mut routes: Vec<RoutePlan> = site
        .apps()
        .iter()
        .filter_map(|app| route(wiring, &id, app))
        .collect();
    routes.sort_by(|a, b| {
        b.prefix
            .len()
            .cmp(&a.prefix.len())
            .then_with(|| a.prefix.cmp(&b.prefix))
    });
    let plan = WebPlan {
        listen: listen.copied().collect(),
        workers: inputs.workers,
        name: site.name().to_string(),
        names: std::iter::once(site.name().to_string())
            .chain(aliases)
            .collect(),
        redirects: site
            .redirects()
            .iter()
            .map(|redirect| redirect.name().to_string())
            .collect(),
        localhost: inputs.lab,
        files: web.files().map(|files| inputs.base.join(files.as_path())),
        routes,
        trust: trusted(site, wiring, &id),
        limits: limits(site, web.limit()),
        timeouts: timeouts(*web.timeouts()),
    };
    Some(RolePlan {
        id,
        part: Part::Web(plan),
    })
}

/// Behind our balancers their word on the visitor is believed; at the entry nobody's is.
fn trusted(site: &Site, wiring: &Wiring, id: &str) -> Vec<(std::net::IpAddr, u8)> {
    let before = wiring
        .flows
        .iter()
        .filter(|flow| flow.to == id)
        .filter_map(|flow| match &flow.from {
            Peer::Visitor => None,
            Peer::Instance(from) => site.server(&wiring.instance(from)?.server),
        });
    let addresses = before.flat_map(|server| server.all_addresses());
    addresses
        .map(|address| (address, if address.is_ipv4() { 32 } else { 128 }))
        .collect()
}

fn route(wiring: &Wiring, web: &str, app: &App) -> Option<RoutePlan> {
    let model::Launch::Run(_) = app.launch() else {
        return None;
    };
    let from = Peer::Instance(web.to_owned());
    let ids: Vec<String> = app
        .members()
        .iter()
        .map(|member| app_id(app, member.server()))
        .collect();
    let mut upstreams: Vec<UpstreamPlan> = Vec::new();
    for flow in wiring
        .flows
        .iter()
        .filter(|flow| flow.from == from && ids.contains(&flow.to))
    {
        let near = flow.preference == Preference::Near;
        upstreams.extend(flow.ports.iter().zip(1..).map(|(port, copy)| UpstreamPlan {
            instance: format!("{}/{copy}", flow.to),
            address: SocketAddr::new(flow.address, *port),
            near,
        }));
    }
    upstreams.sort_by_key(|upstream| !upstream.near);
    Some(RoutePlan {
        prefix: app.path().to_string(),
        app: app.name().to_string(),
        upstreams,
        health: health(app.health()),
        timeouts: timeouts(*app.timeouts()),
        stream: app.stream().map(|size| size.bytes()),
    })
}

/// What the file says for this tier; the size of a body may be said at the other one: it passes both.
pub(super) fn limits(site: &Site, own: Option<&model::Limit>) -> Limits {
    let usual = Limits::default();
    let tiers = [
        own,
        site.load_balancer().and_then(|balancer| balancer.limit()),
        site.web().and_then(|web| web.limit()),
    ];
    let body = tiers.into_iter().flatten().find_map(|limit| limit.body());
    Limits {
        body: body.map_or(usual.body, |size| size.bytes()),
        spool: own
            .and_then(|limit| limit.spool())
            .map_or(usual.spool, |size| size.bytes()),
        share: own
            .and_then(|limit| limit.connections())
            .map_or(usual.share, |most| *most as usize),
        ..usual
    }
}

pub(super) fn health(health: &model::Health) -> HealthPlan {
    HealthPlan {
        path: health.path().map(|path| path.to_string()),
        expect: health.expect(),
        every: health.every(),
        within: health.within(),
        rise: health.rise(),
        fall: health.fall(),
    }
}

pub(super) fn timeouts(timeouts: model::Timeouts) -> Timeouts {
    let usual = Timeouts::default();
    Timeouts {
        connect: timeouts.connect().unwrap_or(usual.connect),
        first_byte: timeouts.first_byte().unwrap_or(usual.first_byte),
        idle: timeouts.idle().unwrap_or(usual.idle),
        total: timeouts.total(),
        rate: timeouts.rate().map_or(usual.rate, |rate| rate.a_second()),
    }
}
