//! Reads from a replica: which ones go there, and that nobody misses what they wrote.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};
use terrace_database::Processes;
use terrace_database::failover::Command;
use terrace_site::model::Reads;
use terrace_site::plan::{Engine, RouterPlan};

use super::support::Routed;
use crate::support::{ID, flavour};

/// Where the answer came from: a table that differs on the two sides.
async fn side(app: &mut Conn) -> u32 {
    app.query_first("SELECT id FROM side")
        .await
        .unwrap()
        .unwrap()
}

async fn marked(routed: &Routed) -> Conn {
    let mut app = routed.app().await;
    app.query_drop("CREATE TABLE side (id INT)").await.unwrap();
    app.query_drop("INSERT INTO side VALUES (1)").await.unwrap();
    assert_eq!(side(&mut app).await, 1);
    routed.caught_up().await;
    let mut replica = routed.replica().control().await;
    let closed = |on: u8| match flavour() {
        Engine::Mariadb => format!("SET GLOBAL read_only={on}"),
        Engine::Mysql => format!("SET GLOBAL super_read_only={on}"),
    };
    replica.query_drop(closed(0)).await.unwrap();
    replica.query_drop("SET sql_log_bin=0").await.unwrap();
    replica
        .query_drop("UPDATE my_site.side SET id = 2")
        .await
        .unwrap();
    replica.query_drop(closed(1)).await.unwrap();
    app
}

#[tokio::test]
async fn reads_go_to_the_replica_until_the_session_needs_the_primary() {
    let Some(routed) = Routed::with_replica().await else {
        return;
    };
    let mut app = marked(&routed).await;
    assert_eq!(side(&mut app).await, 2);
    app.query_drop("SET NAMES latin1").await.unwrap();
    let charset: Option<String> = app.query_first("SELECT CHARSET('x')").await.unwrap();
    assert_eq!(charset.as_deref(), Some("latin1"), "the replica was told");
    for _ in 0..3 {
        let prepared: Option<u32> = app
            .exec_first("SELECT id FROM side WHERE id < ?", (9,))
            .await
            .unwrap();
        assert_eq!(prepared, Some(2), "a prepared read goes to the replica");
    }
    app.query_drop("BEGIN").await.unwrap();
    assert_eq!(side(&mut app).await, 1, "in a transaction");
    app.query_drop("COMMIT").await.unwrap();
    assert_eq!(side(&mut app).await, 2);
    app.query_drop("START TRANSACTION READ ONLY").await.unwrap();
    assert_eq!(side(&mut app).await, 2, "in a transaction that only reads");
    let version: Option<String> = app.query_first("SELECT @@sql_mode").await.unwrap();
    assert!(version.is_some());
    assert_eq!(side(&mut app).await, 1, "it went on where the variable is");
    app.query_drop("COMMIT").await.unwrap();
    app.query_drop("SET autocommit=0").await.unwrap();
    assert_eq!(side(&mut app).await, 1);
    app.query_drop("ROLLBACK").await.unwrap();
    app.query_drop("SET autocommit=1").await.unwrap();
    assert_eq!(side(&mut app).await, 2);
    app.query_drop("CREATE TEMPORARY TABLE own (a INT)")
        .await
        .unwrap();
    assert_eq!(side(&mut app).await, 1, "pinned");
    let mut other = routed.app().await;
    routed.change(|plan| plan.reads = Reads::Primary);
    assert_eq!(side(&mut other).await, 1, "switched off");
    routed.change(|plan| {
        plan.reads = Reads::Any;
        plan.targets[1].lag = Some(60_000);
    });
    assert_eq!(side(&mut other).await, 1, "too far behind");
}

#[tokio::test]
async fn everyone_reads_what_was_written_even_while_the_replica_stands_still() {
    let Some(routed) = Routed::with_replica().await else {
        return;
    };
    let mut writer = routed.app().await;
    let mut reader = routed.app().await;
    writer
        .query_drop("CREATE TABLE numbers (id INT PRIMARY KEY)")
        .await
        .unwrap();
    let mut replica = routed.replica().control().await;
    let applying = |word| match flavour() {
        Engine::Mariadb => format!("{word} SLAVE SQL_THREAD"),
        Engine::Mysql => format!("{word} REPLICA SQL_THREAD"),
    };
    for id in 0..200_u32 {
        match id {
            100 => replica.query_drop(applying("STOP")).await.unwrap(),
            110 => replica.query_drop(applying("START")).await.unwrap(),
            _ => {}
        }
        writer
            .query_drop(format!("INSERT INTO numbers VALUES ({id})"))
            .await
            .unwrap();
        let newest: Option<u32> = reader
            .query_first("SELECT MAX(id) FROM numbers")
            .await
            .unwrap();
        assert_eq!(newest, Some(id));
    }
}

#[tokio::test]
async fn statements_wait_while_the_primary_changes_and_open_transactions_are_told() {
    let Some(mut routed) = Routed::with_replica().await else {
        return;
    };
    let mut app = routed.app().await;
    let mut open = routed.app().await;
    app.query_drop("CREATE TABLE t (a INT)").await.unwrap();
    app.query_drop("SET NAMES latin1").await.unwrap();
    open.query_drop("BEGIN").await.unwrap();
    open.query_drop("INSERT INTO t VALUES (1)").await.unwrap();
    routed.change(|plan| plan.hold = true);
    let held = tokio::spawn(async move {
        app.query_drop("INSERT INTO t VALUES (2)").await.unwrap();
        let charset: Option<String> = app
            .query_first("SELECT @@character_set_client")
            .await
            .unwrap();
        charset
    });
    // The one that was told to wait has to wait: only what is already open goes on.
    open.query_drop("INSERT INTO t VALUES (3)").await.unwrap();
    let position = routed.primary.position().await;
    let replica = routed.replica.as_mut().unwrap();
    replica.done(Command::Collect).await;
    replica.catch_up(position).await;
    replica.promote(2, false).await;
    assert!(!held.is_finished());
    routed.change(|plan| {
        (plan.hold, plan.epoch, plan.primary) = (false, 2, "db-2".into());
        plan.targets[0].lag = None;
    });
    let charset = tokio::time::timeout(Duration::from_secs(10), held)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        charset.as_deref(),
        Some("latin1"),
        "the new primary was told"
    );
    let told = open.query_drop("INSERT INTO t VALUES (4)").await.err();
    assert!(
        matches!(&told, Some(Error::Server(error)) if error.code == 1213),
        "{told:?}"
    );
    let mut replica = routed.replica().control().await;
    let written: Vec<u32> = replica.query("SELECT a FROM my_site.t").await.unwrap();
    assert_eq!(written, [2]);
}

#[tokio::test]
async fn a_write_that_a_closing_primary_refuses_waits_and_a_transaction_is_told() {
    let Some(mut routed) = Routed::with_replica().await else {
        return;
    };
    routed.change(|plan| plan.controller = Some("lb-01".into()));
    let mut app = routed.app().await;
    let mut open = routed.app().await;
    app.query_drop("CREATE TABLE t (a INT)").await.unwrap();
    open.query_drop("BEGIN").await.unwrap();
    open.query_drop("SELECT a FROM t FOR UPDATE").await.unwrap();
    let mut first = routed.app().await;
    first.query_drop("SET autocommit=0").await.unwrap();
    routed.close().await;
    let told = open.query_drop("INSERT INTO t VALUES (1)").await.err();
    assert!(
        matches!(&told, Some(Error::Server(error)) if error.code == 1213),
        "{told:?}"
    );
    let write = app.query_drop("INSERT INTO t VALUES (2)");
    tokio::pin!(write);
    let moment = Duration::from_millis(300);
    assert!(tokio::time::timeout(moment, &mut write).await.is_err());
    let mut begins = tokio::spawn(async move {
        first.query_drop("INSERT INTO t VALUES (4)").await.unwrap();
        first.query_drop("ROLLBACK").await.unwrap();
    });
    assert!(tokio::time::timeout(moment, &mut begins).await.is_err());
    routed.primary.promote(1, false).await;
    write.await.unwrap();
    begins.await.unwrap();
    open.exec_drop("INSERT INTO t VALUES (?)", (3,))
        .await
        .unwrap();
    let mut primary = routed.primary.control().await;
    let written: Vec<u32> = primary.query("SELECT a FROM my_site.t").await.unwrap();
    assert_eq!(written, [2, 3]);
}

#[tokio::test]
async fn a_read_that_has_begun_ends_where_it_began_whatever_the_plans_say_by_then() {
    let Some(routed) = Routed::with_replica().await else {
        return;
    };
    let mut app = routed.app().await;
    app.query_drop("CREATE TABLE t (a INT)").await.unwrap();
    app.query_drop("INSERT INTO t VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10)")
        .await
        .unwrap();
    routed.caught_up().await;
    let long = "SELECT REPEAT('x', 2000) FROM t a JOIN t b JOIN t c JOIN t d JOIN t e LIMIT 40000";
    let mut rows = app.query_iter(long).await.unwrap();
    rows.next().await.unwrap().unwrap();
    let mut seen = 1;
    // A report on the replica is missing; it becomes primary.
    let changes: [fn(&mut RouterPlan); 2] = [
        |plan| plan.targets[1].lag = None,
        |plan| (plan.epoch, plan.primary) = (2, "db-2".into()),
    ];
    for change in changes {
        routed.change(change);
        for _ in 0..10_000 {
            rows.next().await.unwrap().unwrap();
            seen += 1;
        }
    }
    while rows.next().await.unwrap().is_some() {
        seen += 1;
    }
    assert_eq!(seen, 40_000);
}

#[tokio::test]
async fn a_replica_that_stands_still_holds_up_nobody_for_long() {
    let Some(routed) = Routed::with_replica().await else {
        return;
    };
    let mut app = marked(&routed).await;
    routed.change(|plan| plan.reads = Reads::Any);
    let mut other = routed.app().await;
    assert_eq!(side(&mut app).await, 2);
    assert_eq!(side(&mut other).await, 2);
    let sql = "SELECT id FROM side WHERE id < ?";
    let (own, others) = (app.prep(sql).await.unwrap(), other.prep(sql).await.unwrap());
    let bench = &routed.replica().bench;
    let stop = rustix::process::Signal::STOP.as_raw();
    bench.processes.signal(ID, stop).await.unwrap();
    // A signal takes its time: until nobody is greeted any more.
    let moment = Duration::from_millis(300);
    while let Ok(greeted) = tokio::time::timeout(moment, bench.app()).await {
        greeted.unwrap();
    }
    // The replica has not heard of the statement yet, and will not answer that it has.
    let answer: Option<u32> = app.exec_first(&own, (9,)).await.unwrap();
    assert_eq!(answer, Some(1));
    let asking = other.exec_first::<u32, _, _>(&others, (9,));
    tokio::pin!(asking);
    assert!(tokio::time::timeout(moment, &mut asking).await.is_err());
    routed.change(|plan| plan.targets[1].lag = None);
    let told = tokio::time::timeout(Duration::from_secs(1), asking).await;
    assert_eq!(told.unwrap().unwrap(), Some(1));
}

#[tokio::test]
async fn who_is_still_there_while_the_router_drains_reads_from_the_replica() {
    let Some(mut routed) = Routed::with_replica().await else {
        return;
    };
    let mut app = marked(&routed).await;
    assert_eq!(side(&mut app).await, 2);
    routed.drain();
    // The listener is closed first.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while Conn::new(routed.options()).await.is_ok() {
        assert!(tokio::time::Instant::now() < deadline, "it takes clients");
    }
    for _ in 0..3 {
        assert_eq!(side(&mut app).await, 2);
    }
}
