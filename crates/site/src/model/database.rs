//! The database servers, and who decides which of them is primary.

use std::time::Duration;

use crate::plan::Engine;

use super::{Ack, FilePath, Identifier, Reads, ServerName, part};

part! {
    /// The database servers.
    Database {
        /// The servers; never empty. The first is the primary at birth.
        list servers: ServerName,
        /// What the file asks for; `None`: what PATH offers.
        maybe engine: Engine,
        /// The database that the apps use.
        one name: Identifier,
        /// When a write is acknowledged.
        copy ack: Ack,
        /// Where reads go.
        copy reads: Reads,
        /// Its accounts; never empty. The first is the apps'.
        list users: User,
        /// Whether and how it is backed up.
        maybe backup: Backup,
    }
}

part! {
    /// An account.
    User {
        /// Its name.
        one name: Identifier,
    }
}

part! {
    /// How the data is backed up.
    Backup {
        /// From one to the next.
        copy every: Duration,
        /// How long each is kept.
        copy keep: Duration,
        /// Where to; `None`: the server's state directory.
        maybe to: FilePath,
    }
}

part! {
    /// Who decides which database server is primary.
    Quorum {
        /// The servers; never empty.
        list servers: ServerName,
    }
}
