//! The HTTP engine that web servers and balancers share.
//!
//! A worker is one thread with a listener of its own. It reads a [`head`] (checked strictly, so that nobody
//! behind us can understand it otherwise), asks its [`server::Service`] what to do, and answers, or forwards to
//! an [`upstream`]. A process has several, its [`workers`]. [`body`] says where a message ends, and large ones wait in a
//! [`spool`]; [`timer`] ends what takes too long; [`log`] and [`counters`] remember what was done. Heads and bodies are parsed without IO; in the steady state a request
//! allocates nothing.
//!
//! What is served, and by whom, is not known here.

pub mod body;
pub mod counters;
pub mod date;
pub mod head;
pub mod log;
mod memory;
pub mod server;
pub mod spool;
pub mod timer;
pub mod upstream;
pub mod workers;
