//! The role: sockets that were inherited, answered from the zones of the newest plan.
//!
//! Nothing is answered before the first plan: queries wait in the sockets, so a name server that is replaced
//! refuses nobody. A plan that cannot be answered from is refused, and the zones before it stay.

mod answer;

use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::Duration;

use hickory_server::Server;
use serde_json::value::RawValue;
use terrace_protocol::report::{RoleReport, State};
use terrace_service::{Control, Descriptors, Order, Role, clock};
use terrace_site::plan::DnsPlan;

use crate::zone;
use answer::Zones;

/// A connection without a query for this long is closed (RFC 7766 §6.2.3).
const IDLE: Duration = Duration::from_secs(10);
/// Answers that wait for a slow reader, per connection.
const WAITING_ANSWERS: usize = 64;
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// Why the name server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No socket of its own was given to it.
    #[error("no descriptor `udp …` or `listen …` was inherited: there is nothing to answer on")]
    Deaf,
    /// A descriptor that is not what its name says.
    #[error("the socket `{name}` cannot be used")]
    Socket {
        /// The descriptor's name.
        name: String,
        /// What failed.
        source: std::io::Error,
    },
}

/// Runs until it is told to drain. Descriptors: `udp <address> #<n>` and `listen <address> #<n>`.
///
/// # Errors
/// When the sockets cannot be used.
pub async fn run(role: Role) -> Result<(), Error> {
    let Role {
        id,
        mut descriptors,
        mut control,
    } = role;
    let zones = Zones::default();
    let mut report = RoleReport {
        id,
        role: "dns".to_owned(),
        state: State::Waiting,
        reason: "waits for its plan".to_owned(),
        since: clock::unix_millis(),
        pid: std::process::id(),
        ..RoleReport::default()
    };
    if !first_plan(&zones, &mut report, &mut control).await {
        return Ok(());
    }
    let mut server = Server::new(zones.clone());
    listen(&mut server, &mut descriptors)?;
    let patience = attend(&zones, &mut report, &mut control).await;
    report.state = State::Draining;
    control.report(report);
    if tokio::time::timeout(patience, server.shutdown_gracefully())
        .await
        .is_err()
    {
        tracing::warn!("connections were cut: their time to drain has passed");
    }
    Ok(())
}

/// Waits for a plan that can be answered from; false: it is to drain before there is one.
async fn first_plan(zones: &Zones, report: &mut RoleReport, control: &mut Control) -> bool {
    control.report(report.clone());
    loop {
        match control.next().await {
            Order::Configure { generation, plan } => {
                if configure(zones, report, control, generation, &plan) {
                    return true;
                }
            }
            Order::Facts(_) | Order::Divert(_) | Order::Log(_) => {}
            Order::Drain(_) => return false,
        }
    }
}

/// Hears plans and reports, until it is to drain within the time that is returned.
async fn attend(zones: &Zones, report: &mut RoleReport, control: &mut Control) -> Duration {
    let mut ticks = tokio::time::interval(REPORT_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut before = (zones.traffic().requests, tokio::time::Instant::now());
    loop {
        tokio::select! {
            order = control.next() => match order {
                Order::Configure { generation, plan } => {
                    configure(zones, report, control, generation, &plan);
                }
                Order::Facts(_) | Order::Divert(_) | Order::Log(_) => {}
                Order::Drain(within) => return within,
            },
            now = ticks.tick() => {
                let mut traffic = zones.traffic();
                let passed = (now - before.1).as_secs_f64().max(REPORT_EVERY.as_secs_f64() / 2.0);
                traffic.rate = traffic.requests.saturating_sub(before.0) as f64 / passed;
                before = (traffic.requests, now);
                report.traffic = Some(traffic);
                control.report(report.clone());
            }
        }
    }
}

/// Takes a plan and says so; false: it was refused.
fn configure(
    zones: &Zones,
    report: &mut RoleReport,
    control: &Control,
    generation: u64,
    plan: &RawValue,
) -> bool {
    let taken = serde_json::from_str::<DnsPlan>(plan.get())
        .map_err(|error| error.to_string())
        .and_then(|plan| {
            let catalog = zone::catalog(&plan).map_err(|error| error.to_string())?;
            zones.replace(catalog);
            Ok(plan)
        });
    match taken {
        Ok(plan) => {
            if report.state != State::Serving {
                report.state = State::Serving;
                report.since = clock::unix_millis();
            }
            report.generation = generation;
            report.what = what(&plan);
            report.reason = reason(&plan);
            control.report(report.clone());
            true
        }
        Err(reason) => {
            control.refuse(generation, reason);
            false
        }
    }
}

fn what(plan: &DnsPlan) -> String {
    let names: Vec<&str> = plan.zones.iter().map(|zone| zone.name.as_str()).collect();
    names.join(", ")
}

fn reason(plan: &DnsPlan) -> String {
    let records: usize = plan.zones.iter().map(|zone| zone.records.len()).sum();
    let serial = plan.zones.iter().map(|zone| zone.serial).max().unwrap_or(0);
    format!("{records} records, serial {serial}")
}

fn listen(server: &mut Server<Zones>, descriptors: &mut Descriptors) -> Result<(), Error> {
    let datagrams = descriptors.take_all("udp ");
    let streams = descriptors.take_all("listen ");
    if datagrams.is_empty() && streams.is_empty() {
        return Err(Error::Deaf);
    }
    for (name, descriptor) in datagrams {
        let socket = udp(descriptor).map_err(|source| Error::Socket { name, source })?;
        server.register_socket(socket);
    }
    for (name, descriptor) in streams {
        let listener = tcp(descriptor).map_err(|source| Error::Socket { name, source })?;
        server.register_listener(listener, IDLE, WAITING_ANSWERS);
    }
    Ok(())
}

fn udp(descriptor: OwnedFd) -> std::io::Result<tokio::net::UdpSocket> {
    let socket = UdpSocket::from(descriptor);
    socket.set_nonblocking(true)?;
    tokio::net::UdpSocket::from_std(socket)
}

fn tcp(descriptor: OwnedFd) -> std::io::Result<tokio::net::TcpListener> {
    let listener = TcpListener::from(descriptor);
    listener.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(listener)
}
