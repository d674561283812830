//! A primary is closed only once the transactions that are open on it have ended.

use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use terrace_database::failover::{Answer, Command};

use crate::pair::{pair, stop};

#[tokio::test]
async fn a_primary_is_closed_after_its_open_transactions_and_not_over_them() {
    let Some((one, two)) = pair().await else {
        return;
    };
    let mut app = one.bench.app().await.unwrap();
    app.query_drop("BEGIN").await.unwrap();
    app.query_drop("INSERT INTO entries VALUES (1)")
        .await
        .unwrap();
    let begun = Instant::now();
    let Answer::Failed(why) = one.obey(Command::Close).await else {
        panic!("a transaction was cut short");
    };
    assert!(begun.elapsed() > Duration::from_secs(1), "it did not wait");
    assert!(why.starts_with("transactions stay open (1, "), "{why}");
    assert!(one.standing().await.writable);
    // Asked again while it stays open, as the controller does: a commit may take its time on a busy disk.
    let at_last = async {
        loop {
            match one.obey(Command::Close).await {
                Answer::At { position, .. } => return position,
                Answer::Failed(why) if why.starts_with("transactions stay open (1, ") => {}
                other => panic!("{other:?}"),
            }
        }
    };
    let (closed, ()) = tokio::join!(at_last, async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        app.query_drop("INSERT INTO entries VALUES (2)")
            .await
            .unwrap();
        app.query_drop("COMMIT").await.unwrap();
    });
    assert!(!one.standing().await.writable);
    two.done(Command::Apply(closed)).await;
    assert_eq!(two.rows().await, [1, 2].into());
    drop(app);
    stop([one, two]).await;
}

#[tokio::test]
async fn whoever_reads_for_long_does_not_keep_a_primary_open() {
    let Some((one, two)) = pair().await else {
        return;
    };
    let mut dump = one.bench.app().await.unwrap();
    dump.query_drop("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        .await
        .unwrap();
    let _: Vec<u64> = dump.query("SELECT id FROM entries").await.unwrap();
    // At most once, while it is as young as a transaction that will write.
    one.done(Command::Close).await;
    one.done(Command::Close).await;
    assert!(!one.standing().await.writable);
    let _: Vec<u64> = dump.query("SELECT id FROM entries").await.unwrap();
    drop(dump);
    stop([one, two]).await;
}
