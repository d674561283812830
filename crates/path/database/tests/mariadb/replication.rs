//! Two real servers: a replica that acknowledges, a planned and an unplanned change of the primary, and
//! the return of an old primary. What was acknowledged is compared row by row.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mysql_async::prelude::Queryable;
use rustix::process::Signal;
use terrace_database::failover::{Answer, Command, Epoch, Standing};
use terrace_database::gtid::Position;
use terrace_database::replication::{Member, Peer};
use terrace_database::{Instance, Processes, seed};
use terrace_service::Secret;
use tokio::task::JoinHandle;

use crate::STOP;
use crate::support::{Bench, ID, free_port};

/// A server of the pair.
struct Half {
    bench: Bench,
    instance: Instance,
    peers: BTreeMap<String, Peer>,
}

impl Half {
    async fn new(mut bench: Bench, id: u32, peers: &BTreeMap<String, Peer>) -> Self {
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

    fn member(&self) -> Member {
        let found = self.instance.found();
        Member::new(
            found.engine,
            self.instance.control_options(),
            self.bench.plan.server_id,
            self.peers.clone(),
            Secret::new("replicas' own".into()),
        )
    }

    async fn obey(&self, command: Command) -> Answer {
        let run = self.instance.run().unwrap();
        self.member().obey(&command, &run).await
    }

    async fn done(&self, command: Command) -> Position {
        match self.obey(command.clone()).await {
            Answer::At { position, .. } => position,
            other => panic!("{command:?}: {other:?}"),
        }
    }

    async fn attach(&self, source: &str, acks: bool) -> Answer {
        let (source, run) = (source.to_owned(), self.instance.run().unwrap());
        self.obey(Command::Attach { source, acks, run }).await
    }

    async fn promote(&mut self, epoch: u64, semi_sync: bool) {
        let epoch = Epoch(epoch);
        self.done(Command::Promote { epoch, semi_sync }).await;
    }

    async fn standing(&self) -> Standing {
        let run = self.instance.run().unwrap();
        self.member().standing(&run).await.unwrap()
    }

    /// Asks until it stands as expected.
    async fn until(&self, expected: impl Fn(&Standing) -> bool) -> Standing {
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

    async fn kill(&self) {
        let kill = Signal::KILL.as_raw();
        self.bench.processes.signal(ID, kill).await.unwrap();
        self.instance.exited().await.unwrap();
    }

    async fn rows(&self) -> BTreeSet<u64> {
        let mut app = self.bench.app().await.unwrap();
        let rows: Vec<u64> = app.query("SELECT id FROM entries").await.unwrap();
        rows.into_iter().collect()
    }
}

/// A primary `db-1` with its replica `db-2`, which acknowledges.
async fn pair() -> Option<(Half, Half)> {
    let (first, mut second) = (Bench::warm().await?, Bench::warm().await?);
    second.settings.secrets = first.settings.secrets.clone();
    let peer = |server_id| Peer {
        host: "127.0.0.1".into(),
        port: free_port(),
        server_id,
    };
    let peers = BTreeMap::from([("db-1".into(), peer(1)), ("db-2".into(), peer(2))]);
    let mut one = Half::new(first, 1, &peers).await;
    let two = Half::new(second, 2, &peers).await;
    assert!(!one.standing().await.writable, "it opened by itself");
    one.promote(1, false).await;
    one.instance.opened().await.unwrap();
    one.member().make_accounts().await.unwrap();
    let mut app = one.bench.app().await.unwrap();
    app.query_drop("CREATE TABLE entries (id BIGINT PRIMARY KEY)")
        .await
        .unwrap();
    attached(two.attach("db-1", true).await);
    let position = one.done(Command::SemiSync(true)).await;
    two.done(Command::Apply(position)).await;
    Some((one, two))
}

fn attached(answer: Answer) {
    assert!(matches!(answer, Answer::At { .. }), "{answer:?}");
}

/// Clients that write as fast as they can, and remember what was acknowledged.
struct Writers {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Vec<u64>>>,
}

impl Writers {
    async fn on(half: &Half) -> Self {
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

    async fn acknowledged(self) -> BTreeSet<u64> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = BTreeSet::new();
        for task in self.tasks {
            all.extend(task.await.unwrap());
        }
        all
    }
}

async fn written(half: &Half, at_least: usize) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while half.rows().await.len() < at_least {
        assert!(tokio::time::Instant::now() < deadline, "nothing is written");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_killed_primary_is_replaced_and_nothing_acknowledged_is_lost() {
    let Some((mut one, mut two)) = pair().await else {
        return;
    };
    one.until(|one| one.semi_sync && one.replicas.contains("db-2"))
        .await;
    two.until(|two| {
        two.link
            .as_ref()
            .is_some_and(|link| link.acks && link.running)
    })
    .await;
    let writers = Writers::on(&one).await;
    written(&two, 200).await;
    one.kill().await;
    let begun = std::time::Instant::now();
    let acknowledged = writers.acknowledged().await;
    let received = two.done(Command::Collect).await;
    two.done(Command::Apply(received)).await;
    two.promote(2, false).await;
    let took = begun.elapsed();
    let rows = two.rows().await;
    let lost: Vec<&u64> = acknowledged.difference(&rows).collect();
    eprintln!(
        "killed to writable {took:?}; {} acknowledged",
        acknowledged.len()
    );
    assert!(lost.is_empty(), "{lost:?}");
    assert!(acknowledged.len() >= 200);

    one.instance.demoted().unwrap();
    one.instance.start_as_replica().await.unwrap();
    attached(one.attach("db-2", true).await);
    let position = two.done(Command::SemiSync(true)).await;
    one.done(Command::Apply(position)).await;
    assert_eq!(one.rows().await, two.rows().await);
    stop([one, two]).await;
}

#[tokio::test]
async fn a_switchover_loses_nothing_and_the_old_primary_follows() {
    let Some((one, mut two)) = pair().await else {
        return;
    };
    let writers = Writers::on(&one).await;
    written(&two, 100).await;
    let begun = std::time::Instant::now();
    let position = one.done(Command::Close).await;
    two.done(Command::Apply(position)).await;
    two.promote(2, true).await;
    attached(one.attach("db-2", true).await);
    eprintln!("writes paused for {:?}", begun.elapsed());
    let acknowledged = writers.acknowledged().await;
    let mut app = two.bench.app().await.unwrap();
    app.query_drop("INSERT INTO entries VALUES (99000000)")
        .await
        .unwrap();
    let position = two.standing().await.position;
    one.done(Command::Apply(position)).await;
    let rows = two.rows().await;
    assert!(acknowledged.is_subset(&rows) && acknowledged.len() >= 100);
    assert_eq!(one.rows().await, rows);
    drop(app);
    stop([one, two]).await;
}

#[tokio::test]
async fn a_write_that_is_on_no_replica_is_not_acknowledged() {
    let Some((one, two)) = pair().await else {
        return;
    };
    two.done(Command::Collect).await;
    let mut app = one.bench.app().await.unwrap();
    let insert = app.query_drop("INSERT INTO entries VALUES (1)");
    let waits = tokio::time::timeout(Duration::from_millis(500), insert).await;
    assert!(waits.is_err(), "{waits:?}");
    let refused = one.obey(Command::Close).await;
    assert!(matches!(refused, Answer::Failed(_)), "{refused:?}");
    one.kill().await;
    assert!(!two.rows().await.contains(&1));
    stop([two]).await;
}

#[tokio::test]
async fn commits_that_a_replica_holds_and_never_acknowledges_are_let_go() {
    let Some((one, two)) = pair().await else {
        return;
    };
    two.done(Command::Collect).await;
    let mut app = one.bench.app().await.unwrap();
    let insert = app.query_drop("INSERT INTO entries VALUES (1)");
    tokio::pin!(insert);
    let moment = Duration::from_millis(300);
    assert!(tokio::time::timeout(moment, &mut insert).await.is_err());
    let held = one.until(|one| one.waits).await.position;
    // It receives the write over a link that acknowledges nothing, and over the next one it is not sent again.
    attached(two.attach("db-1", false).await);
    two.done(Command::Apply(held)).await;
    attached(two.attach("db-1", true).await);
    assert!(tokio::time::timeout(moment, &mut insert).await.is_err());
    one.done(Command::Release).await;
    insert.await.unwrap();
    assert!(two.rows().await.contains(&1) && one.standing().await.semi_sync);
    stop([one, two]).await;
}

#[tokio::test]
async fn a_barred_replica_stays_out_until_it_is_let_in() {
    let Some((one, two)) = pair().await else {
        return;
    };
    one.done(Command::Bar("db-2".into())).await;
    let standing = one.until(|one| !one.replicas.contains("db-2")).await;
    assert!(standing.barred.contains("db-2"), "{standing:?}");
    two.until(|two| !two.link.as_ref().unwrap().running).await;
    one.done(Command::Admit("db-2".into())).await;
    attached(two.attach("db-1", true).await);
    one.until(|one| one.replicas.contains("db-2") && one.barred.is_empty())
        .await;
    stop([one, two]).await;
}

#[tokio::test]
async fn a_server_with_writes_of_its_own_is_cloned_and_its_old_data_kept() {
    let Some((mut one, mut two)) = pair().await else {
        return;
    };
    one.kill().await;
    let received = two.done(Command::Collect).await;
    two.done(Command::Apply(received)).await;
    two.promote(2, false).await;
    one.instance.start().await.unwrap();
    one.promote(1, false).await;
    for (half, id) in [(&one, 90_000_001), (&one, 90_000_002), (&two, 90_000_003)] {
        let mut app = half.bench.app().await.unwrap();
        app.query_drop(format!("INSERT INTO entries VALUES ({id})"))
            .await
            .unwrap();
    }
    one.done(Command::Close).await;
    assert_eq!(one.attach("db-2", true).await, Answer::Diverged);

    one.instance.stop(STOP).await.unwrap();
    let copy = one.instance.clear_for_copy().unwrap();
    let writers = Writers::on(&two).await;
    let (from, to) = std::os::unix::net::UnixStream::pair().unwrap();
    let (sent, received) = tokio::join!(
        seed::send_copy(&two.bench.settings, &*two.bench.processes, from.into()),
        one.instance.receive_copy(&copy, to.into())
    );
    sent.unwrap_or_else(|error| panic!("{error}"));
    received.unwrap_or_else(|error| panic!("{error}"));
    let started = one.instance.adopt_copy(Epoch(2)).await;
    started.unwrap_or_else(|error| panic!("{error}"));
    attached(one.attach("db-2", true).await);
    let acknowledged = writers.acknowledged().await;
    let position = two.done(Command::SemiSync(true)).await;
    one.done(Command::Apply(position)).await;
    let rows = two.rows().await;
    assert!(
        acknowledged.is_subset(&rows) && rows.contains(&90_000_003) && !rows.contains(&90_000_002)
    );
    assert_eq!(one.rows().await, rows);
    let home = &one.bench.settings.directories.home;
    assert!(home.join("data.errant-2").join("ibdata1").is_file());
    stop([one, two]).await;
}

async fn stop(halves: impl IntoIterator<Item = Half>) {
    for mut half in halves {
        half.instance.stop(STOP).await.unwrap();
    }
}
