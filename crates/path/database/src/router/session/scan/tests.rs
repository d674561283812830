//! A pretended server that answers anything legal, cut into any pieces.

mod pretended;

use proptest::collection::vec;
use proptest::prelude::*;

use self::pretended::{Exchange, exchange};
use super::*;
use crate::router::wire::WHOLE;
use crate::router::wire::bytes::put_packets;

/// What a relay makes of an answer that comes in these pieces.
struct Relayed {
    sent: Vec<u8>,
    ends: Vec<u16>,
    files: usize,
    unused: Vec<u8>,
}

fn relay(exchange: &Exchange, stream: &[u8], plain: bool, pieces: &[usize]) -> Relayed {
    let response = Response::to(exchange.command, exchange.shape).unwrap();
    let mut scan = Scan::new(response.opening_cursor(exchange.opens_cursor), plain, false);
    let mut pieces = pieces.iter().copied().cycle();
    let (mut come, mut used) = (0, 0);
    let mut relayed = Relayed {
        sent: Vec::new(),
        ends: Vec::new(),
        files: 0,
        unused: Vec::new(),
    };
    loop {
        let data = &stream[used..come];
        let mut on_ok = |ok: &OkPacket| relayed.ends.push(ok.status);
        let (length, next) = scan.next(data, &mut on_ok).expect("the answer is legal");
        relayed.sent.extend_from_slice(&data[..length]);
        used += length;
        match next {
            Next::Replace(length, payload) => {
                put_packets(&mut relayed.sent, stream[used + 3], &payload);
                used += 4 + length;
            }
            Next::File => relayed.files += 1,
            Next::More if scan.done() => {}
            Next::More => {
                assert!(come < stream.len(), "more is waited for than was answered");
                // The middle of what is long is cut into fewer pieces.
                let piece = pieces.next().unwrap() * if stream.len() > WHOLE { 1000 } else { 1 };
                come = stream.len().min(come + piece);
            }
            other => panic!("{other:?}"),
        }
        if scan.done() {
            relayed.unused = stream[used..come].to_vec();
            return relayed;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_answer_is_passed_on_to_its_true_end(
        exchange in exchange(),
        plain in any::<bool>(),
        pieces in vec(prop_oneof![1..6_usize, 1..300_usize, 1..20_000_usize], 1..12),
    ) {
        let (mut stream, mut expected) = (Vec::new(), Vec::new());
        let mut sequence = 1_u8;
        for payload in &exchange.answer {
            put_packets(&mut stream, sequence, &payload.bytes);
            let seen = if plain { &payload.plain } else { &payload.bytes };
            put_packets(&mut expected, sequence, seen);
            sequence = sequence.wrapping_add((payload.bytes.len() / WHOLE) as u8 + 1);
        }
        let answered = stream.len();
        // What does not belong to it stays where it is.
        let next = b"\x01\0\0\x01\x02";
        stream.extend_from_slice(next);
        let relayed = relay(&exchange, &stream, plain, &pieces);
        prop_assert!(relayed.sent == expected, "{} bytes of {}", relayed.sent.len(), expected.len());
        prop_assert!(next.starts_with(&relayed.unused), "{:?} of {answered}", relayed.unused);
        let ends: Vec<u16> = exchange.answer.iter().filter_map(|one| one.end).collect();
        prop_assert_eq!(relayed.ends, ends);
        let files = exchange.answer.iter().filter(|one| one.file).count();
        prop_assert_eq!(relayed.files, files);
    }
}
