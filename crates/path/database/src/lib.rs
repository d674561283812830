//! The database: MariaDB or MySQL, one instance and several together.
//!
//! [`instance`] finds the server program on the machine, gives it a data directory, a configuration and
//! accounts, starts it, tells how it stands and stops it. [`replication`] joins instances, [`failover`]
//! decides which of them takes writes, [`router`] sends statements to them, and [`gtid`] compares how far they are. Nothing here forks:
//! processes are started through [`Processes`], which the one who owns them implements.

pub mod failover;
pub mod gtid;
pub mod instance;
pub mod replication;
pub mod router;

pub use instance::{
    Directories, Error, Finished, Health, Instance, ProcessError, Processes, Settings, Started,
    Stopped, Updated, seed,
};
