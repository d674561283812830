//! The router before a real database: what an app sees is what the database itself would have shown.

mod answers;
mod cases;
mod crowd;
mod held;
mod killed;
mod raw;
mod reads;
mod states;
mod support;
mod without;

use std::fs;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, TxOpts};
use tokio::process::Command;

use self::support::Routed;

#[tokio::test]
async fn only_a_known_password_gets_in_and_a_thousand_connections_do() {
    let Some(routed) = Routed::alone().await else {
        return;
    };
    for (user, password) in [("app", "wrong"), ("app", ""), ("nobody", "x"), ("", "")] {
        let options = routed.options().user(Some(user)).pass(Some(password));
        let refused = Conn::new(options).await.err();
        assert!(
            matches!(&refused, Some(Error::Server(error)) if error.code == 1045),
            "{user}: {refused:?}"
        );
    }
    for number in 0..1_000_u32 {
        let mut app = routed.app().await;
        let answer: Option<u32> = app.query_first(format!("SELECT {number}")).await.unwrap();
        assert_eq!(answer, Some(number));
        app.disconnect().await.unwrap();
    }
}

#[tokio::test]
async fn values_of_every_size_come_back_whole() {
    let Some(routed) = Routed::alone().await else {
        return;
    };
    let mut app = routed.app().await;
    app.query_drop("CREATE TABLE big (id INT PRIMARY KEY, body LONGBLOB)")
        .await
        .unwrap();
    let limit: Option<usize> = app
        .query_first("SELECT @@max_allowed_packet")
        .await
        .unwrap();
    if limit.unwrap() < 20_000_000 {
        let mut control = routed.primary.control().await;
        control
            .query_drop("SET GLOBAL max_allowed_packet=67108864")
            .await
            .unwrap();
        app = routed.app().await;
    }
    for (id, size) in [0, 1, 250, 251, 65_535, 65_536, 16_777_215, 17_000_000]
        .into_iter()
        .enumerate()
    {
        let body = vec![b'x'; size];
        app.exec_drop("INSERT INTO big VALUES (?, ?)", (id, &body))
            .await
            .unwrap();
        let back: Option<Vec<u8>> = app
            .exec_first("SELECT body FROM big WHERE id = ?", (id,))
            .await
            .unwrap();
        assert!(back.unwrap() == body, "{size} bytes");
    }
    let text = format!("INSERT INTO big VALUES (100, '{}')", "y".repeat(17_000_000));
    app.query_drop(text).await.unwrap();
    let length: Option<usize> = app
        .query_first("SELECT LENGTH(body) FROM big WHERE id = 100")
        .await
        .unwrap();
    assert_eq!(length, Some(17_000_000));
}

#[tokio::test]
async fn transactions_sessions_and_several_statements_work_as_without_a_router() {
    let Some(routed) = Routed::alone().await else {
        return;
    };
    let mut app = routed.app().await;
    app.query_drop("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, a INT)")
        .await
        .unwrap();
    let mut transaction = app.start_transaction(TxOpts::default()).await.unwrap();
    transaction
        .query_drop("INSERT INTO t (a) VALUES (1)")
        .await
        .unwrap();
    let mut other = routed.app().await;
    let seen: Option<u32> = other.query_first("SELECT COUNT(*) FROM t").await.unwrap();
    assert_eq!(seen, Some(0));
    transaction.rollback().await.unwrap();
    app.query_drop("INSERT INTO t (a) VALUES (2)")
        .await
        .unwrap();
    let id: Option<u64> = app.query_first("SELECT LAST_INSERT_ID()").await.unwrap();
    assert_eq!(id, Some(2));
    let mut results = app
        .query_iter("SELECT 1; INSERT INTO t (a) VALUES (3); SELECT a FROM t ORDER BY a")
        .await
        .unwrap();
    let first: Vec<u32> = results.collect().await.unwrap();
    let second: Vec<u32> = results.collect().await.unwrap();
    let third: Vec<u32> = results.collect().await.unwrap();
    drop(results);
    assert_eq!((first, second, third), (vec![1], vec![], vec![2, 3]));
    app.query_drop("CREATE TEMPORARY TABLE own (a INT)")
        .await
        .unwrap();
    app.query_drop("INSERT INTO own VALUES (7)").await.unwrap();
    let own: Option<u32> = app.query_first("SELECT a FROM own").await.unwrap();
    assert_eq!(own, Some(7));
    let wrong = app.query_drop("SELEC 1").await.err();
    assert!(
        matches!(&wrong, Some(Error::Server(error)) if error.code == 1064),
        "{wrong:?}"
    );
    assert!(app.reset().await.unwrap());
    let gone = app.query_drop("SELECT a FROM own").await.err();
    assert!(
        matches!(&gone, Some(Error::Server(error)) if error.code == 1146),
        "{gone:?}"
    );
    app.ping().await.unwrap();
}

#[tokio::test]
async fn the_mariadb_client_loads_files_and_logs_in_both_ways() {
    let Some(routed) = Routed::alone().await else {
        return;
    };
    let file = routed.primary.bench.place.path().join("rows");
    let rows: String = (0..5_000)
        .map(|row| format!("{row}\tname {row}\n"))
        .collect();
    fs::write(&file, rows).unwrap();
    let mut control = routed.primary.control().await;
    let lets = control.query_drop("SET GLOBAL local_infile=1").await;
    lets.unwrap();
    let sql = format!(
        "CREATE TABLE loaded (id INT, name TEXT); LOAD DATA LOCAL INFILE '{}' INTO TABLE loaded; \
         SELECT COUNT(*), MAX(id) FROM loaded; SHOW WARNINGS",
        file.display()
    );
    for plugin in ["mysql_native_password", "caching_sha2_password"] {
        let port = routed.address.port().to_string();
        let output = Command::new("mariadb")
            .args([
                "--no-defaults",
                "--host=127.0.0.1",
                "--user=app",
                "--local-infile=1",
                "--batch",
                "--skip-column-names",
            ])
            .args([
                "--port",
                &port,
                "--default-auth",
                plugin,
                "--execute",
                &sql,
                "my_site",
            ])
            .env("MYSQL_PWD", routed.password())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        let (out, error) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert_eq!(out.trim(), "5000\t4999", "{plugin}: {error}");
        let mut app = routed.app().await;
        app.query_drop("DROP TABLE loaded").await.unwrap();
    }
}

#[tokio::test]
async fn a_client_that_changes_its_user_begins_anew() {
    let Some(routed) = Routed::alone().await else {
        return;
    };
    let mut app = routed.app().await;
    app.query_drop("SET @a = 5").await.unwrap();
    app.change_user(Default::default()).await.unwrap();
    let left: Option<Option<u32>> = app.query_first("SELECT @a").await.unwrap();
    assert_eq!(left, Some(None));
}
