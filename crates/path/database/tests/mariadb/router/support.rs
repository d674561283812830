//! A router before one database, or before a primary and its replica.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use terrace_database::failover::Command;
use terrace_database::router::{self, Known, Told};
use terrace_site::model::Reads;
use terrace_site::plan::{Engine, RouterPlan, TargetPlan};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::pair::{Half, pair, trio};
use crate::support::{Bench, flavour};

/// A router and what it stands before.
pub struct Routed {
    pub primary: Half,
    pub replica: Option<Half>,
    pub plans: watch::Sender<Arc<Known>>,
    pub address: SocketAddr,
    serving: JoinHandle<std::io::Result<()>>,
    beside: Vec<JoinHandle<std::io::Result<()>>>,
}

impl Drop for Routed {
    fn drop(&mut self) {
        self.serving.abort();
        self.beside.iter().for_each(JoinHandle::abort);
    }
}

fn target(server: &str, port: u16, lag: Option<u64>) -> TargetPlan {
    TargetPlan {
        server: server.to_owned(),
        address: (Ipv4Addr::LOCALHOST, port).into(),
        replica: lag.is_some(),
        lag,
    }
}

impl Routed {
    /// Before a primary alone. `None`: this machine has no server of the flavour.
    pub async fn alone() -> Option<Self> {
        Some(Self::before(Half::alone().await?, None))
    }

    /// Before a primary and its replica.
    pub async fn with_replica() -> Option<Self> {
        let (primary, replica) = pair().await?;
        Some(Self::before(primary, Some(replica)))
    }

    /// Before a primary, a replica and another one, which is not kept here.
    pub async fn with_two_replicas() -> Option<(Self, Half)> {
        let (primary, mut replicas) = trio().await?;
        let third = replicas.pop()?;
        let routed = Self::before(primary, replicas.pop());
        let target = target("db-3", third.bench.plan.port, Some(0));
        routed.change(|plan| plan.targets.push(target));
        Some((routed, third))
    }

    fn before(primary: Half, replica: Option<Half>) -> Self {
        let mut targets = vec![target("db-1", primary.bench.plan.port, None)];
        if let Some(replica) = &replica {
            targets.push(target("db-2", replica.bench.plan.port, Some(0)));
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let plan = RouterPlan {
            listen: vec![address],
            targets,
            epoch: 1,
            primary: "db-1".into(),
            hold: false,
            stale: false,
            users: primary.bench.plan.users.clone(),
            reads: Reads::OwnWrites,
            lag_limit: Duration::from_secs(10),
            controller: None,
            vouched: true,
        };
        let (plans, known) = watch::channel(resolve(&primary.bench, plan));
        let serving = tokio::spawn(router::serve(known, vec![listener]));
        Self {
            primary,
            replica,
            plans,
            address,
            serving,
            beside: Vec::new(),
        }
    }

    /// The way of the app through another router, which begins now and has seen nothing.
    pub fn beside(&mut self) -> OptsBuilder {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let plans = self.plans.subscribe();
        self.beside
            .push(tokio::spawn(router::serve(plans, vec![listener])));
        self.options().tcp_port(port)
    }

    /// The replica.
    pub fn replica(&self) -> &Half {
        self.replica.as_ref().unwrap()
    }

    /// Waits until the replica has all that the primary has.
    pub async fn caught_up(&self) {
        let position = self.primary.position().await;
        self.replica().catch_up(position).await;
    }

    /// Changes the plan.
    pub fn change(&self, change: impl FnOnce(&mut RouterPlan)) {
        let mut plan = self.plans.borrow().plan.clone();
        change(&mut plan);
        self.plans.send_replace(resolve(&self.primary.bench, plan));
    }

    /// The replica becomes primary, as the controller would do it: the router is told to wait, and then of the new one.
    pub async fn switch(&mut self) {
        self.change(|plan| plan.hold = true);
        let position = self.primary.position().await;
        let replica = self.replica.as_mut().unwrap();
        replica.done(Command::Collect).await;
        replica.catch_up(position).await;
        replica.promote(2, false).await;
        self.change(|plan| {
            (plan.hold, plan.epoch, plan.primary) = (false, 2, "db-2".into());
            plan.targets[0].lag = None;
        });
    }

    /// No plan will ever come again: the router takes nobody in, and serves who is there.
    pub fn drain(&mut self) {
        let last = self.plans.borrow().clone();
        self.plans = watch::channel(last).0;
    }

    /// Closes the primary to writes, whoever is in the middle of something.
    pub async fn close(&self) {
        let variable = match flavour() {
            Engine::Mariadb => "read_only",
            Engine::Mysql => "super_read_only",
        };
        let close = format!("SET GLOBAL {variable}=1");
        self.primary
            .control()
            .await
            .query_drop(close)
            .await
            .unwrap();
    }

    /// The app's password.
    pub fn password(&self) -> String {
        let password = self.primary.bench.settings.secrets.read("database/app");
        password
            .unwrap_or_else(|error| panic!("{error}"))
            .expose()
            .to_owned()
    }

    pub fn options(&self) -> OptsBuilder {
        OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.address.port())
            .prefer_socket(false)
            .user(Some("app"))
            .pass(Some(self.password()))
            .db_name(Some("my_site"))
    }

    /// The app, through the router.
    pub async fn app(&self) -> Conn {
        Conn::new(self.options()).await.unwrap()
    }
}

fn resolve(bench: &Bench, plan: RouterPlan) -> Arc<Known> {
    let told = Told::new(plan, &bench.settings.secrets);
    Arc::new(told.unwrap_or_else(|error| panic!("{error}")).into())
}
