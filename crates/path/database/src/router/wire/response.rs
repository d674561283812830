//! Following an answer from packet to packet, to know when it ends and what its status is.
//!
//! Pure: it is shown the beginning of each packet and says what that was.

use super::bytes::{Reader, put_string};
use super::{WHOLE, status};

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

/// The answer to one command.
#[derive(Clone, Debug)]
pub struct Response {
    phase: Phase,
    deprecate_eof: bool,
    continued: bool,
}

impl Response {
    /// The answer to this command byte; `None`: we do not know its shape.
    pub fn to(command: u8, deprecate_eof: bool) -> Option<Self> {
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
            deprecate_eof,
            continued: false,
        })
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
            || (matches!(self.phase, Phase::Rows | Phase::Columns(..))
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
                self.definitions_left(left - 1, then);
                Some(Seen::Part)
            }
            Phase::Rows
                if first == 0xfe && (length < 9 || (self.deprecate_eof && length < WHOLE)) =>
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
                let columns = Reader(payload).integer()?;
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
        if left == 0 && self.deprecate_eof {
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
mod tests {
    use super::super::bytes::put_string;
    use super::*;

    fn ok(first: u8, bits: u16) -> Vec<u8> {
        let mut changes = vec![0];
        let mut variable = Vec::new();
        put_string(&mut variable, b"last_gtid");
        put_string(&mut variable, b"0-1-7");
        put_string(&mut changes, &variable);
        let mut packet = vec![first, 1, 0];
        packet.extend_from_slice(&(bits | status::STATE_CHANGED).to_le_bytes());
        packet.extend_from_slice(&[0, 0]);
        put_string(&mut packet, b"info");
        put_string(&mut packet, &changes);
        packet
    }

    #[test]
    fn trackers_are_read_and_can_be_left_out() {
        let read = Ok::read(&ok(0, status::AUTOCOMMIT)).unwrap();
        assert_eq!(read.gtid.as_deref(), Some(&b"0-1-7"[..]));
        assert_eq!(
            read.plain,
            [&[0, 1, 0, 2, 0, 0, 0, 4][..], b"info"].concat()
        );
    }

    #[test]
    fn a_result_ends_with_its_last_packet_in_both_forms() {
        for deprecate_eof in [false, true] {
            let mut response = Response::to(3, deprecate_eof).unwrap();
            let eof = [0xfe, 0, 0, 2, 0];
            let mut packets = vec![vec![1], vec![3, b'd', b'e', b'f']];
            if !deprecate_eof {
                packets.push(eof.to_vec());
            }
            packets.extend([vec![1, b'x'], vec![0]]);
            for packet in packets {
                assert_eq!(
                    response.see(&packet, packet.len()),
                    Some(Seen::Part),
                    "{packet:?}"
                );
                assert!(!response.done());
            }
            let last = if deprecate_eof {
                ok(0xfe, 2)
            } else {
                eof.to_vec()
            };
            assert!(
                matches!(response.see(&last, last.len()), Some(Seen::Ok(ok)) if ok.status & 2 != 0)
            );
            assert!(response.done());
        }
    }

    #[test]
    fn several_results_and_continued_rows_are_one_answer() {
        let mut response = Response::to(3, true).unwrap();
        let more = ok(0, status::MORE_RESULTS);
        assert!(matches!(response.see(&more, more.len()), Some(Seen::Ok(_))));
        assert!(!response.done());
        response.see(&[1], 1);
        response.see(&[3], 30);
        assert_eq!(response.see(&[5], WHOLE), Some(Seen::Part));
        // This one only looks like an error.
        assert_eq!(response.see(&[0xff], 20), Some(Seen::Part));
        let last = ok(0xfe, 2);
        response.see(&last, last.len());
        assert!(response.done());
    }

    #[test]
    fn a_prepared_statement_is_followed_through_both_lists() {
        for (columns, parameters, deprecate_eof, packets) in [
            (0, 0, true, 0),
            (1, 2, true, 3),
            (1, 2, false, 5),
            (0, 1, false, 2),
        ] {
            let mut response = Response::to(0x16, deprecate_eof).unwrap();
            response.see(&[0, 1, 0, 0, 0, columns, 0, parameters, 0, 0, 0, 0], 12);
            for _ in 0..packets {
                assert!(!response.done());
                response.see(&[3, b'd', b'e', b'f', 0], 5);
            }
            assert!(response.done(), "{columns} {parameters} {deprecate_eof}");
        }
    }
}
