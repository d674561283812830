//! The protocol itself, in an order that no driver's own caution forbids: what is never answered, and what is too long for
//! one packet.

use std::net::SocketAddr;

use mysql_async::prelude::Queryable;
use terrace_database::router::wire::bytes::put_packets;
use terrace_database::router::wire::handshake::{Answer, Greeting, prove};
use terrace_database::router::wire::{Wire, capability, login};
use terrace_site::plan::Engine;
use tokio::net::TcpStream;

use super::support::Routed;
use crate::support::flavour;

const MULTI_STATEMENTS: u32 = 1 << 16;
const LONG: usize = 17_000_000;

fn answer() -> Answer {
    let mut answer = Answer::of("app");
    answer.database = b"my_site".to_vec();
    answer.capabilities |= capability::CONNECT_WITH_DB | capability::LOCAL_FILES | MULTI_STATEMENTS;
    answer
}

/// A connection to the router, and a second hand on it.
async fn connect(routed: &Routed) -> (Wire, std::net::TcpStream) {
    let stream = TcpStream::connect(routed.address).await.unwrap();
    let stream = stream.into_std().unwrap();
    let beside = stream.try_clone().unwrap();
    (
        Wire::new(TcpStream::from_std(stream).unwrap()).unwrap(),
        beside,
    )
}

/// A client that says what it is told to say.
pub struct Raw(pub Wire);

impl Raw {
    async fn enter(routed: &Routed) -> Self {
        Self::enter_as(routed, 0).await
    }

    /// With these capabilities of MariaDB's.
    async fn enter_as(routed: &Routed, extended: u32) -> Self {
        let mut answer = answer();
        answer.extended = extended;
        Self::enter_at(routed.address, &routed.password(), answer).await
    }

    /// At a router, or at a server itself.
    pub async fn enter_at(address: SocketAddr, password: &str, mut answer: Answer) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut wire = Wire::new(stream).unwrap();
        answer.database = b"my_site".to_vec();
        answer.capabilities |= capability::CONNECT_WITH_DB;
        login::log_in(&mut wire, answer, password)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        Self(wire)
    }

    /// The same, with a second hand on the connection.
    pub async fn enter_beside(routed: &Routed) -> (Self, std::net::TcpStream) {
        let (mut wire, beside) = connect(routed).await;
        login::log_in(&mut wire, answer(), &routed.password())
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        (Self(wire), beside)
    }

    /// Says who it is and this command, and waits for nothing.
    pub async fn enter_with(routed: &Routed, command: &[u8]) -> (Self, std::net::TcpStream) {
        let (mut wire, beside) = connect(routed).await;
        let (_, greeting) = wire.take_packet().await.unwrap();
        let greeting = Greeting::read(&greeting).unwrap();
        let mut answer = answer();
        answer.capabilities &= greeting.capabilities;
        answer.proof = prove(&greeting.plugin, &greeting.nonce, &routed.password()).unwrap();
        answer.plugin = greeting.plugin;
        let mut bytes = Vec::new();
        put_packets(&mut bytes, 1, &answer.write());
        put_packets(&mut bytes, 0, command);
        wire.send(&bytes).await.unwrap();
        (Self(wire), beside)
    }

    pub async fn say(&mut self, command: u8, payload: &[u8]) {
        let payload = [&[command][..], payload].concat();
        self.0.send_payload(0, &payload).await.unwrap();
    }

    pub async fn hear(&mut self) -> (u8, Vec<u8>) {
        self.0.take_packet().await.unwrap()
    }

    /// Nothing was said that was not asked for.
    async fn is_in_step(&mut self) {
        self.say(0x0e, &[]).await;
        let (sequence, answer) = self.hear().await;
        assert_eq!((sequence, answer[0]), (1, 0), "{answer:?}");
    }

    /// Prepares a statement with one parameter and columns or none: its number.
    pub async fn prepare(&mut self, sql: &str) -> [u8; 4] {
        self.say(0x16, sql.as_bytes()).await;
        let (_, answer) = self.hear().await;
        assert_eq!(answer[0], 0, "{answer:?}");
        let definitions = u16::from_le_bytes([answer[5], answer[6]]);
        for _ in 0..definitions + u16::from_le_bytes([answer[7], answer[8]]) {
            self.hear().await;
        }
        answer[1..5].try_into().unwrap()
    }

    async fn send_ahead(&mut self, id: [u8; 4], data: &[u8]) {
        let payload = [&id[..], &[0, 0], data].concat();
        self.say(0x18, &payload).await;
    }

    /// Executes with one parameter of a blob's type, whose value follows, or was sent ahead.
    async fn execute(&mut self, id: [u8; 4], value: &[u8]) -> (u8, Vec<u8>) {
        let payload = [&id[..], &[0, 1, 0, 0, 0, 0, 1, 0xfc, 0], value].concat();
        self.say(0x17, &payload).await;
        self.hear().await
    }
}

/// A result of one column and one row.
#[derive(Debug, PartialEq, Eq)]
struct Result {
    /// `None`: left out.
    definition: Option<Vec<u8>>,
    row: Vec<u8>,
}

impl Raw {
    /// Executes with one parameter of this type.
    async fn ask(&mut self, id: [u8; 4], kind: u8, value: &[u8]) -> Result {
        let payload = [&id[..], &[0, 1, 0, 0, 0, 0, 1, kind, 0], value].concat();
        self.say(0x17, &payload).await;
        let mut heard = Vec::new();
        while heard.last().is_none_or(|last: &Vec<u8>| last[0] != 0xfe) {
            let (sequence, packet) = self.hear().await;
            assert_eq!(usize::from(sequence), heard.len() + 1, "{packet:?}");
            heard.push(packet);
        }
        let told = match heard[0][..] {
            [1, told] => usize::from(told),
            ref other => panic!("{other:?}"),
        };
        assert_eq!(heard.len(), 3 + told, "{heard:?}");
        Result {
            row: heard.swap_remove(1 + told),
            definition: (told == 1).then(|| heard.swap_remove(1)),
        }
    }
}

fn code(answer: &[u8]) -> u16 {
    assert_eq!(answer[0], 0xff, "{answer:?}");
    u16::from_le_bytes([answer[1], answer[2]])
}

/// The plan names no primary that is there, or the one that is.
fn away(routed: &Routed, away: bool) {
    let name = if away { "nobody" } else { "db-1" };
    routed.change(|plan| (plan.epoch, plan.primary) = (plan.epoch + 1, name.into()));
}

async fn alone() -> Option<Routed> {
    let routed = Routed::alone().await?;
    let mut control = routed.primary.control().await;
    for statement in [
        "SET GLOBAL max_allowed_packet=67108864",
        "CREATE TABLE my_site.t (a LONGBLOB)",
    ] {
        control.query_drop(statement).await.unwrap();
    }
    Some(routed)
}

#[tokio::test]
async fn what_is_never_answered_is_not_answered_when_the_primary_is_away_either() {
    let Some(routed) = alone().await else {
        return;
    };
    let mut app = Raw::enter(&routed).await;
    let insert = app.prepare("INSERT INTO t VALUES (?)").await;
    let closed = app.prepare("INSERT INTO t VALUES (?)").await;
    away(&routed, true);
    app.say(0x19, &closed).await;
    app.is_in_step().await;
    app.send_ahead(insert, b"some").await;
    app.is_in_step().await;
    away(&routed, false);
    app.send_ahead(insert, b"more").await;
    let (sequence, answer) = app.execute(insert, &[]).await;
    assert_eq!((sequence, code(&answer)), (1, 1213), "a part is missing");
    app.send_ahead(insert, b"all").await;
    app.is_in_step().await;
    // What was sent to a connection that has gone is missed, too.
    away(&routed, false);
    assert_eq!(code(&app.execute(insert, &[]).await.1), 1213);
    app.send_ahead(insert, b"all ").await;
    app.send_ahead(insert, b"of it").await;
    assert_eq!(app.execute(insert, &[]).await.1[0], 0);
    let gone = app.execute(closed, b"\x01x").await.1;
    assert_eq!(code(&gone), 1243);
    let mut control = routed.primary.control().await;
    let written: Vec<String> = control.query("SELECT a FROM my_site.t").await.unwrap();
    assert_eq!(written, ["all of it"]);
}

#[tokio::test]
async fn a_statement_of_several_packets_is_refused_whole() {
    let Some(routed) = alone().await else {
        return;
    };
    let mut app = Raw::enter(&routed).await;
    away(&routed, true);
    let mut insert = b"INSERT INTO t VALUES ('".to_vec();
    // If its second packet were taken for a command, it would be a ping.
    insert.resize(LONG, 0x0e);
    insert.extend_from_slice(b"')");
    app.say(0x03, &insert).await;
    let (sequence, answer) = app.hear().await;
    assert_eq!((sequence, code(&answer)), (2, 1053));
    app.is_in_step().await;
    away(&routed, false);
    app.say(0x03, &insert).await;
    assert_eq!(app.hear().await.1[0], 0);
}

#[tokio::test]
async fn an_execution_of_several_packets_finds_its_statement() {
    let Some(routed) = alone().await else {
        return;
    };
    let mut app = Raw::enter(&routed).await;
    let insert = app.prepare("INSERT INTO t VALUES (?)").await;
    away(&routed, false);
    let mut value = vec![0xfe];
    value.extend_from_slice(&(LONG as u64).to_le_bytes());
    value.resize(LONG + 9, b'x');
    let (_, answer) = app.execute(insert, &value).await;
    assert_eq!(answer[0], 0, "{}", String::from_utf8_lossy(&answer));
    app.is_in_step().await;
    let mut control = routed.primary.control().await;
    let length: Option<usize> = control
        .query_first("SELECT LENGTH(a) FROM my_site.t")
        .await
        .unwrap();
    assert_eq!(length, Some(LONG));
}

#[tokio::test]
async fn what_columns_there_are_is_left_out_only_while_the_client_knows_it() {
    if flavour() == Engine::Mysql {
        return;
    }
    let Some(routed) = Routed::with_replica().await else {
        return;
    };
    let from_replica = |lag| routed.change(|plan| plan.targets[1].lag = lag);
    let mut app = Raw::enter_as(&routed, capability::CACHE_METADATA).await;
    let one = app.prepare("SELECT ? AS a").await;
    let (number, text) = ((8, 7_u64.to_le_bytes()), (0xfc, *b"\x03abc"));
    from_replica(None);
    // A driver need not have heard the number of what it has just prepared.
    let told = app.ask([0xff; 4], number.0, &number.1).await;
    let as_number = told.definition.clone();
    let row = [&[0, 0][..], &number.1].concat();
    assert!(as_number.is_some() && told.row == row, "{told:?}");
    let again = app.ask(one, number.0, &number.1).await;
    assert_eq!((again.definition, again.row), (None, row.clone()));
    from_replica(Some(0));
    let as_text = app.ask(one, text.0, &text.1).await;
    assert_eq!(as_text.row, b"\0\0\x03abc");
    assert!(as_text.definition.is_some_and(|one| Some(one) != as_number));
    assert_eq!(app.ask(one, text.0, &text.1).await.definition, None);
    // The primary has not said anything else meanwhile, and leaves it out; the client has heard of text since.
    from_replica(None);
    let back = app.ask(one, number.0, &number.1).await;
    assert_eq!((back.definition, back.row), (as_number, row));
    assert_eq!(app.ask(one, number.0, &number.1).await.definition, None);
    app.is_in_step().await;
}

#[tokio::test]
async fn what_could_not_be_prepared_is_not_executed_as_what_was_before() {
    let Some(routed) = alone().await else {
        return;
    };
    let mut app = Raw::enter(&routed).await;
    let last = [0xff; 4];
    assert_eq!(code(&app.execute(last, b"\x01x").await.1), 1243);
    let insert = app.prepare("INSERT INTO t VALUES (?)").await;
    assert_eq!(app.execute(last, b"\x01a").await.1[0], 0);
    // A driver sends both at once, and hears of the first when the second is under way.
    for (away_then, wrong) in [
        (true, "INSERT INTO t VALUES (?)"),
        (false, "INSERT INTO none VALUES (?)"),
    ] {
        away(&routed, away_then);
        app.say(0x16, wrong.as_bytes()).await;
        assert!(code(&app.hear().await.1) > 0);
        away(&routed, false);
        assert_eq!(code(&app.execute(last, b"\x01x").await.1), 1243);
    }
    assert_eq!(app.execute(insert, b"\x01b").await.1[0], 0);
    app.say(0x19, &insert).await;
    // The server's own numbers are not the client's.
    for number in 0..100_u32 {
        assert_eq!(
            code(&app.execute(number.to_le_bytes(), b"\x01x").await.1),
            1243
        );
    }
    let mut control = routed.primary.control().await;
    let written: Vec<String> = control.query("SELECT a FROM my_site.t").await.unwrap();
    assert_eq!(written, ["a", "b"]);
}
