//! Whatever a server may answer: each strategy is a rule of the protocol's grammar.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::router::wire::bytes::put_string;
use crate::router::wire::{Shape, WHOLE, error_packet, status};

/// One payload of an answer.
#[derive(Clone, Debug)]
pub struct Payload {
    pub bytes: Vec<u8>,
    /// As a client sees it that knows no trackers.
    pub plain: Vec<u8>,
    /// It is an end, with these bits.
    pub end: Option<u16>,
    /// The client's file is sent after it.
    pub file: bool,
}

/// Such as says nothing of the session.
fn part(bytes: Vec<u8>) -> Payload {
    Payload {
        plain: bytes.clone(),
        bytes,
        end: None,
        file: false,
    }
}

/// What is asked, and all that is answered.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub command: u8,
    pub opens_cursor: bool,
    pub shape: Shape,
    pub answer: Vec<Payload>,
}

/// A server may set any bit, but that of another result where there is none.
fn bits() -> impl Strategy<Value = u16> {
    any::<u16>().prop_map(|bits| bits & !status::MORE_RESULTS & !status::STATE_CHANGED)
}

fn text(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..longest)
}

/// An OK packet.
fn ok(first: u8, bits: u16) -> impl Strategy<Value = Payload> {
    let counts = (0..251_u8, 0..251_u8);
    (counts, text(300), proptest::option::of(text(300))).prop_map(
        move |((rows, id), info, database)| {
            let changed = [0, status::STATE_CHANGED][usize::from(database.is_some())];
            let write = |bits: u16| {
                let mut out = vec![first, rows, id];
                out.extend(bits.to_le_bytes());
                out.extend([0, 0]);
                if !info.is_empty() || bits & status::STATE_CHANGED != 0 {
                    put_string(&mut out, &info);
                }
                out
            };
            let mut bytes = write(bits | changed);
            if let Some(database) = &database {
                // The schema is another one.
                let (mut name, mut changes) = (Vec::new(), vec![1]);
                put_string(&mut name, database);
                put_string(&mut changes, &name);
                put_string(&mut bytes, &changes);
            }
            Payload {
                bytes,
                plain: write(bits),
                end: Some(bits | changed),
                file: false,
            }
        },
    )
}

fn eof(bits: u16) -> Vec<u8> {
    [&[0xfe, 0, 0][..], &bits.to_le_bytes()].concat()
}

/// What ends rows.
fn end(deprecate_eof: bool, bits: u16) -> BoxedStrategy<Payload> {
    if deprecate_eof {
        return ok(0xfe, bits).boxed();
    }
    let end = Some(bits);
    Just(Payload {
        end,
        ..part(eof(bits))
    })
    .boxed()
}

fn refusal() -> impl Strategy<Value = Payload> {
    "[a-z ]{0,40}".prop_map(|message| part(error_packet(1064, "42000", &message)))
}

/// A row: of text, whose first field may be NULL or anything; or binary, which begins with a zero.
fn row(binary: bool) -> impl Strategy<Value = Payload> {
    let field = prop_oneof![
        8 => text(8).prop_map(Some),
        2 => Just(None),
        1 => (0..70_000_usize, any::<u8>()).prop_map(|(length, byte)| Some(vec![byte; length])),
    ];
    // As long as one packet, or a little longer or shorter: what follows begins like an end or an error.
    let long = (
        WHOLE - 20..WHOLE + 20,
        prop_oneof![Just(0xff), Just(0xfe), Just(0)],
    )
        .prop_map(|(length, byte)| vec![Some(vec![byte; length])]);
    prop_oneof![60 => vec(field, 1..5), 1 => long].prop_map(move |fields| {
        let mut out = Vec::new();
        if binary {
            out.extend([0, 0]);
        }
        for field in &fields {
            match field {
                Some(text) => put_string(&mut out, text),
                None => out.push(0xfb),
            }
        }
        part(out)
    })
}

fn definition() -> impl Strategy<Value = Payload> {
    text(80).prop_map(|rest| part([&b"\x03def"[..], &rest].concat()))
}

/// Definitions, and the packet that ends them where one does.
fn definitions(shape: Shape, count: usize, bits: u16) -> impl Strategy<Value = Vec<Payload>> {
    vec(definition(), count).prop_map(move |mut all| {
        if !shape.deprecate_eof {
            all.push(part(eof(bits)));
        }
        all
    })
}

/// How a result ends: as it should, or with an error, which is the last of all.
fn rows(
    shape: Shape,
    binary: bool,
    (bits, fails): (u16, bool),
) -> impl Strategy<Value = Vec<Payload>> {
    let end = if fails {
        refusal().boxed()
    } else {
        end(shape.deprecate_eof, bits)
    };
    (vec(row(binary), 0..6), end).prop_map(|(mut rows, end)| {
        rows.push(end);
        rows
    })
}

/// One statement's part of an answer.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Nothing,
    Rows,
    /// The row of OUT parameters, which something follows.
    Out,
    File,
}

fn result(
    (shape, binary): (Shape, bool),
    kind: Kind,
    more: bool,
    fails: bool,
) -> BoxedStrategy<Vec<Payload>> {
    let more = [0, status::MORE_RESULTS][usize::from(more)];
    let last = move |bits: u16| {
        if fails {
            refusal().boxed()
        } else {
            ok(0, bits | more).boxed()
        }
    };
    match kind {
        Kind::Nothing => bits().prop_flat_map(last).prop_map(|one| vec![one]).boxed(),
        Kind::File => (text(20), bits().prop_flat_map(last))
            .prop_map(|(name, last)| {
                let asks = part([&[0xfb][..], &name].concat());
                vec![Payload { file: true, ..asks }, last]
            })
            .boxed(),
        Kind::Out => (vec(definition(), 2), row(true), bits(), any::<bool>())
            .prop_flat_map(move |(columns, row, bits, told)| {
                // MySQL does not say in an EOF packet that something follows.
                let more = [0, more][usize::from(told || shape.deprecate_eof)];
                let end = end(shape.deprecate_eof, bits | more);
                (Just((columns, row, bits)), end)
            })
            .prop_map(move |((columns, row, bits), end)| {
                let header = if shape.cache_metadata {
                    vec![2, 1]
                } else {
                    vec![2]
                };
                let defined = eof(bits | status::OUT_PARAMETERS);
                let defined = (!shape.deprecate_eof).then(|| part(defined));
                let before = [vec![part(header)], columns, defined.into_iter().collect()];
                [before.concat(), vec![row, end]].concat()
            })
            .boxed(),
        Kind::Rows => (1..300_usize, bits(), any::<u16>(), any::<bool>())
            .prop_flat_map(move |(count, bits, any_bits, told)| {
                let told = told || !shape.cache_metadata || !binary;
                let mut header = Vec::new();
                if count < 251 {
                    header.push(count as u8);
                } else {
                    header.extend([0xfc, count as u8, (count >> 8) as u8]);
                }
                if shape.cache_metadata {
                    header.push(u8::from(told));
                }
                let count = if told { count } else { 0 };
                // What the end of definitions says of cursors or more means nothing here.
                let out = [0, status::OUT_PARAMETERS][usize::from(binary)];
                let defined = definitions(shape, count, any_bits & !out);
                let rows = rows(shape, binary, (bits | more, fails));
                (Just(part(header)), defined, rows)
            })
            .prop_map(|(header, defined, rows)| [vec![header], defined, rows].concat())
            .boxed(),
    }
}

/// The answer to a text or an execution without a cursor: any number of results, the last of which may fail.
fn statements(shape: Shape, binary: bool) -> impl Strategy<Value = Vec<Payload>> {
    let kind = if binary {
        prop_oneof![Just(Kind::Nothing), Just(Kind::Rows), Just(Kind::Out)].boxed()
    } else {
        prop_oneof![Just(Kind::Nothing), Just(Kind::Rows), Just(Kind::File)].boxed()
    };
    (vec(kind, 1..5), any::<bool>()).prop_flat_map(move |(mut kinds, fails)| {
        if let Some(Kind::Out) = kinds.last() {
            kinds.push(Kind::Nothing);
        }
        let last = kinds.len() - 1;
        let results = kinds.into_iter().enumerate();
        let results =
            results.map(|(at, kind)| result((shape, binary), kind, at < last, fails && at == last));
        results
            .collect::<Vec<_>>()
            .prop_map(|results| results.concat())
    })
}

/// An execution that asks for a cursor: it is opened, or its rows come at once.
fn cursor(shape: Shape) -> impl Strategy<Value = Vec<Payload>> {
    let opened = (1..4_usize, bits()).prop_flat_map(move |(count, bits)| {
        let open = bits | status::CURSOR;
        let defined = vec(definition(), count);
        (defined, end(shape.deprecate_eof, open)).prop_map(move |(defined, end)| {
            let mut header = vec![count as u8];
            if shape.cache_metadata {
                header.push(1);
            }
            [vec![part(header)], defined, vec![end]].concat()
        })
    });
    let unopened = (1..4_usize, bits(), bits()).prop_flat_map(move |(count, defined, bits)| {
        let mut header = vec![count as u8];
        if shape.cache_metadata {
            header.push(1);
        }
        let defined = definitions(shape, count, defined & !status::CURSOR);
        let rows = rows(shape, true, (bits, false));
        (defined, rows)
            .prop_map(move |(defined, rows)| [vec![part(header.clone())], defined, rows].concat())
    });
    prop_oneof![opened, unopened, refusal().prop_map(|one| vec![one])]
}

fn prepared(shape: Shape) -> impl Strategy<Value = Vec<Payload>> {
    (0..4_usize, 0..4_usize, any::<u16>()).prop_flat_map(move |(columns, parameters, bits)| {
        let first = vec![
            0,
            7,
            0,
            0,
            0,
            columns as u8,
            0,
            parameters as u8,
            0,
            0,
            0,
            0,
        ];
        let list = |count| match count {
            0 => Just(Vec::new()).boxed(),
            count => definitions(shape, count, bits).boxed(),
        };
        (list(parameters), list(columns)).prop_map(move |(parameters, columns)| {
            [vec![part(first.clone())], parameters, columns].concat()
        })
    })
}

/// What may be asked, and answered.
pub fn exchange() -> impl Strategy<Value = Exchange> {
    (any::<bool>(), any::<bool>(), 0..8_u8).prop_flat_map(|(deprecate_eof, cache, what)| {
        let shape = Shape {
            deprecate_eof,
            cache_metadata: cache,
        };
        let (command, opens_cursor, answer) = match what {
            0 | 1 => (0x03, false, statements(shape, false).boxed()),
            2 | 3 => (0x17, false, statements(shape, true).boxed()),
            4 => (0x17, true, cursor(shape).boxed()),
            5 => (0x16, false, prepared(shape).boxed()),
            6 => {
                let fetched = (any::<u16>(), any::<bool>()).prop_flat_map(move |(bits, fails)| {
                    rows(shape, true, (bits & !status::STATE_CHANGED, fails))
                });
                (0x1c, false, fetched.boxed())
            }
            _ => {
                let columns = (vec(definition(), 0..5), any::<u16>()).prop_flat_map(
                    move |(columns, bits)| {
                        let end = end(shape.deprecate_eof, bits & !status::STATE_CHANGED);
                        end.prop_map(move |end| [columns.clone(), vec![end]].concat())
                    },
                );
                (0x04, false, columns.boxed())
            }
        };
        answer.prop_map(move |answer| Exchange {
            command,
            opens_cursor,
            shape,
            answer,
        })
    })
}
