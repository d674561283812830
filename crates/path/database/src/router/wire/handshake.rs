//! The first two packets of a connection: the server's greeting and the client's answer.

use terrace_site::plan::Engine;

use super::bytes::{Reader, put_string};
use super::capability as cap;

/// MySQL's plugin until 8.0, MariaDB's still.
pub const NATIVE: &str = "mysql_native_password";
/// MySQL's plugin since 8.0.
pub const SHA2: &str = "caching_sha2_password";

/// A greeting (protocol 10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// The server's version, as it says it.
    pub version: Vec<u8>,
    /// The connection's number.
    pub thread: u32,
    /// 20 random bytes.
    pub nonce: Vec<u8>,
    /// What the server can do.
    pub capabilities: u32,
    /// What it can do beside that, if it is MariaDB.
    pub extended: u32,
    /// Its character set.
    pub charset: u8,
    /// Its status.
    pub status: u16,
    /// How it would like to authenticate.
    pub plugin: Vec<u8>,
}

impl Greeting {
    /// Reads one. `None`: it is none.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let mut reader = Reader(payload);
        if reader.u8()? != 10 {
            return None;
        }
        let version = reader.until_zero().to_vec();
        let thread = reader.u32()?;
        let mut nonce = reader.take(8)?.to_vec();
        reader.u8()?;
        let low = u32::from(reader.u16()?);
        let charset = reader.u8()?;
        let status = reader.u16()?;
        let capabilities = low | u32::from(reader.u16()?) << 16;
        reader.take(7)?;
        let extended = extended(capabilities, reader.u32()?);
        nonce.extend_from_slice(reader.take(12)?);
        reader.u8()?;
        let plugin = reader.until_zero().to_vec();
        Some(Self {
            version,
            thread,
            nonce,
            capabilities,
            extended,
            charset,
            status,
            plugin,
        })
    }

    /// What it comes from.
    pub fn engine(&self) -> Engine {
        let is_mariadb = self.version.windows(7).any(|part| part == b"MariaDB");
        if is_mariadb {
            Engine::Mariadb
        } else {
            Engine::Mysql
        }
    }

    /// Writes one.
    pub fn write(&self) -> Vec<u8> {
        let capabilities = kind(self.capabilities, self.extended);
        let mut out = vec![10];
        out.extend_from_slice(&self.version);
        out.push(0);
        out.extend_from_slice(&self.thread.to_le_bytes());
        out.extend_from_slice(&self.nonce[..8]);
        out.push(0);
        out.extend_from_slice(&capabilities.to_le_bytes()[..2]);
        out.push(self.charset);
        out.extend_from_slice(&self.status.to_le_bytes());
        out.extend_from_slice(&capabilities.to_le_bytes()[2..]);
        out.push(21);
        out.extend_from_slice(&[0; 6]);
        out.extend_from_slice(&self.extended.to_le_bytes());
        out.extend_from_slice(&self.nonce[8..]);
        out.push(0);
        out.extend_from_slice(&self.plugin);
        out.push(0);
        out
    }
}

/// A client's answer, and what COM_CHANGE_USER says again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// What the client can do, of what was offered.
    pub capabilities: u32,
    /// What it can do beside that, if it is MariaDB's.
    pub extended: u32,
    /// The largest packet that it takes.
    pub max_packet: u32,
    /// Its character set.
    pub charset: u16,
    /// Who it is.
    pub user: Vec<u8>,
    /// Its proof.
    pub proof: Vec<u8>,
    /// The database that it wants; empty: none.
    pub database: Vec<u8>,
    /// How the proof was made.
    pub plugin: Vec<u8>,
    /// Connection attributes, as they came.
    pub attributes: Vec<u8>,
}

impl Answer {
    /// One of the router's own, without a database.
    pub fn of(user: &str) -> Self {
        Self {
            capabilities: cap::PROTOCOL_41
                | cap::SECURE_CONNECTION
                | cap::PLUGIN_AUTH
                | cap::AUTH_LENENC
                | cap::DEPRECATE_EOF,
            max_packet: 1 << 24,
            // utf8mb4_general_ci
            charset: 45,
            user: user.as_bytes().to_vec(),
            ..Self::default()
        }
    }

    /// Reads one. `None`: it is none, or older than 4.1.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let mut reader = Reader(payload);
        let capabilities = reader.u32()?;
        let max_packet = reader.u32()?;
        let charset = u16::from(reader.u8()?);
        reader.take(19)?;
        let extended = extended(capabilities, reader.u32()?);
        let user = reader.until_zero().to_vec();
        let proof = if capabilities & cap::AUTH_LENENC != 0 {
            reader.string()?.to_vec()
        } else {
            let length = usize::from(reader.u8()?);
            reader.take(length)?.to_vec()
        };
        let database = if capabilities & cap::CONNECT_WITH_DB != 0 {
            reader.until_zero()
        } else {
            &[]
        }
        .to_vec();
        let plugin = if capabilities & cap::PLUGIN_AUTH != 0 {
            reader.until_zero()
        } else {
            NATIVE.as_bytes()
        }
        .to_vec();
        let attributes = if capabilities & cap::CONNECT_ATTRS != 0 {
            reader.string().unwrap_or_default()
        } else {
            &[]
        }
        .to_vec();
        (capabilities & cap::PROTOCOL_41 != 0).then_some(Self {
            capabilities,
            extended,
            max_packet,
            charset,
            user,
            proof,
            database,
            plugin,
            attributes,
        })
    }

    /// Reads what follows the command byte of COM_CHANGE_USER, in a connection with these capabilities.
    pub fn read_change_user(before: &Self, payload: &[u8]) -> Option<Self> {
        let mut reader = Reader(payload);
        let user = reader.until_zero().to_vec();
        let length = usize::from(reader.u8()?);
        let proof = reader.take(length)?.to_vec();
        let database = reader.until_zero().to_vec();
        let charset = reader.u16().unwrap_or(before.charset);
        let plugin = if reader.0.is_empty() {
            NATIVE.as_bytes()
        } else {
            reader.until_zero()
        }
        .to_vec();
        let attributes = reader.string().unwrap_or_default().to_vec();
        let Self {
            capabilities,
            extended,
            max_packet,
            ..
        } = *before;
        Some(Self {
            capabilities,
            extended,
            max_packet,
            charset,
            user,
            proof,
            database,
            plugin,
            attributes,
        })
    }

    /// Writes one.
    pub fn write(&self) -> Vec<u8> {
        let mut capabilities = kind(self.capabilities, self.extended)
            | cap::AUTH_LENENC
            | cap::PLUGIN_AUTH
            | cap::CONNECT_WITH_DB;
        if self.database.is_empty() {
            capabilities &= !cap::CONNECT_WITH_DB;
        }
        let mut out = capabilities.to_le_bytes().to_vec();
        out.extend_from_slice(&self.max_packet.to_le_bytes());
        // Character sets above 255 do not fit here; their first byte would be another one.
        out.push(u8::try_from(self.charset).unwrap_or(45));
        out.extend_from_slice(&[0; 19]);
        out.extend_from_slice(&self.extended.to_le_bytes());
        out.extend_from_slice(&self.user);
        out.push(0);
        put_string(&mut out, &self.proof);
        if !self.database.is_empty() {
            out.extend_from_slice(&self.database);
            out.push(0);
        }
        out.extend_from_slice(&self.plugin);
        out.push(0);
        if capabilities & cap::CONNECT_ATTRS != 0 {
            put_string(&mut out, &self.attributes);
        }
        out
    }
}

/// Where MariaDB says what else it can do, MySQL has zeros, or nothing that is meant.
fn extended(capabilities: u32, said: u32) -> u32 {
    match capabilities & cap::MYSQL {
        0 => said,
        _ => 0,
    }
}

/// As whom somebody speaks who has these extended capabilities.
fn kind(capabilities: u32, extended: u32) -> u32 {
    match extended {
        0 => capabilities | cap::MYSQL,
        _ => capabilities & !cap::MYSQL,
    }
}

/// The proof of a password for one of the two plugins; `None`: another plugin.
pub fn prove(plugin: &[u8], nonce: &[u8], password: &str) -> Option<Vec<u8>> {
    use mysql_common::scramble::{scramble_native, scramble_sha256};
    if plugin == NATIVE.as_bytes() {
        Some(
            scramble_native(nonce, password.as_bytes())
                .map_or_else(Vec::new, |proof| proof.to_vec()),
        )
    } else if plugin == SHA2.as_bytes() {
        Some(
            scramble_sha256(nonce, password.as_bytes())
                .map_or_else(Vec::new, |proof| proof.to_vec()),
        )
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greeting_and_answer_come_back() {
        let greeting = Greeting {
            version: b"10.11.19-MariaDB".to_vec(),
            thread: 7,
            nonce: (1..=20).collect(),
            capabilities: cap::PASSED & !cap::MYSQL,
            extended: cap::CACHE_METADATA,
            charset: 45,
            status: 2,
            plugin: NATIVE.into(),
        };
        assert_eq!(Greeting::read(&greeting.write()), Some(greeting));
        let answer = Answer {
            capabilities: cap::PROTOCOL_41
                | cap::AUTH_LENENC
                | cap::PLUGIN_AUTH
                | cap::CONNECT_WITH_DB
                | cap::CONNECT_ATTRS,
            extended: cap::CACHE_METADATA,
            max_packet: 1 << 24,
            charset: 45,
            user: b"app".to_vec(),
            proof: vec![9; 20],
            database: b"db".to_vec(),
            plugin: SHA2.into(),
            attributes: b"\x01a\x01b".to_vec(),
        };
        assert_eq!(Answer::read(&answer.write()), Some(answer));
    }

    #[test]
    fn any_bytes_can_be_read() {
        for length in 0..80 {
            let _ = (
                Greeting::read(&vec![10; length]),
                Answer::read(&vec![0xff; length]),
            );
        }
    }
}
