//! Nothing of ours runs or is mounted afterwards, however it ends.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{self, Site, wait, wait_until};
use crate::processes::Traces;

/// Fails unless every process and mount that this site had is gone.
fn nothing_is_left(site: &Site, traces: &Traces) {
    wait_until("no process is left", || traces.processes().is_empty());
    let mounts = traces.mounts();
    assert!(mounts.is_empty(), "still mounted: {mounts:#?}");
    // What is no longer locked can be brought up again: the strictest witness.
    let output = site.terrace(&["status"]);
    assert!(
        !output.status.success(),
        "something still answers: {}",
        harness::both(&output)
    );
}

#[test]
fn down_leaves_nothing() {
    if !harness::is_root() {
        return;
    }
    let site = Site::stage0();
    site.up();
    let traces = site.traces();
    assert!(site.terrace(&["down"]).status.success());
    nothing_is_left(&site, &traces);
    let again = site.terrace(&["down"]);
    assert!(again.status.success(), "{}", harness::both(&again));
    assert!(
        site.state().join("servers/web-01/database").exists(),
        "`down` keeps the data"
    );
    assert!(site.terrace(&["down", "--wipe"]).status.success());
    assert!(!site.state().exists(), "`down --wipe` removes the data");
}

/// A client in the foreground, up and serving.
fn foreground(site: &Site) -> std::process::Child {
    let mut command: Command = site.command(&["up"]);
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the site serves", || {
        let output = site.terrace(&[
            "exec",
            "internet",
            "--",
            "curl",
            "-sf",
            "-o",
            "/dev/null",
            "http://www.foobar.com/",
        ]);
        output.status.success()
    });
    child
}

fn send(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.try_into().unwrap()), signal).unwrap();
}

#[test]
fn an_interrupted_client_stops_all_in_order() {
    if !harness::is_root() {
        return;
    }
    let site = Site::stage0();
    let mut client = foreground(&site);
    let traces = site.traces();
    send(client.id(), Signal::SIGINT);
    assert!(wait(&mut client, Duration::from_secs(20)).success());
    nothing_is_left(&site, &traces);
}

#[test]
fn a_killed_client_stops_all_in_order() {
    if !harness::is_root() {
        return;
    }
    let site = Site::stage0();
    let mut client = foreground(&site);
    let traces = site.traces();
    send(client.id(), Signal::SIGKILL);
    wait(&mut client, Duration::from_secs(5));
    nothing_is_left(&site, &traces);
    let log = fs::read_to_string(site.state().join("servers/web-01/logs/database.log")).unwrap();
    assert!(
        log.contains("Shutdown complete"),
        "the database was not stopped in order: {log}"
    );
}

#[test]
pub(crate) fn a_killed_coordinator_takes_everything_along() {
    if !harness::is_root() {
        return;
    }
    let site = Site::stage0();
    site.up();
    let traces = site.traces();
    let coordinator = site.process(&[" internal coordinator"]).unwrap();
    send(coordinator, Signal::SIGKILL);
    nothing_is_left(&site, &traces);
    site.up();
    let page = site.on("internet", &["curl", "-s", "http://www.foobar.com/"]);
    assert!(page.contains("<form"), "it does not come up again: {page}");
}
