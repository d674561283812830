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
    /// How long the kernel waits usually, while it waits longer.
    hurry: Option<Duration>,
}

/// Silence of a whole machine is told from that of a process by what its kernel leaves unanswered: after this long the
/// kernel asks it, and again every so often.
const ASKED_AFTER: Duration = Duration::from_secs(1);

impl Connection {
    /// A new one. A peer whose kernel answers nothing for `silence` is gone, whatever is or is not under way.
    pub fn new(stream: TcpStream, silence: Duration) -> Self {
        use rustix::net::sockopt;
        let _ = stream.set_nodelay(true);
        let local = stream.peer_addr().is_ok_and(|peer| peer.ip().is_loopback());
        let connection = Self {
            stream,
            buffer: Vec::with_capacity(16 * 1024),
            used: false,
            hurry: None,
        };
        connection.set_silence(silence);
        // This machine's own kernel is always there.
        if !local {
            let _ = sockopt::set_socket_keepalive(&connection.stream, true);
            let _ = sockopt::set_tcp_keepidle(&connection.stream, ASKED_AFTER);
            let _ = sockopt::set_tcp_keepintvl(&connection.stream, ASKED_AFTER);
        }
        connection
    }

    fn set_silence(&self, silence: Duration) {
        let millis = u32::try_from(silence.as_millis()).unwrap_or(u32::MAX);
        let _ = rustix::net::sockopt::set_tcp_user_timeout(&self.stream, millis);
    }

    /// From now on the peer may leave what it is sent unread for so long: the kernel does not tell that from silence.
    pub fn be_patient(&mut self, silence: Duration, usual: Duration) {
        self.set_silence(silence.max(usual));
        self.hurry = Some(usual);
    }
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
        if let Some(usual) = connection.hurry.take() {
            connection.set_silence(usual);
        }
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
