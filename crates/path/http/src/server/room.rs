//! Room for visitors: who is let in, and who goes for it when all places are taken.
//!
//! A visitor that comes always gets in while somebody waits for nothing in particular: the connection that has been idle
//! longest goes first, then the head that has been unfinished longest. Each address has its share of the places, so that
//! one alone does not have them all; networks that are believed, which bring others' requests, have none.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::{Worker, connection};
use crate::timer::Owner;

/// When places run out, this part of them is made free at once: looking for the oldest costs a look at all.
const PART: usize = 64;

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

/// Whose share a connection counts to. Who has one address of IPv6 has a network of them.
fn sharer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            Ipv6Addr::from_bits(network).into()
        }
    }
}

/// Lets visitors in, for ever.
pub(super) async fn accept(worker: Rc<Worker>, listener: TcpListener) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            // Out of descriptors: those that end make room.
            if !make_room(&worker, None, 1).await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            continue;
        };
        let service = worker.service();
        let owner = Owner {
            address: sharer(peer.ip()),
            trusted: service.trusts(peer.ip()),
        };
        let most = service.limits().connections.min(worker.descriptors).max(1);
        while worker.open.get() >= most && !make_room(&worker, None, most / PART).await {
            // All have something under way. The others wait in the listener's queue.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let share = service.limits().share.max(1);
        if !owner.trusted
            && worker.addresses.of(owner.address) >= share
            && !make_room(&worker, Some(owner.address), share / PART).await
        {
            worker.counters.turned_away();
            continue;
        }
        serve(&worker, stream, owner, peer.ip());
    }
}

fn serve(worker: &Rc<Worker>, stream: TcpStream, owner: Owner, peer: IpAddr) {
    let worker = Rc::clone(worker);
    worker.open.set(worker.open.get() + 1);
    worker.addresses.enter(owner.address);
    tokio::task::spawn_local(async move {
        connection::serve(&worker, stream, owner, peer).await;
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
    fn a_network_of_ipv6_shares_as_one_address() {
        let sharer = |address: &str| sharer(address.parse().unwrap()).to_string();
        assert_eq!(sharer("203.0.113.9"), "203.0.113.9");
        assert_eq!(sharer("::ffff:203.0.113.9"), "203.0.113.9");
        assert_eq!(sharer("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
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
