//! Replication between the instances of a site: the statements, and the one who carries them out.
//!
//! [`statements`] are pure, per flavour. A [`Member`] carries out what the failover machine commands of
//! one server, over its control connection, and says how it stands. A replica is made out of a live primary
//! by [`crate::seed`]. What decides is not here: every function does one thing, bounded in time, that may
//! be done again.

use terrace_site::plan::Engine;

use crate::gtid::Position;

mod drain;
mod link;
mod member;
mod standing;
pub mod statements;

pub use member::{Error, Member, Passwords, Peer, commits};
pub use standing::FULL;
pub use statements::ROUTER_USER;

/// The password of [`ROUTER_USER`] among the site's secrets.
pub use terrace_site::plan::ROUTER_SECRET;

/// How far a server is, received or applied, whichever is further. Whoever asks may watch replication.
///
/// # Errors
/// When it does not say.
pub async fn position(engine: Engine, conn: &mut mysql_async::Conn) -> Result<Position, Error> {
    standing::position(engine, conn).await
}
