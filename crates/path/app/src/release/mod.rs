//! What a release is: a name made of all that goes into it.
//!
//! The same code, build commands and interpreters have the same name, here and tomorrow, so a release is
//! built once. What the plan gives a copy when it starts (addresses, environment, secrets) is no part of it.

mod code;
mod programs;

use std::path::{Path, PathBuf};

use blake3::Hasher;
use terrace_protocol::build::Order;

pub use code::{Code, Error};
pub use programs::SearchPath;

/// Changes whenever what follows means something else than before.
const VERSION: &str = "release 1";

/// 96 bits of the hash, in hexadecimal: beyond accident, and a path that fits a `#!` line.
const ID_LENGTH: usize = 24;

/// The content hash of the release that this order makes of this code.
pub fn id(order: &Order, content: &blake3::Hash, path: &SearchPath) -> String {
    let mut hasher = Hasher::new();
    let mut add = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    add(VERSION.as_bytes());
    add(content.as_bytes());
    for command in &order.build {
        add(b"build");
        add(command.as_bytes());
    }
    for link in &order.keep {
        add(b"keep");
        add(link.at.as_os_str().as_encoded_bytes());
        add(link.to.as_os_str().as_encoded_bytes());
    }
    for program in programs::named_first(order.build.iter().chain(&order.run)) {
        if let Some(identity) = path.identity(program) {
            add(b"program");
            add(identity.as_bytes());
        }
    }
    let mut id = hasher.finalize().to_hex().to_string();
    id.truncate(ID_LENGTH);
    id
}

/// Where a release is, and what it runs from: `<releases>/<app>/<hash>`.
pub fn directory(releases: &Path, app: &str, release: &str) -> PathBuf {
    releases.join(app).join(release)
}

#[cfg(test)]
mod tests;
