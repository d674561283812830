//! A replica, and a primary, on a disk with an end.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mysql_async::prelude::Queryable;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use terrace_database::failover::{Answer, Command};
use terrace_database::replication::Error;

use super::cloning::clone_of;
use crate::pair::{Writers, attached, pair_on, stop, written};
use crate::support::Bench;

/// As large as a small server's own files and some rows.
const SIZE: &std::ffi::CStr = c"size=192m";

/// More than fits into what is left.
const PAGES: u64 = 8;

/// A directory that is a disk of its own, for as long as the test runs.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root can mount a small disk");
            return None;
        }
        fs::create_dir_all(at).unwrap();
        if let Err(error) = mount("terrace-test", at, "tmpfs", MountFlags::empty(), Some(SIZE)) {
            eprintln!("skipped: a small disk cannot be mounted here: {error}");
            return None;
        }
        Some(Self(at.to_owned()))
    }

    /// Writes a file until nothing more fits.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("ballast");
        let mut file = File::create(&path).unwrap();
        for length in [1 << 20, 1 << 12] {
            while file.write_all(&vec![0; length]).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        unmount(&self.0, UnmountFlags::DETACH).unwrap();
    }
}

#[tokio::test]
async fn a_replica_whose_disk_is_full_says_so_and_goes_on_where_there_is_room() {
    let (Some(first), Some(second)) = (Bench::warm().await, Bench::warm().await) else {
        return;
    };
    let Some(disk) = SmallDisk::mount(&second.settings.directories.home) else {
        return;
    };
    let (one, mut two) = pair_on(first, second).await;
    one.done(Command::SemiSync(false)).await;
    let ballast = disk.fill();
    let mut app = one.bench.app().await.unwrap();
    app.query_drop("CREATE TABLE pages (page LONGBLOB)")
        .await
        .unwrap();
    for _ in 0..PAGES {
        app.query_drop("INSERT INTO pages VALUES (REPEAT('x', 1000000))")
            .await
            .unwrap();
    }
    let run = two.instance.run().unwrap();
    let member = two.member();
    let said = loop {
        match member.standing(&run).await {
            Err(error) => break error.to_string(),
            Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    assert!(said.contains("disk is full: make room"), "{said}");

    // Left alone it goes on within a minute, which is the server's own pause; started again, at once.
    two.kill().await;
    fs::remove_file(ballast).unwrap();
    let position = one.standing().await.position;
    two.instance.start_as_replica().await.unwrap();
    attached(two.attach("db-1", true).await);
    two.done(Command::Apply(position)).await;
    let mut app = two.bench.app().await.unwrap();
    let pages: Option<u64> = app.query_first("SELECT COUNT(*) FROM pages").await.unwrap();
    assert_eq!(pages, Some(PAGES));
    drop(app);
    stop([one, two]).await;
}

#[tokio::test]
async fn a_primary_whose_disk_is_full_says_so_and_is_replaced_with_all_that_was_acknowledged() {
    let (Some(first), Some(second)) = (Bench::warm().await, Bench::warm().await) else {
        return;
    };
    let Some(disk) = SmallDisk::mount(&first.settings.directories.home) else {
        return;
    };
    let (mut one, mut two) = pair_on(first, second).await;
    one.until(|one| one.semi_sync && one.replicas.contains("db-2"))
        .await;
    let writers = Writers::on(&one).await;
    written(&two, 50).await;
    let ballast = disk.fill();
    let run = one.instance.run().unwrap();
    let said = loop {
        match one.member().standing(&run).await {
            Err(error) => break error,
            Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    assert!(matches!(said, Error::DiskFull(_)), "{said}");
    // What hangs is killed; then nothing more is acknowledged, and the replica has all that was.
    one.kill().await;
    let acknowledged = writers.acknowledged().await;
    let received = two.done(Command::Collect).await;
    two.done(Command::Apply(received)).await;
    two.promote(2, false).await;
    let rows = two.rows().await;
    assert!(acknowledged.len() >= 50 && acknowledged.is_subset(&rows));

    fs::remove_file(ballast).unwrap();
    one.instance.demoted().unwrap();
    one.instance.start_as_replica().await.unwrap();
    if one.attach("db-2", true).await == Answer::Diverged {
        // MySQL rolls nothing back: what nobody acknowledged is there again.
        clone_of(&two, &mut one).await;
    }
    attached(one.attach("db-2", true).await);
    let position = two.standing().await.position;
    one.done(Command::Apply(position)).await;
    assert_eq!(one.rows().await, rows);
    stop([one, two]).await;
}
