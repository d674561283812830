//! The name server: the site's zones, answered with authority.
//!
//! [`zone`] turns a plan into record sets, or says why it cannot; [`server`] answers from them, over sockets
//! that it inherits, and swaps them at once when a new plan comes. Answering itself (wildcards, negative answers,
//! truncation, EDNS) is hickory's.
//!
//! There is no recursion and no cache: what is not of the site is refused. Zone transfers and updates are
//! refused too: the plan is the only source of records.

mod server;
mod zone;

pub use server::{Error, run};
pub use zone::catalog;
