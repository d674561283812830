//! A real server, from birth to death: MariaDB, or MySQL where `TERRACE_ENGINE=mysql` asks for it. Where
//! it is not installed the tests say so and pass.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

mod accounts;
mod life;
mod pair;
mod refusals;
mod replication;
mod router;
mod support;

use std::time::Duration;

/// A stop that needs longer than this is not a clean one.
const STOP: Duration = Duration::from_secs(20);
