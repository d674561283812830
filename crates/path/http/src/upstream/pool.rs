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
/// A form goes over a connection that was heard from within this: of an older one nobody knows whether its peer still has
/// power, and what is sent to one that has none must not be sent again. A new one shows it by being accepted.
const FRESH: Duration = Duration::from_millis(10);
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
    /// To this machine itself, whose own kernel is always there.
    local: bool,
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
            local,
        };
        connection.set_silence(silence);
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
    /// The last used at the end.
    connections: Vec<Waiting>,
}

struct Waiting {
    connection: Connection,
    /// Since when.
    since: Instant,
    /// It is good until then.
    until: Instant,
}

impl Waiting {
    /// What is sent over it now arrives, as far as can be known.
    fn is_fresh(&self, now: Instant) -> bool {
        self.connection.local || now.saturating_duration_since(self.since) <= FRESH
    }
}

impl Pool {
    /// Takes the connection to an instance that was used last. One that has been closed meanwhile is thrown away. `once`: what
    /// goes over it must not be sent again.
    pub fn take(&mut self, instance: &Instance, once: bool, now: Instant) -> Option<Connection> {
        let idle = self
            .by_instance
            .get_mut(&instance.id)
            .filter(|idle| idle.instance.transport == instance.transport)?;
        let serves = |one: &mut Waiting| !once || one.is_fresh(now);
        while let Some(waiting) = idle.connections.pop_if(serves) {
            let Waiting {
                connection, until, ..
            } = waiting;
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
        let good = if ours { TO_OURS } else { TO_APPS };
        connection.used = true;
        if let Some(usual) = connection.hurry.take() {
            connection.set_silence(usual);
        }
        let waiting = Waiting {
            connection,
            since: now,
            until: now + good,
        };
        match self.by_instance.get_mut(&instance.id) {
            Some(idle) if idle.instance.transport == instance.transport => {
                if idle.connections.len() < MOST {
                    idle.connections.push(waiting);
                }
            }
            _ => {
                let idle = Idle {
                    instance: Arc::clone(instance),
                    connections: vec![waiting],
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
                .retain(|waiting| !leaving && now < waiting.until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::Transport;

    /// A connection to another machine, as far as the pool knows.
    async fn remote() -> (std::net::TcpListener, Connection) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await;
        let connection = Connection::new(stream.unwrap(), Duration::from_secs(2));
        let local = false;
        (
            listener,
            Connection {
                local,
                ..connection
            },
        )
    }

    #[tokio::test]
    async fn a_form_goes_over_no_connection_that_is_long_unheard() {
        let (listener, connection) = remote().await;
        let transport = Transport::Tcp(listener.local_addr().unwrap());
        let instance = Arc::new(Instance::new("web-02/web", transport, 1, 1));
        let (mut pool, begun) = (Pool::default(), Instant::now());
        pool.put(&instance, connection, true, begun);
        let later = begun + Duration::from_millis(20);
        assert!(pool.take(&instance, true, later).is_none());
        let page = pool.take(&instance, false, later);
        pool.put(&instance, page.unwrap(), true, later);
        let soon = later + Duration::from_millis(2);
        assert!(pool.take(&instance, true, soon).is_some());
    }

    #[tokio::test]
    async fn to_this_machine_itself_all_are_good() {
        let (listener, connection) = remote().await;
        let transport = Transport::Tcp(listener.local_addr().unwrap());
        let instance = Arc::new(Instance::new("web-01/app/1", transport, 1, 1));
        let (mut pool, begun) = (Pool::default(), Instant::now());
        let local = true;
        pool.put(
            &instance,
            Connection {
                local,
                ..connection
            },
            false,
            begun,
        );
        let later = begun + Duration::from_secs(1);
        assert!(pool.take(&instance, true, later).is_some());
    }
}
