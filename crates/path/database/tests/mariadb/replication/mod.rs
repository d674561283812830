//! Two real servers: a replica that acknowledges, a planned and an unplanned change of the primary, and
//! the return of an old primary. What was acknowledged is compared row by row.

mod barred;
mod cloning;
mod closing;
mod full_disk;
mod half_open;
mod torn;

use std::time::Duration;

use mysql_async::prelude::Queryable;
use terrace_database::failover::{Answer, Command};
use terrace_site::plan::Engine;

use crate::pair::{Writers, attached, pair, stop, written};
use cloning::clone_of;

use crate::support::flavour;

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
    if one.attach("db-2", true).await == Answer::Diverged {
        // MySQL rolls nothing back: what nobody acknowledged is there again.
        assert_eq!(flavour(), Engine::Mysql);
        clone_of(&two, &mut one).await;
    }
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
    two.insert(99_000_000).await;
    let position = two.standing().await.position;
    one.done(Command::Apply(position)).await;
    let rows = two.rows().await;
    assert!(acknowledged.is_subset(&rows) && acknowledged.len() >= 100);
    assert_eq!(one.rows().await, rows);
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
    // A primary that is not opened yet locks out, too, and stays closed.
    one.done(Command::Close).await;
    one.done(Command::Bar("db-2".into())).await;
    assert!(!one.standing().await.writable);
    stop([one, two]).await;
}
