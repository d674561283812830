//! Replication between the instances of a site: the statements, and the one who carries them out.
//!
//! [`statements`] are pure, per flavour. A [`Member`] carries out what the failover machine commands of
//! one server, over its control connection, and says how it stands. A replica is made out of a live primary
//! by [`crate::seed`]. What decides is not here: every function does one thing, bounded in time, that may
//! be done again.

mod drain;
mod link;
mod member;
mod standing;
pub mod statements;

pub use member::{Error, Member, Peer};
