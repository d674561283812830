//! The messages between Terrace's own processes.
//!
//! One binary runs as several processes: the command line talks to the lab's coordinator ([`control`]),
//! the coordinator to each server's node ([`node`]), the node to its keeper ([`keeper`]) and to the roles
//! ([`role`]). All of them speak the same way: length-prefixed JSON over a unix socket, with descriptors
//! beside it ([`channel`]), each side greeting with its version first; to who may stand still, by way of an [`outbox`]. The builder of releases ([`build`])
//! is a command that runs to its end, and speaks lines.
//!
//! Here are the shapes and the transport, and no decision. Plans travel as opaque JSON: what is in them is
//! between the one who wrote them and the one who carries them out.

pub mod build;
pub mod channel;
pub mod control;
mod frame;
pub mod keeper;
pub mod node;
pub mod outbox;
pub mod report;
pub mod role;

pub use channel::{Channel, Error, Incoming, Receiver, Sender};
pub use outbox::Outbox;
