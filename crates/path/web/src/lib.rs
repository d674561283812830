//! The web server: files first, all else to the app.
//!
//! [`role`] is the process: sockets and plan from the node, one worker a listener, reports back. `site` decides
//! about each request: is the name ours, is it a [`files`] file, whose is it otherwise. Reading and sending is the
//! engine's, `terrace_http`.

pub mod files;
pub mod role;
mod site;

pub use role::{Error, run, serve};
