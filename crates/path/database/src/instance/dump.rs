//! A copy of a live server as a dump: for machines where `mariadb-backup` is missing, slower and larger.
//!
//! The dump is kept as a file until it is whole, and loaded into an empty server that logs nothing of it.
//! The server is started again afterwards: the accounts came with the dump, and Terrace's own account is
//! made valid by every start. When it cannot be loaded, the old data takes its place again.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use super::error::Error;
use super::files;
use super::home;
use super::life::{Instance, Settings, Started};
use super::processes::Processes;
use super::seed::{self, Way};
use super::template;
use crate::failover::Epoch;

/// The program that dumps, and its package.
pub(super) const DUMP: &str = "mariadb-dump";

/// The program that loads.
const CLIENT: &str = "mariadb";

/// What arrives, in the directory that is cleared for a copy.
const FILE: &str = "copy.sql";

/// The last line of a dump that is whole.
const END: &str = "-- Dump completed";

/// As much as that line takes.
const TAIL: u64 = 256;

/// A server that has just loaded a dump writes much before it ends.
const STOP_WITHIN: Duration = Duration::from_secs(60);

/// Writes a dump of the whole server into the socket, as of one moment. Its position is in it, and is taken up
/// when it is loaded.
pub(super) async fn send(
    settings: &Settings,
    processes: &dyn Processes,
    socket: OwnedFd,
) -> Result<(), Error> {
    let arguments = [
        "--all-databases",
        "--single-transaction",
        "--gtid",
        "--master-data=1",
        "--routines",
        "--events",
        "--hex-blob",
        "--default-character-set=utf8mb4",
    ];
    let arguments = arguments.map(str::to_owned).to_vec();
    let way = Some((socket, Way::Out));
    seed::run_logged_in(
        settings,
        processes,
        "dump the live database",
        DUMP,
        arguments,
        way,
    )
    .await
}

/// What was received into this directory is a dump.
pub(super) fn is_in(copy: &Path) -> bool {
    copy.join(FILE).is_file()
}

impl Instance {
    /// Keeps a dump until it is whole, as the database's own user.
    pub(super) async fn receive_dump(&self, target: &Path, socket: OwnedFd) -> Result<(), Error> {
        let path = target.join(FILE);
        let arguments = ["-c", "exec cat >\"$0\""].map(str::to_owned).into_iter();
        let arguments = arguments.chain([path.to_string_lossy().into_owned()]);
        let doing = "keep the dump";
        let way = Some((socket, Way::In));
        let (settings, processes) = (&self.settings, &*self.processes);
        let shell = Path::new("/bin/sh");
        seed::run(settings, processes, doing, shell, arguments.collect(), way).await?;
        check_whole(&path)
    }

    /// Loads the dump into an empty server that takes the place of this one.
    pub(super) async fn adopt_dump(&mut self, epoch: Epoch) -> Result<Started, Error> {
        let directories = self.settings.directories.clone();
        let (arrived, dump) = (
            directories.unborn().join(FILE),
            directories.temporary().join(FILE),
        );
        check_whole(&arrived)?;
        fs::rename(&arrived, &dump).map_err(Error::io("move", &arrived))?;
        let unborn = home::clear(&directories)?;
        let Settings { id, user, .. } = &self.settings;
        let templates = &directories.templates;
        template::lay(&*self.processes, id, &self.found, templates, &unborn, *user).await?;
        let kept = self.replace_data(epoch)?;
        let loaded = self.load(&dump).await;
        files::remove(&dump).map_err(Error::io("remove", &dump))?;
        if loaded.is_err() {
            self.stop(STOP_WITHIN).await?;
            self.take_back(&kept)?;
        }
        loaded
    }

    async fn load(&mut self, dump: &Path) -> Result<Started, Error> {
        self.start_as_replica().await?;
        let file = File::open(dump).map_err(Error::io("open", dump))?;
        let arguments = vec!["--init-command=SET SESSION sql_log_bin=0".to_owned()];
        let way = Some((file.into(), Way::In));
        let (settings, processes) = (&self.settings, &*self.processes);
        seed::run_logged_in(settings, processes, "load the dump", CLIENT, arguments, way).await?;
        self.stop(STOP_WITHIN).await?;
        let started = self.start_as_replica().await?;
        // Its position came with the dump, and with it a link that leads nowhere.
        let forget = ["RESET SLAVE ALL".to_owned()];
        self.control
            .carry_out("forget the dump's link", forget)
            .await?;
        Ok(started)
    }
}

/// Whether its last line is there.
fn check_whole(path: &Path) -> Result<(), Error> {
    let tail = || -> io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        Ok(String::from_utf8_lossy(&tail).into_owned())
    };
    let tail = tail().map_err(Error::io("read", path))?;
    match tail.contains(END) {
        true => Ok(()),
        false => Err(Error::CutShort),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_that_is_cut_short_is_none() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join(FILE);
        let rows = "INSERT INTO `entries` VALUES (1);\n".repeat(100);
        let whole = format!("{rows}{END} on 2026-01-01  0:00:00\n");
        fs::write(&path, &whole).unwrap();
        check_whole(&path).unwrap();
        for cut in [whole.len() - 40, rows.len(), 0] {
            fs::write(&path, &whole[..cut]).unwrap();
            let cut_short = check_whole(&path);
            assert!(matches!(cut_short, Err(Error::CutShort)), "{cut}");
        }
    }
}
