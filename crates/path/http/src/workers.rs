//! The threads that serve, as the process that owns them sees them: started with their listeners, told what to
//! serve, drained, and asked what they have done.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use terrace_protocol::report::Traffic;
use terrace_service::log::Background;
use terrace_service::{Lacks, descriptors};
use tokio::sync::mpsc;

use crate::counters::{Counters, Sum};
use crate::log;
use crate::server::{self, Order, Service};
use crate::spool::Spool;

/// Over how many reports latency is shown.
const WINDOW: usize = 10;
/// How often a report is due, when nothing happens.
const REPORT: Duration = Duration::from_secs(1);

/// How long a process that ends waits for the disk to take what is left of its access log.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Descriptors that visitors do not get.
const RESERVE: u64 = 128;

/// Makes a service on the thread that will use it.
pub type Make = Box<dyn FnOnce() -> Rc<dyn Service> + Send>;

/// All workers of a process.
pub struct Workers {
    /// Those of each worker, until the first service comes: then they are its own.
    listeners: Vec<Vec<TcpListener>>,
    access: Background,
    spool: Arc<Spool>,
    running: Vec<Worker>,
    lacks: Arc<Lacks>,
    /// The sums at the last reports, the oldest first.
    past: Vec<(Instant, Sum)>,
}

struct Worker {
    tell: mpsc::UnboundedSender<Order>,
    counters: Arc<Counters>,
    thread: JoinHandle<io::Result<()>>,
}

impl Workers {
    /// As many as there are lists of listeners; they begin with the first [`Workers::serve`]. `access`: the file that the access
    /// log is written into.
    ///
    /// # Errors
    /// When the thread cannot be started that writes the access log.
    pub fn new(
        listeners: Vec<Vec<TcpListener>>,
        access: Option<OwnedFd>,
        spool: Arc<Spool>,
    ) -> io::Result<Self> {
        Ok(Self {
            listeners,
            access: log::begin(access)?,
            spool,
            running: Vec::new(),
            lacks: Arc::default(),
            past: Vec::new(),
        })
    }

    /// Listeners by the number of the worker that they are for: `8.8.8.8:80 #0`.
    pub fn by_number(named: Vec<(String, OwnedFd)>) -> Vec<Vec<TcpListener>> {
        let mut all: Vec<Vec<TcpListener>> = Vec::new();
        for (name, listener) in named {
            let worker = name
                .rsplit_once('#')
                .and_then(|(_, number)| number.parse::<usize>().ok())
                .unwrap_or(0);
            // The node numbers them from 0, a handful at most.
            if all.len() <= worker.min(1024) {
                all.resize_with(worker.min(1024) + 1, Vec::new);
            }
            if let Some(own) = all.get_mut(worker) {
                own.push(TcpListener::from(listener));
            }
        }
        all.retain(|own| !own.is_empty());
        all
    }

    /// Serves what is made from the next request on.
    ///
    /// # Errors
    /// When it cannot be made, or a thread cannot be started.
    pub fn serve(&mut self, make: impl Fn() -> io::Result<Make>) -> io::Result<()> {
        for worker in &self.running {
            // A worker that has ended takes the whole process with it in a moment.
            let _ = worker.tell.send(Order::Serve(make()?));
        }
        let workers = self.listeners.len() as u64;
        // Each visitor may need one more, to an upstream; some are for logs, files and checks.
        let descriptors = (descriptors::limit().saturating_sub(RESERVE) / 2) / workers.max(1);
        let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
        for (number, listeners) in std::mem::take(&mut self.listeners).into_iter().enumerate() {
            let service = make()?;
            let access = self.access.clone();
            let counters = Arc::new(Counters::new(Arc::clone(&self.lacks)));
            let (tell, told) = mpsc::unbounded_channel();
            let (of_worker, spool) = (Arc::clone(&counters), Arc::clone(&self.spool));
            let thread = std::thread::Builder::new()
                .name(format!("worker {number}"))
                .spawn(move || {
                    server::run(
                        listeners,
                        access,
                        of_worker,
                        spool,
                        service,
                        told,
                        descriptors,
                    )
                })?;
            self.running.push(Worker {
                tell,
                counters,
                thread,
            });
        }
        Ok(())
    }

    /// What this process has run out of, for all that connects or opens in it.
    pub fn lacks(&self) -> &Arc<Lacks> {
        &self.lacks
    }

    /// Has the access log written into this file from now on.
    pub fn log_to(&self, file: OwnedFd) {
        self.access.give(file);
    }

    /// Takes no new connections, finishes what is in flight within this time, and waits for that.
    ///
    /// # Errors
    /// What a worker ended with.
    pub fn drain(self, within: Duration) -> io::Result<()> {
        for worker in &self.running {
            let _ = worker.tell.send(Order::Drain(within));
        }
        for worker in self.running {
            // A worker that panicked has nothing left to drain.
            if let Ok(ended) = worker.thread.join() {
                ended?;
            }
        }
        self.access.finish(LAST_LINES);
        Ok(())
    }

    /// A report is due, whether anything has happened or not.
    pub fn is_due(&self) -> bool {
        let last = self.past.last();
        last.is_none_or(|(at, _)| at.elapsed() >= REPORT)
    }

    /// What they have done, for a report; `None` in the first.
    pub fn traffic(&mut self) -> Option<Traffic> {
        let mut sum = Sum::default();
        self.running
            .iter()
            .for_each(|worker| worker.counters.add_to(&mut sum));
        let now = Instant::now();
        let traffic = self.past.first().map(|(then, before)| {
            let seconds = now.duration_since(*then).as_secs_f64().max(0.001);
            Traffic {
                requests: sum.requests,
                failed: sum.failed,
                in_flight: sum.in_flight(),
                bytes: sum.bytes,
                rate: (sum.requests - before.requests) as f64 / seconds,
                p50: sum.quantile_since(before, 0.5),
                p99: sum.quantile_since(before, 0.99),
                spooled: self.spool.held(),
                unspooled: self.spool.refused(),
                pressed: sum.pressed,
                turned_away: sum.turned_away,
                pressed_at: sum.pressed_at,
            }
        });
        self.past.push((now, sum));
        if self.past.len() > WINDOW {
            self.past.remove(0);
        }
        traffic
    }
}
