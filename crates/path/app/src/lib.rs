//! The app server: what makes the site's own code run, and keep running.
//!
//! A *release* is what is run: the code without what git ignores, built once ([`release`] names it by its
//! content, [`build`] makes it, in a process of its own). A *copy* is one running process of it: [`launch`]
//! says how it is started, [`health`] asks it how it is, [`listening`] finds where it listens instead, and [`machine`] decides when it is started, stopped
//! and started again; [`rollout`] in which order copies change to a new release. [`migrate`] remembers which
//! release has prepared the database.
//!
//! Nothing here starts a copy, sends it a signal or watches it end: the node does, on the machine's word.
//! Requests never pass through here either: the web server talks to the copies.

pub mod build;
pub mod health;
pub mod launch;
pub mod listening;
pub mod machine;
pub mod migrate;
pub mod release;
pub mod rollout;

pub use health::Verdict;
pub use machine::{Action, Event, Machine, Settings, Wanted};
