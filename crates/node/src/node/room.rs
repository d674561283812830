//! Whether the disk has room: looked at beside the node, which does not wait for a disk that does not answer.

use std::path::PathBuf;
use std::time::Duration;

use terrace_protocol::report::DiskReport;
use terrace_service::disk;
use tokio::sync::watch;

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Looks for ever. Who waits for room hears when there is more or less of it, not of every byte.
pub(super) async fn watch(state: PathBuf, room: watch::Sender<DiskReport>) {
    let levels = |disk: &DiskReport| (disk.level, disk.inodes_level);
    let mut told = None;
    loop {
        let state = state.clone();
        match tokio::task::spawn_blocking(move || disk::of(&state)).await {
            Ok(Ok(disk)) => {
                told = None;
                room.send_if_modified(|before| {
                    levels(&std::mem::replace(before, disk)) != levels(&disk)
                });
            }
            Ok(Err(error)) => {
                let kind = Some(error.kind());
                if told != kind {
                    tracing::warn!(%error, "the disk does not say how much room it has");
                    told = kind;
                }
            }
            Err(error) => tracing::error!(%error, "the disk is not looked at"),
        }
        tokio::time::sleep(LOOK).await;
    }
}
