//! Who used how much CPU time, from /proc.

use std::fs;
use std::io;
use std::time::Duration;

/// CPU time of a process with all its threads, in nanoseconds of the scheduler.
fn process(pid: u32) -> Duration {
    let mut nanos = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let stat = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        nanos += stat
            .split(' ')
            .next()
            .and_then(|ran| ran.parse::<u64>().ok())
            .unwrap_or(0);
    }
    Duration::from_nanos(nanos)
}

/// CPU time of a process and everything below it.
pub(crate) fn tree(pid: u32) -> Duration {
    let children =
        fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let below: Duration = children
        .split_whitespace()
        .filter_map(|child| child.parse().ok())
        .map(tree)
        .sum();
    process(pid) + below
}

/// What all cores have worked since the machine came up.
///
/// # Errors
/// When /proc/stat cannot be read.
pub(crate) fn machine() -> io::Result<Duration> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .filter_map(|field| field.parse().ok())
        .collect();
    // user nice system idle iowait irq softirq steal: all but the two that wait.
    let busy: u64 = ticks
        .iter()
        .take(8)
        .enumerate()
        .filter(|(field, _)| !matches!(field, 3 | 4))
        .map(|(_, t)| t)
        .sum();
    Ok(Duration::from_millis(busy * 10))
}

/// What processes that have ended, and were ours, have used.
pub(crate) fn ended() -> Duration {
    let used = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN);
    let time = |time: nix::sys::time::TimeVal| {
        Duration::new(
            time.tv_sec().unsigned_abs(),
            u32::try_from(time.tv_usec()).unwrap_or(0) * 1_000,
        )
    };
    used.map_or(Duration::ZERO, |used| {
        time(used.user_time()) + time(used.system_time())
    })
}
