//! Who may do what, asked of the server itself.

use std::fs;

use mysql_async::prelude::Queryable;
use terrace_database::{Error, Health, Stopped, Updated};
use terrace_service::Secret;
use terrace_site::plan::{DatabasePlan, DatabaseUser, Engine, SecretName};

use crate::STOP;
use crate::support::{self, Bench, flavour};

#[tokio::test]
async fn an_app_has_rights_on_its_own_database_and_nowhere_else() {
    let Some(bench) = Bench::warm().await else {
        return;
    };
    let instance = bench.started().await;
    let init = bench.settings.directories.init();
    assert!(!init.exists(), "a password lies in {}", init.display());
    let mut app = bench.app().await.unwrap();
    app.query_drop("CREATE TABLE t (x INT)").await.unwrap();
    for refused in [
        "SELECT * FROM mysql.global_priv",
        "CREATE DATABASE another",
        "CREATE TABLE myXsite.t (x INT)",
        "CREATE USER friend",
        "SET GLOBAL read_only=0",
        "SELECT 1 INTO OUTFILE '/tmp/terrace-never'",
    ] {
        let error = app.query_drop(refused).await.err();
        assert!(
            matches!(error, Some(mysql_async::Error::Server(_))),
            "{refused}: {error:?}"
        );
    }
    for (user, password) in [
        ("app", ""),
        ("app", "wrong"),
        ("root", ""),
        ("terrace", ""),
        ("", ""),
    ] {
        assert!(
            bench.log_in(user, password, None).await.is_err(),
            "`{user}` got in"
        );
    }
    let control = bench
        .settings
        .secrets
        .read("database/control")
        .unwrap_or_else(|error| panic!("{error}"));
    let mut own = bench
        .log_in("terrace", control.expose(), None)
        .await
        .unwrap();
    let hosts: Vec<String> = own
        .query("SELECT Host FROM mysql.user WHERE User='terrace' ORDER BY Host")
        .await
        .unwrap();
    assert_eq!(
        hosts,
        ["127.0.0.1", "localhost"],
        "the control account is for its own server alone"
    );
    drop(instance);
}

/// The variable that says what the server has written.
fn written() -> &'static str {
    match flavour() {
        Engine::Mariadb => "gtid_binlog_pos",
        Engine::Mysql => "gtid_executed",
    }
}

#[tokio::test]
async fn passwords_and_accounts_follow_the_plan() {
    let Some(bench) = Bench::warm().await else {
        return;
    };
    let mut instance = bench.started().await;
    let position = async || {
        let mut app = bench.app().await.unwrap();
        let position: Option<String> = app
            .query_first(format!("SELECT @@GLOBAL.{}", written()))
            .await
            .unwrap();
        position.unwrap()
    };
    let before = position().await;
    assert_eq!(
        instance.update(bench.plan.clone()).await.unwrap(),
        Updated::Done
    );
    assert_eq!(
        position().await,
        before,
        "nothing changed, so nothing is written"
    );

    let password = Secret::new("it's \\ new".into());
    bench
        .settings
        .secrets
        .write("database/app", &password)
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(bench.app().await.is_err());
    assert_eq!(
        instance.update(bench.plan.clone()).await.unwrap(),
        Updated::Done
    );
    assert!(bench.app().await.is_ok());

    let reader = DatabaseUser {
        name: "reader".into(),
        password: SecretName("database/reader".into()),
    };
    let other = DatabasePlan {
        users: vec![reader],
        ..bench.plan.clone()
    };
    assert_eq!(instance.update(other).await.unwrap(), Updated::Done);
    assert!(
        bench.app().await.is_err(),
        "the file no longer has this account"
    );
    let reader = bench
        .settings
        .secrets
        .read("database/reader")
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(
        bench
            .log_in("reader", reader.expose(), Some("my_site"))
            .await
            .is_ok()
    );

    let moved = DatabasePlan {
        port: support::free_port(),
        ..bench.plan.clone()
    };
    assert_eq!(instance.update(moved).await.unwrap(), Updated::NeedsRestart);
}

#[tokio::test]
async fn a_lost_control_password_is_made_valid_by_the_next_start() {
    let Some(bench) = Bench::warm().await else {
        return;
    };
    let mut instance = bench.started().await;
    fs::remove_dir_all(bench.place.path().join("secrets")).unwrap();
    let refused = bench.prepare().await.unwrap().attach().await.unwrap_err();
    assert!(matches!(refused, Error::ControlRefused), "{refused}");
    assert!(matches!(
        instance.stop(STOP).await.unwrap(),
        Stopped::Clean(_)
    ));
    instance.start().await.unwrap();
    assert!(instance.probe().await.answers());
    assert!(
        bench.app().await.is_ok(),
        "the app's new password is in force too"
    );
}

#[tokio::test]
async fn only_a_primary_takes_writes() {
    let Some(mut bench) = Bench::warm().await else {
        return;
    };
    bench.plan.primary_at_birth = false;
    let mut instance = bench.started().await;
    assert!(matches!(
        instance.probe().await,
        Health::Answers { writes: false, .. }
    ));
    instance.set_writes(true).await.unwrap();
    assert!(matches!(
        instance.probe().await,
        Health::Answers { writes: true, .. }
    ));
    instance.set_writes(false).await.unwrap();
    assert!(matches!(
        instance.probe().await,
        Health::Answers { writes: false, .. }
    ));
}
