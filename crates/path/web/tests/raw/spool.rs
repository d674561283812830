//! Where large bodies wait, and what becomes of them when there is no room.

use std::path::Path;
use std::time::Duration;

use crate::harness::{PATIENCE, Visitor, Web, wait_for};
use crate::pressure::visitor_at;
use crate::slow::one_at_a_time;

const MIB: usize = 1 << 20;

fn patient(plan: &mut terrace_site::plan::WebPlan) {
    plan.limits.body = 64 << 20;
    plan.routes[0].health.every = Duration::from_secs(60);
    for timeouts in [&mut plan.timeouts, &mut plan.routes[0].timeouts] {
        timeouts.idle = PATIENCE;
        timeouts.first_byte = PATIENCE;
    }
}

fn head(size: usize) -> String {
    format!("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: {size}\r\n\r\n")
}

fn post(web: &Web, size: usize) -> (u16, String) {
    let mut visitor = web.visit();
    visitor.send(head(size));
    visitor.send("x".repeat(size));
    let answer = visitor.answer(false);
    (answer.status, answer.text())
}

#[test]
fn all_bodies_together_have_one_bound_and_free_it() {
    let web = Web::with(one_at_a_time(), |plan| {
        patient(plan);
        plan.limits.spool = 2 * MIB as u64;
    });
    let mut slow: Vec<Visitor> = (0..2).map(|_| web.visit()).collect();
    for visitor in &mut slow {
        visitor.send(head(MIB));
        visitor.send("x".repeat(MIB - 10_000));
    }
    wait_for("both bodies", || {
        (web.spool.held() == 2 * (MIB as u64 - 10_000)).then_some(())
    });
    let (status, why) = post(&web, MIB);
    assert_eq!(status, 503);
    assert!(why.contains("no room for the request's body"), "{why}");
    web.log_line(&[" 503 ", " no-room"]);
    assert_eq!(post(&web, 60_000).0, 200, "small ones need none");
    for visitor in &mut slow {
        visitor.send("x".repeat(10_000));
        assert_eq!(visitor.answer(false).text(), MIB.to_string());
    }
    wait_for("the room again", || {
        (post(&web, MIB).0 == 200).then_some(())
    });
}

#[test]
fn one_address_does_not_take_the_room_of_all() {
    let web = Web::with(one_at_a_time(), |plan| {
        patient(plan);
        plan.limits.body = MIB as u64;
        plan.limits.spool = 4 * MIB as u64;
    });
    let mut slow = web.visit();
    slow.send(head(MIB));
    slow.send("x".repeat(MIB - 10_000));
    wait_for("its body", || {
        (web.spool.held() == MIB as u64 - 10_000).then_some(())
    });
    let (status, why) = post(&web, MIB);
    assert_eq!(status, 429);
    assert!(why.contains("your address"), "{why}");
    web.log_line(&[" 429 ", " share"]);
    let mut other = visitor_at(9, web.address);
    other.send(head(MIB));
    other.send("x".repeat(MIB));
    assert_eq!(other.answer(false).text(), MIB.to_string());
    assert_eq!(post(&web, 60_000).0, 200, "small ones need none");
    slow.send("x".repeat(10_000));
    assert_eq!(slow.answer(false).text(), MIB.to_string());
}

#[test]
fn one_body_may_not_be_larger_than_all() {
    let web = Web::with(one_at_a_time(), |plan| {
        patient(plan);
        plan.limits.body = MIB as u64;
    });
    assert_eq!(post(&web, MIB).0, 200);
    let mut visitor = web.visit();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    visitor.send("POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n");
    visitor.send(chunk.repeat(17));
    assert_eq!(visitor.answer(false).status, 413);
}

/// A small disk, where one can be mounted.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    fn at(path: &'a Path) -> Option<Self> {
        let mut mount = std::process::Command::new("mount");
        let mounted = mount
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(path);
        mounted
            .status()
            .is_ok_and(|done| done.success())
            .then_some(Self(path))
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(self.0)
            .status();
    }
}

#[test]
fn a_full_disk_is_an_error_for_that_visitor_alone() {
    let directory = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::at(directory.path()) else {
        eprintln!("skipped: nothing can be mounted here");
        return;
    };
    let web = Web::spooling(disk.0, one_at_a_time(), patient);
    assert_eq!(post(&web, MIB / 2).0, 200);
    for _ in 0..2 {
        assert_eq!(post(&web, 3 * MIB).0, 503);
    }
    assert_eq!(
        post(&web, MIB / 2),
        (200, (MIB / 2).to_string()),
        "and it is free again"
    );
    // An answer waits for its visitor instead.
    let mut visitor = web.visit();
    visitor.send(format!(
        "GET /{} HTTP/1.1\r\nHost: a.example\r\n\r\n",
        12 * MIB
    ));
    std::thread::sleep(Duration::from_millis(300));
    let answer = visitor.answer(false);
    assert!(answer.whole && answer.body == vec![b'y'; 12 * MIB]);
}

#[test]
fn who_waits_for_a_word_gets_it_before_a_large_body() {
    let web = Web::with(one_at_a_time(), patient);
    let mut visitor = web.visit();
    visitor.send(head(MIB).replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n"));
    assert_eq!(visitor.answer(false).status, 100);
    visitor.send("x".repeat(MIB));
    assert_eq!(visitor.answer(false).text(), MIB.to_string());
}
