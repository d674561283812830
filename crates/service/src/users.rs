//! The users that things run as: each part has a number of its own, so none can read or signal another.
//!
//! The numbers lie above those that Debian allots to people and services and below the first subordinate
//! ids (100000). They need no entry in /etc/passwd.

use terrace_protocol::keeper::User;

/// Web servers.
pub const WEB: User = User { id: 70_001 };
/// Name servers.
pub const DNS: User = User { id: 70_002 };
/// Agents.
pub const AGENT: User = User { id: 70_003 };
/// Load balancers.
pub const BALANCER: User = User { id: 70_004 };
/// SQL routers.
pub const ROUTER: User = User { id: 70_005 };
/// MariaDB and MySQL.
pub const DATABASE: User = User { id: 70_010 };

/// The first app of a site; the next apps follow.
const FIRST_APP: u32 = 70_100;

/// The `index`th app of the site, in the file's order.
pub fn app(index: u32) -> User {
    User {
        id: FIRST_APP + index,
    }
}
