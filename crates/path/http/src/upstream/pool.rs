//! Connections to upstreams that wait for their next request: a worker's own, the last used first.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::Instance;

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
    by_instance: HashMap<String, Idle>,
}

/// Those to one instance. One that has moved is reached by new ones.
struct Idle {
    instance: Arc<Instance>,
    connections: Vec<Connection>,
}

impl Pool {
    /// Takes the connection to an instance that was used last. One that has been closed meanwhile is thrown away.
    pub fn take(&mut self, instance: &Instance) -> Option<Connection> {
        let idle = self
            .by_instance
            .get_mut(&instance.id)
            .filter(|idle| idle.instance.transport == instance.transport)?;
        while let Some(connection) = idle.connections.pop() {
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
    pub fn put(&mut self, instance: &Arc<Instance>, mut connection: Connection) {
        if instance.is_leaving() {
            return;
        }
        connection.used = true;
        match self.by_instance.get_mut(&instance.id) {
            Some(idle) if idle.instance.transport == instance.transport => {
                if idle.connections.len() < MOST {
                    idle.connections.push(connection);
                }
            }
            _ => {
                let idle = Idle {
                    instance: Arc::clone(instance),
                    connections: vec![connection],
                };
                self.by_instance.insert(instance.id.clone(), idle);
            }
        }
    }

    /// Closes what waits for instances that are being emptied: nothing more goes there.
    pub fn sweep(&mut self) {
        self.by_instance
            .retain(|_, idle| !idle.instance.is_leaving());
    }
}
