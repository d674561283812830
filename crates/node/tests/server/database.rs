//! A real MariaDB or MySQL under the keeper.

use std::time::{Duration, Instant};

use terrace_site::plan::{DatabasePlan, DatabaseUser, Part, RolePlan, SecretName};

use crate::Story;
use crate::server::{Coordinator, Server, free_address, kill_9, plan, runs, until};

const DATABASE: &str = "web-01/database";

pub const STORIES: &[Story] = &[(
    "a_database_is_born_survives_its_node_and_comes_back_from_a_crash",
    a_database_is_born_survives_its_node_and_comes_back_from_a_crash,
)];

fn database(port: u16) -> RolePlan {
    let part = DatabasePlan {
        engine: None,
        listen: vec![[127, 0, 0, 1].into()],
        port,
        server_id: 1,
        report_host: "web-01".into(),
        database: "foobar".into(),
        users: vec![DatabaseUser {
            name: "foobar".into(),
            password: SecretName("database/app".into()),
        }],
        primary_at_birth: true,
    };
    RolePlan {
        id: DATABASE.into(),
        part: Part::Database(part),
    }
}

fn a_database_is_born_survives_its_node_and_comes_back_from_a_crash() {
    let server = Server::start();
    let mut coordinator = Coordinator::dial(&server);
    coordinator.reconcile(&plan(1, vec![database(free_address().port())]));
    let born = coordinator.serving(DATABASE, 0);
    let step = coordinator
        .steps
        .iter()
        .find(|step| step.what == "database")
        .unwrap()
        .clone();
    assert!(
        step.fine && step.text.ends_with("new, database \"foobar\""),
        "{step:?}"
    );
    assert!(step.text.starts_with(&born.what), "{step:?}");
    println!("{} was born in {} ms", born.what, step.took.unwrap());

    let node = server.node();
    kill_9(node);
    until("the next node runs", || {
        (server.node() != node).then_some(())
    });
    let mut coordinator = Coordinator::dial(&server);
    let adopted = coordinator.serving(DATABASE, 0);
    assert_eq!((adopted.pid, adopted.restarts), (born.pid, 0));

    kill_9(born.pid);
    let begun = Instant::now();
    let again = coordinator.serving(DATABASE, born.pid);
    let back = begun.elapsed();
    println!(
        "a database that was killed serves again after {} ms",
        back.as_millis()
    );
    assert_eq!(again.restarts, 1);
    assert!(back < Duration::from_secs(5), "it took {back:?}");

    let stopped = coordinator.stop();
    assert!(
        stopped.len() == 1 && stopped[0].starts_with("database (clean, "),
        "{stopped:?}"
    );
    assert!(!runs(again.pid));
}
