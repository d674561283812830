//! The front door: a plain relay from 127.0.0.1 and ::1 of this machine to the site, as a visitor who stands in
//! `internet`. It understands nothing of what passes.
//!
//! It shares the coordinator's descriptors, so it has [`most`] connections and no more: the rest is kept for commands, nodes
//! and state. When all places are taken the connection that has been idle for the longest makes room for a newcomer;
//! while none is idle newcomers wait.

mod places;
mod relay;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use terrace_protocol::control::DoorReport;
use terrace_service::Lacks;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use places::{Entry, Places};
use relay::relay;

/// How many ports are tried beside the one that was asked for.
const TRIES: u16 = 100;
/// How many newcomers wait in the kernel.
const BACKLOG: i32 = 4096;
/// Descriptors that are kept free for commands, state files and builds, and for each host.
const KEPT: u64 = 256;
const KEPT_FOR_A_HOST: u64 = 16;
/// More connections than this are of no use: `internet` has 28,000 ports to dial from.
const MOST: u64 = 16_384;
/// So many descriptors are of use to a coordinator with a few hosts.
pub(crate) const WANTED: u64 = 2 * MOST + 4_096;
/// How soon it is looked again whether there is room.
const AGAIN: Duration = Duration::from_millis(50);

/// How many connections there may be at a time, with so many descriptors and hosts. Each has two descriptors.
pub(crate) fn most(descriptors: u64, hosts: usize) -> usize {
    let kept = KEPT + KEPT_FOR_A_HOST.saturating_mul(hosts as u64);
    let free = descriptors - kept.min(descriptors / 2);
    usize::try_from((free / 2).clamp(1, MOST)).unwrap_or(usize::MAX)
}

/// Listens on this port of 127.0.0.1, and of ::1 where this machine has it; or on the next port that is free on both.
///
/// # Errors
/// When a hundred of them are taken.
pub fn listen(port: u16) -> io::Result<Vec<std::net::TcpListener>> {
    let mut last = io::Error::other("there is no such port");
    for port in port..=port.saturating_add(TRIES) {
        match on_both(port) {
            Ok(listeners) => return Ok(listeners),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn on_both(port: u16) -> io::Result<Vec<std::net::TcpListener>> {
    let four = on(IpAddr::V4(Ipv4Addr::LOCALHOST), port)?;
    // Any free port was asked for: the same one on both.
    let port = four.local_addr()?.port();
    match on(IpAddr::V6(Ipv6Addr::LOCALHOST), port) {
        Ok(six) => Ok(vec![four, six]),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
        Err(_) => Ok(vec![four]),
    }
}

fn on(address: IpAddr, port: u16) -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind((address, port))?;
    rustix::net::listen(&listener, BACKLOG)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// What is known of an open door.
#[derive(Default)]
struct Counts {
    open: AtomicU32,
    closed: AtomicU64,
    lacks: Lacks,
}

/// An open door; shut when it is dropped.
pub struct Door {
    address: SocketAddr,
    most: usize,
    counts: Arc<Counts>,
    _open: mpsc::Sender<()>,
}

impl Door {
    /// Relays from `listeners` to `target`, dialled from the network namespace `internet`, at most so many at a time.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn open(
        listeners: Vec<std::net::TcpListener>,
        internet: OwnedFd,
        target: SocketAddr,
        most: usize,
    ) -> io::Result<Self> {
        let first = listeners.first();
        let address = first.ok_or(io::ErrorKind::InvalidInput)?.local_addr()?;
        let (open, closed) = mpsc::channel(1);
        let counts = Arc::new(Counts::default());
        let counted = Arc::clone(&counts);
        // A thread of its own that never leaves the namespace: every socket it makes is the visitor's.
        std::thread::Builder::new()
            .name("front-door".to_owned())
            .spawn(move || {
                let served = setns(&internet, CloneFlags::CLONE_NEWNET)
                    .map_err(io::Error::from)
                    .and_then(|()| serve(listeners, target, most, counted, closed));
                if let Err(error) = served {
                    tracing::error!(%error, "the front door is shut");
                }
            })?;
        Ok(Self {
            address,
            most,
            counts,
            _open: open,
        })
    }

    /// Where it listens first.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How it stands.
    pub fn report(&self) -> DoorReport {
        DoorReport {
            open: self.counts.open.load(Ordering::Relaxed),
            most: u32::try_from(self.most).unwrap_or(u32::MAX),
            closed: self.counts.closed.load(Ordering::Relaxed),
            lacks: self.counts.lacks.report(),
        }
    }
}

/// Serves until the door is shut.
fn serve(
    listeners: Vec<std::net::TcpListener>,
    target: SocketAddr,
    most: usize,
    counts: Arc<Counts>,
    mut closed: mpsc::Receiver<()>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async move {
        let listeners = listeners.into_iter().map(TcpListener::from_std);
        let listeners = listeners.collect::<io::Result<Vec<_>>>()?;
        let hall = Rc::new(Hall {
            target,
            places: Places::new(most),
            counts,
        });
        let each = listeners.iter().map(|listener| hall.receive(listener));
        tokio::select! {
            _ = futures_util::future::join_all(each) => {}
            _ = closed.recv() => {}
        }
        Ok(())
    })
}

/// Where newcomers are received.
struct Hall {
    target: SocketAddr,
    places: Places,
    counts: Arc<Counts>,
}

impl Hall {
    /// Takes one after the other in, for ever.
    async fn receive(self: &Rc<Self>, listener: &TcpListener) {
        loop {
            match listener.accept().await {
                Ok((visitor, _)) => self.take_in(visitor).await,
                Err(error) => {
                    // What is missing is not there at once.
                    self.counts.lacks.of(&error);
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    /// Waits for a place, and relays from there.
    async fn take_in(self: &Rc<Self>, visitor: TcpStream) {
        let place = loop {
            match self.places.enter(Instant::now()) {
                Entry::Free(place) => break place,
                Entry::InPlaceOf(place) => {
                    let closed = self.counts.closed.fetch_add(1, Ordering::Relaxed) + 1;
                    if closed.is_power_of_two() {
                        tracing::warn!(
                            closed,
                            "the front door is full: idle connections make room"
                        );
                    }
                    break place;
                }
                Entry::Full => tokio::time::sleep(AGAIN).await,
            }
        };
        self.show();
        let hall = Rc::clone(self);
        tokio::task::spawn_local(async move {
            tokio::select! {
                () = place.taken_away() => {}
                ended = relay(&visitor, hall.target, place.moved()) => if let Err(error) = ended {
                    hall.counts.lacks.of(&error);
                },
            }
            drop((visitor, place));
            hall.show();
        });
    }

    /// Says how many are open.
    fn show(&self) {
        let open = u32::try_from(self.places.taken()).unwrap_or(u32::MAX);
        self.counts.open.store(open, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
