//! What an OK packet says, with the changes of the session that a server tracks.

use super::bytes::{Reader, put_string};
use super::status;

/// What an OK packet says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ok {
    /// Status bits.
    pub status: u16,
    /// The position of what was committed.
    pub gtid: Option<Vec<u8>>,
    /// The id of the row that was inserted; 0: of none.
    pub insert_id: u64,
    /// The database that is now in use.
    pub schema: Option<Vec<u8>>,
    /// The same packet for a client that does not know trackers.
    pub plain: Vec<u8>,
}

impl Ok {
    /// Reads one of a server that tracks the session.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let mut reader = Reader(payload);
        reader.u8()?;
        reader.integer()?;
        let insert_id = reader.integer()?;
        let counts = payload.len() - reader.0.len();
        let bits = reader.u16()?;
        let warnings = reader.u16()?;
        let info = if reader.0.is_empty() {
            &[][..]
        } else {
            reader.string()?
        };
        let mut plain = payload[..counts].to_vec();
        plain.extend_from_slice(&(bits & !status::STATE_CHANGED).to_le_bytes());
        plain.extend_from_slice(&warnings.to_le_bytes());
        // The manuals call it the rest of the packet; servers send its length first, and clients expect that.
        if !info.is_empty() {
            put_string(&mut plain, info);
        }
        let mut ok = Self {
            status: bits,
            insert_id,
            plain,
            ..Self::default()
        };
        if bits & status::STATE_CHANGED != 0 {
            ok.track(Reader(reader.string()?))?;
        }
        Some(ok)
    }

    fn track(&mut self, mut changes: Reader<'_>) -> Option<()> {
        while !changes.0.is_empty() {
            let kind = changes.u8()?;
            let mut data = Reader(changes.string()?);
            match kind {
                0 => {
                    while !data.0.is_empty() {
                        let (name, value) = (data.string()?, data.string()?);
                        if name == b"last_gtid" && !value.is_empty() {
                            self.gtid = Some(value.to_vec());
                        }
                    }
                }
                1 => self.schema = Some(data.string()?.to_vec()),
                3 => {
                    data.u8()?;
                    self.gtid = Some(data.string()?.to_vec());
                }
                _ => {}
            }
        }
        Some(())
    }
}
