//! An app: its release, its migration, its copies.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use terrace_protocol::report::State;
use terrace_site::plan::{AppPlan, CopyPlan, HealthPlan, Launch, Part, RolePlan};

use crate::Story;
use crate::server::{Coordinator, Server, free_address, kill_9, plan, request, until, web};

pub const STORIES: &[Story] = &[
    (
        "an_app_waits_for_its_release_and_is_prepared_once",
        an_app_waits_for_its_release_and_is_prepared_once,
    ),
    (
        "copies_are_adopted_and_a_new_release_replaces_them",
        copies_are_adopted_and_a_new_release_replaces_them,
    ),
    (
        "what_an_app_said_last_is_the_reason_of_its_end",
        what_an_app_said_last_is_the_reason_of_its_end,
    ),
];

/// Copies of this very binary.
fn app(release: Option<&str>, copies: &[SocketAddr], migrate: Option<&str>) -> RolePlan {
    let copy = |(index, listen): (usize, &SocketAddr)| CopyPlan {
        id: format!("web-01/app/{}", index + 1),
        listen: *listen,
    };
    let part = AppPlan {
        name: "foobar".into(),
        index: 0,
        code: "/code".into(),
        build: Vec::new(),
        release: release.map(str::to_owned),
        launch: Launch::Run("./program internal app".into()),
        migrate: migrate.map(str::to_owned),
        env: BTreeMap::new(),
        secrets: BTreeMap::new(),
        database: None,
        keep: Vec::new(),
        copies: copies.iter().enumerate().map(copy).collect(),
        health: HealthPlan {
            path: Some("/health".into()),
            every: Duration::from_millis(50),
            ..HealthPlan::default()
        },
        start_within: Duration::from_secs(20),
        stop_within: Duration::from_secs(5),
    };
    RolePlan {
        id: "web-01/app".into(),
        part: Part::App(part),
    }
}

fn make_release(server: &Server, release: &str) {
    let directory = server.home.releases.join("foobar").join(release);
    fs::create_dir_all(&directory).unwrap();
    fs::copy("/proc/self/exe", directory.join("program")).unwrap();
}

fn an_app_waits_for_its_release_and_is_prepared_once() {
    let server = Server::start();
    let (entry, address) = (free_address(), free_address());
    let migrate = "echo $RELEASE >> $HOME/migrated";
    let mut coordinator = Coordinator::dial(&server);
    let roles = |release| vec![app(release, &[address], Some(migrate)), web(entry)];
    coordinator.reconcile(&plan(1, roles(None)));
    let waiting = coordinator.report("the app to wait", |report| {
        report
            .roles
            .first()
            .is_some_and(|copy| copy.state == State::Waiting && !copy.reason.is_empty())
    });
    assert_eq!(waiting.roles[0].reason, "its release is being built");

    make_release(&server, "aaaaaaaaaa");
    coordinator.reconcile(&plan(2, roles(Some("aaaaaaaaaa"))));
    let copy = coordinator.serving("web-01/app/1", 0);
    assert_eq!(copy.what, "release aaaaaaa");
    assert_eq!(request(address, "/").unwrap(), "aaaaaaa");
    kill_9(copy.pid);
    assert_eq!(coordinator.serving("web-01/app/1", copy.pid).restarts, 1);
    let migrated = fs::read_to_string(server.home.state.join("home/foobar/migrated")).unwrap();
    assert_eq!(
        migrated, "aaaaaaa\n",
        "once per release, however often its copies start"
    );

    let app_steps = coordinator
        .steps
        .iter()
        .filter(|step| step.what == "app" && step.fine);
    let texts: Vec<&str> = app_steps.map(|step| step.text.as_str()).collect();
    let migration = format!("migration `{migrate}`, once for this release");
    assert_eq!(texts, [migration.as_str(), "1 of 1 copies answers /health"]);
    let stopped = coordinator.stop();
    let parts: Vec<&str> = stopped
        .iter()
        .filter_map(|role| role.split(' ').next())
        .collect();
    assert_eq!(parts, ["web", "app"], "the entry first: {stopped:?}");
}

fn copies_are_adopted_and_a_new_release_replaces_them() {
    let server = Server::start();
    let addresses = [free_address(), free_address()];
    let mut coordinator = Coordinator::dial(&server);
    make_release(&server, "aaaaaaaaaa");
    coordinator.reconcile(&plan(1, vec![app(Some("aaaaaaaaaa"), &addresses, None)]));
    let first = coordinator.serving("web-01/app/1", 0);
    let second = coordinator.serving("web-01/app/2", 0);

    kill_9(server.node());
    let mut coordinator = until("the next node is there", || {
        std::panic::catch_unwind(|| {
            let mut coordinator = Coordinator::dial(&server);
            coordinator.report("the next node's report", |report| report.generation == 1);
            coordinator
        })
        .ok()
    });
    for before in [&first, &second] {
        let adopted = coordinator.serving(&before.id, 0);
        assert_eq!((adopted.pid, adopted.restarts), (before.pid, 0));
    }

    make_release(&server, "bbbbbbbbbb");
    coordinator.reconcile(&plan(2, vec![app(Some("bbbbbbbbbb"), &addresses, None)]));
    for (before, address) in [&first, &second].into_iter().zip(addresses) {
        let after = coordinator.serving(&before.id, before.pid);
        assert_eq!(after.what, "release bbbbbbb");
        assert_eq!(request(address, "/").unwrap(), "bbbbbbb");
    }
}

fn what_an_app_said_last_is_the_reason_of_its_end() {
    let server = Server::start();
    let address = free_address();
    let mut coordinator = Coordinator::dial(&server);
    make_release(&server, "aaaaaaaaaa");
    coordinator.reconcile(&plan(1, vec![app(Some("aaaaaaaaaa"), &[address], None)]));
    coordinator.serving("web-01/app/1", 0);
    let _ = request(address, "/exit");
    let report = coordinator.report("its end", |report| {
        report.roles[0].state == State::Restarting
    });
    let reason = &report.roles[0].reason;
    assert!(
        reason.starts_with("exit code 3: was asked to exit"),
        "{reason}"
    );
    let log = fs::read_to_string(server.log("app.1.log")).unwrap();
    assert!(log.contains("was asked to exit"), "{log}");
}
