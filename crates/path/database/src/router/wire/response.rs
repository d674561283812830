//! Following an answer from packet to packet, to know when it ends and what its status is.
//!
//! Pure: it is shown the beginning of each packet and says what that was.

use std::sync::Arc;

use super::bytes::{Reader, put_packet, put_string};
use super::handshake::Answer;
use super::{WHOLE, capability, status};

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

/// What a packet of an answer was.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    /// Something in between.
    Part,
    /// Rows follow, and nothing says again what their columns are.
    Bare,
    /// An end: of a result, or of a statement without one.
    Ok(Ok),
    /// A refusal.
    Error,
    /// The server asks for a file: the client speaks next.
    WantsFile,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Header,
    Prepare,
    /// Definitions left, and whether rows follow.
    Columns(u64, Then),
    Rows,
    Single,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Rows,
    Columns(u64),
    End,
}

/// What the two ends have agreed on about the shape of answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Results end with an OK packet.
    pub deprecate_eof: bool,
    /// Results say whether the definitions of their columns follow.
    pub cache_metadata: bool,
}

impl Shape {
    /// What a client has agreed to.
    pub fn of(answer: &Answer) -> Self {
        Self {
            deprecate_eof: answer.capabilities & capability::DEPRECATE_EOF != 0,
            cache_metadata: answer.extended & capability::CACHE_METADATA != 0,
        }
    }
}

/// The answer to one command.
#[derive(Clone, Debug)]
pub struct Response {
    phase: Phase,
    shape: Shape,
    continued: bool,
    /// The next answer to this statement may leave its definitions out.
    keeps: bool,
    /// The definitions of the columns of the result that came last, as packets without numbers, if they are kept.
    definitions: Option<Vec<u8>>,
}

impl Response {
    /// The answer to this command byte; `None`: we do not know its shape.
    pub fn to(command: u8, shape: Shape) -> Option<Self> {
        let phase = match command {
            // QUIT, SEND_LONG_DATA, STMT_CLOSE
            0x01 | 0x18 | 0x19 => Phase::Done,
            // QUERY, STMT_EXECUTE
            0x03 | 0x17 => Phase::Header,
            0x16 => Phase::Prepare,
            // FIELD_LIST, STMT_FETCH
            0x04 | 0x1c => Phase::Rows,
            // INIT_DB, CREATE_DB, DROP_DB, REFRESH, STATISTICS, PROCESS_KILL, DEBUG, PING, STMT_RESET, SET_OPTION, RESET
            0x02 | 0x05 | 0x06 | 0x07 | 0x09 | 0x0c | 0x0d | 0x0e | 0x1a | 0x1b | 0x1f => {
                Phase::Single
            }
            _ => return None,
        };
        Some(Self {
            phase,
            shape,
            continued: false,
            // PREPARE, EXECUTE
            keeps: shape.cache_metadata && matches!(command, 0x16 | 0x17),
            definitions: None,
        })
    }

    /// What columns the last result has, where this was said and may be left out later.
    pub fn take_definitions(&mut self) -> Option<Arc<[u8]>> {
        self.definitions.take().map(Arc::from)
    }

    /// Definitions must be whole to be kept.
    fn keeps_definitions(&self) -> bool {
        self.keeps && matches!(self.phase, Phase::Columns(_, Then::Rows | Then::End))
    }

    /// Nothing more comes.
    pub fn done(&self) -> bool {
        self.phase == Phase::Done && !self.continued
    }

    /// The next packet is a row, or the end of them.
    pub fn in_rows(&self) -> bool {
        self.phase == Phase::Rows
    }

    /// Only the first byte of a row matters: it need not be whole to be passed on.
    pub fn may_pass_in_parts(&self, first: u8, length: usize) -> bool {
        self.continued
            || length == WHOLE
            || (!self.keeps_definitions()
                && matches!(self.phase, Phase::Rows | Phase::Columns(..))
                && first != 0xff
                && first != 0xfe)
    }

    /// Looks at the next packet: its payload, whole where [`may_pass_in_parts`](Self::may_pass_in_parts) asks for
    /// that. `None`: that is not the protocol.
    pub fn see(&mut self, payload: &[u8], length: usize) -> Option<Seen> {
        let continues = std::mem::replace(&mut self.continued, length == WHOLE);
        if continues {
            return Some(Seen::Part);
        }
        let first = *payload.first()?;
        if first == 0xff {
            if matches!(self.phase, Phase::Columns(1.., _)) {
                self.definitions = None;
            }
            self.phase = Phase::Done;
            self.continued = false;
            return Some(Seen::Error);
        }
        match self.phase {
            Phase::Done => None,
            Phase::Single => {
                self.phase = Phase::Done;
                Some(self.end(payload).map_or(Seen::Part, Seen::Ok))
            }
            Phase::Header => self.header(payload),
            Phase::Prepare => {
                let mut reader = Reader(payload.get(5..9)?);
                let (columns, parameters) = (u64::from(reader.u16()?), u64::from(reader.u16()?));
                self.definitions(parameters, Then::Columns(columns));
                Some(Seen::Part)
            }
            Phase::Columns(0, then) => {
                // The EOF packet after definitions.
                let cursor = first == 0xfe
                    && then == Then::Rows
                    && payload
                        .get(3..5)
                        .is_some_and(|b| u16::from_le_bytes([b[0], b[1]]) & status::CURSOR != 0);
                self.follow(if cursor { Then::End } else { then });
                if cursor {
                    self.end(payload).map(Seen::Ok)
                } else {
                    Some(Seen::Part)
                }
            }
            Phase::Columns(left, then) => {
                if self.keeps_definitions() {
                    put_packet(self.definitions.get_or_insert_default(), 0, payload);
                }
                self.definitions_left(left - 1, then);
                Some(Seen::Part)
            }
            Phase::Rows
                if first == 0xfe
                    && (length < 9 || (self.shape.deprecate_eof && length < WHOLE)) =>
            {
                self.finish(payload)
            }
            Phase::Rows => Some(Seen::Part),
        }
    }

    fn header(&mut self, payload: &[u8]) -> Option<Seen> {
        match payload[0] {
            0x00 => self.finish(payload),
            0xfb => Some(Seen::WantsFile),
            _ => {
                let mut reader = Reader(payload);
                let columns = reader.integer()?;
                if self.shape.cache_metadata && reader.u8()? == 0 {
                    self.definitions_left(0, Then::Rows);
                    return Some(Seen::Bare);
                }
                self.definitions = None;
                self.phase = Phase::Columns(columns, Then::Rows);
                Some(Seen::Part)
            }
        }
    }

    fn end(&self, payload: &[u8]) -> Option<Ok> {
        let eof = payload[0] == 0xfe && payload.len() == 5;
        if eof {
            let status = u16::from_le_bytes([payload[3], payload[4]]);
            return Some(Ok {
                status,
                plain: payload.to_vec(),
                ..Ok::default()
            });
        }
        matches!(payload[0], 0 | 0xfe)
            .then(|| Ok::read(payload))
            .flatten()
    }

    fn finish(&mut self, payload: &[u8]) -> Option<Seen> {
        let ok = self.end(payload)?;
        let more = ok.status & status::MORE_RESULTS != 0;
        self.phase = if more { Phase::Header } else { Phase::Done };
        Some(Seen::Ok(ok))
    }

    fn definitions(&mut self, count: u64, then: Then) {
        if count == 0 {
            self.follow(then);
        } else {
            self.phase = Phase::Columns(count, then);
        }
    }

    fn definitions_left(&mut self, left: u64, then: Then) {
        if left == 0 && self.shape.deprecate_eof {
            self.follow(then);
        } else {
            self.phase = Phase::Columns(left, then);
        }
    }

    fn follow(&mut self, then: Then) {
        match then {
            Then::Rows => self.phase = Phase::Rows,
            Then::Columns(count) => self.definitions(count, Then::End),
            Then::End => self.phase = Phase::Done,
        }
    }
}

/// The payload of an ERR packet.
pub fn error_packet(code: u16, state: &str, message: &str) -> Vec<u8> {
    let mut out = vec![0xff];
    out.extend_from_slice(&code.to_le_bytes());
    out.push(b'#');
    out.extend_from_slice(state.as_bytes());
    out.extend_from_slice(message.as_bytes());
    out
}

#[cfg(test)]
mod tests;
