//! Raw bytes over sockets: what is refused, what passes and how, and what ends when it takes too long.

mod harness;
mod passing;
mod refused;
mod retries;
mod times;
mod upstreams;
