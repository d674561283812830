//! `KILL` by the number that a client knows itself by, wherever its statement runs.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};
use tokio::time::{Instant, sleep};

use super::support::Routed;
use crate::pair::Half;

/// Waits until this runs there.
pub async fn runs(on: &Half, sql: &str) {
    let mut control = on.control().await;
    let deadline = Instant::now() + Duration::from_secs(10);
    let question = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '{sql}%' AND user = 'app'"
    );
    loop {
        let running: Option<u32> = control.query_first(&question).await.unwrap();
        if running == Some(1) {
            return;
        }
        assert!(Instant::now() < deadline, "`{sql}` does not run");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Who was killed, and what became of its statement.
async fn ended(
    asking: tokio::task::JoinHandle<(Conn, Result<Option<u32>, Error>)>,
) -> (Conn, bool) {
    let all = tokio::time::timeout(Duration::from_secs(5), asking);
    let (app, answer) = all.await.expect("it goes on").unwrap();
    // A sleep that is killed says so, or answers 1.
    (app, answer.map_or(true, |slept| slept == Some(1)))
}

#[tokio::test]
async fn a_statement_is_killed_by_the_number_that_the_client_knows() {
    let Some(routed) = Routed::alone().await else {
        return;
    };
    let (mut app, mut other) = (routed.app().await, routed.app().await);
    let id = app.id();
    let sleeping = tokio::spawn(async move { app.query_drop("DO SLEEP(20)").await });
    runs(&routed.primary, "DO SLEEP(20)").await;
    let begun = Instant::now();
    other.query_drop(format!("KILL QUERY {id}")).await.unwrap();
    let ended = sleeping.await.unwrap();
    assert!(begun.elapsed().as_secs() < 5, "{ended:?}");
}

#[tokio::test]
async fn a_read_on_a_replica_is_killed_and_so_is_its_session() {
    let Some(routed) = Routed::with_replica().await else {
        return;
    };
    let (mut app, mut other) = (routed.app().await, routed.app().await);
    let id = app.id();
    let mut asking = tokio::spawn(async move {
        let answer = app.query_first("SELECT SLEEP(20)").await;
        (app, answer)
    });
    runs(routed.replica(), "SELECT SLEEP(20)").await;
    other.query_drop(format!("KILL QUERY {id}")).await.unwrap();
    let (mut app, killed) = ended(asking).await;
    assert!(killed);
    let answer: Option<u32> = app.query_first("SELECT 7").await.unwrap();
    assert_eq!(answer, Some(7), "its session goes on");
    asking = tokio::spawn(async move {
        let answer = app.query_first("SELECT SLEEP(20)").await;
        (app, answer)
    });
    runs(routed.replica(), "SELECT SLEEP(20)").await;
    other.query_drop(format!("KILL {id}")).await.unwrap();
    let (mut app, killed) = ended(asking).await;
    assert!(killed);
    assert!(
        app.query_drop("SELECT 7").await.is_err(),
        "its session ends"
    );
}

#[tokio::test]
async fn a_client_that_has_no_statement_there_any_more_gets_no_stranger_killed() {
    let Some(mut routed) = Routed::with_replica().await else {
        return;
    };
    let (mut app, mut other) = (routed.app().await, routed.app().await);
    app.query_drop("DO 1").await.unwrap();
    routed.switch().await;
    // Whoever has the number at the new primary that the app had at the old one.
    let mut strangers = Vec::new();
    for _ in 0..40 {
        strangers.push(routed.replica().bench.app().await.unwrap());
    }
    other
        .query_drop(format!("KILL {}", app.id()))
        .await
        .unwrap();
    for stranger in &mut strangers {
        stranger.query_drop("DO 1").await.unwrap();
    }
}
