//! A replica that is locked out at its primary, and its way back.

use std::collections::BTreeMap;

use terrace_database::failover::{Answer, Command};
use terrace_database::replication::Member;

use super::cloning::clone_of;
use crate::pair::{attached, pair, stop};
use crate::support::flavour;

#[tokio::test]
async fn a_replica_that_is_linked_while_it_is_locked_out_follows_once_it_is_let_in() {
    let Some((one, two)) = pair().await else {
        return;
    };
    one.done(Command::SemiSync(false)).await;
    one.done(Command::Bar("db-2".into())).await;
    let begun = std::time::Instant::now();
    for acks in [true, false] {
        attached(two.attach("db-1", acks).await);
    }
    let took = begun.elapsed();
    assert!(took.as_secs() < 3, "it waited for a link: {took:?}");
    let link = two.standing().await.link.unwrap();
    assert!(!link.running && !link.diverged, "{link:?}");
    one.done(Command::Admit("db-2".into())).await;
    one.until(|one| one.replicas.contains("db-2")).await;
    two.until(|two| two.link.as_ref().is_some_and(|link| link.running))
        .await;
    stop([one, two]).await;
}

#[tokio::test]
async fn a_former_primary_that_is_locked_out_comes_back_by_way_of_a_copy() {
    let Some((mut one, mut two)) = pair().await else {
        return;
    };
    one.kill().await;
    let received = two.done(Command::Collect).await;
    two.done(Command::Apply(received)).await;
    // As a failover does it: the old primary is locked out before the new one opens.
    two.done(Command::Bar("db-1".into())).await;
    two.promote(2, false).await;
    one.instance.start().await.unwrap();
    one.promote(1, false).await;
    one.insert(1).await;
    two.insert(2).await;
    one.done(Command::Close).await;
    // It is told before it is let in.
    assert_eq!(one.attach("db-2", false).await, Answer::Diverged);
    clone_of(&two, &mut one).await;
    attached(one.attach("db-2", false).await);
    two.done(Command::Admit("db-1".into())).await;
    one.until(|one| one.link.as_ref().is_some_and(|link| link.running))
        .await;
    let position = two.standing().await.position;
    one.done(Command::Apply(position)).await;
    assert_eq!(one.rows().await, two.rows().await);
    stop([one, two]).await;
}

#[tokio::test]
async fn a_server_that_the_file_no_longer_names_can_still_be_locked_out() {
    let Some((one, two)) = pair().await else {
        return;
    };
    one.until(|one| one.replicas.contains("db-2")).await;
    let member = Member::new(
        flavour(),
        one.instance.door(),
        1,
        BTreeMap::new(),
        one.passwords(),
    );
    let run = one.instance.run().unwrap();
    attached(member.obey(&Command::Bar("db-2".into()), &run).await);
    two.until(|two| !two.link.as_ref().unwrap().running).await;
    attached(two.attach("db-1", true).await);
    assert!(!two.standing().await.link.unwrap().running);
    one.done(Command::SemiSync(false)).await;
    stop([one, two]).await;
}
