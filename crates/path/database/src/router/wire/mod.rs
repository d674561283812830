//! MySQL's protocol, as far as a router reads it: packets, the handshake, the shape of answers.
//!
//! Rows are never decoded. [`Wire`] buffers one connection, [`Response`] follows an answer by the first bytes
//! of its packets, and [`handshake`] and [`login`] are the two sides of getting in.
//! Source: MySQL Internals, "Client/Server Protocol"; MariaDB knowledge base, "Client/Server Protocol".

pub mod bytes;
pub mod handshake;
pub mod login;
mod ok;
mod response;
mod stream;

pub use ok::Ok;
pub use response::{Response, Seen, Shape, error_packet};
pub use stream::{BEFORE_LOGIN, WHOLE, Wire, payload_length};

/// Capabilities that we look at.
pub mod capability {
    /// This is MySQL's own kind of client or server: no extended capabilities of MariaDB follow.
    pub const MYSQL: u32 = 1;
    /// The handshake response names a database.
    pub const CONNECT_WITH_DB: u32 = 1 << 3;
    /// LOAD DATA LOCAL.
    pub const LOCAL_FILES: u32 = 1 << 7;
    /// 4.1.
    pub const PROTOCOL_41: u32 = 1 << 9;
    /// The 20-byte scramble.
    pub const SECURE_CONNECTION: u32 = 1 << 15;
    /// The name of an authentication plugin is sent.
    pub const PLUGIN_AUTH: u32 = 1 << 19;
    /// Connection attributes are sent.
    pub const CONNECT_ATTRS: u32 = 1 << 20;
    /// The answer to the scramble has a length of any size.
    pub const AUTH_LENENC: u32 = 1 << 21;
    /// OK packets tell how the session changed.
    pub const SESSION_TRACK: u32 = 1 << 23;
    /// Results end with an OK packet.
    pub const DEPRECATE_EOF: u32 = 1 << 24;
    /// What a router can pass on: not compression, TLS, query attributes, a second factor, optional metadata.
    pub const PASSED: u32 = 0x01ff_ffff & !(1 << 5) & !(1 << 11);
    /// Of MariaDB's extended ones: an execution leaves the definitions of its columns out while they are those that the
    /// client has heard last.
    pub const CACHE_METADATA: u32 = 1 << 4;
}

/// Bits of a server's status.
pub mod status {
    /// A transaction is open.
    pub const IN_TRANSACTION: u16 = 1;
    /// Each statement commits.
    pub const AUTOCOMMIT: u16 = 2;
    /// Another result follows.
    pub const MORE_RESULTS: u16 = 8;
    /// Rows are to be fetched.
    pub const CURSOR: u16 = 0x40;
    /// A backslash in a string is only itself.
    pub const NO_BACKSLASH_ESCAPES: u16 = 0x200;
    /// The row that follows holds a procedure's OUT parameters.
    pub const OUT_PARAMETERS: u16 = 0x1000;
    /// The session changed: trackers follow.
    pub const STATE_CHANGED: u16 = 0x4000;
}
