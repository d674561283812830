//! Stories: what a person does with the binary, and what must come of it.
//!
//! Each story has the whole binary, real hosts, a real app and a real MariaDB. They take turns: two sites of
//! one name on two cores would only disturb each other. The app's release is built once for all of them. Their sites are
//! listed in a run directory of their own (`TERRACE_RUN`), and they look only for what is theirs: whatever else is up on the
//! machine is neither seen nor disturbed, which `neighbour` holds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test says what went wrong by panicking"
)]

mod absent;
mod builds;
mod changes;
mod crowd;
mod damaged;
mod disk_limits;
mod door;
mod faults;
mod flood;
mod frozen;
mod full_disk;
mod gone;
mod harness;
mod lacks;
mod leftovers;
mod mistakes;
mod neighbour;
mod outputs;
mod people;
mod primary;
mod processes;
mod reading;
mod rollout;
mod rootless;
mod slow;
mod spread;
mod visitor;
mod visits;
