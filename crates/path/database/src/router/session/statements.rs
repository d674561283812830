//! Prepared statements: one id for the client, one on each connection that has it.
//!
//! The client's id is the one that the primary gave first. A connection that does not have a statement yet, or
//! was made anew, prepares it when it is first executed there. A client sends the types of its parameters once;
//! a connection that has not heard them is told again.

use std::collections::HashMap;
use std::io;

use super::backend::Backend;
use crate::router::classify::{Route, classify};
use crate::router::wire::bytes::Reader;

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
    /// Data was sent ahead: it is on the primary.
    pub long_data: bool,
}

/// The statements of a session, by the client's id.
#[derive(Debug, Default)]
pub struct Statements(pub HashMap<u32, Statement>);

/// The id in a command that begins with one.
pub fn id(payload: &[u8]) -> Option<u32> {
    Reader(payload.get(1..)?).u32()
}

impl Statements {
    /// The primary has prepared this: the first packet of its answer.
    pub fn prepared(&mut self, sql: &[u8], first: &[u8], on: &Backend) {
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
            id,
            typed: false,
        };
        let statement = Statement {
            sql: sql.to_vec(),
            parameters: usize::from(parameters),
            types: None,
            there: vec![there],
            route: classify(sql),
            stays_open: super::command::stays_open(sql),
            long_data: false,
        };
        self.0.insert(id, statement);
    }

    /// The command for this connection, which is told the statement first where it does not have it. `None`: the
    /// connection does not take it. A command about a statement that nobody prepared goes on as it is.
    pub async fn translate(
        &mut self,
        payload: &[u8],
        on: &mut Backend,
    ) -> io::Result<Option<Vec<u8>>> {
        let mut out = payload.to_vec();
        let Some(statement) = id(payload).and_then(|id| self.0.get_mut(&id)) else {
            return Ok(Some(out));
        };
        let at = match statement
            .there
            .iter()
            .position(|one| one.incarnation == on.incarnation)
        {
            Some(at) => at,
            None => {
                let told = on.ask(&[&[0x16][..], &statement.sql].concat()).await?;
                let Some(id) = (told.first.first() == Some(&0))
                    .then(|| id(&told.first))
                    .flatten()
                else {
                    return Ok(None);
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
                statement.there.len() - 1
            }
        };
        out[1..5].copy_from_slice(&statement.there[at].id.to_le_bytes());
        if payload[0] == 0x17 {
            statement.types(&mut out, at);
        }
        Ok(Some(out))
    }

    /// The statement is closed: where it was, under which id.
    pub fn close(&self, payload: &[u8], on: &Backend) -> Option<u32> {
        let statement = self.0.get(&id(payload)?)?;
        let mut there = statement.there.iter();
        there
            .find(|one| one.incarnation == on.incarnation)
            .map(|one| one.id)
    }
}

impl Statement {
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
