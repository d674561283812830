//! Raw bytes over sockets: whom requests go to, what is tried again, and who waits.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

mod accepted;
mod balancing;
mod harness;
mod pressure;
mod role;
mod room;
mod slow;
mod trying_again;
mod tunnel;
#[allow(dead_code, reason = "the web server's tests use all of it")]
#[path = "../../../web/tests/raw/upstream.rs"]
mod upstream;
#[allow(dead_code, reason = "the web server's tests use all of it")]
#[path = "../../../web/tests/raw/visitor.rs"]
mod visitor;
#[allow(dead_code, reason = "the web server's tests use all of it")]
#[allow(unused_imports, reason = "the web server's tests use all of it")]
#[path = "../../../web/tests/raw/harness.rs"]
mod web;
