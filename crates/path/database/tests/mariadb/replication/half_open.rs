//! A replica whose server lost its power, and which is back: its primary still sends over the connection of before, for
//! nothing has ended that.

use std::net::Ipv4Addr;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use terrace_database::failover::{Answer, Command};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::pair::{Half, attached, pair, stop};

/// A replica that is back follows within this.
const FOLLOWS: Duration = Duration::from_secs(15);
/// A write that waits for a replica which is there takes no longer.
const WRITES: Duration = Duration::from_secs(2);
/// More than the kernel keeps of what nobody takes, in writes of 1 MB.
const MUCH: usize = 16;

/// The network between a replica and its primary.
struct Cable {
    port: u16,
    lost: watch::Sender<()>,
    accepting: JoinHandle<()>,
}

impl Cable {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let lost = watch::Sender::new(());
        let losses = lost.clone();
        let accepting = tokio::spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let mut lost = losses.subscribe();
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else {
                        return;
                    };
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        // Both ends stay open, and nothing is taken from either.
                        _ = lost.changed() => std::future::pending().await,
                    }
                });
            }
        });
        Self {
            port: own,
            lost,
            accepting,
        }
    }

    /// Whoever is connected hears nothing any more, not even that the other one has gone. Who connects later is served.
    fn lose(&self) {
        self.lost.send_replace(());
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A primary and its replica with a cable between them.
async fn wired() -> Option<(Half, Half, Cable)> {
    let (one, mut two) = pair().await?;
    let cable = Cable::to(one.bench.plan.port).await;
    two.dials("db-1", cable.port);
    attached(two.attach("db-1", true).await);
    one.insert(1).await;
    Some((one, two, cable))
}

/// The replica loses its power, and the primary goes on alone.
async fn power_off(one: &Half, two: &mut Half, cable: &Cable) {
    cable.lose();
    two.kill().await;
    one.done(Command::SemiSync(false)).await;
}

/// It has power again: started, attached as its controller does it, and waited for. How long that took.
async fn power_on(one: &Half, two: &mut Half) -> Duration {
    two.instance.start().await.unwrap();
    let begun = Instant::now();
    let everything = one.position().await;
    while !matches!(two.attach("db-1", true).await, Answer::At { .. }) {
        assert!(begun.elapsed() < FOLLOWS, "it is not attached");
        sleep(Duration::from_millis(100)).await;
    }
    while !two.position().await.holds(&everything) {
        let says = two.standing().await;
        assert!(begun.elapsed() < FOLLOWS, "it receives nothing: {says:?}");
        sleep(Duration::from_millis(50)).await;
    }
    begun.elapsed()
}

/// Writes wait for it again, and it is there.
async fn waits_in_vain_for_nobody(one: &Half, two: &Half) {
    one.done(Command::SemiSync(true)).await;
    for id in 2..5 {
        let written = timeout(WRITES, one.insert(id)).await;
        assert!(written.is_ok(), "write {id} waits for the replica");
    }
    two.catch_up(one.position().await).await;
    assert_eq!(two.rows().await, one.rows().await);
}

#[tokio::test]
async fn nobody_waits_for_a_replica_that_was_without_power_while_nothing_was_written() {
    let Some((one, mut two, cable)) = wired().await else {
        return;
    };
    power_off(&one, &mut two, &cable).await;
    power_on(&one, &mut two).await;
    waits_in_vain_for_nobody(&one, &two).await;
    stop([one, two]).await;
}

#[tokio::test]
async fn a_replica_that_was_without_power_while_much_was_written_follows_soon() {
    let Some((one, mut two, cable)) = wired().await else {
        return;
    };
    let mut app = one.bench.app().await.unwrap();
    let table = "CREATE TABLE much (text LONGTEXT)";
    app.query_drop(table).await.unwrap();
    power_off(&one, &mut two, &cable).await;
    for _ in 0..MUCH {
        let write = "INSERT INTO much VALUES (REPEAT('x', 1000000))";
        app.query_drop(write).await.unwrap();
    }
    let took = power_on(&one, &mut two).await;
    eprintln!("it follows again after {took:?}");
    waits_in_vain_for_nobody(&one, &two).await;
    stop([one, two]).await;
}
