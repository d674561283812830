//! Reading while there is no primary: as ever, with everything that was acknowledged and nothing that was not.

use std::time::Duration;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use terrace_database::failover::Command;
use terrace_site::plan::Engine;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::killed::runs;
use super::support::Routed;
use crate::pair::Half;
use crate::support::flavour;

const MOMENT: Duration = Duration::from_millis(500);
const SOON: Duration = Duration::from_secs(10);

/// The primary dies, and the controller hears that its replicas receive nothing.
async fn lost(routed: &Routed) {
    routed.primary.kill().await;
    cut(routed);
}

fn cut(routed: &Routed) {
    routed.change(|plan| plan.targets.iter_mut().for_each(|target| target.lag = None));
}

/// Has a replica stop or start one half of what it does.
async fn replicates(half: &Half, word: &str, thread: &str) {
    let noun = match flavour() {
        Engine::Mariadb => "SLAVE",
        Engine::Mysql => "REPLICA",
    };
    let statement = format!("{word} {noun} {thread}");
    half.control().await.query_drop(statement).await.unwrap();
}

async fn rows(app: &mut Conn) -> u32 {
    let count = app.query_first("SELECT COUNT(*) FROM t");
    count.await.unwrap().unwrap()
}

fn reads(mut app: Conn) -> JoinHandle<u32> {
    tokio::spawn(async move { rows(&mut app).await })
}

/// The same through a router that has seen nothing.
fn reads_beside(routed: &mut Routed) -> JoinHandle<u32> {
    let way = routed.beside();
    tokio::spawn(async move { rows(&mut Conn::new(way).await.unwrap()).await })
}

async fn told(reading: JoinHandle<u32>) -> u32 {
    timeout(SOON, reading).await.expect("it waits on").unwrap()
}

async fn opened(routed: &Routed) -> Conn {
    let mut app = routed.app().await;
    app.query_drop("CREATE TABLE t (a INT)").await.unwrap();
    routed.caught_up().await;
    app
}

/// What a program asks that only reads, on a connection that it has.
async fn everything(app: &mut Conn, prepared: &mysql_async::Statement) {
    assert_eq!(rows(app).await, 1);
    let row: Option<u32> = app.exec_first(prepared, (0,)).await.unwrap();
    assert_eq!(row, Some(1));
    let fresh = app.prep("SELECT a + ? FROM t").await.unwrap();
    let row: Option<u32> = app.exec_first(&fresh, (5,)).await.unwrap();
    assert_eq!(row, Some(6));
    app.close(fresh).await.unwrap();
    for sql in [
        "SET NAMES latin1",
        "SET autocommit=1",
        "USE my_site",
        "COMMIT",
        "SHOW VARIABLES LIKE 'version'",
        "SELECT @@max_allowed_packet, @@autocommit",
    ] {
        let answered = app.query_drop(sql).await;
        assert!(answered.is_ok(), "{sql}: {answered:?}");
    }
    app.ping().await.unwrap();
    assert!(app.reset().await.unwrap());
    assert_eq!(rows(app).await, 1);
}

#[tokio::test]
async fn whoever_only_reads_notices_nothing() {
    let Some(mut routed) = Routed::with_replica().await else {
        return;
    };
    let mut app = opened(&routed).await;
    app.query_drop("INSERT INTO t VALUES (1)").await.unwrap();
    let sql = "SELECT a FROM t WHERE a > ?";
    lost_after(&mut routed, &mut app, sql).await;
    // A replica that is started again receives nothing either, and is read.
    let replica = routed.replica.as_mut().unwrap();
    replica.kill().await;
    replica.instance.start().await.unwrap();
    assert_eq!(told(reads(app)).await, 1);
    assert_eq!(told(reads_beside(&mut routed)).await, 1);
}

/// Reads on before the loss, while it is not known, and while it is.
async fn lost_after(routed: &mut Routed, app: &mut Conn, sql: &str) {
    let prepared = app.prep(sql).await.unwrap();
    everything(app, &prepared).await;
    let held = app.prep(sql).await.unwrap();
    lost(routed).await;
    for hold in [false, true] {
        routed.change(|plan| plan.hold = hold);
        let reading = async {
            let row: Option<u32> = app.exec_first(&held, (0,)).await.unwrap();
            assert_eq!(row, Some(1));
            for way in [routed.options(), routed.beside()] {
                let mut fresh = Conn::new(way).await.unwrap();
                let prepared = fresh.prep(sql).await.unwrap();
                everything(&mut fresh, &prepared).await;
            }
        };
        timeout(SOON, reading).await.expect("it waits on");
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_whoever_wrote_it() {
    let Some(mut routed) = Routed::with_replica().await else {
        return;
    };
    let mut app = opened(&routed).await;
    replicates(routed.replica(), "STOP", "SQL_THREAD").await;
    app.query_drop("INSERT INTO t VALUES (1)").await.unwrap();
    lost(&routed).await;
    let mut all = [reads(app), reads_beside(&mut routed)];
    for reading in &mut all {
        let early = timeout(MOMENT, reading).await;
        assert!(early.is_err(), "it was read before it was there: {early:?}");
    }
    replicates(routed.replica(), "START", "SQL_THREAD").await;
    for reading in all {
        assert_eq!(told(reading).await, 1);
    }
}

#[tokio::test]
async fn what_was_acknowledged_to_nobody_is_not_waited_for() {
    let Some(routed) = Routed::with_replica().await else {
        return;
    };
    let mut app = opened(&routed).await;
    replicates(routed.replica(), "STOP", "IO_THREAD").await;
    let before = routed.primary.position().await;
    let mut writer = routed.primary.bench.app().await.unwrap();
    let writing = tokio::spawn(async move { writer.query_drop("INSERT INTO t VALUES (1)").await });
    routed.primary.until(|one| one.position != before).await;
    // The router hears of it from the primary, as of anything that is about to be acknowledged.
    assert_eq!(rows(&mut app).await, 0);
    lost(&routed).await;
    assert!(writing.await.unwrap().is_err());
    assert_eq!(told(reads(app)).await, 0);
}

#[tokio::test]
async fn nobody_misses_a_write_that_no_replica_had_to_receive() {
    let Some(mut routed) = Routed::with_replica().await else {
        return;
    };
    let mut app = opened(&routed).await;
    // As with ack=none.
    routed.change(|plan| plan.vouched = false);
    routed.primary.done(Command::SemiSync(false)).await;
    replicates(routed.replica(), "STOP", "IO_THREAD").await;
    app.query_drop("INSERT INTO t VALUES (1)").await.unwrap();
    lost(&routed).await;
    let mut reading = reads(app);
    let early = timeout(MOMENT, &mut reading).await;
    assert!(early.is_err(), "what was written was missed: {early:?}");
    routed.primary.instance.start().await.unwrap();
    assert_eq!(told(reading).await, 1);
}

#[tokio::test]
async fn of_two_replicas_the_one_is_read_that_has_everything() {
    let Some((mut routed, third)) = Routed::with_two_replicas().await else {
        return;
    };
    let mut app = opened(&routed).await;
    replicates(routed.replica(), "STOP", "IO_THREAD").await;
    app.query_drop("INSERT INTO t VALUES (1)").await.unwrap();
    lost(&routed).await;
    assert_eq!(told(reads_beside(&mut routed)).await, 1);
    assert_eq!(rows(&mut app).await, 1);
    // The other one has less, and is not read as if it had not.
    third.kill().await;
    let early = timeout(MOMENT, reads(app)).await;
    assert!(
        early.is_err(),
        "what was acknowledged was missed: {early:?}"
    );
}

#[tokio::test]
async fn a_read_that_the_primary_takes_along_is_asked_again() {
    let Some(routed) = Routed::with_replica().await else {
        return;
    };
    let mut app = opened(&routed).await;
    // Until it is known that it is gone, it is asked: the replica is behind.
    replicates(routed.replica(), "STOP", "SQL_THREAD").await;
    app.query_drop("INSERT INTO t VALUES (1)").await.unwrap();
    let bench = &routed.primary.bench;
    let stop = rustix::process::Signal::STOP.as_raw();
    terrace_database::Processes::signal(&*bench.processes, crate::support::ID, stop)
        .await
        .unwrap();
    let reading = reads(app);
    cut(&routed);
    replicates(routed.replica(), "START", "SQL_THREAD").await;
    assert_eq!(told(reading).await, 1);
}

#[tokio::test]
async fn a_read_that_is_lost_with_the_primary_waits_for_no_other_one() {
    let Some(routed) = Routed::with_replica().await else {
        return;
    };
    let mut app = opened(&routed).await;
    app.query_drop("INSERT INTO t VALUES (1)").await.unwrap();
    routed.caught_up().await;
    // The primary answers for itself as long as it is there.
    cut(&routed);
    let reading = tokio::spawn(async move {
        let slow: Option<(u32, u32)> = app.query_first("SELECT a, SLEEP(1) FROM t").await.unwrap();
        slow.unwrap().0
    });
    runs(&routed.primary, "SELECT a, SLEEP(1)").await;
    routed.change(|plan| plan.hold = true);
    routed.primary.kill().await;
    assert_eq!(told(reading).await, 1);
}
