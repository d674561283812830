//! The routing table, case by case, and held against another parser.

use proptest::prelude::*;
use sqlparser::ast::Statement;
use sqlparser::dialect::MySqlDialect;
use sqlparser::parser::Parser;

use super::Reason::*;
use super::Route::*;
use super::{Route, classify};

const fn pin(reason: super::Reason) -> Route {
    PrimaryPin(reason)
}

const fn kill(id: u64, query: bool) -> Route {
    Kill { id, query }
}

const TABLE: &[(&str, Route)] = &[
    ("SELECT 1", Replica),
    ("select * from t where a = 'it''s' and b in (1, 2)", Replica),
    ("SELECT 1;", Replica),
    (";; SELECT 1 ;", Replica),
    ("(SELECT 1) UNION (SELECT 2)", Replica),
    ("/* why */ SELECT 1", Replica),
    ("-- why\nSELECT 1", Replica),
    ("# why\nSELECT 1", Replica),
    ("SELECT 5--1", Replica),
    ("SELECT 'FOR UPDATE', `update` FROM t", Replica),
    ("SELECT 'a\\'b; DELETE FROM t' FROM t", Replica),
    (
        "SELECT COUNT(*), MAX(a) FROM t GROUP BY b HAVING (a > 1)",
        Replica,
    ),
    (
        "SELECT REPLACE(a, 'x', 'y'), INSERT(a, 1, 1, 'b') FROM t",
        Replica,
    ),
    (
        "SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.a = t.a)",
        Replica,
    ),
    ("WITH c AS (SELECT 1) SELECT * FROM c", Replica),
    (
        "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT * FROM c",
        Replica,
    ),
    (
        "SELECT CAST(a AS DECIMAL(10, 2)) FROM t USE INDEX (i)",
        Replica,
    ),
    ("SELECT ROW_NUMBER() OVER (ORDER BY a) FROM t", Replica),
    ("SHOW TABLES", Replica),
    ("SHOW FULL COLUMNS FROM t", Replica),
    ("SHOW CREATE TABLE t", Replica),
    ("EXPLAIN SELECT * FROM t", Replica),
    ("DESCRIBE t", Replica),
    ("START TRANSACTION READ ONLY", ReadOnlyTransaction),
    (
        "START TRANSACTION READ ONLY, WITH CONSISTENT SNAPSHOT",
        Primary,
    ),
    ("START TRANSACTION", Primary),
    ("BEGIN", Primary),
    ("COMMIT", Primary),
    ("ROLLBACK TO SAVEPOINT a", Primary),
    ("INSERT INTO t (a) VALUES (1)", Primary),
    ("update t set a = 1", Primary),
    ("DELETE FROM t", Primary),
    ("REPLACE INTO t VALUES (1)", Primary),
    ("/* SELECT */ DELETE FROM t", Primary),
    ("WITH c AS (SELECT 1) DELETE FROM t", Primary),
    ("SELECT * FROM t FOR UPDATE", Primary),
    ("SELECT * FROM t FOR SHARE", Primary),
    ("SELECT * FROM t LOCK IN SHARE MODE", Primary),
    ("SELECT 1 INTO OUTFILE '/tmp/x'", Primary),
    ("SELECT 1 INTO @a", PrimaryHolds),
    ("SELECT @a := 1", PrimaryHolds),
    ("UPDATE t SET a = (@n := @n + 1)", PrimaryHolds),
    ("SELECT @a; SELECT @b := 2", PrimaryHolds),
    ("SELECT a INTO @a FROM t; BEGIN", PrimaryHolds),
    ("UPDATE t SET a = @a", Primary),
    ("INSERT INTO t VALUES (LAST_INSERT_ID())", Inserted),
    ("SELECT LAST_INSERT_ID(), @@version", Inserted),
    ("UPDATE t SET a = LAST_INSERT_ID(a + 1)", Primary),
    ("SELECT * FROM information_schema.processlist", Primary),
    ("SELECT * FROM information_schema.`INNODB_TRX`", Primary),
    ("SELECT * FROM performance_schema.threads", Primary),
    ("SELECT * FROM sys.processlist", Primary),
    ("SELECT TABLE_NAME FROM information_schema.TABLES", Replica),
    ("SELECT @`a b`", Primary),
    ("SELECT @@hostname", Replica),
    ("SELECT @@sql_mode", Primary),
    ("SELECT LAST_INSERT_ID()", Inserted),
    ("SELECT CONNECTION_ID()", Primary),
    ("SELECT NEXT VALUE FOR s", Primary),
    ("SELECT NEXTVAL(s)", Primary),
    ("SELECT CURRENT_USER", Primary),
    ("SHOW VARIABLES", Primary),
    ("SHOW PROCESSLIST", Primary),
    ("EXPLAIN UPDATE t SET a = 1", Primary),
    ("CREATE TABLE t (a INT)", Primary),
    ("DROP TABLE t", Primary),
    ("LOAD DATA LOCAL INFILE 'x' INTO TABLE t", Primary),
    ("SELECT 1; SELECT 2", Primary),
    ("INSERT INTO t VALUES (1); SELECT 1", Primary),
    ("", Primary),
    ("SET autocommit=0", Primary),
    ("SET @a = 1", PrimaryHolds),
    ("SET @a = 1, autocommit = 0", PrimaryHolds),
    ("SET GLOBAL max_connections = 5", Primary),
    ("SET NAMES utf8mb4", Remember),
    ("SET NAMES 'utf8mb4' COLLATE 'utf8mb4_bin'", Remember),
    ("SET SESSION time_zone = '+00:00'", Remember),
    (
        "SET @@session.time_zone = '+00:00', character_set_results = NULL",
        Remember,
    ),
    (
        "SET sql_mode = 'STRICT_TRANS_TABLES,NO_ZERO_DATE'",
        Remember,
    ),
    (
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        Remember,
    ),
    ("USE other", Primary),
    ("SET sql_mode = 'ANSI_QUOTES'", pin(Setting)),
    ("SET sql_mode = CONCAT(@@sql_mode, ',X')", pin(Setting)),
    ("SET time_zone = '+00:00', autocommit = 0", pin(Setting)),
    ("SET ROLE admin", pin(Setting)),
    (
        "SET STATEMENT max_statement_time=1 FOR SELECT 1",
        pin(Setting),
    ),
    (
        "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        pin(Serializable),
    ),
    ("CREATE TEMPORARY TABLE t (a INT)", pin(TemporaryTable)),
    (
        "CREATE OR REPLACE TEMPORARY TABLE t (a INT)",
        pin(TemporaryTable),
    ),
    ("LOCK TABLES t READ", pin(Lock)),
    ("SELECT GET_LOCK('a', 1)", pin(Lock)),
    ("UPDATE t SET a = GET_LOCK('a', 1)", pin(Lock)),
    ("PREPARE s FROM 'SELECT 1'", pin(TextPrepare)),
    ("HANDLER t OPEN", pin(Cursor)),
    ("XA START 'a'", pin(Cursor)),
    ("CALL p()", pin(Call)),
    ("SELECT SQL_CALC_FOUND_ROWS * FROM t", pin(FoundRows)),
    ("SELECT FOUND_ROWS()", Last),
    ("SHOW WARNINGS", Last),
    ("SELECT own(1)", pin(NotUnderstood)),
    ("SELECT db.count(1)", pin(NotUnderstood)),
    ("SELECT `f`(1)", pin(NotUnderstood)),
    ("SELECT /*!50000 SQL_NO_CACHE */ 1", pin(NotUnderstood)),
    ("/*M! DELETE FROM t */", pin(NotUnderstood)),
    ("/*!40101 SET NAMES utf8 */", pin(NotUnderstood)),
    ("SELECT 'open", pin(NotUnderstood)),
    ("SELECT /* open", pin(NotUnderstood)),
    ("SELECT \"a\\\" FROM t", pin(NotUnderstood)),
    (
        "SELECT 1; CREATE TEMPORARY TABLE t (a INT)",
        pin(TemporaryTable),
    ),
    ("FROBNICATE t", pin(NotUnderstood)),
    ("START SLAVE", pin(NotUnderstood)),
    ("KILL 7", kill(7, false)),
    ("KILL QUERY 7", kill(7, true)),
    ("KILL SOFT CONNECTION 7", Primary),
];

#[test]
fn the_routing_table() {
    let wrong: Vec<_> = TABLE
        .iter()
        .map(|(sql, expected)| (sql, expected, classify(sql.as_bytes())))
        .filter(|(_, expected, found)| *expected != found)
        .collect();
    assert!(wrong.is_empty(), "statement, expected, found: {wrong:#?}");
    assert!(TABLE.len() >= 60);
}

fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "[0-9]{1,4}",
        "[a-f]",
        "`[a-z ]{1,6}`",
        "'[a-z;#/*-]{0,8}'",
        Just("'it''s'".to_owned()),
        Just("'a\\'; DELETE FROM t; --'".to_owned()),
        Just("@v".to_owned()),
        Just("@@version".to_owned()),
        Just("LAST_INSERT_ID()".to_owned()),
        Just("GET_LOCK('a', 1)".to_owned()),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} + {b}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("CONCAT({a}, {b})")),
            (inner.clone(), "[a-z_]{1,8}").prop_map(|(a, name)| format!("{name}_x({a})")),
            inner.clone().prop_map(|a| format!("(SELECT {a} FROM u)")),
            inner.prop_map(|a| format!("/* {{ */ ABS({a}) -- x\n")),
        ]
    })
}

fn select() -> impl Strategy<Value = String> {
    let tail = prop_oneof![
        4 => Just(""), 1 => Just(" FOR UPDATE"), 1 => Just(" FOR SHARE"), 1 => Just(" LOCK IN SHARE MODE"),
        1 => Just(" LIMIT 3"), 1 => Just(" UNION SELECT 1"),
    ];
    let head = prop_oneof![
        Just("SELECT"),
        Just("select"),
        Just("/* x */ SELECT DISTINCT"),
        Just("# y\nSeLeCt")
    ];
    (head, expression(), expression(), tail)
        .prop_map(|(head, a, b, tail)| format!("{head} {a} FROM t WHERE {b} = 1{tail}"))
}

fn write() -> impl Strategy<Value = String> {
    (
        expression(),
        prop::sample::select(vec![
            "INSERT INTO t (a) VALUES (",
            "REPLACE INTO t VALUES (",
            "UPDATE t SET a = (",
            "DELETE FROM t WHERE a = (",
            "WITH c AS (SELECT 1) DELETE FROM t WHERE a = (",
            "CREATE TABLE u AS SELECT (",
            "DO (",
            "CALL p(",
            "INSERT INTO t SELECT (",
            "SET @a = (",
            "TRUNCATE TABLE t -- (",
        ]),
    )
        .prop_map(|(value, head)| format!("{head}{value})"))
}

fn statement() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => select(),
        2 => write(),
        1 => (select(), write()).prop_map(|(a, b)| format!("{a}; {b}")),
        1 => write().prop_map(|a| format!("/* SELECT */ {a}")),
    ]
}

/// What another parser is sure only reads: no lock, no target, nothing but queries.
fn reads_only(sql: &str) -> Option<bool> {
    let statements = Parser::parse_sql(&MySqlDialect {}, sql).ok()?;
    Some(statements.iter().all(|one| match one {
        Statement::Query(query) => {
            let shown = query.body.to_string().to_ascii_uppercase();
            let writes = ["INSERT INTO", "UPDATE ", "DELETE FROM"];
            query.locks.is_empty() && !writes.iter().any(|word| shown.starts_with(word))
        }
        Statement::ExplainTable { .. } | Statement::ShowTables { .. } => true,
        _ => false,
    }))
}

proptest! {
    #[test]
    fn no_write_ever_goes_to_a_replica(sql in statement()) {
        if classify(sql.as_bytes()) == Replica && let Some(reads) = reads_only(&sql) {
            prop_assert!(reads, "{sql}");
        }
    }

    #[test]
    fn a_statement_that_begins_as_a_write_never_goes_to_a_replica(head in "(INSERT|UPDATE|DELETE|REPLACE|CALL|DO|TRUNCATE|CREATE) ", tail in "\\PC{0,80}") {
        prop_assert_ne!(classify(format!("{head}{tail}").as_bytes()), Replica);
    }

    #[test]
    fn any_bytes_have_a_route(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = classify(&bytes);
    }
}
