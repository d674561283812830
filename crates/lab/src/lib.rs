//! The lab: every server of the file on this machine, each a host of its own, in a network without a way out.
//!
//! A [`coordinator`] owns everything: namespaces, bridge, front door and the lock. It dies, and they are gone.
//! Commands are its [`client`]s. [`hosts`] makes servers of namespaces; [`enter`] lets a program in; [`front_door`]
//! lets a browser of this machine in; `fault` breaks what runs; [`load`] asks as many visitors would; [`proof`]
//! holds what was predicted against it. What runs on a host is the node's
//! business, which is reached through its socket alone.

pub mod client;
pub mod coordinator;
pub mod enter;
mod fault;
pub mod front_door;
pub mod hosts;
pub mod load;
mod location;
pub mod proof;
pub mod registry;
mod state;

pub use location::{Error as LocationError, Location, RUN};
