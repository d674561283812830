//! What a reload costs the peers' visitors: HAProxy's and nginx's, under the load that `terrace apply` is held to.
//!
//! In a network of its own, so in a process of its own: `cargo xtask reloads` prints a line for each.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::bench::balancer::{haproxy_configuration, nginx_configuration, origins_configuration};
use crate::bench::network;
use crate::bench::servers::{Server, answers, free_port};
use crate::machine::peer;

/// Reloads under load, and seconds from one to the next.
const RELOADS: u32 = 12;
const EVERY: u64 = 2;
/// Requests a second, of those over kept and of those over new connections.
const RATE: u32 = 250;

/// Measures both, a line of JSON each.
///
/// # Errors
/// When a server or the load cannot be started.
pub(crate) fn run(root: &Path) -> io::Result<()> {
    network::enter()?;
    let directory = std::env::temp_dir().join(format!("terrace-reloads-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    let measured = measure(root, &directory);
    fs::remove_dir_all(&directory)?;
    for line in measured? {
        println!("{line}");
    }
    Ok(())
}

fn measure(root: &Path, directory: &Path) -> io::Result<Vec<Value>> {
    let second = free_port()?;
    let mut origins = Server::nginx(directory, "origins", "0,1", |at, first| {
        origins_configuration(at, [first, second])
    })?;
    let behind = [origins.port, second];
    let haproxy = Server::start(directory, "haproxy", |port| {
        let file = directory.join("haproxy.cfg");
        fs::write(&file, haproxy_configuration(port, behind))?;
        let mut command = Command::new(peer("haproxy"));
        // A master that starts a new worker on the sockets of the one before.
        command.args(["-W", "-db", "-f"]).arg(file);
        Ok(command)
    })?;
    let nginx = Server::nginx(directory, "nginx", "0,1", |at, own| {
        nginx_configuration(at, own, behind)
    })?;
    let mut lines = Vec::new();
    for (name, mut server, signal) in [
        ("HAProxy", haproxy, Signal::SIGUSR2),
        ("nginx", nginx, Signal::SIGHUP),
    ] {
        let found = if answers(server.port) {
            reloaded(root, name, &server, signal)
        } else {
            Err(io::Error::other(format!("{name} does not listen")))
        };
        server.stop();
        lines.push(found?);
    }
    origins.stop();
    Ok(lines)
}

/// Reloads it again and again under load, and counts what visitors noticed.
fn reloaded(root: &Path, name: &str, server: &Server, signal: Signal) -> io::Result<Value> {
    let kind = |keep_alive: bool| json!({ "name": "page", "path": "/app", "form": null, "rate": RATE, "keep_alive": keep_alive });
    let load = json!({
        "target": format!("127.0.0.1:{}", server.port),
        "host": "www.foobar.com",
        "lasts": { "secs": u64::from(RELOADS + 1) * EVERY, "nanos": 0 },
        "patience": { "secs": 10, "nanos": 0 },
        "kinds": [kind(true), kind(false)],
    });
    let asking = Command::new(root.join("target/quick/terrace"))
        .args(["internal", "load", &load.to_string()])
        .stdout(Stdio::piped())
        .spawn()?;
    for _ in 0..RELOADS {
        std::thread::sleep(Duration::from_secs(EVERY));
        server.signal(signal)?;
    }
    let records: Vec<Value> = serde_json::from_slice(&asking.wait_with_output()?.stdout)?;
    let noticed = |record: &&Value| record["outcome"]["answered"] != 200 || record["again"] == true;
    Ok(json!({
        "peer": name,
        "times": RELOADS,
        "requests": records.len(),
        "failed": records.iter().filter(noticed).count(),
    }))
}
