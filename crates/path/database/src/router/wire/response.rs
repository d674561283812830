//! Following an answer from packet to packet, to know when it ends and what its status is.
//!
//! Pure: it is shown the beginning of each packet and says what that was. What may come next is decided by what was
//! asked and by the grammar of the protocol. Status bits only choose where the grammar has a choice: a server leaves
//! bits of other statements standing (a procedure with an open cursor marks each of its results as a cursor).

use std::sync::Arc;

use super::bytes::{Reader, put_packet};
use super::handshake::Answer;
use super::ok::Ok;
use super::{WHOLE, capability, status};

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

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The beginning of a statement's result.
    Header,
    /// The beginning of a statement that is prepared.
    Prepare,
    /// So many definitions, and the packet that ends them where one does; then what follows them.
    Columns(u64, Then),
    /// Rows, and their end.
    Rows,
    /// The only packet.
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
    /// It was asked to open a cursor: the definitions may be all.
    opens_cursor: bool,
    /// One result may follow another.
    has_several: bool,
    /// Those of OUT parameters may be among them.
    has_out: bool,
    /// These rows are such: what the procedure itself comes to follows, also where MySQL does not say so.
    in_out: bool,
    continued: bool,
    /// The next answer to this statement may leave its definitions out.
    keeps: bool,
    /// The definitions of the columns of the result that came last, as packets without numbers, if they are kept.
    definitions: Option<Vec<u8>>,
}

impl Response {
    /// The answer to this command byte; `None`: no server of ours knows the command.
    pub fn to(command: u8, shape: Shape) -> Option<Self> {
        let phase = match command {
            // QUIT, SEND_LONG_DATA, STMT_CLOSE
            0x01 | 0x18 | 0x19 => Phase::Done,
            // QUERY, PROCESS_INFO, STMT_EXECUTE
            0x03 | 0x0a | 0x17 => Phase::Header,
            0x16 => Phase::Prepare,
            // FIELD_LIST, STMT_FETCH; the events of BINLOG_DUMP and BINLOG_DUMP_GTID begin and end as rows do
            0x04 | 0x1c | 0x12 | 0x1e => Phase::Rows,
            // INIT_DB, CREATE_DB, DROP_DB, REFRESH, SHUTDOWN, STATISTICS, PROCESS_KILL, DEBUG, PING, REGISTER_SLAVE,
            // STMT_RESET, SET_OPTION, RESET
            0x02 | 0x05..=0x09 | 0x0c..=0x0e | 0x15 | 0x1a | 0x1b | 0x1f => Phase::Single,
            _ => return None,
        };
        Some(Self {
            phase,
            shape,
            opens_cursor: false,
            // QUERY, EXECUTE
            has_several: matches!(command, 0x03 | 0x17),
            has_out: command == 0x17,
            in_out: false,
            continued: false,
            // PREPARE, EXECUTE
            keeps: shape.cache_metadata && matches!(command, 0x16 | 0x17),
            definitions: None,
        })
    }

    /// The same, to an execution that asks for a cursor.
    pub fn opening_cursor(self, opens_cursor: bool) -> Self {
        Self {
            opens_cursor,
            // What has a cursor is no procedure.
            has_out: self.has_out && !opens_cursor,
            ..self
        }
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
                && matches!(self.phase, Phase::Rows | Phase::Columns(1.., _))
                && first != 0xff
                && first != 0xfe)
    }

    /// Looks at the next packet: its payload, whole where [`may_pass_in_parts`](Self::may_pass_in_parts) asks for
    /// that. `None`: that is not the protocol.
    pub fn see(&mut self, payload: &[u8], length: usize) -> Option<Seen> {
        if self.continued {
            self.continued = length == WHOLE;
            return Some(Seen::Part);
        }
        // Only an empty packet has no first byte.
        let first = payload.first().copied().unwrap_or_default();
        match self.phase {
            Phase::Done => None,
            Phase::Rows if length == WHOLE => {
                // Whatever it begins with: an end is not as long.
                self.continued = true;
                Some(Seen::Part)
            }
            _ if length == WHOLE => None,
            _ if first == 0xff => {
                if matches!(self.phase, Phase::Columns(1.., _)) {
                    self.definitions = None;
                }
                self.phase = Phase::Done;
                Some(Seen::Error)
            }
            Phase::Single => {
                self.phase = Phase::Done;
                Some(read_end(payload).map_or(Seen::Part, Seen::Ok))
            }
            Phase::Header => self.header(payload),
            Phase::Prepare => self.prepared(payload),
            Phase::Columns(0, then) => self.end_definitions(payload, then),
            Phase::Columns(left, then) => {
                if self.keeps_definitions() {
                    put_packet(self.definitions.get_or_insert_default(), 0, payload);
                }
                self.definitions_left(left - 1, then);
                Some(Seen::Part)
            }
            Phase::Rows if first == 0xfe && (length < 9 || self.shape.deprecate_eof) => {
                self.finish(payload)
            }
            Phase::Rows => Some(Seen::Part),
        }
    }

    fn header(&mut self, payload: &[u8]) -> Option<Seen> {
        match payload.first()? {
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

    fn prepared(&mut self, payload: &[u8]) -> Option<Seen> {
        let mut reader = Reader(payload);
        let taken = reader.u8()? == 0;
        let (_, columns, parameters) = (reader.u32()?, reader.u16()?, reader.u16()?);
        self.definitions(parameters.into(), Then::Columns(columns.into()));
        taken.then_some(Seen::Part)
    }

    /// The EOF packet after definitions: of a cursor that was opened it is the end.
    fn end_definitions(&mut self, payload: &[u8], then: Then) -> Option<Seen> {
        let eof = read_end(payload).filter(|_| payload[0] == 0xfe)?;
        if self.opens_cursor && then == Then::Rows && eof.status & status::CURSOR != 0 {
            return self.finish(payload);
        }
        self.in_out = self.has_out && eof.status & status::OUT_PARAMETERS != 0;
        self.follow(then);
        Some(Seen::Part)
    }

    /// The end of a result.
    fn finish(&mut self, payload: &[u8]) -> Option<Seen> {
        let ok = read_end(payload)?;
        let more = self.has_several && ok.status & status::MORE_RESULTS != 0;
        let more = std::mem::take(&mut self.in_out) || more;
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

/// An OK packet, or an EOF packet; `None`: neither.
fn read_end(payload: &[u8]) -> Option<Ok> {
    match *payload {
        [0xfe, one, two, low, high] => {
            let bits = u16::from_le_bytes([low, high]);
            let [low, high] = (bits & !status::STATE_CHANGED).to_le_bytes();
            Some(Ok {
                status: bits,
                plain: vec![0xfe, one, two, low, high],
                ..Ok::default()
            })
        }
        [0 | 0xfe, ..] => Ok::read(payload),
        _ => None,
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
