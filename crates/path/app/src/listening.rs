//! Where a copy listens that is not reached where it should: `it listens on 9999, not on $PORT (8000)`.
//!
//! The kernel knows: /proc lists the listening sockets of the copy's network, and which process holds which socket.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The state of a socket that listens, in /proc/net/tcp.
const LISTEN: &str = "0A";

/// Why a copy is not reached at `wanted`, if that is because it listens elsewhere; `leader` leads its processes.
pub fn elsewhere(leader: u32, wanted: SocketAddr) -> Option<String> {
    words(&sockets(leader), wanted)
}

fn words(found: &[SocketAddr], wanted: SocketAddr) -> Option<String> {
    let takes = |one: &&SocketAddr| {
        // A wildcard of IPv6 takes IPv4 as well, unless the program asks for IPv6 alone: then the check is refused, and
        // this is what there is to see.
        one.port() == wanted.port() && (one.ip() == wanted.ip() || is_any(one.ip(), wanted.ip()))
    };
    let [first, ..] = found else { return None };
    if found.iter().any(|one| takes(&one)) {
        return None;
    }
    let same_port = |one: &&SocketAddr| one.port() == wanted.port();
    if let Some(other) = found.iter().find(same_port) {
        return Some(format!(
            "it listens on {other}, not on $HOST:$PORT ({wanted})"
        ));
    }
    Some(format!(
        "it listens on {}, not on $PORT ({})",
        first.port(),
        wanted.port()
    ))
}

/// Whether a socket of this address takes connections to the other: it stands for every address of the family.
fn is_any(own: IpAddr, other: IpAddr) -> bool {
    own.is_unspecified() && own.is_ipv4() == other.is_ipv4()
}

/// Where the processes listen that descend from `leader`, or are in its group.
fn sockets(leader: u32) -> Vec<SocketAddr> {
    let mut inodes = BTreeSet::new();
    for process in family(leader) {
        let descriptors = fs::read_dir(format!("/proc/{process}/fd"));
        for descriptor in descriptors.into_iter().flatten().flatten() {
            let target = fs::read_link(descriptor.path()).unwrap_or_default();
            let inode = target.to_str().and_then(|target| {
                let inode = target.strip_prefix("socket:[")?.strip_suffix(']')?;
                inode.parse::<u64>().ok()
            });
            inodes.extend(inode);
        }
    }
    let mut found: Vec<SocketAddr> = ["tcp", "tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(format!("/proc/{leader}/net/{table}")).ok())
        .flat_map(|table| {
            let lines = table.lines().filter_map(listener);
            let own = lines.filter(|(_, inode)| inodes.contains(inode));
            own.map(|(address, _)| address).collect::<Vec<_>>()
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

fn family(leader: u32) -> BTreeSet<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let known: Vec<(u32, u32, u32)> = numbers
        .filter_map(|number| {
            let stat = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
            let (parent, group) = parent_and_group(&stat)?;
            Some((number, parent, group))
        })
        .collect();
    let mut family: BTreeSet<u32> = known
        .iter()
        .filter(|(number, _, group)| *number == leader || *group == leader)
        .map(|(number, ..)| *number)
        .collect();
    // A worker that has made a group of its own has its parent in the family.
    loop {
        let before = family.len();
        let children = known
            .iter()
            .filter(|(_, parent, _)| family.contains(parent));
        let children: Vec<u32> = children.map(|(number, ..)| *number).collect();
        family.extend(children);
        if family.len() == before {
            return family;
        }
    }
}

/// Of `12 (name (of any) kind) S 1 12 12 …`, proc(5).
fn parent_and_group(stat: &str) -> Option<(u32, u32)> {
    let mut parts = stat.rsplit_once(')')?.1.split_whitespace().skip(1);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The address and the socket's number of `  0: 0100007F:1F40 00000000:0000 0A …`, if it listens.
fn listener(line: &str) -> Option<(SocketAddr, u64)> {
    let parts: Vec<&str> = line.split_whitespace().collect();
    if *parts.get(3)? != LISTEN {
        return None;
    }
    let (address, port) = parts.get(1)?.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    // Four bytes at a time, each four as this machine holds a number.
    let words = address.as_bytes().chunks(8).map(|word| {
        let word = std::str::from_utf8(word).ok()?;
        Some(u32::from_str_radix(word, 16).ok()?.to_ne_bytes())
    });
    let bytes: Vec<u8> = words.collect::<Option<Vec<_>>>()?.concat();
    let address = match *bytes.as_slice() {
        [a, b, c, d] => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        _ => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
    };
    Some((SocketAddr::new(address, port), parts.get(9)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_kernel_knows_where_a_program_listens() {
        let four = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = std::process::id();
        let address = four.local_addr().unwrap();
        assert!(sockets(own).contains(&address));
        if let Ok(six) = TcpListener::bind("[::1]:0") {
            assert!(sockets(own).contains(&six.local_addr().unwrap()));
        }
        drop(four);
        assert!(!sockets(own).contains(&address));
    }

    #[test]
    fn what_listens_elsewhere_is_named_as_the_app_knows_it() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let said = |found: &[&str], wanted: &str| {
            let found: Vec<SocketAddr> = found.iter().map(|one| at(one)).collect();
            words(&found, at(wanted)).unwrap_or_default()
        };
        let wanted = "127.0.0.1:8000";
        for (found, words) in [
            (
                vec!["0.0.0.0:9999"],
                "it listens on 9999, not on $PORT (8000)",
            ),
            (
                vec!["127.0.0.1:9999"],
                "it listens on 9999, not on $PORT (8000)",
            ),
            (vec!["[::]:9999"], "it listens on 9999, not on $PORT (8000)"),
            (
                vec!["[::1]:8000"],
                "it listens on [::1]:8000, not on $HOST:$PORT (127.0.0.1:8000)",
            ),
            (
                vec!["[::]:8000"],
                "it listens on [::]:8000, not on $HOST:$PORT (127.0.0.1:8000)",
            ),
            (
                vec!["10.0.0.21:8000"],
                "it listens on 10.0.0.21:8000, not on $HOST:$PORT (127.0.0.1:8000)",
            ),
            // It is there, whatever else it has: what is wrong is not this.
            (vec!["0.0.0.0:8000", "0.0.0.0:9999"], ""),
            (vec!["127.0.0.1:8000"], ""),
            (vec![], ""),
        ] {
            assert_eq!(said(&found, wanted), words, "{found:?}");
        }
        assert_eq!(
            said(&["127.0.0.1:8000"], "10.0.0.21:8000"),
            "it listens on 127.0.0.1:8000, not on $HOST:$PORT (10.0.0.21:8000)"
        );
    }

    #[test]
    fn lines_of_proc_are_read_and_what_is_none_is_not() {
        let line = "   1: 0100007F:270F 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0";
        let at = "127.0.0.1:9999".parse().unwrap();
        assert_eq!(listener(line), Some((at, 4711)));
        assert_eq!(listener(&line.replace(" 0A ", " 01 ")), None);
        assert_eq!(listener("  sl  local_address rem_address   st"), None);
        assert_eq!(parent_and_group("12 (a (b) c) S 1 7 7 0"), Some((1, 7)));
        assert_eq!(parent_and_group("12 (cut"), None);
    }
}
