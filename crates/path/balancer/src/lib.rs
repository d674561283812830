//! The load balancer: every request to one of several instances of the next tier.
//!
//! [`balance`] says whose turn it is, [`health`] who is well, [`retry`] what may be tried again, [`limit`] who waits for
//! room: pure, each of them. [`tier`] puts them together for one tier, as the
//! engine's policy. [`role`] is the process: sockets and plan from the node, one worker a listener, reports back.
//! Reading and sending is the engine's, `terrace_http`.

pub mod balance;
mod front;
pub mod health;
pub mod limit;
pub mod retry;
pub mod role;
pub mod tier;

pub use role::{Error, run, serve};
