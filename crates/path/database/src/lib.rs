//! The database: one MariaDB or MySQL instance of the site.
//!
//! [`instance`] finds the server program on the machine, gives it a data directory, a configuration and
//! accounts, starts it, tells how it stands and stops it. What several instances do together (replication,
//! failover, read and write splitting) has modules of its own beside it. Nothing here forks: processes
//! are started through [`Processes`], which the one who owns them implements.

pub mod instance;
pub mod router;

pub use instance::{
    Directories, Error, Finished, Health, Instance, ProcessError, Processes, Settings, Started,
    Stopped, Updated,
};
