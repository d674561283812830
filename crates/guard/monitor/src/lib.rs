//! Monitoring: what is measured on each server, and how it is shown.
//!
//! [`agent`] stands on every server and shows what its roles count. Collecting from all servers, keeping series,
//! alarms and the dashboard have their place here beside it. What roles count is the roles' own business.

pub mod agent;
