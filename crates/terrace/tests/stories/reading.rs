//! Reading goes on while the primary's server is away, however it went and for as long as that lasts. `terrace prove` holds
//! the same for a minute.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use terrace_lab::load::{Kind, Load, Record, outage};
use terrace_service::clock;

use crate::harness::{self, Site};
use crate::people::{Outside, Person};
use crate::primary::{open_book, primary, rows, wait_until_well};
use crate::visits::Underway;

/// Longer than a replica takes to find out that it receives nothing, and its router that it has not heard of it.
const LASTS: Duration = Duration::from_secs(7);

/// One that reads, twenty times a second, from before the fault until its end.
fn load() -> Load {
    Load {
        target: SocketAddr::from(([8, 8, 8, 8], 80)),
        host: "www.foobar.com".to_owned(),
        lasts: LASTS + Duration::from_secs(1),
        patience: Duration::from_secs(4),
        first: 0,
        kinds: vec![Kind::reading("page", "/", 20.0).kept_alive()],
    }
}

/// A program on an app server, with a connection to its SQL router, which gives up soon.
struct Program(Child);

impl Program {
    fn on(site: &Site, server: &str) -> Self {
        let secret = site.state().join("secrets/database/foobar");
        let password = std::fs::read_to_string(&secret);
        let password = password.unwrap_or_else(|error| panic!("{}: {error}", secret.display()));
        let password = format!("-p{password}");
        let mut client = vec![
            "exec",
            server,
            "--",
            "timeout",
            "7",
            "mariadb",
            "--no-defaults",
        ];
        client.extend([
            "-h",
            "127.0.0.1",
            "-u",
            "foobar",
            &password,
            "-nN",
            "foobar",
        ]);
        let mut command = site.command(&client);
        let (stdin, stdout) = (Stdio::piped(), Stdio::piped());
        let mut program = Self(command.stdin(stdin).stdout(stdout).spawn().unwrap());
        program.says("SELECT 7;");
        let mut line = String::new();
        let heard = BufReader::new(program.0.stdout.as_mut().unwrap()).read_line(&mut line);
        assert!(heard.is_ok() && line == "7\n", "{line:?}");
        program
    }

    fn says(&mut self, sql: &str) {
        let said = writeln!(self.0.stdin.as_mut().unwrap(), "{sql}");
        said.unwrap();
    }
}

/// Nobody who read after that moment was told of a failure.
fn held(records: &[Record], at: u64, name: &str) {
    let outage = outage::since(records, at, None);
    harness::record(&serde_json::json!({ "fault": format!("reading, {name}"), "pages": outage }));
    assert!(outage.requests > 100, "{name}: {outage:?}");
    let failures = || {
        let failed = records.iter().filter(|one| !one.outcome.is_fine());
        failed
            .map(|one| {
                format!(
                    "{:.1} s: {:?}",
                    one.due.saturating_sub(at) as f64 / 1e6,
                    one.outcome
                )
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(outage.failed, 0, "{name}: {:?}", failures());
}

/// Breaks the primary's server while visitors read.
fn story(site: &Site, from: &str, name: &str, does: impl FnOnce()) {
    let message = format!("{}-1", name.replace('-', ""));
    let post = {
        let message = message.clone();
        Outside::of(site).spawn(move || Person::default().post(&message))
    };
    assert_eq!(post.join().unwrap().unwrap().status, 303);
    let server = if from == "web-01" { "web-02" } else { "web-01" };
    let mut program = Program::on(site, server);
    let under_way = Underway::start(site, &load());
    std::thread::sleep(Duration::from_secs(1));
    let at = clock::unix_micros();
    does();
    program.says(&format!(
        "INSERT INTO entries (name, message, app_server, database_server) VALUES ('x', 'gone-{name}', 'x', 'x');"
    ));
    held(&under_way.records(), at, name);
    // What was posted before is there, and is there now.
    let page = Outside::of(site).spawn(|| Person::default().get("/"));
    let page = page.join().unwrap().unwrap();
    assert!(page.body.contains(&message), "{name}: {}", page.body);
    assert!(
        !program.0.wait().unwrap().success(),
        "{name}: it was answered"
    );
    site.does(&["fault", "mend"]);
    wait_until_well(site);
    // A server that only stands still has what was sent to it, and carries it out; else nobody does.
    if name != "freeze" {
        assert_eq!(rows(site, from, "gone"), BTreeSet::new());
    }
}

#[test]
fn reading_goes_on_while_the_primarys_server_is_away() {
    if !harness::is_root() {
        return;
    }
    let site = open_book();
    wait_until_well(&site);
    let from = primary(&site).unwrap();
    for kind in ["power-off", "partition", "freeze"] {
        story(&site, &from, kind, || site.does(&["fault", kind, &from]));
    }
    crash_loop(&site, &from);
}

/// It is killed as often as it is started.
fn crash_loop(site: &Site, from: &str) {
    let under_way = Underway::start(site, &load());
    std::thread::sleep(Duration::from_secs(1));
    let (at, begun) = (clock::unix_micros(), Instant::now());
    while begun.elapsed() < LASTS {
        // It may be down already.
        let _ = site.terrace(&["fault", "kill", &format!("{from}/database")]);
        std::thread::sleep(Duration::from_millis(100));
    }
    held(&under_way.records(), at, "crash-loop");
}
