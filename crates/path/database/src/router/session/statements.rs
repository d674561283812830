//! Prepared statements: one number for the client, one on each connection that has it.
//!
//! Numbers for clients are counted here: connections come and go, and each counts from 1. One that stands for nothing here
//! goes to no server, where it might stand for another statement. A connection that does not have a statement yet, or
//! was made anew, prepares it when it is first executed there. A client sends the types of its parameters once; a
//! connection that has not heard them is told again.
//!
//! A server of MariaDB leaves the definitions of a result's columns out while they are what it has said last, on this
//! connection. With two connections that need not be what the client has heard last: then it is told.

use std::collections::HashMap;
use std::sync::Arc;

use super::backend::{Backend, Told};
use super::choose::Side;
use super::lost;
use super::relay::Broken;
use super::scan::Outcome;
use super::without::without_primary;
use crate::router::classify::{Route, classify};
use crate::router::lexer::Lexer;
use crate::router::wire::WHOLE;
use crate::router::wire::bytes::{Reader, put_packets};

/// Where numbers for clients begin.
const FIRST: u32 = 0x4000_0000;
/// The statement that was prepared last: MariaDB's drivers execute it before they have heard its number.
const LAST: u32 = u32::MAX;

/// What an execution's flags hold where it asks for a cursor: READ_ONLY, FOR_UPDATE, SCROLLABLE.
const CURSOR: u8 = 1 | 2 | 4;

/// The definitions of a result's columns: packets without numbers.
pub type Definitions = Arc<[u8]>;

/// A statement on one connection.
#[derive(Clone, Debug)]
struct There {
    side: Side,
    incarnation: u64,
    id: u32,
    typed: bool,
    /// What it has said last.
    said: Definitions,
}

/// A prepared statement.
#[derive(Debug)]
pub struct Statement {
    sql: Vec<u8>,
    /// Its execution may open a cursor: its result has columns. A procedure has none, what it selects are results of their
    /// own; MySQL opens one for DO, which is a SELECT to it.
    has_cursor: bool,
    parameters: usize,
    types: Option<Vec<u8>>,
    there: Vec<There>,
    /// The definitions that the client has heard last.
    heard: Definitions,
    /// Where it may be executed.
    pub route: Route,
    /// A replica can execute it where there is no primary.
    pub without_primary: bool,
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
    /// The one that was prepared last, if it was taken.
    last: Option<u32>,
}

/// What a command becomes on a connection, and what its answer is about.
pub struct Translated {
    /// The packets that stand for it; `None`: itself.
    pub packets: Option<Vec<u8>>,
    /// A statement is prepared: the number that the client will know it by.
    pub name: Option<u32>,
    /// One is executed, and where its definitions are left out the client has to be told these.
    pub untold: Option<Definitions>,
    /// The client's number of the statement that is executed.
    pub executed: Option<u32>,
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
    fn name(&mut self) -> u32 {
        self.named = self.named.wrapping_add(1) % FIRST;
        FIRST + self.named
    }

    /// A database has prepared this, as `theirs`: its answer, as the client sees it.
    pub fn prepared(
        &mut self,
        sql: &[u8],
        outcome: Outcome,
        theirs: u32,
        (on, side): (&Backend, Side),
    ) {
        let [0, rest @ ..] = &outcome.first[..] else {
            return;
        };
        let mut reader = Reader(rest);
        let (Some(id), Some(columns), Some(parameters)) =
            (reader.u32(), reader.u16(), reader.u16())
        else {
            return;
        };
        let heard = outcome.definitions.unwrap_or_default();
        let there = There {
            side,
            incarnation: on.incarnation,
            id: theirs,
            typed: false,
            said: Arc::clone(&heard),
        };
        let statement = Statement {
            sql: sql.to_vec(),
            has_cursor: columns > 0 || Lexer::new(sql).next().is_some_and(|first| first.is("DO")),
            parameters: usize::from(parameters),
            types: None,
            there: vec![there],
            heard,
            route: classify(sql),
            without_primary: without_primary(sql),
            stays_open: super::command::stays_open(sql),
            data: None,
        };
        self.own.insert(id, statement);
        self.last = Some(id);
    }

    /// Another one is being prepared: until it is, none was prepared last.
    pub fn forget_last(&mut self) {
        self.last = None;
    }

    /// The command is about a statement, and there is none of this number.
    pub fn is_unknown(&self, payload: &[u8]) -> bool {
        about_one(payload[0]) && self.of(payload).is_none()
    }

    /// The command is an execution that asks for a cursor, of a statement that may have one.
    pub fn opens_cursor(&self, payload: &[u8]) -> bool {
        payload[0] == 0x17
            && payload.get(5).is_some_and(|flags| flags & CURSOR != 0)
            && self.of(payload).is_some_and(|one| one.has_cursor)
    }

    /// The client's number of the statement that a command is about.
    fn number(&self, payload: &[u8]) -> Option<u32> {
        match id(payload)? {
            LAST => self.last,
            id => Some(id),
        }
    }

    /// The statement that a command is about.
    pub fn of(&self, payload: &[u8]) -> Option<&Statement> {
        self.own.get(&self.number(payload)?)
    }

    /// The same, to be changed.
    pub fn of_mut(&mut self, payload: &[u8]) -> Option<&mut Statement> {
        self.own.get_mut(&self.number(payload)?)
    }

    /// The statement is closed.
    pub fn remove(&mut self, payload: &[u8]) -> Option<Statement> {
        self.own.remove(&self.number(payload)?)
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

    /// The connection has answered that; the error if it does not take the statement.
    pub fn heard(
        &mut self,
        payload: &[u8],
        told: Told,
        (on, side): (&Backend, Side),
    ) -> Result<(), Vec<u8>> {
        let first = told.first;
        let taken = (first.first() == Some(&0)).then(|| id(&first)).flatten();
        let (Some(id), Some(statement)) = (taken, self.of_mut(payload)) else {
            return Err(first);
        };
        // A side has one connection: the one before is gone.
        statement.there.retain(|one| one.side != side);
        statement.there.push(There {
            side,
            incarnation: on.incarnation,
            id,
            typed: false,
            said: told.definitions.unwrap_or_default(),
        });
        Ok(())
    }

    /// What the client has to be told where this connection leaves definitions out; `None`: it knows them.
    fn untold(&self, payload: &[u8], on: &Backend) -> Option<Definitions> {
        let statement = self.of(payload)?;
        let said = &statement.on(on)?.said;
        let knows = Arc::ptr_eq(said, &statement.heard) || *said == statement.heard;
        (!knows).then(|| Arc::clone(said))
    }

    /// The client has heard from this connection what columns there are.
    pub fn told(&mut self, statement: u32, definitions: &Definitions, on: &Backend) {
        let Some(statement) = self.own.get_mut(&statement) else {
            return;
        };
        statement.heard = Arc::clone(definitions);
        let here = |one: &&mut There| one.incarnation == on.incarnation;
        if let Some(there) = statement.there.iter_mut().find(here) {
            there.said = Arc::clone(definitions);
        }
    }

    /// What goes to a connection that has heard of the command's statement, and what its answer is about.
    pub fn translate(&mut self, packet: &[u8], on: &Backend) -> Result<Translated, Broken> {
        let executes = packet[4] == 0x17;
        Ok(Translated {
            untold: executes.then(|| self.untold(&packet[4..], on)).flatten(),
            executed: executes.then(|| self.number(&packet[4..])).flatten(),
            name: (packet[4] == 0x16).then(|| self.name()),
            packets: self.packets(packet, on)?,
        })
    }

    /// The packets that stand for this one there; `None`: itself.
    fn packets(&mut self, packet: &[u8], on: &Backend) -> Result<Option<Vec<u8>>, Broken> {
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
    /// What this connection knows of it, if anything.
    fn on(&self, on: &Backend) -> Option<&There> {
        let mut there = self.there.iter();
        there.find(|one| one.incarnation == on.incarnation)
    }

    /// Its number on this connection, where it has one.
    pub fn number(&self, on: &Backend) -> Option<u32> {
        self.on(on).map(|one| one.id)
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
