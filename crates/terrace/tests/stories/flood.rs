//! A flood of connections to the primary's database that say nothing: who writes waits for a place and has it, nobody is given up
//! for that, and `status` says what it is.

use std::io::{BufRead, BufReader};
use std::process::{Child, Output, Stdio};

use crate::harness::{self, Site, both, finish};
use crate::people::{Outside, Person};
use crate::primary::{open_book, other, primary, rows, wait_until_well};

/// More than the database has places. They stay open until the input ends, or the database ends them.
const FLOOD: &str = "
import socket, sys
silent = [socket.create_connection((sys.argv[1], 3307), 5) for _ in range(700)]
print(len(silent), flush=True)
sys.stdin.read()
";
const TOLD: &str = "has no place for another connection";

struct Flood(Child);

impl Flood {
    fn from(site: &Site, server: &str, to: &str) -> Self {
        let mut command = site.command(&["exec", server, "--", "python3", "-c", FLOOD, to]);
        let (stdin, stdout) = (Stdio::piped(), Stdio::piped());
        let mut flood = Self(command.stdin(stdin).stdout(stdout).spawn().unwrap());
        let mut line = String::new();
        let said = BufReader::new(flood.0.stdout.as_mut().unwrap()).read_line(&mut line);
        assert!(said.is_ok() && line == "700\n", "{line:?}");
        flood
    }

    fn end(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success());
    }
}

/// A client on this server, logged in anew.
fn client(site: &Site, server: &str, (user, secret): (&str, &str), words: &[&str]) -> Output {
    let path = site.state().join("secrets/database").join(secret);
    let password = std::fs::read_to_string(&path);
    let password = password.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let password = format!("-p{password}");
    let client = ["exec", server, "--", "mariadb", "--no-defaults"];
    let who = ["-u", user, &password];
    finish(site.command(&[&client[..], &who, words].concat()))
}

/// Visitors write through each server, and a program that connects anew does.
fn write(site: &Site, server: &str) {
    let outside = Outside::of(site);
    let people: Vec<_> = (0..4)
        .map(|number| {
            outside.spawn(move || {
                let post = Person::default().post(&format!("flood-{number}"));
                post.map_or(0, |answer| answer.status)
            })
        })
        .collect();
    let insert = "INSERT INTO entries (name, message, app_server, database_server) VALUES ('x', 'flood-program', 'x', 'x')";
    let router = ["-h", "127.0.0.1", "foobar", "-e", insert];
    let program = client(site, server, ("foobar", "foobar"), &router);
    assert!(program.status.success(), "{}", both(&program));
    for one in people {
        assert_eq!(one.join().unwrap(), 303);
    }
}

#[test]
fn who_writes_during_a_flood_of_silent_connections_has_its_place_and_status_tells_it() {
    if !harness::is_root() {
        return;
    }
    let site = open_book();
    wait_until_well(&site);
    let from = primary(&site).unwrap();
    let (server, address) = match other(&from) {
        "web-02" => ("web-02", "10.0.0.21"),
        server => (server, "10.0.0.22"),
    };
    let before = both(&site.terrace(&["status"]));
    assert!(!before.contains(TOLD), "{before}");
    let flood = Flood::from(&site, server, address);
    write(&site, server);
    let told = both(&site.terrace(&["status"]));
    assert!(told.contains(&format!("{from} {TOLD}")), "{told}");
    assert!(site.servers().iter().all(harness::serves), "{told}");
    assert_eq!(primary(&site).as_ref(), Some(&from), "{told}");
    flood.end();
    assert_eq!(rows(&site, &from, "flood").len(), 5);
    // The door of Terrace's own account is for its own server.
    let door = ["-h", address, "-P", "3308", "-e", "SELECT 1"];
    let stranger = client(&site, server, ("terrace", "control"), &door);
    assert!(!stranger.status.success(), "{}", both(&stranger));
}
