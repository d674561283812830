//! Connections that never log in, at the server itself and at the router: they keep nobody out who is in, nor Terrace itself.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use terrace_database::Health;
use terrace_database::failover::{Answer, Command};
use terrace_database::router::wire::error_packet;

use super::support::Routed;

/// So many places the server has, and so many come who say nothing.
const PLACES: usize = 20;
const SILENT: usize = 3 * PLACES;
/// More than this nothing here takes.
const PATIENCE: Duration = Duration::from_secs(5);

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The first packet of a greeting, or of a refusal.
fn greeting(stream: &mut TcpStream) -> Vec<u8> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).unwrap();
    let length = u32::from_le_bytes([header[0], header[1], header[2], 0]);
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).unwrap();
    payload
}

/// Connections that say nothing, until the server has no place left.
async fn crowd(address: SocketAddr) -> Vec<TcpStream> {
    let come = tokio::task::spawn_blocking(move || {
        let mut silent: Vec<TcpStream> = (0..SILENT).map(|_| connect(address)).collect();
        let refusal = error_packet(1040, "08004", "Too many connections");
        let is_full = |payload: &[u8]| payload[0] == 0xff && payload[1..3] == refusal[1..3];
        let refused = silent.iter_mut().filter_map(|one| {
            let payload = greeting(one);
            is_full(&payload).then_some(())
        });
        assert!(refused.count() > PLACES / 2, "the server has places left");
        silent
    });
    come.await.unwrap()
}

#[tokio::test]
async fn silent_connections_at_the_server_keep_out_neither_writes_nor_the_controller() {
    let Some(mut routed) = Routed::alone().await else {
        return;
    };
    let mut app = routed.app().await;
    app.query_drop("CREATE TABLE t (a INT)").await.unwrap();
    let mut control = routed.primary.control().await;
    let timeout: Option<u32> = control
        .query_first("SELECT @@connect_timeout")
        .await
        .unwrap();
    assert_eq!(timeout, Some(5), "whoever does not log in goes soon");
    // While this goes on none of them does.
    let set = format!("SET GLOBAL max_connections={PLACES}, GLOBAL connect_timeout=60");
    control.query_drop(set).await.unwrap();
    assert_eq!(
        routed.primary.standing().await.run,
        routed.primary.instance.run().unwrap()
    );
    let port = routed.primary.bench.plan.port;
    let silent = crowd((Ipv4Addr::LOCALHOST, port).into()).await;
    for written in 1..=3_u32 {
        app.query_drop("INSERT INTO t VALUES (1)").await.unwrap();
        let count: Option<u32> = app.query_first("SELECT COUNT(*) FROM t").await.unwrap();
        assert_eq!(count, Some(written));
        let health = routed.primary.instance.probe().await;
        assert!(
            matches!(health, Health::Answers { writes: true, .. }),
            "{health}"
        );
        // More at a time than there are connections kept.
        let member = routed.primary.member();
        let run = routed.primary.instance.run().unwrap();
        let asked: Vec<_> = (0..8)
            .map(|_| {
                let (member, run) = (routed.primary.member(), run.clone());
                tokio::spawn(async move { member.standing(&run).await.map(|one| one.writable) })
            })
            .collect();
        for one in asked {
            assert!(one.await.unwrap().unwrap());
        }
        let answer = member.obey(&Command::SemiSync(false), &run).await;
        assert!(matches!(answer, Answer::At { .. }), "{answer:?}");
    }
    // A node that is started again finds its server, and it is the same.
    let mut again = routed.primary.bench.prepare().await.unwrap();
    again.leave_closed();
    tokio::time::timeout(PATIENCE, again.attach())
        .await
        .unwrap()
        .unwrap();
    assert!(again.probe().await.answers());
    // A newcomer waits for its place: as soon as the silent ones have gone, it is in.
    let late = tokio::spawn(Conn::new(routed.options()));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(
        !late.is_finished(),
        "there was a place, or it was not waited for"
    );
    drop(silent);
    let late = tokio::time::timeout(PATIENCE, late).await;
    late.unwrap()
        .unwrap()
        .unwrap()
        .query_drop("DO 1")
        .await
        .unwrap();
}

/// Ends the router's own connection to the primary, over which it asks how far that is: it is in no database.
async fn end_the_routers_own(control: &mut Conn) {
    let own = "SELECT ID FROM information_schema.PROCESSLIST WHERE USER='app' AND DB IS NULL";
    loop {
        let ids: Vec<u64> = control.query(own).await.unwrap();
        if ids.is_empty() {
            return;
        }
        for id in ids {
            // It may have ended just now.
            let _ = control.query_drop(format!("KILL {id}")).await;
        }
    }
}

#[tokio::test]
async fn a_primary_without_a_place_for_the_router_itself_keeps_its_sessions() {
    let Some(routed) = Routed::with_replica().await else {
        return;
    };
    let mut app = routed.app().await;
    app.query_drop("CREATE TABLE t (a INT)").await.unwrap();
    app.query_drop("INSERT INTO t VALUES (1)").await.unwrap();
    let count = "SELECT COUNT(*) FROM t";
    assert_eq!(app.query_first(count).await.unwrap(), Some(1));
    let mut control = routed.primary.control().await;
    let set = format!("SET GLOBAL max_connections={PLACES}, GLOBAL connect_timeout=60");
    control.query_drop(set).await.unwrap();
    let address = (Ipv4Addr::LOCALHOST, routed.primary.bench.plan.port).into();
    let mut silent = crowd(address).await;
    end_the_routers_own(&mut control).await;
    silent.extend(crowd(address).await);
    for written in 2..=3 {
        // The question how far the primary is meets no place.
        let read = tokio::time::timeout(PATIENCE, app.query_first(count)).await;
        assert_eq!(read.unwrap().unwrap(), Some(written - 1));
        let write = app.query_drop("INSERT INTO t VALUES (1)");
        let write = tokio::time::timeout(Duration::from_secs(2), write).await;
        assert!(write.is_ok(), "its connection to the primary was given up");
        write.unwrap().unwrap();
    }
    drop(silent);
}

/// The connection was closed by the other side.
fn is_closed(stream: &mut TcpStream) -> bool {
    let mut rest = [0; 64];
    loop {
        match stream.read(&mut rest) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == ErrorKind::ConnectionReset,
        }
    }
}

#[tokio::test]
async fn silent_clients_of_the_router_go_when_others_come() {
    let Some(routed) = Routed::alone().await else {
        return;
    };
    let mut app = routed.app().await;
    let address = routed.address;
    let come = tokio::task::spawn_blocking(move || {
        let mut silent: Vec<TcpStream> = (0..600).map(|_| connect(address)).collect();
        silent
            .iter_mut()
            .for_each(|one| assert_eq!(greeting(one)[0], 10));
        let oldest = silent.iter_mut().take(50).all(is_closed);
        let newest = silent.last_mut().unwrap();
        newest.set_nonblocking(true).unwrap();
        let stays =
            matches!(newest.read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
        (silent, oldest, stays)
    });
    let (_silent, oldest, stays) = come.await.unwrap();
    assert!(
        oldest && stays,
        "the oldest has gone: {oldest}, the newest stays: {stays}"
    );
    app.query_drop("DO 1").await.unwrap();
    routed.app().await.query_drop("DO 1").await.unwrap();
}

/// What this process has in memory.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
    kilobytes.unwrap().parse::<usize>().unwrap() << 10
}

#[tokio::test]
async fn what_is_claimed_before_a_login_is_not_kept() {
    let Some(routed) = Routed::alone().await else {
        return;
    };
    let address = routed.address;
    let before = resident();
    let claim = tokio::task::spawn_blocking(move || {
        let mut clients: Vec<TcpStream> = (0..200).map(|_| connect(address)).collect();
        let part = vec![1; 1 << 20];
        clients.iter_mut().for_each(|one| {
            one.set_write_timeout(Some(PATIENCE)).unwrap();
            greeting(one);
            // 16 MB are claimed; the first of them is sent, as far as it is taken.
            let _ = one
                .write_all(&[0xff, 0xff, 0xff, 1])
                .and_then(|()| one.write_all(&part));
        });
        let grown = resident().saturating_sub(before);
        (clients.iter_mut().all(is_closed), grown)
    });
    let (closed, grown) = claim.await.unwrap();
    assert!(
        closed,
        "whoever claims 16 MB before it has logged in is closed"
    );
    assert!(grown < 64 << 20, "the router has taken {} MB", grown >> 20);
    routed.app().await.query_drop("DO 1").await.unwrap();
}
