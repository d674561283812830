//! A replica made out of a live primary, with every program that can, and with none.

use terrace_database::failover::{Answer, Command, Epoch};
use terrace_database::{Error, seed};
use terrace_site::plan::Engine;

use crate::STOP;
use crate::pair::{Half, Writers, attached, pair, pair_with, stop};
use crate::support::flavour;

#[tokio::test]
async fn a_server_with_writes_of_its_own_is_cloned_and_its_old_data_kept() {
    if let Some(pair) = pair().await {
        errant_is_cloned(pair).await;
    }
}

#[tokio::test]
async fn without_the_backup_program_a_dump_does() {
    if let Some((_place, pair)) = pair_with(&["mariadbd", "mariadb-dump", "mariadb"]).await {
        errant_is_cloned(pair).await;
    }
}

#[tokio::test]
async fn a_copy_that_becomes_the_primary_takes_the_server_that_it_was_made_of() {
    let Some((one, mut two)) = pair().await else {
        return;
    };
    one.done(Command::SemiSync(false)).await;
    clone_of(&one, &mut two).await;
    // It has logged nothing itself when it takes its first write.
    one.done(Command::Close).await;
    two.promote(2, false).await;
    two.insert(90_000_001).await;
    attached(one.attach("db-2", false).await);
    one.catch_up(two.position().await).await;
    assert_eq!(one.rows().await, two.rows().await);
    stop([one, two]).await;
}

#[tokio::test]
async fn without_any_program_the_package_is_named() {
    let Some((_place, (mut one, two))) = pair_with(&["mariadbd"]).await else {
        return;
    };
    one.instance.stop(STOP).await.unwrap();
    let copy = one.instance.clear_for_copy().unwrap();
    let (sent, received) = hand_over(&two, &one, &copy).await;
    let said = sent.unwrap_err().to_string();
    assert!(said.contains("apt-get install mariadb-backup"), "{said}");
    assert!(matches!(received, Err(Error::CutShort)), "{received:?}");
    one.instance.start_as_replica().await.unwrap();
    stop([one, two]).await;
}

/// Replaces the taker's data by a copy of the donor's.
pub(super) async fn clone_of(donor: &Half, taker: &mut Half) {
    let copy = taker.instance.clear_for_copy().unwrap();
    if flavour() == Engine::Mysql {
        let copied = taker
            .member()
            .clone_into(&donor.bench.plan.report_host, &copy)
            .await;
        copied.unwrap_or_else(|error| panic!("{error}"));
        taker.instance.stop(STOP).await.unwrap();
    } else {
        taker.instance.stop(STOP).await.unwrap();
        let (sent, received) = hand_over(donor, taker, &copy).await;
        sent.unwrap_or_else(|error| panic!("{error}"));
        received.unwrap_or_else(|error| panic!("{error}"));
    }
    let started = taker.instance.adopt_copy(Epoch(2)).await;
    started.unwrap_or_else(|error| panic!("{error}"));
}

async fn hand_over(
    from: &Half,
    to: &Half,
    copy: &std::path::Path,
) -> (Result<(), Error>, Result<(), Error>) {
    let (donor, taker) = std::os::unix::net::UnixStream::pair().unwrap();
    tokio::join!(
        seed::send_copy(&from.bench.settings, &*from.bench.processes, donor.into()),
        to.instance.receive_copy(copy, taker.into())
    )
}

async fn errant_is_cloned((mut one, mut two): (Half, Half)) {
    one.kill().await;
    let received = two.done(Command::Collect).await;
    two.done(Command::Apply(received)).await;
    two.promote(2, false).await;
    one.instance.start().await.unwrap();
    one.promote(1, false).await;
    for (half, id) in [(&one, 90_000_001), (&one, 90_000_002), (&two, 90_000_003)] {
        half.insert(id).await;
    }
    one.done(Command::Close).await;
    assert_eq!(one.attach("db-2", true).await, Answer::Diverged);

    let writers = Writers::on(&two).await;
    clone_of(&two, &mut one).await;
    attached(one.attach("db-2", true).await);
    let acknowledged = writers.acknowledged().await;
    let position = two.done(Command::SemiSync(true)).await;
    one.catch_up(position).await;
    let rows = two.rows().await;
    assert!(
        acknowledged.is_subset(&rows) && rows.contains(&90_000_003) && !rows.contains(&90_000_002)
    );
    assert_eq!(one.rows().await, rows);
    let home = &one.bench.settings.directories.home;
    assert!(home.join("data.errant-2").join("ibdata1").is_file());
    stop([one, two]).await;
}
