//! Who is primary: switchover, failover, and the set of replicas that hold every acknowledged write.
//!
//! Pure. The [`Machine`] takes events with their time and returns actions; it owns no connection and no
//! clock. What must outlive it is the [`Record`], stored by compare-and-swap before anything that rests on
//! it is done, so that a controller which ends between any two steps is followed by one that goes on.
//! What is deliberately absent: statements (`replication`), processes, and how a record is kept.
//!
//! The rules, which the simulation holds it to:
//!
//! - **I1** A server starts read-only with semi-sync off; only [`Command::Promote`] opens it, and only the
//!   recorded primary is sent one.
//! - **I2** The record names a replica before that replica may acknowledge. One leaves the sync set only
//!   when it is barred at the primary and a remaining one has all that the primary had then.
//! - **I3** An empty sync set is recorded before semi-sync goes off. While it is empty there is no
//!   failover that loses nothing, so there is none unless the operator accepts loss.
//! - **I4** A primary that is fenced is killed; nothing else is done to it.
//! - **I5** Every command may be sent again. Older ones that arrive late are refused by their [`Token`].
//!
//! A failover first stops receiving on **every** member of the sync set. With one acknowledgement a write,
//! each of them may be the only holder of an acknowledged write; and with all of them stopped the old
//! primary can never again be acknowledged, wherever it is.

mod change;
mod keep;
mod machine;
mod member;
mod record;
#[cfg(test)]
mod simulation;
mod sync_set;
mod words;

pub use machine::Machine;
pub use record::{Epoch, Phase, Record, Run};
pub use terrace_protocol::node::Order;
pub use words::{Action, Answer, Command, Event, Link, Refusal, Report, Settings, Standing, Token};
