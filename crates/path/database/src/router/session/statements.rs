//! Prepared statements: one number for the client, one on each connection that has it.
//!
//! Numbers for clients are counted here, from where no server counts: connections come and go, each counts from 1, and
//! a number that nobody was given means nothing to a server either. A connection that does not have a statement yet, or
//! was made anew, prepares it when it is first executed there. A client sends the types of its parameters once; a
//! connection that has not heard them is told again.

use std::collections::HashMap;

use super::backend::Backend;
use super::lost;
use super::relay::Broken;
use crate::router::classify::{Route, classify};
use crate::router::wire::WHOLE;
use crate::router::wire::bytes::{Reader, put_packets};

/// Where numbers for clients begin.
const FIRST: u32 = 0x4000_0000;

/// A statement on one connection.
#[derive(Clone, Copy, Debug)]
struct There {
    incarnation: u64,
    id: u32,
    typed: bool,
}

/// A prepared statement.
#[derive(Debug)]
pub struct Statement {
    sql: Vec<u8>,
    parameters: usize,
    types: Option<Vec<u8>>,
    there: Vec<There>,
    /// Where it may be executed.
    pub route: Route,
    /// A transaction that is open when it is executed still is afterwards.
    pub stays_open: bool,
    /// Data was sent ahead, to this connection to the primary; 0: it is lost.
    pub data: Option<u64>,
}

/// The statements of a session, by the client's number.
#[derive(Debug, Default)]
pub struct Statements {
    own: HashMap<u32, Statement>,
    named: u32,
}

/// The number in a command that begins with one.
pub fn id(payload: &[u8]) -> Option<u32> {
    Reader(payload.get(1..)?).u32()
}

/// A command about a statement that goes to a database.
fn about_one(code: u8) -> bool {
    matches!(code, 0x17 | 0x18 | 0x1a | 0x1c)
}

impl Statements {
    /// A number for the client.
    pub fn name(&mut self) -> u32 {
        self.named = self.named.wrapping_add(1) % FIRST;
        FIRST + self.named
    }

    /// The primary has prepared this, as `theirs`: the first packet of its answer, as the client sees it.
    pub fn prepared(&mut self, sql: &[u8], first: &[u8], theirs: u32, on: &Backend) {
        let [0, rest @ ..] = first else {
            return;
        };
        let mut reader = Reader(rest);
        let (Some(id), Some(_), Some(parameters)) = (reader.u32(), reader.u16(), reader.u16())
        else {
            return;
        };
        let there = There {
            incarnation: on.incarnation,
            id: theirs,
            typed: false,
        };
        let statement = Statement {
            sql: sql.to_vec(),
            parameters: usize::from(parameters),
            types: None,
            there: vec![there],
            route: classify(sql),
            stays_open: super::command::stays_open(sql),
            data: None,
        };
        self.own.insert(id, statement);
    }

    /// The statement that a command is about.
    pub fn of(&self, payload: &[u8]) -> Option<&Statement> {
        self.own.get(&id(payload)?)
    }

    /// The same, to be changed.
    pub fn of_mut(&mut self, payload: &[u8]) -> Option<&mut Statement> {
        self.own.get_mut(&id(payload)?)
    }

    /// The statement is closed.
    pub fn remove(&mut self, payload: &[u8]) -> Option<Statement> {
        self.own.remove(&id(payload)?)
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.own.is_empty()
    }

    /// None is left.
    pub fn clear(&mut self) {
        self.own.clear();
    }

    /// Data was sent ahead for one that was not executed yet.
    pub fn await_data(&self) -> bool {
        self.own.values().any(|one| one.data.is_some())
    }

    /// The question by which this connection hears of the statement that the command is about; `None`: it has it.
    pub fn unheard(&self, payload: &[u8], on: &Backend) -> Option<Vec<u8>> {
        let statement = about_one(payload[0]).then(|| self.of(payload)).flatten()?;
        let heard = statement.on(on).is_some();
        (!heard).then(|| [&[0x16][..], &statement.sql].concat())
    }

    /// The connection has answered that; false: it does not take the statement.
    pub fn heard(&mut self, payload: &[u8], first: &[u8], on: &Backend) -> bool {
        let taken = (first.first() == Some(&0)).then(|| id(first)).flatten();
        let (Some(id), Some(statement)) = (taken, self.of_mut(payload)) else {
            return false;
        };
        // Two connections at most have it; those before are gone.
        if statement.there.len() > 3 {
            statement.there.remove(0);
        }
        statement.there.push(There {
            incarnation: on.incarnation,
            id,
            typed: false,
        });
        true
    }

    /// The packets that stand for this one on a connection that has heard of its statement; `None`: itself.
    pub fn translate(&mut self, packet: &[u8], on: &Backend) -> Result<Option<Vec<u8>>, Broken> {
        let payload = &packet[4..];
        if !about_one(payload[0]) {
            return Ok(None);
        }
        let Some(statement) = self.of_mut(payload) else {
            return Ok(None);
        };
        let here = |one: &There| one.incarnation == on.incarnation;
        let Some(at) = statement.there.iter().position(here) else {
            return Ok(None);
        };
        let mut changed = Vec::with_capacity(packet.len() + 64);
        changed.extend_from_slice(payload);
        changed[1..5].copy_from_slice(&statement.there[at].id.to_le_bytes());
        if payload[0] == 0x17 {
            statement.types(&mut changed, at);
            statement.data = None;
        }
        let goes_on = payload.len() == WHOLE;
        if goes_on && changed.len() != WHOLE {
            // What follows would have to be moved: nobody sends 16 MB, loses the connection and sends them again untyped.
            let text =
                "the connection on which the statement had its types is lost: prepare it again";
            return Err(Broken::Unprepared(lost::transaction(text)));
        }
        let mut out = Vec::with_capacity(changed.len() + 8);
        put_packets(&mut out, packet[3], &changed);
        if goes_on {
            // The client's next packet continues it, or ends it.
            out.truncate(4 + WHOLE);
        }
        Ok(Some(out))
    }
}

impl Statement {
    /// Its number on this connection, where it has one.
    pub fn on(&self, on: &Backend) -> Option<u32> {
        let mut there = self.there.iter();
        there
            .find(|one| one.incarnation == on.incarnation)
            .map(|one| one.id)
    }

    /// Remembers the types of an execution, or adds them for a connection that has not heard them.
    fn types(&mut self, execute: &mut Vec<u8>, at: usize) {
        let bound = 10 + self.parameters.div_ceil(8);
        let end = bound + 1 + 2 * self.parameters;
        if self.parameters == 0 {
            return;
        }
        match execute.get(bound) {
            Some(1) => {
                self.types = execute.get(bound + 1..end).map(<[u8]>::to_vec);
                self.there.iter_mut().for_each(|one| one.typed = false);
            }
            Some(0) if !self.there[at].typed => {
                if let Some(types) = &self.types {
                    execute[bound] = 1;
                    execute.splice(bound + 1..bound + 1, types.iter().copied());
                }
            }
            _ => {}
        }
        self.there[at].typed = true;
    }
}
