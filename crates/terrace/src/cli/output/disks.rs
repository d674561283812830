//! Disks that have little room or none, for bytes or for files, and where to make some.

use std::path::{Path, PathBuf};

use terrace_protocol::control::{ServerStatus, Status};
use terrace_protocol::report::{DiskReport, Level};

/// The servers whose disk has no room at all.
pub(crate) fn full(status: &Status) -> Vec<&str> {
    let full = all(status).filter(|(_, disk)| disk.worst() == Level::Full);
    full.map(|(server, _)| &*server.name).collect()
}

/// A line for each disk that is short of room: whose it is, what that means, where to make room. Of servers that share a
/// disk, as those of a rehearsal do, it is said once.
pub(crate) fn short(status: &Status) -> Vec<String> {
    let mut found: Vec<(DiskReport, Vec<&str>)> = Vec::new();
    for (server, disk) in all(status).filter(|(_, disk)| disk.worst() != Level::Fine) {
        match found.iter_mut().find(|(same, _)| *same == disk) {
            Some((_, servers)) => servers.push(&server.name),
            None => found.push((disk, vec![&server.name])),
        }
    }
    let line = |(disk, servers): (DiskReport, Vec<&str>)| {
        let room = format!("{} of {} left", bytes(disk.available), bytes(disk.size));
        let files = format!("{} of {} inodes left", disk.inodes_left, disk.inodes);
        let of_bytes = disk.level >= disk.inodes_level;
        let (meaning, left, df) = match (disk.worst(), of_bytes) {
            (Level::Full, true) => (
                "is full, and what is written there fails or waits",
                room,
                "df",
            ),
            (_, true) => (
                "is nearly full, and logs are not written any more",
                room,
                "df",
            ),
            (Level::Full, false) => ("holds as many files as it can", files, "df -i"),
            (_, false) => ("holds nearly as many files as it can", files, "df -i"),
        };
        let state = servers.first().map(|first| state(status, first));
        let state = state.unwrap_or_default();
        let (servers, state) = (servers.join(", "), state.display());
        format!("{servers}  the disk {meaning}: {left}\n  make room: {df} {state}")
    };
    found.into_iter().map(line).collect()
}

fn all(status: &Status) -> impl Iterator<Item = (&ServerStatus, DiskReport)> {
    let servers = status.servers.iter().filter(|server| server.up);
    servers.filter_map(|server| Some((server, server.report.as_ref()?.disk?)))
}

/// Where a server of this rehearsal keeps its state on the machine.
fn state(status: &Status, server: &str) -> PathBuf {
    let base = status.file.parent().unwrap_or(Path::new("."));
    let site = base.join(".terrace").join(&status.site);
    site.join("servers").join(server)
}

/// `0 MB`, `41 MB`, `7.9 GB`.
fn bytes(count: u64) -> String {
    let mb = count / 1_000_000;
    match mb {
        0..1_000 => format!("{mb} MB"),
        _ => format!("{}.{} GB", mb / 1_000, mb % 1_000 / 100),
    }
}

#[cfg(test)]
mod tests {
    use terrace_protocol::report::ServerReport;

    use super::*;

    fn status(disks: &[(&str, u64, Level)]) -> Status {
        let server = |(name, available, level): &(&str, u64, Level)| ServerStatus {
            name: (*name).to_owned(),
            up: true,
            report: Some(ServerReport {
                disk: Some(DiskReport {
                    size: 7_900_000_000,
                    available: *available,
                    level: *level,
                    ..DiskReport::default()
                }),
                ..ServerReport::default()
            }),
            ..ServerStatus::default()
        };
        Status {
            site: "www.foobar.com".into(),
            file: "/home/site.kdl".into(),
            servers: disks.iter().map(server).collect(),
            ..Status::default()
        }
    }

    #[test]
    fn a_short_disk_is_named_once_with_where_to_make_room() {
        assert_eq!(
            short(&status(&[("web-01", 4_000_000_000, Level::Fine)])),
            [""; 0]
        );
        let shared = status(&[("web-01", 0, Level::Full), ("web-02", 0, Level::Full)]);
        assert_eq!(full(&shared), ["web-01", "web-02"]);
        assert_eq!(
            short(&shared),
            [
                "web-01, web-02  the disk is full, and what is written there fails or waits: 0 MB of 7.9 GB left\n  \
              make room: df /home/.terrace/www.foobar.com/servers/web-01"
            ]
        );
        let own = status(&[
            ("web-01", 0, Level::Full),
            ("web-02", 41_000_000, Level::Low),
        ]);
        let said = short(&own);
        assert_eq!((said.len(), full(&own)), (2, vec!["web-01"]));
        assert!(
            said[1].starts_with("web-02  the disk is nearly full"),
            "{said:?}"
        );
    }

    #[test]
    fn a_disk_without_inodes_is_named_by_what_is_missing() {
        let mut crowded = status(&[("web-01", 7_000_000_000, Level::Fine)]);
        let report = crowded.servers[0].report.as_mut().unwrap();
        report.disk = Some(DiskReport {
            inodes: 65_536,
            inodes_level: Level::Full,
            ..report.disk.unwrap()
        });
        assert_eq!(full(&crowded), ["web-01"]);
        assert_eq!(
            short(&crowded),
            [
                "web-01  the disk holds as many files as it can: 0 of 65536 inodes left\n  \
              make room: df -i /home/.terrace/www.foobar.com/servers/web-01"
            ]
        );
    }
}
