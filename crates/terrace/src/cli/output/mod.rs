//! How facts look on a terminal: aligned columns, short times, colour only where someone sees it.

mod absence;
pub(crate) mod arrival;
mod builds;
mod disks;
mod headline;
mod lacks;
mod paint;
pub(crate) mod shell;
pub(crate) mod standing;
mod table;
mod writer;

use std::time::Duration;

pub(crate) use paint::{coloured, good, quiet, wrong};
pub(crate) use table::Table;
pub(crate) use writer::{Output, errors_coloured, note, say};

/// A time as people say it: `0.1 s`, `14 s`, `3 min`, `2 h`, `3 days`.
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A latency: `0.4 ms`, `21 ms`, `1.2 s`.
pub(crate) fn latency(micros: u64) -> String {
    match micros {
        0..10_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        10_000..1_000_000 => format!("{} ms", micros / 1_000),
        _ => format!("{}.{} s", micros / 1_000_000, micros % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let spans = [
            (100, "0.1 s"),
            (14_000, "14 s"),
            (200_000, "3 min"),
            (9_000_000, "2 h"),
            (260_000_000, "3 days"),
        ];
        for (millis, text) in spans {
            assert_eq!(span(Duration::from_millis(millis)), text);
        }
        for (micros, text) in [(430, "0.4 ms"), (21_400, "21 ms"), (1_250_000, "1.2 s")] {
            assert_eq!(latency(micros), text);
        }
    }
}
