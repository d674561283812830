//! Every shape that an answer has, from a real server: byte for byte the same through the router as from the server
//! itself, with and without the EOF packets that newer clients leave out, and ending where it ends.
//!
//! A client cannot ask whether an answer has ended. So each case is followed by a statement whose answer is known:
//! whoever waits for an end that has been, or takes the next answer for a part of this one, shows it there.

use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use mysql_async::prelude::Queryable;
use terrace_database::router::wire::capability as cap;
use terrace_database::router::wire::handshake::Answer;

use super::raw::Raw;
use super::support::Routed;

/// What a client asks.
#[derive(Clone, Copy, Debug)]
enum Ask {
    /// A text.
    Text(&'static str),
    /// A statement that is prepared, executed with these flags, and fetched from with these numbers of rows.
    Prepared(&'static str, u8, &'static [u32]),
    /// A text that asks for a file, of so many bytes.
    File(&'static str, usize),
    /// A command of its own.
    Command(u8, &'static [u8]),
}

use Ask::{Command, File, Prepared, Text};

/// Of a prepared statement's execution.
const NO_CURSOR: u8 = 0;
const CURSOR: u8 = 1;

#[rustfmt::skip]
const CASES: &[Ask] = &[
    // Texts: 0 to n results, of 0 to n rows.
    Text("DO 1"),
    Text("REPLACE INTO t VALUES (3)"),
    Text("DELETE FROM t WHERE a > 100"),
    Text("SELECT 1"),
    Text("SELECT a FROM t WHERE a > 100"),
    Text("SELECT NULL, 'x', REPEAT('y', 250), REPEAT('z', 251), REPEAT('w', 70000)"),
    Text("SELECT REPEAT('x', 16777206)"),
    Text("SELECT REPEAT(CHAR(255), 17000000) UNION ALL SELECT 'short' UNION ALL SELECT REPEAT(CHAR(254), 17000000)"),
    Text("DO 1; DO 2; SELECT 1; DO 3"),
    Text("SELECT 1; SELECT 2; SELECT a FROM t"),
    Text("SELECT 1;"),
    Text("DO 1; SELECT a FROM t WHERE a > 100; DO 2"),
    Text("CALL nothing()"),
    Text("CALL many()"),
    Text("CALL many(); DO 1; CALL many()"),
    // A cursor that is open in a procedure marks the results that it selects meanwhile.
    Text("CALL open_cursor()"),
    Text("CALL open_cursor(); SELECT a FROM t"),
    Text("CALL closed_cursor()"),
    Text("SELECT last_of()"),
    Text("CALL out_of(@o)"),
    // Errors: at once, between results, among rows.
    Text("SELEC 1"),
    Text("SELECT missing FROM t"),
    Text("SELECT 1; SELEC 2; SELECT 3"),
    Text("SELECT 1; SELECT missing FROM t; SELECT 3"),
    Text("CALL fails()"),
    Text("CALL fails_with_open_cursor()"),
    Text("SELECT a, (SELECT b.a FROM t b WHERE b.a >= x.a) FROM t x ORDER BY a DESC"),
    Text("SELECT 1; SELECT a, (SELECT b.a FROM t b WHERE b.a >= x.a) FROM t x ORDER BY a DESC; SELECT 2"),
    // Prepared.
    Prepared("DO 1", NO_CURSOR, &[]),
    Prepared("DO 1", CURSOR, &[]),
    Prepared("INSERT INTO t SELECT a + 100 FROM t WHERE a > 100", CURSOR, &[]),
    Prepared("SELECT 1, NULL, 'x'", NO_CURSOR, &[]),
    Prepared("SELECT a FROM t WHERE a > 100", NO_CURSOR, &[]),
    Prepared("SELECT a, (SELECT b.a FROM t b WHERE b.a >= x.a) FROM t x ORDER BY a DESC", NO_CURSOR, &[]),
    Prepared("SELEC 1", NO_CURSOR, &[]),
    Prepared("CALL nothing()", NO_CURSOR, &[]),
    Prepared("CALL many()", NO_CURSOR, &[]),
    Prepared("CALL many()", CURSOR, &[]),
    Prepared("CALL open_cursor()", NO_CURSOR, &[]),
    Prepared("CALL open_cursor()", CURSOR, &[]),
    Prepared("CALL closed_cursor()", CURSOR, &[]),
    Prepared("SELECT last_of()", NO_CURSOR, &[]),
    Prepared("SELECT last_of()", CURSOR, &[1, 1]),
    Prepared("CALL out_of(@o)", NO_CURSOR, &[]),
    Prepared("CALL out_of(?)", NO_CURSOR, &[]),
    Prepared("CALL out_of(?)", CURSOR, &[]),
    Prepared("CALL out_of_open_cursor(?)", NO_CURSOR, &[]),
    Prepared("CALL out_of_open_cursor(?)", CURSOR, &[]),
    Prepared("CALL fails()", NO_CURSOR, &[]),
    Prepared("CALL fails()", CURSOR, &[]),
    Prepared("CALL fails_with_open_cursor()", CURSOR, &[]),
    // Cursors: fetched from to the end, beyond it, or not at all.
    Prepared("SELECT a FROM t ORDER BY a", CURSOR, &[1, 1, 5, 5]),
    Prepared("SELECT a FROM t ORDER BY a", CURSOR, &[]),
    Prepared("SELECT a FROM t WHERE a > 100", CURSOR, &[1]),
    Prepared("SELECT REPEAT('x', 16777203) FROM t LIMIT 1", CURSOR, &[1, 1]),
    Prepared("SELECT a FROM t WHERE a = ?", CURSOR, &[4]),
    Prepared("SHOW TABLES", CURSOR, &[]),
    Prepared("SHOW VARIABLES LIKE 'port'", CURSOR, &[]),
    Prepared("EXPLAIN SELECT a FROM t", CURSOR, &[]),
    Prepared("CHECK TABLE t", CURSOR, &[]),
    Prepared("WITH x AS (SELECT 1) SELECT * FROM x", CURSOR, &[5]),
    Prepared("(SELECT 1) UNION (SELECT 2)", CURSOR, &[5]),
    Prepared("SELECT a INTO @a FROM t LIMIT 1", CURSOR, &[]),
    Prepared("SET @a = (SELECT MAX(a) FROM t)", CURSOR, &[]),
    Prepared("DO last_of()", CURSOR, &[]),
    Prepared("DO last_of(), 2", NO_CURSOR, &[]),
    Prepared("SELECT a FROM t ORDER BY a", NO_CURSOR, &[1]),
    // Files.
    File("LOAD DATA LOCAL INFILE 'some' INTO TABLE loaded (@line)", 30_000),
    File("LOAD DATA LOCAL INFILE 'none' INTO TABLE loaded (@line)", 0),
    File("DO 1; LOAD DATA LOCAL INFILE 'more' INTO TABLE loaded (@line); SELECT 1", 17_000_000),
    Text("LOAD DATA LOCAL INFILE 'some' INTO TABLE missing"),
    // The other commands: INIT_DB, FIELD_LIST, STATISTICS, PING, SET_OPTION, RESET_CONNECTION.
    Command(0x02, b"my_site"),
    Command(0x02, b"nowhere"),
    Command(0x04, b"t\0"),
    Command(0x04, b"t\0nothing"),
    Command(0x04, b"missing\0"),
    Command(0x0e, b""),
    Command(0x1b, &[1, 0]),
    Command(0x1b, &[0, 0]),
    Command(0x1b, &[9, 0]),
    Command(0x1f, b""),
    // Such as no server knows: SLEEP, TIME.
    Command(0x00, b""),
    Command(0x0f, b""),
    Text("SELECT a FROM t"),
];

const SET_UP: &[&str] = &[
    "CREATE TABLE my_site.t (a INT PRIMARY KEY)",
    "INSERT INTO my_site.t VALUES (1), (2), (3)",
    "CREATE TABLE my_site.loaded (a INT)",
    "CREATE PROCEDURE my_site.nothing () BEGIN END",
    "CREATE PROCEDURE my_site.many () BEGIN SELECT 1; SELECT a FROM t; DO 1; SELECT 2, 3; END",
    "CREATE PROCEDURE my_site.open_cursor () BEGIN DECLARE n INT; DECLARE c CURSOR FOR SELECT a FROM t; \
     OPEN c; FETCH c INTO n; SELECT n, 'while it is open'; SELECT a FROM t; CLOSE c; SELECT 'after it'; END",
    "CREATE PROCEDURE my_site.closed_cursor () BEGIN DECLARE n INT; DECLARE c CURSOR FOR SELECT a FROM t; \
     OPEN c; FETCH c INTO n; CLOSE c; SELECT n; END",
    "CREATE PROCEDURE my_site.out_of (OUT o INT) BEGIN SELECT 1; SET o = 7; SELECT 2; END",
    "CREATE PROCEDURE my_site.out_of_open_cursor (OUT o INT) BEGIN DECLARE c CURSOR FOR SELECT a FROM t; \
     OPEN c; FETCH c INTO o; END",
    "CREATE PROCEDURE my_site.fails () BEGIN SELECT 1; SELECT a FROM missing; SELECT 2; END",
    "CREATE PROCEDURE my_site.fails_with_open_cursor () BEGIN DECLARE c CURSOR FOR SELECT a FROM t; \
     OPEN c; SELECT 1; SELECT a FROM missing; END",
    "CREATE FUNCTION my_site.last_of () RETURNS INT READS SQL DATA BEGIN DECLARE n INT; \
     DECLARE c CURSOR FOR SELECT a FROM t ORDER BY a DESC; OPEN c; FETCH c INTO n; CLOSE c; RETURN n; END",
    "SET GLOBAL max_allowed_packet=67108864",
    "SET GLOBAL local_infile=1",
];

/// Nothing that is asked here takes this long.
const PATIENCE: Duration = Duration::from_secs(5);

/// A packet as it came: its number, its length, and what it holds; of a long one, a sum.
type Heard = (u8, usize, Vec<u8>);

/// A client, and what it has heard.
struct Client {
    raw: Raw,
    heard: Vec<Heard>,
}

impl Client {
    async fn enter(address: SocketAddr, password: &str, deprecate_eof: bool) -> Self {
        let mut answer = Answer::of("app");
        // MULTI_STATEMENTS, MULTI_RESULTS, PS_MULTI_RESULTS
        answer.capabilities |= cap::LOCAL_FILES | 7 << 16;
        if !deprecate_eof {
            answer.capabilities &= !cap::DEPRECATE_EOF;
        }
        let raw = Raw::enter_at(address, password, answer).await;
        Self {
            raw,
            heard: Vec::new(),
        }
    }

    /// Hears one packet: its beginning.
    async fn hear(&mut self) -> io::Result<Vec<u8>> {
        let (sequence, packet) = self.raw.0.take_packet().await?;
        let mut held = packet.clone();
        if packet.len() > 1000 {
            let mut sum = DefaultHasher::new();
            sum.write(&packet);
            held = sum.finish().to_le_bytes().to_vec();
        } else if packet.first() == Some(&0xff) {
            // A statement's number may be told: it is another one each time.
            held.retain(|byte| !byte.is_ascii_digit());
        }
        self.heard.push((sequence, packet.len(), held));
        Ok(packet)
    }

    /// Asks what everybody knows, and hears all that comes before that is answered.
    async fn until_mark(&mut self) -> io::Result<()> {
        self.raw.say(0x03, b"SELECT 'all has ended'").await;
        while self.hear().await? != b"\x0dall has ended" {}
        self.hear().await.map(drop)
    }

    async fn ask(&mut self, ask: Ask) -> io::Result<()> {
        match ask {
            Text(sql) => self.raw.say(0x03, sql.as_bytes()).await,
            Command(code, payload) => self.raw.say(code, payload).await,
            File(sql, size) => {
                self.raw.say(0x03, sql.as_bytes()).await;
                while self.hear().await?[0] != 0xfb {}
                let sequence = self.heard.last().unwrap().0.wrapping_add(1);
                let row = [&[b'x'; 5_999][..], b"\n"].concat();
                let rows = row.repeat(size / row.len());
                let mut sent = 0;
                for part in rows.chunks(100_000) {
                    let sequence = sequence.wrapping_add(sent);
                    self.raw.0.send_payload(sequence, part).await.unwrap();
                    sent = sent.wrapping_add(1);
                }
                let end = [0, 0, 0, sequence.wrapping_add(sent)];
                self.raw.0.send(&end).await.unwrap();
            }
            Prepared(sql, flags, fetches) => return self.prepared(sql, flags, fetches).await,
        }
        self.until_mark().await
    }

    async fn prepared(&mut self, sql: &str, flags: u8, fetches: &[u32]) -> io::Result<()> {
        let before = self.heard.len();
        self.raw.say(0x16, sql.as_bytes()).await;
        self.until_mark().await?;
        let first = &mut self.heard[before].2;
        if first[0] == 0xff {
            return Ok(());
        }
        // The number is another one each time.
        let id: [u8; 4] = first[1..5].try_into().unwrap();
        first[1..5].fill(0);
        let mut execute = [&id[..], &[flags, 1, 0, 0, 0]].concat();
        if sql.contains('?') {
            // One parameter, a number.
            execute.extend([0, 1, 3, 0, 2, 0, 0, 0]);
        }
        self.raw.say(0x17, &execute).await;
        self.until_mark().await?;
        for rows in fetches {
            let fetch = [id, rows.to_le_bytes()].concat();
            self.raw.say(0x1c, &fetch).await;
            self.until_mark().await?;
        }
        for about in [0x1a, 0x19] {
            self.raw.say(about, &id).await;
        }
        self.until_mark().await
    }
}

/// Where two that should have heard the same differ first.
fn difference(server: &[Heard], router: &[Heard]) -> String {
    let same = server.iter().zip(router).take_while(|(a, b)| a == b);
    let at = same.count();
    let shown = |heard: Option<&Heard>| match heard {
        Some((sequence, length, held)) => {
            let held = String::from_utf8_lossy(&held[..held.len().min(60)]).into_owned();
            format!("#{sequence}, {length} bytes, {held:?}")
        }
        None => "nothing".to_owned(),
    };
    let (server, router) = (shown(server.get(at)), shown(router.get(at)));
    format!("after {at} packets the server says {server}, the router {router}")
}

#[tokio::test]
async fn every_shape_of_answer_ends_where_it_ends() {
    let Some(routed) = Routed::alone().await else {
        return;
    };
    let mut control = routed.primary.control().await;
    for statement in SET_UP {
        control.query_drop(*statement).await.unwrap();
    }
    let direct = SocketAddr::from((Ipv4Addr::LOCALHOST, routed.primary.bench.plan.port));
    let password = routed.password();
    let mut wrong = Vec::new();
    for deprecate_eof in [false, true] {
        for ask in CASES {
            let mut heard = Vec::new();
            for address in [direct, routed.address] {
                let mut client = Client::enter(address, &password, deprecate_eof).await;
                let asked = tokio::time::timeout(PATIENCE, client.ask(*ask)).await;
                let end = match asked {
                    Ok(Ok(())) => "the end".to_owned(),
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => "no end".to_owned(),
                };
                heard.push((end, client.heard));
            }
            let router = heard.pop().unwrap();
            let server = heard.pop().unwrap();
            if server.0 != "the end" || router != server {
                let difference = difference(&server.1, &router.1);
                wrong.push(format!(
                    "{ask:?}, without EOF packets: {deprecate_eof}: the server to {}, the router to {}: {difference}",
                    server.0, router.0
                ));
            }
        }
    }
    let all = 2 * CASES.len();
    assert!(
        wrong.is_empty(),
        "{} of {all} cases:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
