//! A primary and its replica, and what is written to them.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use rustix::process::Signal;
use terrace_database::failover::{Answer, Command, Epoch, Standing};
use terrace_database::gtid::Position;
use terrace_database::instance::engine;
use terrace_database::replication::{Member, Passwords, Peer, ROUTER_SECRET};
use terrace_database::{Instance, Processes};
use terrace_service::Secret;
use terrace_site::plan::Engine;
use tokio::task::JoinHandle;

use crate::STOP;
use crate::support::{Bench, ID, flavour, free_port};

/// A server of the pair.
pub struct Half {
    pub bench: Bench,
    pub instance: Instance,
    peers: BTreeMap<String, Peer>,
}

fn peer(server_id: u32) -> Peer {
    Peer {
        host: "127.0.0.1".into(),
        port: free_port(),
        server_id,
    }
}

impl Half {
    /// A primary `db-1` without a replica.
    pub async fn alone() -> Option<Self> {
        let peers = BTreeMap::from([("db-1".into(), peer(1))]);
        Some(
            Self::new(Bench::warm().await?, 1, &peers)
                .await
                .opened()
                .await,
        )
    }

    /// Made ready and opened, as a node does it.
    async fn opened(mut self) -> Self {
        assert!(!self.standing().await.writable, "it opened by itself");
        self.instance.opens().await.unwrap();
        self.member().make_accounts().await.unwrap();
        assert!(!self.standing().await.writable, "it was left open");
        self.promote(1, false).await;
        self
    }

    /// Terrace's own account.
    pub async fn control(&self) -> Conn {
        Conn::new(self.instance.control_options()).await.unwrap()
    }

    /// How far it is.
    pub async fn position(&self) -> Position {
        self.standing().await.position
    }

    pub async fn new(mut bench: Bench, id: u32, peers: &BTreeMap<String, Peer>) -> Self {
        let name = format!("db-{id}");
        bench.plan.server_id = id;
        bench.plan.port = peers[&name].port;
        bench.plan.report_host = name;
        bench.plan.primary_at_birth = id == 1;
        let mut instance = bench
            .prepare()
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        instance.leave_closed();
        instance
            .start()
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        let peers = peers.clone();
        Self {
            bench,
            instance,
            peers,
        }
    }

    pub fn member(&self) -> Member {
        let found = self.instance.found();
        Member::new(
            found.engine,
            self.instance.door(),
            self.bench.plan.server_id,
            self.peers.clone(),
            self.passwords(),
        )
    }

    /// What replicas and routers log in with.
    pub fn passwords(&self) -> Passwords {
        let own = self.bench.settings.secrets.read_or_generate(ROUTER_SECRET);
        Passwords {
            replicas: Secret::new("replicas' own".into()),
            routers: own.unwrap_or_else(|error| panic!("{error}")),
        }
    }

    pub async fn obey(&self, command: Command) -> Answer {
        let run = self.instance.run().unwrap();
        self.member().obey(&command, &run).await
    }

    pub async fn done(&self, command: Command) -> Position {
        match self.obey(command.clone()).await {
            Answer::At { position, .. } => position,
            other => panic!("{command:?}: {other:?}"),
        }
    }

    /// Waits for as long as it comes closer: many writes take more than one command's time.
    pub async fn catch_up(&self, position: Position) {
        let mut missing = u64::MAX;
        loop {
            let answer = self.obey(Command::Apply(position.clone())).await;
            if matches!(answer, Answer::At { .. }) {
                return;
            }
            let before = std::mem::replace(&mut missing, self.missing(&position).await);
            assert!(missing < before, "{missing} writes are missing: {answer:?}");
        }
    }

    /// How many of these writes cannot be read here.
    async fn missing(&self, position: &Position) -> u64 {
        let mut app = self.bench.app().await.unwrap();
        let question = match flavour() {
            Engine::Mariadb => "SELECT @@GLOBAL.gtid_slave_pos",
            Engine::Mysql => "SELECT @@GLOBAL.gtid_executed",
        };
        let applied: Option<String> = app.query_first(question).await.unwrap();
        let applied = Position::parse(flavour(), &applied.unwrap()).unwrap();
        applied.behind(position)
    }

    /// Reaches another server at this port from now on.
    pub fn dials(&mut self, name: &str, port: u16) {
        self.peers.get_mut(name).unwrap().port = port;
    }

    pub async fn attach(&self, source: &str, acks: bool) -> Answer {
        let (source, run) = (source.to_owned(), self.instance.run().unwrap());
        self.obey(Command::Attach { source, acks, run }).await
    }

    pub async fn promote(&mut self, epoch: u64, semi_sync: bool) {
        let epoch = Epoch(epoch);
        self.done(Command::Promote { epoch, semi_sync }).await;
    }

    pub async fn standing(&self) -> Standing {
        let run = self.instance.run().unwrap();
        self.member().standing(&run).await.unwrap()
    }

    /// Asks until it stands as expected.
    pub async fn until(&self, expected: impl Fn(&Standing) -> bool) -> Standing {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        loop {
            let standing = self.standing().await;
            if expected(&standing) {
                return standing;
            }
            assert!(tokio::time::Instant::now() < deadline, "still {standing:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// An app writes a row.
    pub async fn insert(&self, id: u64) {
        let mut app = self.bench.app().await.unwrap();
        app.query_drop(format!("INSERT INTO entries VALUES ({id})"))
            .await
            .unwrap();
    }

    pub async fn kill(&self) {
        let kill = Signal::KILL.as_raw();
        self.bench.processes.signal(ID, kill).await.unwrap();
        self.instance.exited().await.unwrap();
    }

    pub async fn rows(&self) -> BTreeSet<u64> {
        let mut app = self.bench.app().await.unwrap();
        let rows: Vec<u64> = app.query("SELECT id FROM entries").await.unwrap();
        rows.into_iter().collect()
    }
}

/// A primary `db-1` with its replica `db-2`, which acknowledges.
pub async fn pair() -> Option<(Half, Half)> {
    Some(pair_on(Bench::warm().await?, Bench::warm().await?).await)
}

/// The same, on benches of which one may be special.
pub async fn pair_on(first: Bench, second: Bench) -> (Half, Half) {
    let (one, mut others) = together(first, vec![second]).await;
    (one, others.remove(0))
}

/// A primary `db-1` with two replicas, `db-2` and `db-3`, which acknowledge.
pub async fn trio() -> Option<(Half, Vec<Half>)> {
    let others = vec![Bench::warm().await?, Bench::warm().await?];
    Some(together(Bench::warm().await?, others).await)
}

async fn together(first: Bench, others: Vec<Bench>) -> (Half, Vec<Half>) {
    let ids = 1..=u32::try_from(others.len() + 1).unwrap();
    let peers = ids.map(|id| (format!("db-{id}"), peer(id))).collect();
    let secrets = first.settings.secrets.clone();
    let one = Half::new(first, 1, &peers).await.opened().await;
    let mut app = one.bench.app().await.unwrap();
    app.query_drop("CREATE TABLE entries (id BIGINT PRIMARY KEY)")
        .await
        .unwrap();
    let mut replicas = Vec::new();
    for (id, mut bench) in (2..).zip(others) {
        bench.settings.secrets = secrets.clone();
        let replica = Half::new(bench, id, &peers).await;
        attached(replica.attach("db-1", true).await);
        replicas.push(replica);
    }
    let position = one.done(Command::SemiSync(true)).await;
    for replica in &replicas {
        replica.done(Command::Apply(position.clone())).await;
    }
    (one, replicas)
}

pub fn attached(answer: Answer) {
    assert!(matches!(answer, Answer::At { .. }), "{answer:?}");
}

/// Clients that write as fast as they can, and remember what was acknowledged.
pub struct Writers {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Vec<u64>>>,
}

impl Writers {
    pub async fn on(half: &Half) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = Vec::new();
        for writer in 0..4_u64 {
            let mut app = half.bench.app().await.unwrap();
            let stop = Arc::clone(&stop);
            tasks.push(tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for number in 0.. {
                    let id = writer * 1_000_000 + number;
                    let insert = format!("INSERT INTO entries VALUES ({id})");
                    if stop.load(Ordering::Relaxed) || app.query_drop(insert).await.is_err() {
                        break;
                    }
                    acknowledged.push(id);
                }
                acknowledged
            }));
        }
        Self { stop, tasks }
    }

    pub async fn acknowledged(self) -> BTreeSet<u64> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = BTreeSet::new();
        for task in self.tasks {
            all.extend(task.await.unwrap());
        }
        all
    }
}

pub async fn written(half: &Half, at_least: usize) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while half.rows().await.len() < at_least {
        assert!(tokio::time::Instant::now() < deadline, "nothing is written");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub async fn stop(halves: impl IntoIterator<Item = Half>) {
    for mut half in halves {
        half.instance.stop(STOP).await.unwrap();
    }
}

/// A pair whose machines have these programs and no others. `None`: this machine lacks one, which is said.
pub async fn pair_with(programs: &[&str]) -> Option<(tempfile::TempDir, (Half, Half))> {
    if flavour() == Engine::Mysql {
        eprintln!("skipped: MySQL copies itself");
        return None;
    }
    let place = tempfile::tempdir().unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let search = engine::search_path(Some(&path));
    for name in programs {
        let Some(found) = search
            .iter()
            .map(|one| one.join(name))
            .find(|one| one.is_file())
        else {
            eprintln!("skipped: `{name}` is not on PATH: scripts/setup test installs it");
            return None;
        };
        std::os::unix::fs::symlink(found, place.path().join(name)).unwrap();
    }
    std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let (mut first, mut second) = (Bench::warm().await?, Bench::warm().await?);
    first.settings.search = vec![place.path().to_owned()];
    second.settings.search = vec![place.path().to_owned()];
    Some((place, pair_on(first, second).await))
}
