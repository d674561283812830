//! The routing table before two real servers: each case runs once directly on the primary and once through the router.
//! Every answer has to be the same, and the replica's own log says what ran there.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, QueryResult, Row, TextProtocol};
use terrace_site::plan::Engine;

use super::support::Routed;
use crate::pair::Half;
use crate::support::flavour;

/// What a case sends, and where it has to run.
#[derive(Clone, Copy)]
enum Step {
    /// A text, on the primary.
    Primary(&'static str),
    /// A text, on the replica.
    Replica(&'static str),
    /// A prepared statement, on the primary.
    PreparedOnPrimary(&'static str),
    /// A prepared statement, on the replica.
    PreparedOnReplica(&'static str),
}

use Step::{PreparedOnPrimary, PreparedOnReplica, Primary, Replica};

impl Step {
    fn sql(self) -> &'static str {
        let (Primary(sql) | Replica(sql) | PreparedOnPrimary(sql) | PreparedOnReplica(sql)) = self;
        sql
    }
}

/// On which flavour a case is one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum On {
    Both,
    MariadbOnly,
    MysqlOnly,
}

use On::{Both, MariadbOnly, MysqlOnly};

type Case = (On, &'static str, &'static [Step]);

/// A read that stands at the end of a case says where the session reads from then on.
const THEN_REPLICA: Step = Replica("SELECT a FROM t WHERE id = 1");
const THEN_PRIMARY: Step = Primary("SELECT a FROM t WHERE id = 1");

#[rustfmt::skip]
const CASES: &[Case] = &[
    // Reads that are understood.
    (Both, "a plain read", &[Replica("SELECT id, a, b FROM t ORDER BY id")]),
    (Both, "a read without a table", &[Replica("SELECT 1 + 1 AS two, 'text', NULL, 1.5, 0x41")]),
    (Both, "joins and groups", &[Replica("SELECT t.a, COUNT(*), SUM(u.a), GROUP_CONCAT(u.b ORDER BY u.b) FROM t JOIN u ON u.id = t.id GROUP BY t.a HAVING COUNT(*) > 0 ORDER BY 1")]),
    (Both, "a derived table", &[Replica("SELECT MAX(x.a) FROM (SELECT a FROM t UNION ALL SELECT a FROM u) x")]),
    (Both, "a union in brackets", &[Replica("(SELECT a FROM t) UNION (SELECT a FROM u) ORDER BY 1 LIMIT 2")]),
    (Both, "a common table expression", &[Replica("WITH few AS (SELECT a FROM t WHERE id < 3) SELECT COUNT(*) FROM few")]),
    (Both, "one that calls itself", &[Replica("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT SUM(i) FROM n")]),
    (Both, "a window", &[Replica("SELECT id, ROW_NUMBER() OVER (ORDER BY a DESC) AS place FROM t ORDER BY id")]),
    (Both, "functions that are known", &[Replica("SELECT CONCAT(UPPER(b), '!'), LENGTH(b), COALESCE(NULL, a), IF(a > 1, 'x', 'y') FROM t ORDER BY id")]),
    (Both, "comments before and within", &[Replica("/* a */ SELECT /* b */ a -- c\n FROM t # d\n WHERE id = 1")]),
    (Both, "a semicolon in a text", &[Replica("SELECT 'a;b', \"c;d\", `a` FROM t WHERE id = 1")]),
    (Both, "words of a write in a text", &[Replica("SELECT 'INSERT INTO t FOR UPDATE', 'it''s', 'a\\'b'")]),
    (Both, "a column that is called like a word", &[Replica("SELECT `update` FROM (SELECT 1 AS `update`) x")]),
    (Both, "the function that is called like a statement", &[Replica("SELECT INSERT('abc', 2, 1, 'x'), REPLACE('abc', 'b', 'x')")]),
    (Both, "an empty result", &[Replica("SELECT a FROM t WHERE id = 99")]),
    (Both, "a read with an error", &[Replica("SELECT missing FROM t"), Replica("SELECT a FROM absent"), THEN_REPLICA]),
    (Both, "what the tables are", &[Replica("SHOW TABLES"), Replica("SHOW COLUMNS FROM t"), Replica("SHOW CREATE TABLE t"), Replica("DESCRIBE t")]),
    (Both, "a plan of a read", &[Replica("EXPLAIN SELECT a FROM t WHERE id = 1")]),
    (Both, "a prepared read", &[PreparedOnReplica("SELECT id, a, b FROM t ORDER BY id"), PreparedOnReplica("SELECT id, a, b FROM t ORDER BY id")]),
    // Reads that are more than reads.
    (Both, "a read that locks", &[Primary("SELECT a FROM t WHERE id = 1 FOR UPDATE"), THEN_REPLICA]),
    (Both, "a read that locks a little", &[Primary("SELECT a FROM t WHERE id = 1 LOCK IN SHARE MODE"), THEN_REPLICA]),
    (MysqlOnly, "a read that shares", &[Primary("SELECT a FROM t WHERE id = 1 FOR SHARE SKIP LOCKED"), THEN_REPLICA]),
    (Both, "a read into a variable", &[Primary("SELECT a INTO @a FROM t WHERE id = 2"), Primary("SELECT @a"), THEN_REPLICA]),
    (Both, "a variable of one's own", &[Primary("SET @a = 5"), Primary("SELECT @a, a FROM t WHERE id = 1"), THEN_REPLICA]),
    (Both, "a variable that is set while reading", &[Primary("SELECT @n := 7"), Primary("SELECT @n")]),
    (Both, "a variable of the server", &[Primary("SELECT @@sql_mode, @@session.autocommit"), THEN_REPLICA]),
    (Both, "what the server itself does", &[Primary("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE 1 = 0"), Primary("SELECT COUNT(*) FROM information_schema.INNODB_TRX WHERE 1 = 0"), THEN_REPLICA]),
    (Both, "a function that nobody knows", &[Primary("SELECT my_site.twice(a) FROM t WHERE id = 1"), THEN_PRIMARY]),
    (Both, "a named lock", &[Primary("SELECT GET_LOCK('terrace', 0)"), THEN_PRIMARY, Primary("SELECT RELEASE_LOCK('terrace')")]),
    (Both, "found rows", &[Primary("SELECT SQL_CALC_FOUND_ROWS a FROM t LIMIT 1"), Primary("SELECT FOUND_ROWS()")]),
    (Both, "rows found by the last read", &[Replica("SELECT a FROM t"), Replica("SELECT FOUND_ROWS()")]),
    (Both, "rows changed by the last write", &[Primary("UPDATE t SET a = a + 1"), Primary("SELECT ROW_COUNT()")]),
    (Both, "the id of the last row", &[Primary("INSERT INTO t (a) VALUES (9)"), Primary("SELECT LAST_INSERT_ID()"), Replica("SELECT COUNT(*) FROM t"), Primary("SELECT LAST_INSERT_ID()")]),
    (MariadbOnly, "a sequence", &[Primary("CREATE SEQUENCE made START 3"), Primary("SELECT NEXT VALUE FOR made"), Primary("SELECT NEXTVAL(made), LASTVAL(made)"), Primary("DROP SEQUENCE made")]),
    (Both, "a statement that is no statement", &[Primary("SELEC 1"), THEN_PRIMARY]),
    (Both, "a version comment that writes", &[Primary("/*!40000 UPDATE t SET a = 70 WHERE id = 1 */"), THEN_PRIMARY]),
    (Both, "a hint in a version comment", &[Primary("SELECT /*!40001 SQL_NO_CACHE */ a FROM t WHERE id = 1")]),
    // Writes.
    (Both, "insert and read", &[Primary("INSERT INTO t (a, b) VALUES (7, 'seven'), (8, 'eight')"), Replica("SELECT COUNT(*) FROM t")]),
    (Both, "update", &[Primary("UPDATE t SET a = a * 2 WHERE id < 3"), Replica("SELECT SUM(a) FROM t")]),
    (Both, "delete", &[Primary("DELETE FROM t WHERE id = 2"), Replica("SELECT COUNT(*) FROM t")]),
    (Both, "replace", &[Primary("REPLACE INTO t (id, a) VALUES (1, 11)"), Replica("SELECT a FROM t WHERE id = 1")]),
    (Both, "insert from a read", &[Primary("INSERT INTO t (a, b) SELECT a, b FROM u"), Replica("SELECT COUNT(*) FROM t")]),
    (Both, "insert or update", &[Primary("INSERT INTO t (id, a) VALUES (1, 5) ON DUPLICATE KEY UPDATE a = VALUES(a)"), THEN_REPLICA]),
    (MysqlOnly, "a write after a common table expression", &[Primary("WITH x AS (SELECT 2 AS id) UPDATE t JOIN x ON t.id = x.id SET t.a = 20"), Replica("SELECT a FROM t WHERE id = 2")]),
    (MariadbOnly, "a write that answers rows", &[Primary("INSERT INTO t (a) VALUES (6) RETURNING id, a"), Primary("DELETE FROM t WHERE a = 6 RETURNING id")]),
    (Both, "a write that fails", &[Primary("INSERT INTO t (id, a) VALUES (1, 1)"), THEN_REPLICA]),
    (Both, "a warning and who has it", &[Primary("INSERT IGNORE INTO t (id, a) VALUES (1, 1)"), Primary("SHOW WARNINGS"), THEN_REPLICA]),
    (Both, "a warning of a read", &[Replica("SELECT CAST('12x' AS SIGNED)"), Replica("SHOW WARNINGS")]),
    (Both, "a prepared write", &[PreparedOnPrimary("INSERT INTO t (a) VALUES (12)"), Replica("SELECT COUNT(*) FROM t")]),
    (Both, "tables made, changed and dropped", &[Primary("CREATE TABLE made (a INT)"), Primary("ALTER TABLE made ADD b INT"), Replica("SELECT COUNT(*) FROM made"), Primary("TRUNCATE made"), Primary("DROP TABLE made")]),
    (Both, "a view", &[Primary("CREATE VIEW seen AS SELECT a FROM t"), Replica("SELECT COUNT(*) FROM seen"), Primary("DROP VIEW seen")]),
    (Both, "an index", &[Primary("CREATE INDEX by_a ON t (a)"), Replica("SHOW CREATE TABLE t"), Primary("DROP INDEX by_a ON t")]),
    (Both, "the plan of a write", &[Primary("EXPLAIN UPDATE t SET a = 1 WHERE id = 1"), THEN_REPLICA]),
    // Transactions.
    (Both, "a transaction", &[Primary("BEGIN"), THEN_PRIMARY, Primary("UPDATE t SET a = 41 WHERE id = 1"), THEN_PRIMARY, Primary("COMMIT"), THEN_REPLICA]),
    (Both, "one that is rolled back", &[Primary("START TRANSACTION"), Primary("DELETE FROM t"), Primary("SELECT COUNT(*) FROM t"), Primary("ROLLBACK"), Replica("SELECT COUNT(*) FROM t")]),
    (Both, "one with a savepoint", &[Primary("BEGIN"), Primary("DELETE FROM t WHERE id = 1"), Primary("SAVEPOINT s"), Primary("DELETE FROM t"), Primary("ROLLBACK TO SAVEPOINT s"), Primary("RELEASE SAVEPOINT s"), Primary("COMMIT"), Replica("SELECT COUNT(*) FROM t")]),
    (Both, "one that a table ends", &[Primary("BEGIN"), THEN_PRIMARY, Primary("CREATE TABLE made (a INT)"), THEN_REPLICA, Primary("DROP TABLE made")]),
    (Both, "one that begins again at once", &[Primary("BEGIN"), Primary("COMMIT AND CHAIN"), THEN_PRIMARY, Primary("COMMIT"), THEN_REPLICA]),
    (Both, "one that only reads", &[Replica("START TRANSACTION READ ONLY"), THEN_REPLICA, Replica("SELECT COUNT(*) FROM t"), Replica("COMMIT"), THEN_REPLICA]),
    (Both, "one with a snapshot", &[Primary("START TRANSACTION WITH CONSISTENT SNAPSHOT"), THEN_PRIMARY, Primary("COMMIT"), THEN_REPLICA]),
    (Both, "autocommit off and on", &[Primary("SET autocommit = 0"), THEN_PRIMARY, Primary("UPDATE t SET a = 51 WHERE id = 1"), Primary("COMMIT"), Primary("SET autocommit = 1"), THEN_REPLICA]),
    (Both, "serializable", &[Primary("SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE"), THEN_PRIMARY]),
    (Both, "read committed", &[Primary("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"), THEN_REPLICA]),
    // What a session carries.
    (Both, "names", &[Primary("SET NAMES latin1"), Replica("SELECT CHARSET('x'), b FROM t ORDER BY id"), Primary("SET NAMES utf8mb4"), Replica("SELECT CHARSET('x')")]),
    (Both, "a mode", &[Primary("SET sql_mode = 'ANSI_QUOTES'"), Primary("SELECT \"a\" FROM t WHERE id = 1")]),
    (Both, "a time zone", &[Primary("SET time_zone = '+05:00'"), Replica("SELECT FROM_UNIXTIME(0)")]),
    (Both, "several settings at once", &[Primary("SET NAMES utf8mb4, time_zone = '+00:00', @a = 3"), Primary("SELECT FROM_UNIXTIME(0)"), Primary("SELECT @a")]),
    (Both, "another database", &[Primary("USE information_schema"), Replica("SELECT COUNT(*) FROM SCHEMATA WHERE SCHEMA_NAME = 'my_site'"), Primary("USE my_site"), THEN_REPLICA]),
    (Both, "a temporary table", &[Primary("CREATE TEMPORARY TABLE own (a INT)"), Primary("INSERT INTO own VALUES (1)"), Primary("SELECT a FROM own"), THEN_PRIMARY]),
    (Both, "locked tables", &[Primary("LOCK TABLES t READ"), THEN_PRIMARY, Primary("UNLOCK TABLES")]),
    (Both, "a statement prepared as a text", &[Primary("PREPARE s FROM 'SELECT a FROM t WHERE id = ?'"), Primary("SET @i = 2"), Primary("EXECUTE s USING @i"), Primary("DEALLOCATE PREPARE s"), THEN_PRIMARY]),
    (Both, "a cursor of the server's", &[Primary("HANDLER t OPEN"), Primary("HANDLER t READ FIRST"), Primary("HANDLER t CLOSE"), THEN_PRIMARY]),
    (Both, "a procedure", &[Primary("CALL many()"), THEN_PRIMARY]),
    (Both, "something done for its effect", &[Primary("DO SLEEP(0)"), THEN_REPLICA]),
    // Several at once.
    (Both, "reads together", &[Primary("SELECT 1; SELECT a FROM t WHERE id = 2"), THEN_REPLICA]),
    (Both, "a write and a read together", &[Primary("UPDATE t SET a = 61 WHERE id = 1; SELECT a FROM t WHERE id = 1"), THEN_REPLICA]),
    (Both, "one of which fails", &[Primary("SELECT 1; SELEC 2; SELECT 3")]),
    (Both, "a transaction in one text", &[Primary("BEGIN; UPDATE t SET a = 62 WHERE id = 1; COMMIT"), THEN_REPLICA]),
    (Both, "a transaction left open in one text", &[Primary("BEGIN; UPDATE t SET a = 63 WHERE id = 1"), THEN_PRIMARY, Primary("ROLLBACK"), THEN_REPLICA]),
];

/// What each case begins with.
const SET_UP: &[&str] = &[
    "DROP TABLE IF EXISTS t, u, made",
    "DROP VIEW IF EXISTS seen",
    "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, a INT, b VARCHAR(20))",
    "INSERT INTO t (a, b) VALUES (10, 'ten'), (20, 'zwölf'), (30, NULL)",
    "CREATE TABLE u LIKE t",
    "INSERT INTO u SELECT * FROM t",
];

/// After which an answer that has not ended will not.
const PATIENCE: Duration = Duration::from_secs(5);

/// All that a client is shown of an answer.
async fn seen(answer: Result<QueryResult<'_, '_, TextProtocol>, Error>) -> Vec<String> {
    let mut seen = Vec::new();
    let mut answer = match answer {
        Ok(answer) => answer,
        Err(error) => return vec![shown(&error)],
    };
    while !answer.is_empty() {
        for column in answer.columns_ref() {
            let (name, kind) = (column.name_str(), column.column_type());
            seen.push(format!("{name}: {kind:?} {:?}", column.flags()));
        }
        match answer.collect::<Row>().await {
            Ok(rows) => seen.extend(rows.into_iter().map(|row| format!("{:?}", row.unwrap()))),
            Err(error) => seen.push(shown(&error)),
        }
    }
    seen
}

fn shown(error: &Error) -> String {
    match error {
        Error::Server(error) => format!("{} {} {}", error.code, error.state, error.message),
        other => format!("broken: {other}"),
    }
}

async fn answer(conn: &mut Conn, step: Step, mark: &str) -> Vec<String> {
    let sql = format!("{mark}{}", step.sql());
    let all = async {
        let mut seen = match step {
            Primary(_) | Replica(_) => seen(conn.query_iter(sql).await).await,
            PreparedOnPrimary(_) | PreparedOnReplica(_) => {
                let rows: Result<Vec<Row>, _> = conn.exec(sql, ()).await;
                match rows {
                    Ok(rows) => rows.iter().map(|row| format!("{row:?}")).collect(),
                    Err(error) => vec![shown(&error)],
                }
            }
        };
        let last = (conn.affected_rows(), conn.last_insert_id());
        seen.push(format!("{last:?} {} {}", conn.get_warnings(), conn.info()));
        seen
    };
    match tokio::time::timeout(PATIENCE, all).await {
        Ok(seen) => seen,
        Err(_) => vec!["no end".to_owned()],
    }
}

/// Whether the server's own log has a statement with this mark.
async fn ran_on(half: &Half, mark: &str) -> bool {
    // What the replica repeats is in its log too, as another's.
    let question = format!(
        "SELECT COUNT(*) FROM mysql.general_log WHERE user_host LIKE 'app%' \
         AND command_type IN ('Query', 'Execute') AND argument LIKE '{mark}%'"
    );
    let count: Option<u32> = half.control().await.query_first(question).await.unwrap();
    count != Some(0)
}

#[tokio::test]
async fn every_answer_is_the_one_that_the_primary_gives_and_comes_from_where_it_may() {
    let Some(routed) = Routed::with_replica().await else {
        return;
    };
    let mut control = routed.primary.control().await;
    for statement in [
        "CREATE FUNCTION my_site.twice (a INT) RETURNS INT DETERMINISTIC NO SQL RETURN 2 * a",
        "CREATE PROCEDURE my_site.many () BEGIN SELECT 1; SELECT 2, 3; END",
    ] {
        control.query_drop(statement).await.unwrap();
    }
    let log = "SET GLOBAL log_output = 'TABLE', GLOBAL general_log = 1";
    let mut control = routed.replica().control().await;
    control.query_drop(log).await.unwrap();
    let skipped = match flavour() {
        Engine::Mariadb => MysqlOnly,
        Engine::Mysql => MariadbOnly,
    };
    let mut wrong = Vec::new();
    let mut ran = 0;
    for (number, (_, name, steps)) in CASES
        .iter()
        .enumerate()
        .filter(|(_, case)| case.0 != skipped)
    {
        let mut direct = set_up(&routed).await;
        let mut expected = Vec::new();
        for step in *steps {
            expected.push(answer(&mut direct, *step, "").await);
        }
        // One that failed last says so once more.
        let _ = direct.disconnect().await;
        set_up(&routed).await.disconnect().await.unwrap();
        let mut app = routed.app().await;
        for (at, (step, expected)) in steps.iter().zip(expected).enumerate() {
            // A replica that is behind is passed over, rightly: here it is to be asked.
            routed.caught_up().await;
            let mark = format!("/* case {number}.{at} */ ");
            let answer = answer(&mut app, *step, &mark).await;
            let sql = step.sql();
            // A place in a text is told from where the text begins.
            if expected != answer && !answer[0].starts_with("1064 ") {
                wrong.push(format!("{name}: {sql}\n  {expected:?}\n  {answer:?}"));
            }
            // The replica's log alone tells: MySQL logs neither what is no statement nor a text that prepares one.
            let ran_on_replica = ran_on(routed.replica(), &mark).await;
            if ran_on_replica != matches!(step, Replica(_) | PreparedOnReplica(_)) {
                let ran = format!("ran on the replica: {ran_on_replica}");
                wrong.push(format!("{name}: {sql}\n  {answer:?}\n  {ran}"));
            }
        }
        let _ = tokio::time::timeout(PATIENCE, app.disconnect()).await;
        ran += 1;
    }
    assert!(ran >= 60, "only {ran} cases");
    assert!(wrong.is_empty(), "of {ran} cases:\n{}", wrong.join("\n"));
    eprintln!("{ran} cases");
}

/// The tables as every case finds them, over a connection to the primary itself.
async fn set_up(routed: &Routed) -> Conn {
    let mut direct = routed.primary.bench.app().await.unwrap();
    for statement in SET_UP {
        direct.query_drop(*statement).await.unwrap();
    }
    direct
}
