//! A router before one MariaDB, or before a primary and a replica of it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use terrace_database::Instance;
use terrace_database::router::{self, Known, Told};
use terrace_site::model::Reads;
use terrace_site::plan::{RouterPlan, TargetPlan};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::Bench;

/// A router and what it stands before.
pub struct Routed {
    pub primary: Bench,
    pub replica: Option<Bench>,
    pub plans: watch::Sender<Arc<Known>>,
    pub address: SocketAddr,
    serving: JoinHandle<std::io::Result<()>>,
    _instances: Vec<Instance>,
}

impl Drop for Routed {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn target(server: &str, port: u16, lag: Option<u64>) -> TargetPlan {
    TargetPlan {
        server: server.to_owned(),
        address: (Ipv4Addr::LOCALHOST, port).into(),
        lag,
    }
}

impl Routed {
    /// Before a primary alone. `None`: this machine has no MariaDB.
    pub async fn alone() -> Option<Self> {
        Self::before(Bench::warm().await?, None).await
    }

    /// Before a primary and its replica.
    pub async fn with_replica() -> Option<Self> {
        let (primary, mut replica) = (Bench::warm().await?, Bench::warm().await?);
        replica.plan.server_id = 12;
        replica.plan.report_host = "web-02".into();
        replica.plan.primary_at_birth = false;
        replica.settings.secrets = primary.settings.secrets.clone();
        Self::before(primary, Some(replica)).await
    }

    async fn before(primary: Bench, replica: Option<Bench>) -> Option<Self> {
        let mut instances = vec![primary.started().await];
        let mut targets = vec![target("web-01", primary.plan.port, None)];
        if let Some(replica) = &replica {
            instances.push(replica.started().await);
            attach(&primary, replica).await;
            targets.push(target("web-02", replica.plan.port, Some(0)));
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let plan = RouterPlan {
            listen: vec![address],
            targets,
            epoch: 1,
            primary: "web-01".into(),
            hold: false,
            users: primary.plan.users.clone(),
            reads: Reads::OwnWrites,
            lag_limit: Duration::from_secs(10),
            controller: None,
        };
        let (plans, known) = watch::channel(resolve(&primary, plan));
        let serving = tokio::spawn(router::serve(known, vec![listener]));
        Some(Self {
            primary,
            replica,
            plans,
            address,
            serving,
            _instances: instances,
        })
    }

    /// Changes the plan.
    pub fn change(&self, change: impl FnOnce(&mut RouterPlan)) {
        let mut plan = self.plans.borrow().plan.clone();
        change(&mut plan);
        self.plans.send_replace(resolve(&self.primary, plan));
    }

    /// The app's password.
    pub fn password(&self) -> String {
        let password = self.primary.settings.secrets.read("database/app");
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

/// Terrace's own account, over the socket.
pub async fn control(bench: &Bench) -> Conn {
    let password = bench.settings.secrets.read("database/control");
    let password = password.unwrap_or_else(|error| panic!("{error}"));
    let socket: PathBuf = bench.settings.directories.socket();
    let options = OptsBuilder::default()
        .socket(Some(socket.to_string_lossy()))
        .user(Some("terrace"))
        .pass(Some(password.expose()));
    Conn::new(options).await.unwrap()
}

async fn attach(primary: &Bench, replica: &Bench) {
    let mut source = control(primary).await;
    for statement in [
        "CREATE USER repl@'127.0.0.1' IDENTIFIED BY 'only-in-this-test'",
        "GRANT REPLICATION SLAVE ON *.* TO repl@'127.0.0.1'",
    ] {
        source.query_drop(statement).await.unwrap();
    }
    let port = primary.plan.port;
    let mut copy = control(replica).await;
    for statement in [
        "RESET MASTER".to_owned(),
        // Everything that the primary ever did: the replica was born empty.
        "SET GLOBAL gtid_slave_pos=''".to_owned(),
        format!(
            "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='repl', \
             MASTER_PASSWORD='only-in-this-test', MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1"
        ),
        "START SLAVE".to_owned(),
    ] {
        copy.query_drop(statement).await.unwrap();
    }
}
