//! The access log: begun anew when it has become long, and handed to whoever writes it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use terrace_service::log::{begin_anew, open};
use tokio::sync::watch;

/// One that is longer is begun anew. Who writes it stops at twice that, should no new one come.
const LONGEST: u64 = 16 << 20;
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// The file that is written now; `None`: it cannot be opened.
pub(crate) type Current = Option<Arc<File>>;

/// Looks after the log for ever. What is done on the disk is done beside the node, which does not wait for it.
pub(crate) async fn look_after(path: PathBuf, current: watch::Sender<Current>) {
    let mut told = None;
    loop {
        let (path, file) = (path.clone(), current.borrow().clone());
        let looked = tokio::task::spawn_blocking(move || next(&path, file.as_deref())).await;
        match looked {
            Ok(Ok(None)) => told = None,
            Ok(Ok(Some(file))) => drop(current.send_replace(Some(Arc::new(file)))),
            Ok(Err(error)) => {
                let kind = Some(error.kind());
                if told != kind {
                    tracing::warn!(%error, "the access log cannot be opened");
                    told = kind;
                }
            }
            Err(error) => tracing::error!(%error, "the access log is not looked after"),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The file to go on with; `None`: the one that is open.
fn next(path: &Path, open_now: Option<&File>) -> io::Result<Option<File>> {
    let Some(file) = open_now else {
        return open(path).map(Some);
    };
    let (there, ours) = (fs::metadata(path), file.metadata()?);
    let is_ours = there.is_ok_and(|there| there.ino() == ours.ino() && there.dev() == ours.dev());
    match is_ours {
        false => open(path).map(Some),
        true if ours.len() >= LONGEST => begin_anew(path).map(Some),
        true => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_and_one_that_was_removed_are_begun_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.log");
        let first = next(&path, None).unwrap().unwrap();
        assert!(next(&path, Some(&first)).unwrap().is_none());
        first.set_len(LONGEST).unwrap();
        let second = next(&path, Some(&first)).unwrap().unwrap();
        assert_eq!(second.metadata().unwrap().len(), 0);
        assert_eq!(
            fs::metadata(path.with_extension("log.1")).unwrap().len(),
            LONGEST
        );
        fs::remove_file(&path).unwrap();
        assert!(next(&path, Some(&second)).unwrap().is_some() && path.exists());
    }
}
