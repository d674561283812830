//! The site's file, from its text to what each server runs.
//!
//! The way through the crate is the way of the file: [`read`] turns text into a syntax tree that keeps
//! every span, `resolve` turns the tree into a [`model::Site`] that cannot be wrong, [`wiring`] derives
//! who talks to whom, and [`plan`] writes down what each server runs; [`outside`] lists what has to be found on a disk. All of
//! it is pure: nothing here opens a file, a socket or a clock.

mod changes;
pub mod model;
pub mod outside;
pub mod plan;
pub mod problem;
pub mod read;
pub mod reference;
mod resolve;
mod summary;
pub mod times;
pub mod wiring;

pub use changes::{FileChange, Said, changes};
pub use resolve::{Loaded, load, not_yet};
pub use summary::{ServerFact, Summary};
pub use wiring::{Records, records};
