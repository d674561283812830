//! Connections to upstreams that wait for their next request: a worker's own, the last used first.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use super::Instance;

/// Idle connections to one instance; more are closed.
const MOST: usize = 256;
/// Idle for longer, a connection is closed: before the other side does so, as it might at the very moment when the
/// next request is on its way. A form that meets such a close must not be sent again.
const TO_OURS: Duration = Duration::from_secs(20);
/// Apps close sooner: gunicorn after 2 s, Node.js and uvicorn after 5 s.
const TO_APPS: Duration = Duration::from_millis(1_500);
/// Between two looks for those.
const SWEEP: Duration = Duration::from_secs(1);

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
    swept: Option<Instant>,
}

/// Those to one instance. One that has moved is reached by new ones.
struct Idle {
    instance: Arc<Instance>,
    /// Each with the time until which it is good: the last used at the end.
    connections: Vec<(Connection, Instant)>,
}

impl Pool {
    /// Takes the connection to an instance that was used last. One that has been closed meanwhile is thrown away.
    pub fn take(&mut self, instance: &Instance, now: Instant) -> Option<Connection> {
        let idle = self
            .by_instance
            .get_mut(&instance.id)
            .filter(|idle| idle.instance.transport == instance.transport)?;
        while let Some((connection, until)) = idle.connections.pop() {
            if until <= now {
                continue;
            }
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

    /// Keeps a connection that is clean: everything asked on it has been answered. `ours`: the other side is a server
    /// of ours.
    pub fn put(
        &mut self,
        instance: &Arc<Instance>,
        mut connection: Connection,
        ours: bool,
        now: Instant,
    ) {
        if instance.is_leaving() {
            return;
        }
        let until = now + if ours { TO_OURS } else { TO_APPS };
        connection.used = true;
        match self.by_instance.get_mut(&instance.id) {
            Some(idle) if idle.instance.transport == instance.transport => {
                if idle.connections.len() < MOST {
                    idle.connections.push((connection, until));
                }
            }
            _ => {
                let idle = Idle {
                    instance: Arc::clone(instance),
                    connections: vec![(connection, until)],
                };
                self.by_instance.insert(instance.id.clone(), idle);
            }
        }
    }

    /// Closes all that waits, as descriptors are needed for what does not; whether there was anything.
    pub fn shed(&mut self) -> bool {
        let idle = self.by_instance.drain();
        idle.fold(false, |any, (_, idle)| any || !idle.connections.is_empty())
    }

    /// Closes what waits for instances that are being emptied, as nothing more goes there, and what has waited long.
    pub fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|before| now < before + SWEEP) {
            return;
        }
        self.swept = Some(now);
        for idle in self.by_instance.values_mut() {
            let leaving = idle.instance.is_leaving();
            idle.connections
                .retain(|(_, until)| !leaving && now < *until);
        }
    }
}
