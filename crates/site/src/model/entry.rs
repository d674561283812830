//! The first two tiers of a request: load balancer and web server.

use std::net::IpAddr;
use std::time::Duration;

use super::{Balance, FilePath, Health, Member, Move, Network, Rate, Size, Stick, Timeouts, part};

part! {
    /// What spreads the requests over the next tier.
    LoadBalancer {
        /// The servers that it stands on; never empty.
        list members: Member,
        /// How it chooses.
        copy balance: Balance,
        /// What makes a visitor come back to the same server.
        maybe stick: Stick,
        /// Addresses that one of its servers holds at a time. Empty: each keeps its own.
        list addresses: ClusterAddress,
        /// Networks in front of us whose `X-Forwarded-*` fields are believed.
        list trust: Network,
        /// What one visitor may take.
        maybe limit: Limit,
        /// How much each server behind it gets at a time.
        maybe queue: Queue,
    }
}

part! {
    /// An address that one of several servers holds at a time.
    ClusterAddress {
        /// The address.
        copy address: IpAddr,
        /// How it moves.
        copy moves: Move,
    }
}

part! {
    /// What visitors may take.
    Limit {
        /// Requests.
        maybe requests: Rate,
        /// Open connections.
        maybe connections: u32,
        /// The body of a request.
        maybe body: Size,
        /// Bodies that wait in files, of all visitors together.
        maybe spool: Size,
    }
}

part! {
    /// How much each server gets at a time, and what becomes of the rest.
    Queue {
        /// Requests in flight at each.
        maybe in_flight: u32,
        /// Requests that may wait; more are refused.
        maybe waiting: u32,
        /// How long one waits before it is refused.
        maybe within: Duration,
    }
}

part! {
    /// Files first, all else to the apps.
    Web {
        /// The servers that it stands on; never empty.
        list members: Member,
        /// The directory of static files.
        maybe files: FilePath,
        /// How the balancer checks this tier.
        one health: Health,
        /// What a visitor's connection may take.
        one timeouts: Timeouts,
        /// What a request may take.
        maybe limit: Limit,
    }
}
