//! Answers, packet by packet.

use super::super::bytes::put_string;
use super::*;

fn shape(deprecate_eof: bool) -> Shape {
    Shape {
        deprecate_eof,
        cache_metadata: false,
    }
}

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
fn definitions_are_kept_and_may_be_left_out() {
    for deprecate_eof in [false, true] {
        let shape = Shape {
            deprecate_eof,
            cache_metadata: true,
        };
        let eof = [0xfe, 0, 0, 2, 0];
        let last = if deprecate_eof {
            ok(0xfe, 2)
        } else {
            eof.to_vec()
        };
        let mut prepared = Response::to(0x16, shape).unwrap();
        let mut told = Response::to(0x17, shape).unwrap();
        let mut left_out = Response::to(0x17, shape).unwrap();
        prepared.see(&[0, 1, 0, 0, 0, 2, 0, 1, 0, 0, 0, 0], 12);
        prepared.see(b"\x03def?", 5);
        told.see(&[2, 1], 2);
        if !deprecate_eof {
            prepared.see(&eof, 5);
        }
        for response in [&mut prepared, &mut told] {
            assert!(!response.may_pass_in_parts(3, 5));
            response.see(b"\x03defa", 5);
            response.see(b"\x03defb", 5);
        }
        assert_eq!(left_out.see(&[2, 0], 2), Some(Seen::Bare));
        if !deprecate_eof {
            for response in [&mut prepared, &mut told, &mut left_out] {
                assert_eq!(response.see(&eof, 5), Some(Seen::Part));
            }
        }
        assert!(prepared.done());
        for response in [&mut told, &mut left_out] {
            assert!(response.in_rows() && response.may_pass_in_parts(0, 3));
            response.see(&last, last.len());
            assert!(response.done());
        }
        let both: Arc<[u8]> = (*b"\x05\0\0\0\x03defa\x05\0\0\0\x03defb").into();
        assert_eq!(prepared.take_definitions(), Some(both.clone()));
        assert_eq!(told.take_definitions(), Some(both));
        assert_eq!(left_out.take_definitions(), None);
    }
}

#[test]
fn several_results_and_continued_rows_are_one_answer() {
    let mut response = Response::to(3, shape(true)).unwrap();
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

/// A packet of an answer, as a table writes it.
#[derive(Clone, Copy, Debug)]
enum Packet {
    /// How many columns follow.
    Count(u8),
    Definition,
    /// What ends definitions where EOF packets are sent, with these bits.
    Defined(u16),
    Row,
    /// What ends rows, with these bits.
    End(u16),
    /// What ends OUT parameters: as MySQL has it, the EOF packet does not say that more follows.
    EndOut,
    /// An OK packet, with these bits.
    Done(u16),
    Refused,
    File,
    /// What a statement that was prepared begins with: columns, parameters.
    Prepared(u8, u8),
    Text,
}

use Packet::{Count, Defined, Definition, Done, End, EndOut, File, Prepared, Refused, Row, Text};

/// The bit that marks rows which are to be fetched.
const OPEN: u16 = status::CURSOR;
const MORE: u16 = status::MORE_RESULTS;
const OUT: u16 = status::OUT_PARAMETERS;
/// LAST_ROW_SENT
const LAST: u16 = 0x80;

impl Packet {
    /// `None`: it is not sent.
    fn write(self, deprecate_eof: bool) -> Option<Vec<u8>> {
        let eof = |bits: u16| [&[0xfe, 0, 0][..], &bits.to_le_bytes()].concat();
        Some(match self {
            Count(columns) => vec![columns],
            Definition => b"\x03def\0\0".to_vec(),
            Defined(_) if deprecate_eof => return None,
            Defined(bits) => eof(bits),
            Row => vec![1, b'x'],
            End(bits) if deprecate_eof => ok(0xfe, bits),
            End(bits) => eof(bits),
            EndOut if deprecate_eof => ok(0xfe, OUT | MORE),
            EndOut => eof(0),
            Done(bits) => ok(0, bits),
            Refused => error_packet(1064, "42000", "no"),
            File => b"\xfbname".to_vec(),
            Prepared(columns, parameters) => {
                vec![0, 7, 0, 0, 0, columns, 0, parameters, 0, 0, 0, 0]
            }
            Text => b"Uptime: 7".to_vec(),
        })
    }
}

/// The name, the command, whether it asks for a cursor, and what is answered.
type Case = (&'static str, u8, bool, &'static [Packet]);

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("nothing but an OK", 3, false, &[Done(0)]),
    ("an error", 3, false, &[Refused]),
    ("several OKs", 3, false, &[Done(MORE), Done(MORE), Done(0)]),
    ("no rows", 3, false, &[Count(1), Definition, Defined(0), End(0)]),
    ("rows", 3, false, &[Count(2), Definition, Definition, Defined(0), Row, Row, End(0)]),
    ("two results and an OK", 3, false, &[Count(1), Definition, Defined(MORE), Row, End(MORE), Count(1), Definition, Defined(MORE), End(MORE), Done(0)]),
    ("an error between results", 3, false, &[Count(1), Definition, Defined(MORE), Row, End(MORE), Refused]),
    ("an error among rows", 3, false, &[Count(1), Definition, Defined(0), Row, Refused]),
    ("an error instead of rows", 3, false, &[Count(1), Definition, Defined(0), Refused]),
    ("a procedure with an open cursor", 3, false, &[Count(1), Definition, Defined(OPEN | MORE), Row, End(OPEN | MORE), Count(1), Definition, Defined(OPEN | MORE), End(OPEN | MORE), Done(OPEN)]),
    ("one that fails", 3, false, &[Count(1), Definition, Defined(OPEN | MORE), Row, End(OPEN | MORE), Refused]),
    ("a file", 3, false, &[File, Done(0)]),
    ("a file among others", 3, false, &[Done(MORE), File, Done(MORE), Count(1), Definition, Defined(0), Row, End(0)]),
    ("a file that is refused", 3, false, &[File, Refused]),
    ("an execution without a result", 0x17, false, &[Done(0)]),
    ("an execution", 0x17, false, &[Count(1), Definition, Defined(0), Row, End(0)]),
    ("one of a procedure", 0x17, false, &[Count(1), Definition, Defined(OPEN | MORE), Row, End(OPEN | MORE), Done(0)]),
    ("one with an OUT parameter", 0x17, false, &[Count(1), Definition, Defined(OUT | MORE), Row, End(MORE), Done(0)]),
    ("the same, of MySQL", 0x17, false, &[Count(1), Definition, Defined(MORE), Row, End(MORE), Count(1), Definition, Defined(OUT | MORE), Row, EndOut, Done(0)]),
    ("a text that only looks like it", 3, false, &[Count(1), Definition, Defined(OUT), Row, End(OUT)]),
    ("a cursor", 0x17, true, &[Count(1), Definition, Defined(OPEN), End(OPEN)]),
    ("a cursor that is refused", 0x17, true, &[Refused]),
    ("a cursor that is not opened", 0x17, true, &[Count(1), Definition, Defined(0), Row, Row, End(0)]),
    ("a cursor for what has no result", 0x17, true, &[Done(0)]),
    ("rows that are fetched", 0x1c, false, &[Row, Row, End(OPEN)]),
    ("the last of them", 0x1c, false, &[Row, End(OPEN | LAST | MORE)]),
    ("none of them", 0x1c, false, &[End(LAST)]),
    ("what cannot be fetched", 0x1c, false, &[Refused]),
    ("the columns of a table", 4, false, &[Definition, Definition, End(MORE)]),
    ("those of no table", 4, false, &[Refused]),
    ("statistics", 9, false, &[Text]),
    ("an option", 0x1b, false, &[End(MORE)]),
    ("a ping", 0x0e, false, &[Done(MORE)]),
    ("a reset", 0x1f, false, &[Done(0)]),
    ("a database that is none", 2, false, &[Refused]),
    ("what runs", 0x0a, false, &[Count(1), Definition, Defined(0), Row, End(MORE)]),
    ("a statement that is prepared", 0x16, false, &[Prepared(0, 0)]),
    ("one with columns", 0x16, false, &[Prepared(2, 0), Definition, Definition, Defined(OPEN)]),
    ("one with parameters", 0x16, false, &[Prepared(0, 2), Definition, Definition, Defined(OPEN)]),
    ("one with both", 0x16, false, &[Prepared(1, 1), Definition, Defined(0), Definition, Defined(0)]),
    ("one that is none", 0x16, false, &[Refused]),
];

#[test]
fn every_answer_ends_with_its_last_packet_and_not_before() {
    for deprecate_eof in [false, true] {
        for &(name, command, cursor, packets) in CASES {
            let case = format!("{name}, without EOF packets: {deprecate_eof}");
            let response = Response::to(command, shape(deprecate_eof)).unwrap();
            let mut response = response.opening_cursor(cursor);
            for packet in packets {
                // What a cursor's definitions end with is the end of all.
                let ends_cursor = cursor && matches!(packet, End(bits) if bits & OPEN != 0);
                if ends_cursor && !deprecate_eof {
                    continue;
                }
                let Some(payload) = packet.write(deprecate_eof) else {
                    continue;
                };
                assert!(!response.done(), "{case}: over before {packet:?}");
                let seen = response.see(&payload, payload.len());
                assert!(seen.is_some(), "{case}: {packet:?} is not understood");
            }
            assert!(response.done(), "{case}: more is waited for");
        }
    }
}

#[test]
fn what_is_not_the_protocol_is_not_waited_out() {
    let defined = |deprecate_eof, command: u8| {
        let mut response = Response::to(command, shape(deprecate_eof)).unwrap();
        response.see(&[1], 1).unwrap();
        response.see(b"\x03def", 4).unwrap();
        response
    };
    assert_eq!(
        defined(false, 3).see(&[1, b'x'], 2),
        None,
        "a row for an EOF packet"
    );
    assert_eq!(defined(true, 3).see(&[0xfe, 1], 2), None, "half an end");
    for (command, payload) in [
        (3, &[][..]),
        (3, &[0]),
        (0x16, &[7; 12]),
        (0x16, &[0, 1, 0]),
    ] {
        let mut response = Response::to(command, shape(true)).unwrap();
        assert_eq!(
            response.see(payload, payload.len()),
            None,
            "{command}: {payload:?}"
        );
    }
    let mut response = Response::to(3, shape(true)).unwrap();
    assert_eq!(
        response.see(&[0; 100], WHOLE),
        None,
        "an OK packet of 16 MB"
    );
}

#[test]
fn what_no_server_knows_has_no_answer() {
    let known: Vec<u8> = (0..=255)
        .filter(|command| Response::to(*command, shape(true)).is_some())
        .collect();
    let unknown = [0x00, 0x0b, 0x0f, 0x10, 0x11, 0x13, 0x14, 0x1d];
    let expected: Vec<u8> = (0..0x20)
        .filter(|command| !unknown.contains(command))
        .collect();
    // COM_CHANGE_USER is the router's own.
    assert_eq!(known, expected);
}
