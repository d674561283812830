//! The SQL router: one address for the app, the primary for its writes and a replica for its reads.
//!
//! [`classify`] decides where a statement goes, from its text alone, with the help of [`lexer`]; [`wire`] is
//! the protocol; a session joins the two for one client; [`role`] is the process. Which server is primary is
//! not decided here: the node says so, with an epoch.

pub mod classify;
mod functions;
pub mod lexer;
mod lobby;
mod newest;
mod presence;
mod received;
mod report;
pub mod role;
mod session;
mod settings;
mod shared;
mod token;
pub mod wire;

pub use role::{run, serve};
pub use shared::{Known, Told};
