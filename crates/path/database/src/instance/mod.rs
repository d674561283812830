//! One database server, from an empty directory to an answer and back.
//!
//! In the order of its life: [`engine`] finds the program, [`template`] makes an empty data directory
//! quickly, [`home`] keeps it and remembers what it is, [`config`] writes the configuration, `life`
//! starts and stops, [`failure`] reads why a start failed, `control` holds the connection, [`door`] is how it comes in, and
//! `settle` brings the [`accounts`] to what the plan says, and `seed` (or `dump`) replaces the data by a copy of another
//! server's. No replication: an instance is born with all that replication needs, and stays read-only
//! unless it is the primary.

pub mod accounts;
pub mod config;
mod control;
mod copy;
pub mod door;
mod dump;
pub mod engine;
mod error;
pub mod failure;
mod files;
mod find;
pub mod home;
mod life;
pub mod processes;
pub mod seed;
mod settle;
pub mod template;

pub use control::Health;
pub use error::Error;
pub use files::Directories;
pub use life::{Instance, Settings, Started, Stopped, Updated};
pub use processes::{Finished, ProcessError, Processes};
