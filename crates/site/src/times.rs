//! How long parts wait for each other, where more than one must know it: the part acts by it, and what is predicted of a
//! fault is bounded by it.

use std::time::Duration;

/// A server of whose processes all have died is revived after this; in a rehearsal, by the coordinator.
pub const REVIVED_AFTER: Duration = Duration::from_millis(100);
/// A role of our own that has died serves again within this.
pub const ROLE_BACK: Duration = Duration::from_secs(1);
/// An app that has died is started again after this.
pub const APP_PAUSE: Duration = Duration::from_millis(100);
/// For so long after its start an app is asked again at once whether it is there, and then now and then.
pub const APP_EAGER: Duration = Duration::from_secs(3);
/// An SQL router waits so long for a database that is away and not said to change.
pub const DATABASE_AWAY: Duration = Duration::from_secs(2);
/// An SQL router holds statements so long for a primary that is said to change.
pub const PRIMARY_CHANGES: Duration = Duration::from_secs(15);
/// How often a database says how it stands, and its controller looks at who has.
pub const TELL: Duration = Duration::from_millis(250);
/// A database that has said nothing for this long is silent.
pub const SILENT: Duration = Duration::from_secs(1);
/// A primary whose last replica has been away for this long goes on without, where it may.
pub const ALONE_AFTER: Duration = Duration::from_secs(3);
