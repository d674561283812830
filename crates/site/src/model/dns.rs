//! Our own name servers, and what they say beside what the wiring needs.

use std::time::Duration;

use crate::plan::RecordData;

use super::{DomainName, ServerName, part};

part! {
    /// Our own name servers.
    Dns {
        /// The servers; never empty. The first is the primary.
        list servers: ServerName,
        /// Further records.
        list records: Record,
    }
}

part! {
    /// A record that the file gives.
    Record {
        /// The full name.
        one name: DomainName,
        /// What it says.
        one data: RecordData,
        /// How long it may be remembered.
        copy ttl: Duration,
    }
}
