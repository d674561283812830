//! Room for visitors: who is let in, and who goes for it when all places are taken.
//!
//! A visitor that comes always gets in while somebody waits for nothing in particular: the connection that has been idle
//! longest goes first, then the head that has been unfinished longest. Each address has its share of the places, so that
//! one alone does not have them all; networks that are believed, which bring others' requests, have none.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use rustix::net::{RecvFlags, SendFlags, Shutdown};
use terrace_protocol::report::Lack;
use tokio::net::{TcpListener, TcpStream};

use super::Worker;
use super::network::sharer;
use super::waiting::{self, Waiting};
use crate::timer::Owner;

/// When places run out, this part of them is made free at once: looking for the oldest costs a look at all.
const PART: usize = 64;
/// Between two tries where nothing can be made free.
const PAUSE: Duration = Duration::from_millis(20);
/// What a visitor is told that is not let in.
const TURNED_AWAY: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 92\r\n\
    Cache-Control: no-store\r\n\
    Retry-After: 1\r\n\
    Server: terrace\r\n\
    Connection: close\r\n\r\n\
    429 Too Many Requests: your address has as many connections open here as it may, all in use\n";

/// How many connections each address has.
#[derive(Default)]
pub(super) struct Addresses {
    open: RefCell<HashMap<IpAddr, usize>>,
}

impl Addresses {
    fn of(&self, address: IpAddr) -> usize {
        self.open.borrow().get(&address).copied().unwrap_or(0)
    }

    fn enter(&self, address: IpAddr) {
        *self.open.borrow_mut().entry(address).or_default() += 1;
    }

    fn leave(&self, address: IpAddr) {
        let mut open = self.open.borrow_mut();
        if let Some(count) = open.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&address);
            }
        }
    }
}

/// Lets visitors in, for ever.
pub(super) async fn accept(worker: Rc<Worker>, listener: TcpListener) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(come) => come,
            Err(error) => {
                recover(&worker, &error).await;
                continue;
            }
        };
        let service = worker.service();
        let owner = Owner {
            address: sharer(peer.ip()),
            trusted: service.trusts(peer.ip()),
        };
        let most = service.limits().connections.min(worker.descriptors).max(1);
        // One that was to go may have asked something at that moment, and stays.
        while worker.open.get() >= most {
            if !make_room(&worker, None, most / PART).await {
                // All have something under way. The others wait in the listener's queue.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        if !has_place(&worker, owner, service.limits().share.max(1)).await {
            worker.counters.turned_away();
            turn_away(&stream);
            continue;
        }
        serve(&worker, stream, owner, peer.ip());
    }
}

/// Whether this visitor's address has a place left of its share, or can do without one that it has.
async fn has_place(worker: &Worker, owner: Owner, share: usize) -> bool {
    while !owner.trusted && worker.addresses.of(owner.address) >= share {
        if !make_room(worker, Some(owner.address), share / PART).await {
            return false;
        }
    }
    true
}

/// What can be done about a visitor that could not be accepted. One that left meanwhile is no reason to wait.
async fn recover(worker: &Worker, error: &io::Error) {
    if error.kind() == io::ErrorKind::ConnectionAborted {
        return;
    }
    let freed = match worker.counters.lacks.of(error) {
        Some(lack) => make_free(worker, lack).await,
        None => false,
    };
    if !freed {
        // It waits in the listener's queue meanwhile, and asking again at once would be in vain.
        tokio::time::sleep(PAUSE).await;
    }
}

/// Gives up for what is missing what waits for nothing in particular: connections to upstreams, then that of a visitor;
/// `false`: there was nothing.
pub(super) async fn make_free(worker: &Worker, lack: Lack) -> bool {
    let shed = worker.pool.borrow_mut().shed();
    // A visitor has none of our ports.
    shed || (lack != Lack::Ports && make_room(worker, None, 1).await)
}

/// Says why a visitor is not let in, as far as that costs nothing: what it does not take at once it does not get.
fn turn_away(stream: &TcpStream) {
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    let _ = rustix::net::send(stream, TURNED_AWAY, flags);
    let _ = rustix::net::shutdown(stream, Shutdown::Write);
    // A request that is left unread would make the kernel take the answer back.
    let _ = rustix::net::recv(stream, &mut [0; 16 * 1024], RecvFlags::DONTWAIT);
}

fn serve(worker: &Rc<Worker>, stream: TcpStream, owner: Owner, peer: IpAddr) {
    let worker = Rc::clone(worker);
    worker.open.set(worker.open.get() + 1);
    worker.addresses.enter(owner.address);
    let waiting = Waiting::new(stream, peer, worker.wheel.slot_of(owner));
    tokio::task::spawn_local(async move {
        waiting::serve(&worker, waiting).await;
        worker.addresses.leave(owner.address);
        worker.open.set(worker.open.get() - 1);
    });
}

/// Ends so many of the connections that can go, of this address or of all, and lets them end; `false`: there was none.
async fn make_room(worker: &Worker, of: Option<IpAddr>, count: usize) -> bool {
    let ended = worker.wheel.end_oldest(count.max(1), of);
    worker.counters.made_room(ended as u64);
    // They have been woken, and go before this does.
    tokio::task::yield_now().await;
    ended > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_turned_away_gets_a_whole_answer() {
        let text = std::str::from_utf8(TURNED_AWAY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let length = format!("\r\nContent-Length: {}\r\n", body.len());
        assert!(head.contains(&length), "{} bytes", body.len());
    }

    #[test]
    fn who_has_left_is_forgotten() {
        let addresses = Addresses::default();
        let one = "203.0.113.9".parse().unwrap();
        addresses.enter(one);
        addresses.enter(one);
        assert_eq!(addresses.of(one), 2);
        addresses.leave(one);
        addresses.leave(one);
        assert_eq!((addresses.of(one), addresses.open.borrow().len()), (0, 0));
    }
}
