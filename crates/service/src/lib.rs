//! What every long-running part shares: the descriptors that it is born with, its connection to the
//! node, sockets, signals, secrets, files that are kept, back-off, logs, the room on a disk, what it has run out of, and the
//! users that things run as.
//!
//! Nothing here knows what a part does; nothing here decides when a part lives or dies.

pub mod backoff;
pub mod clock;
pub mod descriptors;
pub mod diagnostics;
pub mod disk;
pub mod kept;
pub mod lack;
pub mod log;
pub mod role;
pub mod secret;
pub mod signals;
pub mod socket;
pub mod users;

pub use backoff::Backoff;
pub use descriptors::Descriptors;
pub use diagnostics::Diagnostics;
pub use lack::Lacks;
pub use role::{Control, Order, Role};
pub use secret::{Secret, SecretStore};
