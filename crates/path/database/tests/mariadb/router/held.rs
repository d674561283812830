//! What is held for a client ends with it: whatever it asked for, and however it leaves.

use std::net::{Shutdown, TcpStream as Socket};
use std::time::Duration;

use mysql_async::prelude::Queryable;
use terrace_database::router::wire::WHOLE;
use terrace_database::router::wire::bytes::put_packets;
use tokio::time::sleep;

use super::raw::Raw;
use super::support::Routed;

/// How a client leaves.
#[derive(Clone, Copy, Debug)]
enum Leaves {
    /// It closes its connection.
    Closes,
    /// Its connection is reset.
    Resets,
    /// It says that it will say no more, and still listens.
    Half,
}

/// Who still listens comes last: it hears of its end when the router has heard of the others'.
const ALL: [Leaves; 3] = [Leaves::Closes, Leaves::Resets, Leaves::Half];

/// A client, and a second hand on its connection.
struct Client {
    raw: Raw,
    socket: Socket,
}

impl Client {
    async fn enter(routed: &Routed) -> Self {
        let (raw, socket) = Raw::enter_beside(routed).await;
        Self { raw, socket }
    }

    /// Says all of this at once.
    async fn say(&mut self, commands: &[Vec<u8>]) {
        let mut bytes = Vec::new();
        for command in commands {
            put_packets(&mut bytes, 0, command);
        }
        if commands[0].starts_with(b"\x03LOAD") {
            // The file, which is not waited for to be asked for.
            put_packets(&mut bytes, 2, b"1\n2\n");
            put_packets(&mut bytes, 3, b"");
        }
        self.raw.0.send(&bytes).await.unwrap();
    }

    /// Leaves; what is kept of it is kept until the end.
    fn leaves(self, how: Leaves) -> Option<Self> {
        match how {
            Leaves::Closes => None,
            Leaves::Half => {
                self.socket.shutdown(Shutdown::Write).unwrap();
                Some(self)
            }
            Leaves::Resets => {
                let now = Some(Duration::ZERO);
                rustix::net::sockopt::set_socket_linger(&self.socket, now).unwrap();
                None
            }
        }
    }
}

fn query(sql: &str) -> Vec<u8> {
    [b"\x03", sql.as_bytes()].concat()
}

fn insert(row: u32) -> Vec<u8> {
    query(&format!("INSERT INTO t (a) VALUES ({row})"))
}

/// What is asked, in as many commands as are sent at once.
async fn cases(client: &mut Client, case: usize, row: u32) -> Option<Vec<Vec<u8>>> {
    Some(match case {
        0 => vec![insert(row)],
        1 => vec![query(&format!(
            "SELECT 1; INSERT INTO t (a) VALUES ({row})"
        ))],
        2 => {
            let sql = format!("INSERT INTO t (a, b) VALUES ({row}, ?)");
            let id = client.raw.prepare(&sql).await;
            vec![[&[0x17][..], &id, &[0, 1, 0, 0, 0, 0, 1, 0xfc, 0], b"\x01x"].concat()]
        }
        // Each of them waits for the one before.
        3 => vec![query("DO 1"), insert(row)],
        4 => {
            client.raw.say(0x03, b"SET autocommit=0").await;
            client.raw.hear().await;
            vec![insert(row), query("COMMIT")]
        }
        5 => vec![b"\x02my_site".to_vec(), insert(row)],
        // In two packets.
        6 => {
            let long = "x".repeat(WHOLE);
            vec![query(&format!(
                "INSERT INTO t (a, b) VALUES ({row}, '{long}')"
            ))]
        }
        7 => vec![query("START TRANSACTION"), insert(row), query("COMMIT")],
        8 => {
            let load = format!("LOAD DATA LOCAL INFILE 'x' INTO TABLE t (@a) SET a = {row}");
            vec![query(&load)]
        }
        9 => vec![query(&format!("CREATE TABLE made_{row} (a INT)"))],
        _ => return None,
    })
}

async fn opened(routed: &Routed) {
    let mut control = routed.primary.control().await;
    for statement in [
        "SET GLOBAL max_allowed_packet=67108864",
        "SET GLOBAL local_infile=1",
        "CREATE TABLE my_site.t (a INT, b LONGBLOB)",
    ] {
        control.query_drop(statement).await.unwrap();
    }
}

/// The rows and tables that were made, a moment after somebody has written who waited as long.
async fn made(routed: &Routed) -> Vec<String> {
    let mut app = routed.app().await;
    app.query_drop("INSERT INTO t (a) VALUES (0)")
        .await
        .unwrap();
    sleep(Duration::from_millis(200)).await;
    let mut control = routed.primary.control().await;
    let question = "SELECT CAST(a AS CHAR) FROM my_site.t WHERE a <> 0 UNION ALL \
                    SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_NAME LIKE 'made%'";
    control.query(question).await.unwrap()
}

#[tokio::test]
async fn what_is_held_for_a_client_that_leaves_is_never_carried_out() {
    let Some(routed) = Routed::alone().await else {
        return;
    };
    opened(&routed).await;
    let mut waiting = Vec::new();
    for (number, how) in ALL.into_iter().enumerate() {
        for case in 0.. {
            let row = u32::try_from(100 * (number + 1) + case).unwrap();
            let mut client = Client::enter(&routed).await;
            let Some(commands) = cases(&mut client, case, row).await else {
                break;
            };
            waiting.push((how, client, commands));
        }
    }
    // Some have a connection that is of no use any more, too.
    routed.change(|plan| (plan.hold, plan.epoch) = (true, 2));
    let mut kept = Vec::new();
    for (how, mut client, commands) in waiting {
        client.say(&commands).await;
        kept.extend(client.leaves(how));
    }
    // Whoever only listens on hears that nothing comes.
    for client in &mut kept {
        let said = client.raw.0.take_packet().await;
        assert!(said.is_err(), "{said:?}");
    }
    routed.change(|plan| plan.hold = false);
    assert_eq!(made(&routed).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_write_that_was_refused_and_waits_ends_with_its_client() {
    let Some(mut routed) = Routed::alone().await else {
        return;
    };
    opened(&routed).await;
    routed.change(|plan| plan.controller = Some("lb-01".into()));
    let mut clients = Vec::new();
    for how in ALL {
        clients.push((how, Client::enter(&routed).await));
    }
    routed.close().await;
    let mut kept = Vec::new();
    for (row, (how, mut client)) in (1..).zip(clients) {
        client.say(&[insert(row)]).await;
        kept.extend(client.leaves(how));
    }
    for client in &mut kept {
        assert!(client.raw.0.take_packet().await.is_err());
    }
    routed.primary.promote(1, false).await;
    assert_eq!(made(&routed).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_login_that_is_held_ends_with_its_client_and_so_does_what_it_sent_ahead() {
    let Some(routed) = Routed::alone().await else {
        return;
    };
    opened(&routed).await;
    routed.change(|plan| plan.hold = true);
    let mut kept = Vec::new();
    for (row, how) in (1..).zip(ALL) {
        let (raw, socket) = Raw::enter_with(&routed, &insert(row)).await;
        kept.extend(Client { raw, socket }.leaves(how));
    }
    for client in &mut kept {
        // That the password is right may have been said before.
        while let Ok((_, said)) = client.raw.0.take_packet().await {
            assert_eq!(said, [1, 3]);
        }
    }
    routed.change(|plan| plan.hold = false);
    assert_eq!(made(&routed).await, Vec::<String>::new());
}
