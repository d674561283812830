//! The keeper, its node, and roles of our own: who dies, who stays, and what waits meanwhile.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use terrace_protocol::node::{FromNode, ToNode};
use terrace_protocol::role::Divert;

use crate::Story;
use crate::server::{Coordinator, Server, free_address, kill_9, plan, request, runs, until, web};

const WEB: &str = "web-01/web";

pub const STORIES: &[Story] = &[
    (
        "a_coordinator_that_stands_still_holds_up_nothing",
        a_coordinator_that_stands_still_holds_up_nothing,
    ),
    (
        "a_role_has_no_privilege_and_nothing_of_the_keepers",
        a_role_has_no_privilege_and_nothing_of_the_keepers,
    ),
    (
        "a_role_that_is_killed_comes_back_and_refuses_nobody",
        a_role_that_is_killed_comes_back_and_refuses_nobody,
    ),
    (
        "killing_the_node_costs_no_request",
        killing_the_node_costs_no_request,
    ),
    (
        "which_servers_are_emptied_outlives_node_and_role",
        which_servers_are_emptied_outlives_node_and_role,
    ),
    (
        "only_what_a_plan_changes_is_touched",
        only_what_a_plan_changes_is_touched,
    ),
    (
        "a_plan_that_cannot_be_run_leaves_the_one_before",
        a_plan_that_cannot_be_run_leaves_the_one_before,
    ),
    (
        "with_its_owner_everything_ends",
        with_its_owner_everything_ends,
    ),
];

fn up(server: &Server) -> (Coordinator, SocketAddr, u32) {
    let address = free_address();
    let mut coordinator = Coordinator::dial(server);
    coordinator.reconcile(&plan(1, vec![web(address)]));
    let pid = coordinator.serving(WEB, 0).pid;
    (coordinator, address, pid)
}

fn a_coordinator_that_stands_still_holds_up_nothing() {
    let server = Server::start();
    let mut silent = Coordinator::dial(&server);
    // More than any socket takes, and than may wait.
    silent.asks_and_never_listens(5_000);
    let entry = free_address();
    let mut next = Coordinator::dial(&server);
    next.reconcile(&plan(1, vec![web(entry)]));
    next.serving("web-01/web", 0);
    // The one that goes on finds out that it was hung up on, and dials again.
    assert!(!silent.asks_and_never_listens(1));
    next.stop();
}

fn a_role_has_no_privilege_and_nothing_of_the_keepers() {
    assert_no_privilege(&Server::start());
}

fn assert_no_privilege(server: &Server) {
    let address = free_address();
    let mut coordinator = Coordinator::dial(server);
    coordinator.reconcile(&plan(7, vec![web(address)]));
    let report = coordinator.serving(WEB, 0);
    let wanted = "uid 70001, capabilities 0000000000000000, no new 1, strange descriptors 0";
    assert_eq!(report.reason, wanted);
    assert_eq!((report.generation, report.restarts), (7, 0));
    assert_eq!(request(address, "/").unwrap(), report.pid.to_string());
    assert_eq!(coordinator.stop(), ["web (drained 0.0 s)"]);
    assert!(request(address, "/").is_err());
    assert!(!runs(report.pid));
}

fn a_role_that_is_killed_comes_back_and_refuses_nobody() {
    let server = Server::start();
    let (mut coordinator, address, pid) = up(&server);
    kill_9(pid);
    let begun = Instant::now();
    // It waits in the socket that the keeper holds. Only what the dying process had accepted is lost.
    let answered = until("the next answers", || {
        request(address, "/")
            .ok()
            .filter(|body| *body != pid.to_string())
    });
    let back = begun.elapsed();
    let report = coordinator.serving(WEB, pid);
    assert_eq!((report.pid.to_string(), report.restarts), (answered, 1));
    println!(
        "a role that was killed answers again after {} ms",
        back.as_millis()
    );
    assert!(back < Duration::from_secs(1), "it took {back:?}");
}

fn killing_the_node_costs_no_request() {
    let server = Server::start();
    let (coordinator, address, pid) = up(&server);
    drop(coordinator);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let visitor = scope.spawn(|| {
            let mut answers = 0;
            while !done.load(Ordering::Relaxed) {
                assert_eq!(request(address, "/").unwrap(), pid.to_string());
                answers += 1;
            }
            answers
        });
        // A visitor must be let go also when something fails here.
        let again = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..3 {
                let node = server.node();
                kill_9(node);
                until("another node runs", || {
                    (server.node() != node).then_some(())
                });
                assert_eq!(Coordinator::dial(&server).serving(WEB, 0).pid, pid);
            }
        }));
        done.store(true, Ordering::Relaxed);
        assert!(visitor.join().unwrap() > 10);
        again.unwrap();
    });
    // It is still the node's: it is stopped, and started again when it dies.
    let mut coordinator = Coordinator::dial(&server);
    kill_9(pid);
    assert_ne!(coordinator.serving(WEB, pid).pid, pid);
    assert_eq!(coordinator.stop().len(), 1);
}

fn which_servers_are_emptied_outlives_node_and_role() {
    let server = Server::start();
    let (mut coordinator, _, pid) = up(&server);
    assert_eq!(
        divert_and_hear(&mut coordinator, &["web-02"], "[web-02]"),
        pid
    );
    // Another node says nothing of it until it is told itself: what was said holds.
    let node = server.node();
    kill_9(node);
    until("another node runs", || {
        (server.node() != node).then_some(())
    });
    let mut coordinator = Coordinator::dial(&server);
    assert_eq!(coordinator.serving(WEB, 0).what, "[web-02]");
    assert_eq!(divert_and_hear(&mut coordinator, &[], "[web-02][]"), pid);
    // Another role hears it before its plan.
    divert_and_hear(&mut coordinator, &["web-03"], "[web-02][][web-03]");
    kill_9(pid);
    assert_eq!(coordinator.serving(WEB, pid).what, "[web-03]");
}

/// Has these servers emptied, and waits until the role has heard all that; returns its process number.
fn divert_and_hear(coordinator: &mut Coordinator, servers: &[&str], heard: &str) -> u32 {
    let order = |server: &&str| Divert {
        server: (*server).to_owned(),
        number: 1,
        within: 1_000,
    };
    let servers = servers.iter().map(order).collect();
    coordinator.tell(&ToNode::Divert { servers });
    let report = coordinator.report("the role hears of it", |report| {
        report.roles.iter().any(|role| role.what == heard)
    });
    report.roles[0].pid
}

fn only_what_a_plan_changes_is_touched() {
    let server = Server::start();
    let (mut coordinator, address, pid) = up(&server);
    coordinator.reconcile(&plan(2, vec![web(address)]));
    coordinator.report("the same roles under another generation", |report| {
        report.generation == 2
    });
    assert_eq!(coordinator.serving(WEB, 0).pid, pid);

    // Another address: another process, because sockets are inherited.
    let other = free_address();
    coordinator.reconcile(&plan(3, vec![web(other)]));
    let replaced = coordinator.serving(WEB, pid);
    assert_eq!(request(other, "/").unwrap(), replaced.pid.to_string());
    assert!(request(address, "/").is_err());
    assert_eq!(replaced.restarts, 0);

    coordinator.reconcile(&plan(4, Vec::new()));
    coordinator.report("nothing to run", |report| {
        report.generation == 4 && report.roles.is_empty()
    });
    assert!(!runs(replaced.pid));
}

fn a_plan_that_cannot_be_run_leaves_the_one_before() {
    let server = Server::start();
    let (mut coordinator, address, pid) = up(&server);
    let strange = serde_json::to_string(&plan(9, Vec::new()))
        .unwrap()
        .replace("\"format\":1", "\"format\":99");
    let strange = RawValue::from_string(strange).unwrap();
    coordinator.tell(&ToNode::Reconcile { plan: strange });
    let (generation, reason) = coordinator.hear("a refusal", |message| match message {
        FromNode::Refused { generation, reason } => Some((*generation, reason.clone())),
        _ => None,
    });
    assert_eq!(generation, 9);
    assert!(reason.contains("format 99"), "{reason}");
    assert_eq!(request(address, "/").unwrap(), pid.to_string());
    assert_eq!(coordinator.report("the old plan", |_| true).generation, 1);
}

fn with_its_owner_everything_ends() {
    let server = Server::start();
    let (_coordinator, _, pid) = up(&server);
    let node = server.node();
    drop(server);
    until("all processes have ended", || {
        (!runs(pid) && !runs(node)).then_some(())
    });
}
