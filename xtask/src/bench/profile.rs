//! Where the processor's time goes on a server: which of its processes used how much, and how much of that in the kernel.

use std::collections::BTreeMap;
use std::io;

use crate::rehearsal::{Rehearsal, said};

/// The processes of a server that a statement passes, each by how its command line begins, without
/// the program's directory.
const PROCESSES: [(&str, &str); 3] = [
    ("ours", "terrace internal role router"),
    ("HAProxy", "haproxy"),
    ("database", "mariadbd"),
];

/// A line per process: its command line, and what /proc/PID/stat says.
const LIST: &str = r#"for one in /proc/[0-9]*; do echo "$(tr '\0' ' ' <$one/cmdline 2>/dev/null)|$(cat $one/stat 2>/dev/null)"; done"#;

/// CPU time in µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Time {
    pub(crate) user: u64,
    pub(crate) system: u64,
}

impl Time {
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
        }
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            user: self.user + other.user,
            system: self.system + other.system,
        }
    }
}

/// What each of [`PROCESSES`] has used so far.
pub(crate) type Times = BTreeMap<&'static str, Time>;

/// Looks at a server.
///
/// # Errors
/// When it cannot be asked.
pub(crate) fn times(rehearsal: &Rehearsal, server: &str) -> io::Result<Times> {
    let listed = said(rehearsal.on(server, &["sh", "-c", LIST]).output()?)?;
    Ok(read(&listed))
}

fn without_directory(command: &str) -> &str {
    let program = command.find(' ').unwrap_or(command.len());
    let name = command[..program].rfind('/').map_or(0, |slash| slash + 1);
    &command[name..]
}

fn read(listed: &str) -> Times {
    let mut times = Times::new();
    for line in listed.lines() {
        let Some((command, stat)) = line.rsplit_once('|') else {
            continue;
        };
        let process = PROCESSES
            .iter()
            .find(|(_, begins)| without_directory(command).starts_with(begins));
        // After the name, which may have any character: state, and the ticks of 10 ms 11 and 12 fields later.
        let fields = stat.rsplit_once(") ").map(|(_, rest)| rest.split(' '));
        if let (Some((name, _)), Some(mut fields)) = (process, fields) {
            let mut ticks = fields
                .by_ref()
                .skip(11)
                .filter_map(|field| field.parse().ok());
            let mut time = || ticks.next().map_or(0, |ticks: u64| ticks * 10_000);
            let time = Time {
                user: time(),
                system: time(),
            };
            let so_far = times.entry(name).or_default();
            *so_far = so_far.and(time);
        }
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_found_by_their_command_lines() {
        let listed = "|1 (kthreadd) S 0 0 0\n\
                      terrace internal role router db-01/router |9 (terrace) S 1 9 9 0 -1 4194560 900 0 0 0 12 34 0 0 20 0 1 0 5\n\
                      terrace internal role web db-01/web |8 (terrace) S 1 8 8 0 -1 4194560 900 0 0 0 50 60 0 0 20 0 1 0 5\n\
                      haproxy -db -f a |7 (ha) 1) R 1 7 7 0 -1 4194560 900 0 0 0 1 2 0 0 20 0 1 0 5\n";
        let times = read(listed);
        let time = |name| times.get(name).map(|time| (time.user, time.system));
        assert_eq!(time("ours"), Some((120_000, 340_000)));
        assert_eq!(time("HAProxy"), Some((10_000, 20_000)));
        assert_eq!(time("database"), None);
    }
}
