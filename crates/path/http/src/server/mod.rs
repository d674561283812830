//! A worker: one thread that accepts, reads, asks its service what to do, and does it.
//!
//! What is served is the [`Service`]'s to say; a connection's life is in `waiting`, and in `connection` while a request is
//! under way, for which it borrows a `handler`; an answer of our own is in `answer`, a request that goes on to an upstream in `forward`, the connection to it in `dial`, what follows a change of
//! protocol in `tunnel`; [`pages`] are what a visitor sees when something is wrong.
//!
//! Slow visitors hold nobody else: a body is taken whole before anybody is asked (`intake`), an answer is read off as
//! fast as it comes (`back`, `relay`, `backlog`).

mod answer;
mod back;
mod backlog;
mod connection;
mod dial;
mod exchange;
mod forward;
mod handler;
mod heads;
mod intake;
mod network;
mod outcome;
pub mod pages;
mod read_head;
mod relay;
mod reply;
mod room;
mod spare;
mod tunnel;
mod upload;
mod waiting;
mod write;

use std::cell::{Cell, RefCell};
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use terrace_protocol::report::Lack;
use terrace_service::clock;
use terrace_service::log::Background;
use terrace_site::plan::{Limits, Timeouts};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use crate::counters::Counters;
use crate::date::http_date;
use crate::head::{Method, RequestHead};
use crate::log::Log;
use crate::memory;
use crate::spool::Spool;
use crate::timer::{TICK, Wheel};
use crate::upstream::Group;
use crate::upstream::pool::Pool;

pub use answer::{Answer, Body};
pub use network::holds;

/// A request, as a service sees it.
pub struct Request<'a> {
    /// Its head.
    pub head: &'a RequestHead,
    /// The buffer that the head's spans are of.
    pub buffer: &'a [u8],
    /// When it came.
    pub now: Instant,
}

impl Request<'_> {
    /// The value of a field, if it is there once or first.
    pub fn field(&self, name: &[u8]) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// The values of a field, one for each line.
    pub fn values(&self, name: &[u8]) -> impl Iterator<Item = &[u8]> {
        let lines = self.head.fields.iter();
        lines
            .filter(move |(found, _)| found.in_(self.buffer).eq_ignore_ascii_case(name))
            .map(|(_, value)| value.in_(self.buffer))
    }

    /// It asks about the server as a whole, and of no path (RFC 9110 §9.3.7).
    pub fn is_about_server(&self) -> bool {
        self.target() == b"*"
    }

    /// Path and query.
    pub fn target(&self) -> &[u8] {
        self.head.target.in_(self.buffer)
    }

    /// Whom it asks, with the port if one is named.
    pub fn authority(&self) -> &[u8] {
        self.head.authority.in_(self.buffer)
    }

    /// How it asks.
    pub fn method(&self) -> Method {
        self.head.method
    }
}

/// What is to be done with a request.
pub enum Decision {
    /// Answer it so.
    Answer(Answer),
    /// Answer that it cannot be served: the status, and why in words.
    Trouble(u16, String),
    /// Answer that something is missing here to serve it.
    Lack(Lack),
    /// Let somebody of this group answer.
    Forward(Arc<Group>),
}

/// What is served.
pub trait Service {
    /// What is to be done with this request.
    fn decide(&self, request: &Request<'_>) -> Decision;

    /// The page for a request that cannot be served: the status, why in words, the request's id.
    fn trouble(&self, status: u16, why: &str, id: &str, html: bool) -> Answer;

    /// The name of the site, which a request that names no host is for.
    fn site(&self) -> &str;

    /// What requests and visitors' connections may take.
    fn limits(&self) -> &Limits;

    /// How long a visitor's connection may take.
    fn timeouts(&self) -> &Timeouts;

    /// Whether what this neighbour says of the visitor is believed.
    fn trusts(&self, neighbour: IpAddr) -> bool;

    /// Whether a balancer of ours asks this in its own name: a check. What it passes on names the visitor, so no visitor's
    /// request can pass for one.
    fn is_check(&self, _request: &Request<'_>, _neighbour: IpAddr) -> bool {
        false
    }

    /// Whether slow visitors behind this neighbour are kept from whoever answers here; a server of ours has done so
    /// before.
    fn shields(&self, _neighbour: IpAddr) -> bool {
        true
    }
}

/// What a worker is told.
pub enum Order {
    /// Serve this from the next request on.
    Serve(Box<dyn FnOnce() -> Rc<dyn Service> + Send>),
    /// Take no new connections, finish what is in flight, and end within this time.
    Drain(Duration),
}

/// What a worker has, shared by its connections.
pub(crate) struct Worker {
    service: RefCell<Rc<dyn Service>>,
    wheel: Wheel,
    pool: RefCell<Pool>,
    log: RefCell<Log>,
    counters: Arc<Counters>,
    spool: Arc<Spool>,
    date: RefCell<Date>,
    moment: Cell<Moment>,
    draining: Cell<bool>,
    open: Cell<usize>,
    addresses: room::Addresses,
    /// Handlers that wait for something to come.
    handlers: spare::Spare<handler::Handler>,
    /// So many of the process's descriptors are for its visitors.
    descriptors: usize,
    /// Moves when the time to drain is over, for those that no time of their own ends.
    over: Arc<AtomicU32>,
    next_id: Cell<u64>,
    /// The first part of every request id of this worker.
    own_id: String,
}

/// Runs a worker on the calling thread until it has drained: the listeners are its own.
///
/// # Errors
/// When the event loop cannot be made, or a listener is none.
pub fn run(
    listeners: Vec<std::net::TcpListener>,
    access: Background,
    counters: Arc<Counters>,
    spool: Arc<Spool>,
    service: Box<dyn FnOnce() -> Rc<dyn Service> + Send>,
    orders: mpsc::UnboundedReceiver<Order>,
    descriptors: usize,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    let local = LocalSet::new();
    local.block_on(&runtime, async move {
        let worker = Rc::new(Worker {
            service: RefCell::new(service()),
            wheel: Wheel::default(),
            pool: RefCell::default(),
            log: RefCell::new(Log::new(access)),
            counters,
            spool,
            date: RefCell::new(Date::of(clock::unix_millis() / 1_000)),
            moment: Cell::new(Moment::now()),
            draining: Cell::new(false),
            open: Cell::new(0),
            addresses: room::Addresses::default(),
            handlers: spare::Spare::default(),
            descriptors,
            over: Arc::default(),
            next_id: Cell::new(0),
            own_id: own_id()?,
        });
        let mut accepting = Vec::new();
        for listener in listeners {
            listener.set_nonblocking(true)?;
            let listener = TcpListener::from_std(listener)?;
            accepting.push(tokio::task::spawn_local(room::accept(
                Rc::clone(&worker),
                listener,
            )));
        }
        obey(&worker, orders, &accepting).await;
        worker.log.borrow_mut().flush();
        Ok(())
    })
}

/// Hears orders and ticks until everything is drained.
async fn obey(
    worker: &Rc<Worker>,
    mut orders: mpsc::UnboundedReceiver<Order>,
    accepting: &[tokio::task::JoinHandle<()>],
) {
    let mut tick = tokio::time::interval(TICK);
    let mut end: Option<Instant> = None;
    let mut told = (Instant::now(), 0);
    let mut tide = memory::Tide::default();
    loop {
        tokio::select! {
            order = orders.recv(), if end.is_none() => match order {
                Some(Order::Serve(make)) => drop(worker.service.replace(make())),
                Some(Order::Drain(within)) => {
                    end = Some(Instant::now() + within);
                    worker.draining.set(true);
                    accepting.iter().for_each(tokio::task::JoinHandle::abort);
                    worker.wheel.wake_idle();
                }
                // Whoever gave orders is gone: so are we.
                None => return,
            },
            _ = tick.tick() => {
                let now = Instant::now();
                worker.wheel.tick(now);
                worker.moment.set(Moment::now());
                if worker.date.borrow_mut().turn(clock::unix_millis() / 1_000) {
                    worker.handlers.sweep();
                    if tide.has_fallen(worker.open.get() + worker.handlers.count()) {
                        memory::give_back();
                    }
                }
                worker.log.borrow_mut().flush();
                worker.pool.borrow_mut().sweep(now);
                told = worker.counters.tell_pressure(told, now);
                if end.is_some() && worker.open.get() == 0 {
                    return;
                }
                if end.is_some_and(|end| now >= end) {
                    // They still say in the log how they ended.
                    worker.over.fetch_add(1, Ordering::Relaxed);
                    worker.wheel.tick(now);
                    tokio::time::sleep(TICK).await;
                    return;
                }
            }
        }
    }
}

impl Worker {
    /// The service of this moment: a request is served by one to its end.
    fn service(&self) -> Rc<dyn Service> {
        Rc::clone(&self.service.borrow())
    }

    /// The time, to within a tick: reading the clock costs more than it is worth for most.
    fn now(&self) -> Instant {
        self.moment.get().instant
    }

    /// A new request id, appended to `out`.
    fn request_id(&self, out: &mut Vec<u8>) {
        let number = self.next_id.get();
        self.next_id.set(number + 1);
        out.extend_from_slice(self.own_id.as_bytes());
        for shift in (0..8).rev() {
            out.push(b"0123456789abcdef"[(number >> (shift * 4) & 15) as usize]);
        }
    }
}

/// Random, so that ids of different workers and lives differ.
fn own_id() -> io::Result<String> {
    let mut bytes = [0_u8; 6];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The `Date` field's line (RFC 9110 §5.6.7), made anew when the second has changed.
struct Date {
    second: u64,
    line: Vec<u8>,
}

impl Date {
    /// The line for this second since 1970.
    fn of(second: u64) -> Self {
        let line = format!("Date: {}\r\n", http_date(second)).into_bytes();
        Self { second, line }
    }

    /// Whether another second has begun.
    fn turn(&mut self, second: u64) -> bool {
        let turned = self.second != second;
        if turned {
            *self = Self::of(second);
        }
        turned
    }
}

/// The same moment on both clocks, so that a time of the day costs no second reading.
#[derive(Clone, Copy)]
struct Moment {
    instant: Instant,
    micros: u64,
}

impl Moment {
    fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let micros = since.map_or(0, |since| {
            u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
        });
        Self {
            instant: Instant::now(),
            micros,
        }
    }

    /// A later instant, in µs since 1970.
    fn micros(self, instant: Instant) -> u64 {
        let since = instant.saturating_duration_since(self.instant).as_micros();
        self.micros + u64::try_from(since).unwrap_or(0)
    }
}
