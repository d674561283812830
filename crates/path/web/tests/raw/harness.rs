//! A web server of ours on a port of its own.

use std::fs::File;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::upstream::Upstream;
use terrace_http::spool::Spool;
use terrace_site::plan::{HealthPlan, Limits, RoutePlan, Timeouts, UpstreamPlan, WebPlan};
use tokio::sync::oneshot;

pub use crate::visitor::{Answer, PATIENCE, Visitor, field, find, wait_for};

/// What a visitor's and an upstream's connection may take here.
pub const SHORT: Duration = Duration::from_millis(400);

/// A web server, stopped when it is dropped.
pub struct Web {
    pub address: SocketAddr,
    pub directory: tempfile::TempDir,
    pub spool: Arc<Spool>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Web {
    /// One in front of this upstream.
    pub fn before(upstream: &Upstream) -> Self {
        Self::with(upstream.address, |_| {})
    }

    /// One in front of whatever is at this address, with changes to its plan.
    pub fn with(upstream: SocketAddr, change: impl FnOnce(&mut WebPlan)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self::on(vec![listener], upstream, change)
    }

    /// One whose large bodies wait in this directory.
    pub fn spooling(spool: &Path, upstream: SocketAddr, change: impl FnOnce(&mut WebPlan)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self::start(vec![listener], Some(spool), None, upstream, change)
    }

    /// One that writes its log into this file.
    pub fn logging(access: File, listener: TcpListener, upstream: SocketAddr) -> Self {
        Self::start(vec![listener], None, Some(access), upstream, |_| {})
    }

    /// One with these listeners, a worker for each.
    pub fn on(
        listeners: Vec<TcpListener>,
        upstream: SocketAddr,
        change: impl FnOnce(&mut WebPlan),
    ) -> Self {
        Self::start(listeners, None, None, upstream, change)
    }

    fn start(
        listeners: Vec<TcpListener>,
        spool: Option<&Path>,
        access: Option<File>,
        upstream: SocketAddr,
        change: impl FnOnce(&mut WebPlan),
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let address = listeners[0].local_addr().unwrap();
        let mut plan = plan(address, upstream);
        change(&mut plan);
        let access = access.unwrap_or_else(|| {
            let path = directory.path().join("access");
            let mut file = File::options();
            file.append(true).create(true).open(path).unwrap()
        });
        let public = directory.path().join("public");
        std::fs::create_dir(&public).unwrap();
        let files: Option<OwnedFd> = plan
            .files
            .as_ref()
            .map(|_| File::open(&public).unwrap().into());
        let spool = spool.unwrap_or(directory.path());
        let spool = Spool::new(Some(File::open(spool).unwrap().into()));
        let (stop, stopped) = oneshot::channel();
        let of_server = Arc::clone(&spool);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                tokio::select! {
                    ended = terrace_web::serve(plan, listeners, files, Some(access.into()), of_server) => ended.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Self {
            address,
            directory,
            spool,
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

impl Drop for Web {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub fn plan(listen: SocketAddr, upstream: SocketAddr) -> WebPlan {
    let timeouts = Timeouts {
        connect: SHORT,
        first_byte: SHORT,
        idle: SHORT,
        ..Timeouts::default()
    };
    let route = RoutePlan {
        prefix: "/".to_owned(),
        app: "foobar".to_owned(),
        upstreams: vec![UpstreamPlan {
            instance: "web-01/app/1".to_owned(),
            address: upstream,
            near: true,
        }],
        health: HealthPlan {
            every: Duration::from_millis(200),
            ..HealthPlan::default()
        },
        timeouts: timeouts.clone(),
        stream: None,
    };
    WebPlan {
        listen: vec![listen],
        workers: 1,
        name: "a.example".to_owned(),
        names: vec!["a.example".to_owned(), "b.example".to_owned()],
        redirects: vec!["old.example".to_owned()],
        localhost: true,
        files: None,
        routes: vec![route],
        trust: Vec::<(IpAddr, u8)>::new(),
        limits: Limits {
            body: 1024 * 1024,
            ..Limits::default()
        },
        timeouts,
    }
}
