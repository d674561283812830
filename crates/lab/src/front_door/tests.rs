use std::io::{Read, Write};
use std::net::TcpStream as Stream;
use std::time::Duration;

use super::*;

/// A site that greets every connection and then sends back what it hears.
fn site() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                stream.write_all(b"hello").unwrap();
                let mut back = stream.try_clone().unwrap();
                let _ = std::io::copy(&mut stream, &mut back);
                let _ = back.shutdown(std::net::Shutdown::Write);
            });
        }
    });
    address
}

/// A door to the site with so many places. Where there is no right to enter namespaces there is none.
fn door(target: SocketAddr, most: usize) -> Option<Door> {
    let own = std::fs::File::open("/proc/self/ns/net").unwrap();
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: namespaces are entered by root");
        return None;
    }
    let door = Door::open(listen(0).unwrap(), own.into(), target, most);
    Some(door.unwrap())
}

fn visit(door: &Door) -> Stream {
    let stream = Stream::connect(door.address()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream
}

/// What comes first: nothing where the connection is closed.
fn greeting(stream: &mut Stream) -> Vec<u8> {
    let mut greeting = Vec::new();
    stream.take(5).read_to_end(&mut greeting).unwrap();
    greeting
}

#[test]
fn both_sides_say_all_they_have_and_hear_each_others_end() {
    let Some(door) = door(site(), 4) else { return };
    let mut visitor = visit(&door);
    assert_eq!(greeting(&mut visitor), b"hello");
    let sent: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut writing = visitor.try_clone().unwrap();
    let whole = sent.clone();
    let writer = std::thread::spawn(move || {
        writing.write_all(&whole).unwrap();
        writing.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut heard = Vec::new();
    visitor.read_to_end(&mut heard).unwrap();
    writer.join().unwrap();
    assert!(heard == sent, "{} of {}", heard.len(), sent.len());
}

#[test]
fn a_crowd_takes_no_more_than_its_places_and_the_longest_idle_makes_room() {
    let Some(door) = door(site(), 3) else { return };
    let mut crowd: Vec<Stream> = (0..8).map(|_| visit(&door)).collect();
    // All have their turn, though only three fit at a time.
    for visitor in &mut crowd {
        assert_eq!(greeting(visitor), b"hello");
    }
    let report = door.report();
    assert_eq!((report.open, report.most, report.closed), (3, 3, 5));
    // Five had to go, the last ones are as they were.
    let is_open = |visitor: &mut Stream| {
        let mut heard = [0; 5];
        let asked = visitor.write_all(b"again").is_ok();
        asked && visitor.read_exact(&mut heard).is_ok() && &heard == b"again"
    };
    let open: Vec<bool> = crowd.iter_mut().map(is_open).collect();
    assert_eq!(open.iter().filter(|open| **open).count(), 3, "{open:?}");
    assert!(
        open[..3] == [false; 3] && open[6..] == [true; 2],
        "{open:?}"
    );
}

#[test]
fn the_door_is_at_both_addresses_of_this_machine() {
    let listeners = listen(0).unwrap();
    let addresses: Vec<_> = listeners
        .iter()
        .map(|one| one.local_addr().unwrap())
        .collect();
    assert!(addresses[0].ip() == Ipv4Addr::LOCALHOST);
    if std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        assert_eq!(
            addresses[1],
            (Ipv6Addr::LOCALHOST, addresses[0].port()).into()
        );
    }
    // A port that somebody has on either is not taken on the other.
    for taken in &addresses {
        let next = listen(taken.port()).unwrap();
        assert!(next[0].local_addr().unwrap().port() > taken.port());
    }
}

#[test]
fn there_are_as_many_places_as_descriptors_leave() {
    for (descriptors, hosts, places) in [
        (1_024, 2, 368),
        (20_000, 4, 9_840),
        (1_048_576, 4, 16_384),
        (256, 50, 64),
        (0, 1, 1),
    ] {
        assert_eq!(most(descriptors, hosts), places, "{descriptors} {hosts}");
    }
}
