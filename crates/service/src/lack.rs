//! What a process has run out of on its own side: told apart from what is wrong with the other side, and counted.
//!
//! A connection or a file that cannot be had because descriptors, memory or ports are used up here is no failure of whoever was
//! to be reached: it is never counted against them.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;
use terrace_protocol::report::{Lack, LackReport};

use crate::clock;

/// A lack is logged again after this: milliseconds.
const QUIET: u64 = 10_000;

/// What is missing here, if that is what this error says.
pub fn of(error: &io::Error) -> Option<Lack> {
    match Errno::from_io_error(error)? {
        Errno::MFILE => Some(Lack::Descriptors),
        Errno::NFILE => Some(Lack::MachineDescriptors),
        Errno::NOBUFS | Errno::NOMEM => Some(Lack::Memory),
        Errno::ADDRNOTAVAIL => Some(Lack::Ports),
        _ => None,
    }
}

/// Counts what was missing, for all parts of a process.
#[derive(Debug, Default)]
pub struct Lacks {
    met: [Met; Lack::ALL.len()],
}

#[derive(Debug, Default)]
struct Met {
    times: AtomicU64,
    last: AtomicU64,
}

impl Lacks {
    /// Counts what this error says is missing here, if it says so, and logs it unless that was done just now.
    pub fn of(&self, error: &io::Error) -> Option<Lack> {
        let found = of(error)?;
        self.met(found);
        Some(found)
    }

    /// Counts this one likewise.
    pub fn met(&self, found: Lack) {
        self.count(found, clock::unix_millis());
    }

    fn count(&self, found: Lack, now: u64) {
        let met = &self.met[found as usize];
        let times = met.times.fetch_add(1, Ordering::Relaxed) + 1;
        let last = met.last.swap(now, Ordering::Relaxed);
        if now.saturating_sub(last) > QUIET {
            tracing::warn!(times, "{}", found.words());
        }
    }

    /// What was missing since the process began.
    pub fn report(&self) -> Vec<LackReport> {
        let met = Lack::ALL.iter().zip(&self.met);
        let reports = met.map(|(what, met)| LackReport {
            what: *what,
            times: met.times.load(Ordering::Relaxed),
            last: met.last.load(Ordering::Relaxed),
        });
        reports.filter(|report| report.times > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_here_is_told_apart_from_what_is_wrong_there() {
        let found = |errno: Errno| of(&errno.into());
        assert_eq!(found(Errno::MFILE), Some(Lack::Descriptors));
        assert_eq!(found(Errno::NFILE), Some(Lack::MachineDescriptors));
        assert_eq!(found(Errno::NOBUFS), Some(Lack::Memory));
        assert_eq!(found(Errno::NOMEM), Some(Lack::Memory));
        assert_eq!(found(Errno::ADDRNOTAVAIL), Some(Lack::Ports));
        for theirs in [
            Errno::CONNREFUSED,
            Errno::CONNRESET,
            Errno::HOSTUNREACH,
            Errno::TIMEDOUT,
            Errno::NOENT,
            Errno::PIPE,
        ] {
            assert_eq!(found(theirs), None);
        }
        assert_eq!(of(&io::Error::other("an error of our own")), None);
    }

    #[test]
    fn each_lack_is_counted_in_its_own_place() {
        let lacks = Lacks::default();
        for (place, what) in Lack::ALL.into_iter().enumerate() {
            assert_eq!(what as usize, place);
        }
        assert_eq!(lacks.report(), []);
        assert_eq!(lacks.of(&Errno::CONNREFUSED.into()), None);
        for now in [7, 9] {
            lacks.count(Lack::Ports, now);
        }
        let report = LackReport {
            what: Lack::Ports,
            times: 2,
            last: 9,
        };
        assert_eq!(lacks.report(), [report]);
    }
}
