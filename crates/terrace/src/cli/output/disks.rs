//! Disks that have little room or none, and where to make some.

use std::path::{Path, PathBuf};

use terrace_protocol::control::{ServerStatus, Status};
use terrace_protocol::report::{DiskReport, Level};

/// The servers whose disk has no room at all.
pub(crate) fn full(status: &Status) -> Vec<&str> {
    let full = all(status).filter(|(_, disk)| disk.level == Level::Full);
    full.map(|(server, _)| &*server.name).collect()
}

/// A line for each disk that is short of room: whose it is, what that means, where to make room. Of servers that share a
/// disk, as those of a rehearsal do, it is said once.
pub(crate) fn short(status: &Status) -> Vec<String> {
    let mut found: Vec<(DiskReport, Vec<&str>)> = Vec::new();
    for (server, disk) in all(status).filter(|(_, disk)| disk.level != Level::Fine) {
        match found.iter_mut().find(|(same, _)| *same == disk) {
            Some((_, servers)) => servers.push(&server.name),
            None => found.push((disk, vec![&server.name])),
        }
    }
    let line = |(disk, servers): (DiskReport, Vec<&str>)| {
        let meaning = match disk.level {
            Level::Full => "is full, and what is written there fails or waits",
            Level::Fine | Level::Low => "is nearly full, and logs are not written any more",
        };
        let state = servers.first().map(|first| state(status, first));
        format!(
            "{}  the disk {meaning}: {} of {} left\n  make room: df {}",
            servers.join(", "),
            bytes(disk.available),
            bytes(disk.size),
            state.unwrap_or_default().display()
        )
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
}
