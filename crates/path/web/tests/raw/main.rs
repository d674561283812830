//! Raw bytes over sockets: what is refused, what passes and how, and what ends when it takes too long.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

mod connections;
mod corners;
mod counts;
mod drain;
mod duplex;
mod harness;
mod odd_answers;
mod passing;
mod pressure;
mod progress;
mod refused;
mod retries;
mod silent_disk;
mod slow;
mod spool;
mod times;
mod trailers;
mod tunnel;
mod unsent;
#[allow(dead_code, reason = "the balancer's tests use all of it")]
mod upstream;
mod upstreams;
mod visitor;
