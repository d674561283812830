//! A replica that was killed while it wrote down what it receives from where.

use std::fs;

use terrace_site::plan::Engine;

use crate::pair::{attached, pair, stop};
use crate::support::flavour;

#[tokio::test]
async fn a_replica_whose_link_is_torn_is_linked_anew_and_misses_nothing() {
    if flavour() == Engine::Mysql {
        eprintln!("skipped: MySQL keeps its link in a table");
        return;
    }
    let Some((one, mut two)) = pair().await else {
        return;
    };
    let data = two.bench.settings.directories.data();
    let torn = [
        ("master.info", "33\n"),
        ("relay-log.info", "5\n./relay.0"),
        ("relay.index", "./relay.999999\n"),
    ];
    for (id, (file, text)) in (0..).zip(torn) {
        two.kill().await;
        let path = data.join(file);
        assert!(path.exists(), "{}", path.display());
        fs::write(&path, text).unwrap();
        // Its node starts it, and the primary goes on meanwhile or waits for it.
        two.instance.start().await.unwrap();
        attached(two.attach("db-1", true).await);
        one.insert(id).await;
        two.catch_up(one.position().await).await;
        assert_eq!(two.rows().await, one.rows().await, "{file}");
    }
    stop([one, two]).await;
}
