//! Why a start failed: read from what the server said before it died.
//!
//! Pure. The servers say the cause somewhere in the middle and end with `Aborting`; a person needs the
//! cause, a remedy and the line that says it.

use std::fmt;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Another program listens on the port.
    PortTaken,
    /// The server does not own an address that it was told to listen on.
    AddressMissing,
    /// The disk is full.
    DiskFull,
    /// A file or directory is not the server's to use.
    Permission,
    /// Another server uses the data directory.
    InUse,
    /// The data cannot be read.
    Corrupted,
    /// The configuration has a setting that this version does not know.
    UnknownSetting,
    /// There is too little memory.
    Memory,
    /// A library or file of the program itself is missing.
    Incomplete,
    /// None of the above.
    Unknown,
}

impl Cause {
    fn remedy(self) -> &'static str {
        match self {
            Cause::PortTaken => {
                "its port is taken by another program: `ss -ltnp` shows which; stop that one"
            }
            Cause::AddressMissing => "this server does not have the address that it listens on",
            Cause::DiskFull => "the disk is full: make room, and it starts again",
            Cause::Permission => "it may not use its files: check the owner of its directory",
            Cause::InUse => "another server uses the same data directory: stop that one",
            Cause::Corrupted => {
                "its data is damaged: restore a backup, or move the data directory away to begin anew"
            }
            Cause::UnknownSetting => "this version does not know a setting of its configuration",
            Cause::Memory => "there is too little memory for its buffers",
            Cause::Incomplete => {
                "the program is not completely installed: install its package again"
            }
            Cause::Unknown => "its log says",
        }
    }
}

/// A cause, and the lines that tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What is wrong.
    pub cause: Cause,
    /// The lines of the log that say so, at most [`LINES`], without time stamps.
    pub lines: Vec<String>,
}

/// How many lines of the log a failure carries.
pub const LINES: usize = 3;

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.cause.remedy())?;
        match self.lines.as_slice() {
            [] if self.cause == Cause::Unknown => out.write_str(" nothing"),
            [] => Ok(()),
            lines => write!(out, ": {}", lines.join(" / ")),
        }
    }
}

/// What the servers say, in lower case, the surest signs first. A full disk makes files look damaged, and
/// a server that runs already makes its files unusable: so those come before.
const SIGNS: [(Cause, &[&str]); 9] = [
    (
        Cause::PortTaken,
        &["address already in use", "another server running on port"],
    ),
    (Cause::AddressMissing, &["cannot assign requested address"]),
    (
        Cause::DiskFull,
        &[
            "no space left on device",
            "errcode: 28",
            "error: 28",
            "errno: 28",
            "disk full",
            "disk is full",
        ],
    ),
    (
        Cause::InUse,
        &[
            "unable to lock ./ib",
            "can't lock aria",
            "another mysqld process",
            "already using the same innodb",
        ],
    ),
    (
        Cause::Permission,
        &[
            "permission denied",
            "errcode: 13",
            "errno: 13",
            "not writable",
            "must be writable",
            "please read \"security\"",
        ],
    ),
    (
        Cause::UnknownSetting,
        &["unknown variable", "unknown option", "ambiguous option"],
    ),
    (Cause::Memory, &["cannot allocate memory", "out of memory"]),
    (
        Cause::Incomplete,
        &[
            "error while loading shared libraries",
            "can't find error-message file",
        ],
    ),
    (
        Cause::Corrupted,
        &[
            "corrupt",
            "checksum mismatch",
            "missing tablespace",
            "is damaged",
            "could not open mysql.",
            "can't open and lock privilege tables",
            "invalid redo log",
        ],
    ),
];

/// Reads the cause from the last of what a server said.
pub fn diagnose(output: &str) -> Failure {
    let complaints: Vec<&str> = output
        .lines()
        .map(plain)
        .filter(|line| !line.is_empty())
        .collect();
    for (cause, signs) in SIGNS {
        let tells = |line: &&&str| {
            let line = line.to_lowercase();
            signs.iter().any(|sign| line.contains(sign))
        };
        let lines: Vec<String> = complaints
            .iter()
            .filter(tells)
            .take(LINES)
            .map(|line| (*line).to_owned())
            .collect();
        if !lines.is_empty() {
            return Failure { cause, lines };
        }
    }
    Failure {
        cause: Cause::Unknown,
        lines: errors(output),
    }
}

/// The first lines that are marked as errors: the later ones are their consequences. Without any, the
/// last lines.
fn errors(output: &str) -> Vec<String> {
    let mut errors: Vec<String> = Vec::new();
    for line in output.lines().filter(|line| line.contains("[ERROR]")) {
        let line = plain(line).to_owned();
        if line != "Aborting" && !errors.contains(&line) {
            errors.push(line);
        }
    }
    if errors.is_empty() {
        let spoken = output.lines().map(plain).filter(|line| !line.is_empty());
        errors.extend(spoken.map(str::to_owned));
        errors.drain(..errors.len().saturating_sub(LINES));
    }
    errors.truncate(LINES);
    errors
}

/// A line without its time stamp, thread and component: what follows the last `]` of the marks.
fn plain(line: &str) -> &str {
    ["[ERROR]", "[Warning]", "[Note]", "[System]"]
        .iter()
        .find_map(|mark| line.split_once(mark))
        .map_or(line, |(_, rest)| {
            let mut rest = rest.trim_start();
            while let Some((_, after)) =
                rest.strip_prefix('[').and_then(|rest| rest.split_once(']'))
            {
                rest = after.trim_start();
            }
            rest
        })
        .trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_found_among_its_consequences() {
        let cases = [
            (
                Cause::PortTaken,
                "2026-11-23 18:00:01 0 [ERROR] Can't start server: Bind on TCP/IP port. Got error: 98: Address already in use\n2026-11-23 18:00:01 0 [ERROR] Do you already have another server running on port: 3307 ?\n2026-11-23 18:00:01 0 [ERROR] Aborting",
            ),
            (
                Cause::PortTaken,
                "2026-11-23T18:00:01.1Z 0 [ERROR] [MY-010262] [Server] Can't start server: Bind on TCP/IP port: Address already in use",
            ),
            (
                Cause::AddressMissing,
                "0 [ERROR] Can't start server: Bind on TCP/IP port. Got error: 99: Cannot assign requested address",
            ),
            (
                Cause::DiskFull,
                "0 [ERROR] InnoDB: Error number 28 means 'No space left on device'\n0 [ERROR] InnoDB: Database page corruption",
            ),
            (
                Cause::InUse,
                "0 [ERROR] InnoDB: Unable to lock ./ibdata1 error: 11\n0 [ERROR] mysqld: Can't lock aria control file",
            ),
            (
                Cause::Permission,
                "0 [ERROR] mariadbd: Can't create/write to file '/x/aria_log_control' (Errcode: 13 \"Permission denied\")",
            ),
            (
                Cause::UnknownSetting,
                "0 [ERROR] mariadbd: unknown variable 'super-read-only=1'",
            ),
            (
                Cause::Corrupted,
                "0 [ERROR] InnoDB: Missing MLOG_CHECKPOINT\n0 [ERROR] InnoDB: Tablespace is corrupted",
            ),
            (
                Cause::Memory,
                "0 [ERROR] InnoDB: Cannot allocate memory for the buffer pool",
            ),
        ];
        for (cause, output) in cases {
            let found = diagnose(output);
            assert_eq!(found.cause, cause, "{output}");
            assert!(
                !found.lines.is_empty() && !found.to_string().contains("[ERROR]"),
                "{found}"
            );
        }
    }

    #[test]
    fn what_is_not_known_is_quoted() {
        let output =
            "0 [Note] Starting\n0 [ERROR] one\n0 [ERROR] one\n0 [ERROR] two\n0 [ERROR] Aborting\n";
        let found = diagnose(output);
        assert_eq!(
            (found.cause, found.to_string().as_str()),
            (Cause::Unknown, "its log says: one / two")
        );
        assert_eq!(diagnose("").to_string(), "its log says nothing");
        assert_eq!(diagnose("a\n\nb\nc\nd\n").lines, ["b", "c", "d"]);
    }
}
