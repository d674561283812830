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
fn a_result_ends_with_its_last_packet_in_both_forms() {
    for deprecate_eof in [false, true] {
        let mut response = Response::to(3, shape(deprecate_eof)).unwrap();
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

#[test]
fn a_prepared_statement_is_followed_through_both_lists() {
    for (columns, parameters, deprecate_eof, packets) in [
        (0, 0, true, 0),
        (1, 2, true, 3),
        (1, 2, false, 5),
        (0, 1, false, 2),
    ] {
        let mut response = Response::to(0x16, shape(deprecate_eof)).unwrap();
        response.see(&[0, 1, 0, 0, 0, columns, 0, parameters, 0, 0, 0, 0], 12);
        for _ in 0..packets {
            assert!(!response.done());
            response.see(&[3, b'd', b'e', b'f', 0], 5);
        }
        assert!(response.done(), "{columns} {parameters} {deprecate_eof}");
    }
}
