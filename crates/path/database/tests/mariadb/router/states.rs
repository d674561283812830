//! What a session has at its primary, over a change of the primary: told again, or missed aloud, and never lost in silence.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};

use super::support::Routed;

fn code<T: std::fmt::Debug>(answer: Result<T, Error>) -> u16 {
    match answer {
        Err(Error::Server(error)) => error.code,
        other => panic!("{other:?}"),
    }
}

/// All connections to the primary are made anew.
fn renew(routed: &Routed) {
    routed.change(|plan| plan.epoch += 1);
}

async fn variable(app: &mut Conn) -> Result<Option<Option<u32>>, Error> {
    app.query_first("SELECT @a").await
}

#[tokio::test]
async fn autocommit_stays_off_and_the_first_statement_of_a_transaction_waits() {
    let Some(mut routed) = Routed::with_replica().await else {
        return;
    };
    let mut app = routed.app().await;
    app.query_drop("CREATE TABLE t (a INT)").await.unwrap();
    app.query_drop("SET autocommit=0").await.unwrap();
    routed.change(|plan| plan.hold = true);
    // Nothing is open: this needs nobody.
    app.query_drop("ROLLBACK").await.unwrap();
    let mut writing = tokio::spawn(async move {
        app.query_drop("INSERT INTO t VALUES (1)").await.unwrap();
        app.query_drop("ROLLBACK").await.unwrap();
        app
    });
    let moment = Duration::from_millis(300);
    let early = tokio::time::timeout(moment, &mut writing).await;
    assert!(early.is_err(), "it did not wait");
    routed.switch().await;
    let mut app = writing.await.unwrap();
    app.query_drop("INSERT INTO t VALUES (2)").await.unwrap();
    app.query_drop("COMMIT").await.unwrap();
    app.query_drop("INSERT INTO t VALUES (3)").await.unwrap();
    let mut primary = routed.replica().control().await;
    let written: Vec<u32> = primary.query("SELECT a FROM my_site.t").await.unwrap();
    assert_eq!(written, [2]);
}

#[tokio::test]
async fn prepared_statements_keep_their_numbers_over_connections() {
    let Some(mut routed) = Routed::with_replica().await else {
        return;
    };
    let mut app = routed.app().await;
    let first = app.prep("SELECT ? + 1, @@version").await.unwrap();
    // MySQL counts on each connection, MariaDB on each server.
    routed.switch().await;
    for round in 0..3_u32 {
        renew(&routed);
        let sql = format!("SELECT ? + 10, {round}, @@version");
        let second = app.prep(sql).await.unwrap();
        let answer: Option<(u32, String)> = app.exec_first(&first, (1,)).await.unwrap();
        assert_eq!(answer.unwrap().0, 2);
        let answer: Option<(u32, u32, String)> = app.exec_first(&second, (1,)).await.unwrap();
        assert_eq!(answer.unwrap().0, 11);
    }
    app.close(first).await.unwrap();
    app.ping().await.unwrap();
}

#[tokio::test]
async fn variables_outlive_a_pause_and_are_missed_aloud() {
    let Some(routed) = Routed::with_replica().await else {
        return;
    };
    let (mut app, mut other) = (routed.app().await, routed.app().await);
    app.query_drop("SET @a = 5").await.unwrap();
    other.query_drop("SELECT @a := 6").await.unwrap();
    routed.change(|plan| plan.hold = true);
    for one in [&mut app, &mut other] {
        // The replica answers meanwhile.
        one.query_drop("SELECT 1").await.unwrap();
    }
    routed.change(|plan| plan.hold = false);
    assert_eq!(variable(&mut app).await.unwrap(), Some(Some(5)));
    assert_eq!(variable(&mut other).await.unwrap(), Some(Some(6)));
    renew(&routed);
    assert_eq!(code(variable(&mut app).await), 1927);
    assert_eq!(code(other.query_drop("DO 1").await), 1927);
    let mut next = routed.app().await;
    assert_eq!(variable(&mut next).await.unwrap(), Some(None));
}

#[tokio::test]
async fn the_id_of_the_last_row_is_the_right_one_or_none() {
    let Some(routed) = Routed::alone().await else {
        return;
    };
    let mut app = routed.app().await;
    app.query_drop("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, a INT)")
        .await
        .unwrap();
    let insert = "INSERT INTO t (a) VALUES (1)";
    app.query_drop(insert).await.unwrap();
    renew(&routed);
    // Who only writes on notices nothing.
    app.query_drop(insert).await.unwrap();
    let id: Option<u32> = app.query_first("SELECT LAST_INSERT_ID()").await.unwrap();
    assert_eq!(id, Some(2));
    renew(&routed);
    let asked = app.query_drop("INSERT INTO t (a) VALUES (LAST_INSERT_ID())");
    assert_eq!(code(asked.await), 1927);
}
