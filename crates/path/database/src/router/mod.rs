//! The SQL router: one address for the app, the primary for its writes and a replica for its reads.
//!
//! [`classify`] decides where a statement goes, from its text alone, with the help of [`lexer`].

pub mod classify;
mod functions;
pub mod lexer;
mod settings;
pub mod wire;
