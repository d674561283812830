//! Connections to upstreams that wait for their next request: a worker's own, the last used first.

use std::collections::HashMap;

use tokio::net::TcpStream;

/// Idle connections to one instance; more are closed.
const MOST: usize = 256;

/// A connection to an upstream, with the buffer for what it answers.
pub struct Connection {
    /// The connection.
    pub stream: TcpStream,
    /// What has come and not been read: empty between two answers.
    pub buffer: Vec<u8>,
    /// It has served before: its end may have been closed meanwhile.
    pub used: bool,
}

/// A worker's idle connections.
#[derive(Default)]
pub struct Pool {
    idle: HashMap<String, Vec<Connection>>,
}

impl Pool {
    /// Takes the connection to an instance that was used last. One that has been closed meanwhile is thrown away.
    pub fn take(&mut self, instance: &str) -> Option<Connection> {
        let idle = self.idle.get_mut(instance)?;
        while let Some(connection) = idle.pop() {
            // Without an event from the kernel this makes no system call.
            let mut byte = [0];
            match connection.stream.try_read(&mut byte) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    return Some(connection);
                }
                // Closed, or it speaks unasked: either way of no use.
                _ => {}
            }
        }
        None
    }

    /// Keeps a connection that is clean: everything asked on it has been answered.
    pub fn put(&mut self, instance: &str, mut connection: Connection) {
        connection.used = true;
        match self.idle.get_mut(instance) {
            Some(idle) if idle.len() < MOST => idle.push(connection),
            Some(_) => {}
            None => drop(self.idle.insert(instance.to_owned(), vec![connection])),
        }
    }
}
