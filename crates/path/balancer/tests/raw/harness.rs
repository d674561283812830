//! A load balancer of ours on a port of its own.

use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;
use std::time::Duration;

use terrace_http::spool::Spool;
use terrace_site::plan::{
    Algorithm, BalancerPlan, EjectionPlan, HealthPlan, Limits, MemberPlan, QueuePlan, TierPlan,
    Timeouts,
};
use tokio::sync::oneshot;

use crate::upstream::{Reply, Upstream};
use crate::visitor::{Answer, Visitor, wait_for};

/// What an upstream may take here.
pub const SHORT: Duration = Duration::from_millis(400);
pub const GET: &str = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
pub const POST: &str = "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1\r\n\r\nx";

/// A balancer, stopped when it is dropped.
pub struct Balancer {
    pub address: SocketAddr,
    directory: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Balancer {
    /// One in front of these.
    pub fn before(upstreams: &[&Upstream]) -> Self {
        Self::with(upstreams, |_| {})
    }

    /// One in front of these, with changes to its tier.
    pub fn with(upstreams: &[&Upstream], change: impl FnOnce(&mut TierPlan)) -> Self {
        Self::under(upstreams, |plan| change(&mut plan.tiers[0]))
    }

    /// One in front of these, with changes to its plan.
    pub fn under(upstreams: &[&Upstream], change: impl FnOnce(&mut BalancerPlan)) -> Self {
        let addresses: Vec<_> = upstreams.iter().map(|upstream| upstream.address).collect();
        Self::under_addresses(&addresses, change)
    }

    /// One in front of whatever is at these addresses.
    pub fn under_addresses(
        addresses: &[SocketAddr],
        change: impl FnOnce(&mut BalancerPlan),
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut plan = plan(address, addresses);
        change(&mut plan);
        let access = std::fs::File::options()
            .append(true)
            .create(true)
            .open(directory.path().join("access"))
            .unwrap();
        let spool = std::fs::File::open(directory.path()).unwrap();
        let spool = Spool::new(Some(spool.into()));
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                tokio::select! {
                    ended = terrace_balancer::serve(plan, vec![listener], Some(access.into()), spool) => ended.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Self {
            address,
            directory,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub fn visit(&self) -> Visitor {
        Visitor::to(self.address)
    }

    /// The whole answer to one request on a connection of its own.
    pub fn ask(&self, request: &str) -> Answer {
        self.visit().ask(request)
    }

    /// Waits for a line in the access log that has all of these parts.
    pub fn log_line(&self, parts: &[&str]) -> String {
        wait_for("a line in the access log", || {
            let log = std::fs::read_to_string(self.directory.path().join("access")).unwrap();
            log.lines()
                .find(|line| parts.iter().all(|part| line.contains(part)))
                .map(str::to_owned)
        })
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// An upstream that answers everything with its name.
pub fn named(name: &'static str) -> Upstream {
    Upstream::start(move |_, _| Reply::ok(name))
}

pub fn plan(listen: SocketAddr, upstreams: &[SocketAddr]) -> BalancerPlan {
    let timeouts = Timeouts {
        connect: SHORT,
        first_byte: SHORT,
        idle: SHORT,
        ..Timeouts::default()
    };
    let member = |(number, address): (usize, &SocketAddr)| MemberPlan {
        instance: format!("web-0{}/web", number + 1),
        address: *address,
        weight: 1,
        backup: false,
    };
    let tier = TierPlan {
        prefix: "/".to_owned(),
        name: "web".to_owned(),
        algorithm: Algorithm::RoundRobin,
        members: upstreams.iter().enumerate().map(member).collect(),
        health: HealthPlan {
            every: Duration::from_millis(200),
            ..HealthPlan::default()
        },
        ejection: EjectionPlan {
            in_a_row: 0,
            ..EjectionPlan::default()
        },
        queue: QueuePlan::default(),
        slow_start: Duration::ZERO,
        timeouts: timeouts.clone(),
        streams: Vec::new(),
    };
    BalancerPlan {
        listen: vec![listen],
        workers: 1,
        name: "a.example".to_owned(),
        tiers: vec![tier],
        trust: Vec::new(),
        limits: Limits {
            body: 1024 * 1024,
            ..Limits::default()
        },
        timeouts: Timeouts {
            idle: Duration::from_secs(8),
            ..timeouts
        },
    }
}
