//! Birth, death, recovery, and what a probe says on the way.

use std::fs;
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use rustix::process::Signal;
use terrace_database::instance::template::Origin;
use terrace_database::{Health, Processes, Stopped};
use terrace_protocol::keeper::Exit;

use crate::STOP;
use crate::support::{Bench, ID, until};

#[tokio::test]
async fn a_text_is_found_in_whatever_table_an_app_keeps_it() {
    let Some(bench) = Bench::warm().await else {
        return;
    };
    let mut instance = bench.started().await;
    let mut app = bench.app().await.unwrap();
    for statement in [
        "CREATE TABLE `odd ``name` (id INT, `a body` TEXT)",
        "INSERT INTO `odd ``name` VALUES (1, 'entry 4711-1'), (2, 'entry 12'), (3, NULL)",
        "CREATE TABLE other (v VARCHAR(30))",
        "INSERT INTO other VALUES ('it''s 4711-2')",
    ] {
        app.query_drop(statement).await.unwrap();
    }
    let mut found = instance.find("4711").await.unwrap();
    found.sort();
    assert_eq!(found, ["entry 4711-1", "it's 4711-2"]);
    assert!(instance.find("it's 4711-").await.unwrap().len() == 1);
    instance.stop(STOP).await.unwrap();
}

#[tokio::test]
async fn what_was_committed_outlives_a_kill() {
    let Some(bench) = Bench::cold().await else {
        return;
    };
    let mut begun = Instant::now();
    let mut instance = bench.started().await;
    eprintln!("cold birth to answer: {:?}", begun.elapsed());
    assert_eq!(instance.born(), Some(Origin::Made));
    assert!(matches!(
        instance.probe().await,
        Health::Answers { writes: true, .. }
    ));
    let mut app = bench.app().await.unwrap();
    app.query_drop("CREATE TABLE entries (id INT PRIMARY KEY)")
        .await
        .unwrap();
    for id in 0..100 {
        app.query_drop(format!("INSERT INTO entries VALUES ({id})"))
            .await
            .unwrap();
    }
    bench
        .processes
        .signal(ID, Signal::KILL.as_raw())
        .await
        .unwrap();
    begun = Instant::now();
    assert_eq!(instance.exited().await.unwrap(), Exit::Signal(9));
    let started = instance.start().await.unwrap();
    let mut app = bench.app().await.unwrap();
    let count: Option<u32> = app
        .query_first("SELECT COUNT(*) FROM entries")
        .await
        .unwrap();
    eprintln!(
        "killed to usable: {:?}, of which the start {:?}",
        begun.elapsed(),
        started.took
    );
    assert_eq!(count, Some(100));
    app.query_drop("INSERT INTO entries VALUES (100)")
        .await
        .unwrap();
    drop(app);
    let stopped = instance.stop(STOP).await.unwrap();
    eprintln!("stop: {stopped:?}");
    assert!(matches!(stopped, Stopped::Clean(_)), "{stopped:?}");
    begun = Instant::now();
    let again = bench.started().await;
    assert_eq!((again.born(), again.is_primary()), (None, true));
    eprintln!("start with data: {:?}", begun.elapsed());
}

#[tokio::test]
async fn the_next_birth_is_a_copy() {
    let Some(mut bench) = Bench::cold().await else {
        return;
    };
    drop(bench.prepare().await.unwrap());
    let templates: Vec<_> = fs::read_dir(&bench.settings.directories.templates)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    assert_eq!(templates.len(), 1, "{templates:?}");
    bench.settings.directories.home = bench.place.path().join("another");
    let begun = Instant::now();
    let mut instance = bench.started().await;
    eprintln!("birth from a template to answer: {:?}", begun.elapsed());
    assert_eq!(instance.born(), Some(Origin::Template));
    assert!(instance.probe().await.answers());
}

#[tokio::test]
async fn a_half_made_directory_is_made_again() {
    let Some(bench) = Bench::warm().await else {
        return;
    };
    let unborn = bench.settings.directories.unborn();
    fs::create_dir_all(unborn.join("mysql")).unwrap();
    fs::write(unborn.join("ibdata1"), "half").unwrap();
    let mut instance = bench.started().await;
    assert!(instance.born().is_some() && instance.probe().await.answers());
    assert!(!unborn.exists());
}

#[tokio::test]
async fn a_running_server_is_taken_over() {
    let Some(bench) = Bench::warm().await else {
        return;
    };
    let mut first = bench.started().await;
    let mut second = bench.prepare().await.unwrap();
    assert_eq!(second.born(), None);
    second.attach().await.unwrap();
    assert!(second.pid().is_some() && second.pid() == first.pid());
    assert!(matches!(
        second.probe().await,
        Health::Answers { writes: true, .. }
    ));
    assert!(matches!(first.probe().await, Health::Answers { .. }));
}

#[tokio::test]
async fn a_frozen_server_is_silent_and_not_dead() {
    let Some(bench) = Bench::warm().await else {
        return;
    };
    let mut instance = bench.started().await;
    bench
        .processes
        .signal(ID, Signal::STOP.as_raw())
        .await
        .unwrap();
    until(&mut instance, |health| {
        matches!(health, Health::Silent { .. })
    })
    .await;
    let later = instance.probe().await;
    assert!(
        matches!(later, Health::Silent { since } if since > Duration::from_secs(1)),
        "{later}"
    );
    bench
        .processes
        .signal(ID, Signal::CONT.as_raw())
        .await
        .unwrap();
    until(&mut instance, Health::answers).await;
    bench
        .processes
        .signal(ID, Signal::KILL.as_raw())
        .await
        .unwrap();
    instance.exited().await.unwrap();
    until(&mut instance, |health| {
        matches!(health, Health::Unreachable(_))
    })
    .await;
}

#[tokio::test]
async fn a_server_that_does_not_stop_is_killed() {
    let Some(bench) = Bench::warm().await else {
        return;
    };
    let mut instance = bench.started().await;
    bench
        .processes
        .signal(ID, Signal::STOP.as_raw())
        .await
        .unwrap();
    let stopped = instance.stop(Duration::from_millis(100)).await.unwrap();
    assert_eq!(stopped, Stopped::Killed(Exit::Signal(9)));
}
