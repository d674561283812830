use std::time::Duration;

use terrace_site::plan::{HealthPlan, KeepPlan, SecretName};

use super::*;

const RELEASE: &str = "4f2c19a0123456789abcdef0";

fn plan(run: &str) -> AppPlan {
    AppPlan {
        name: "foobar".into(),
        index: 1,
        code: "/code".into(),
        build: Vec::new(),
        release: Some(RELEASE.into()),
        launch: Launch::Run(run.into()),
        migrate: Some("python migrate.py".into()),
        env: BTreeMap::from([
            ("DEBUG".into(), "1".into()),
            ("SITE".into(), "forged".into()),
            ("TZ".into(), "Europe/Paris".into()),
        ]),
        secrets: BTreeMap::from([("TOKEN".into(), SecretName("app/token".into()))]),
        database: Some(DatabaseAccess {
            address: "127.0.0.1:3307".parse().unwrap(),
            name: "foo bar".into(),
            user: "app".into(),
            password: SecretName("database/app".into()),
        }),
        keep: vec![KeepPlan {
            name: "uploads".into(),
            at: "static/uploads".into(),
        }],
        copies: vec![CopyPlan {
            id: "web-01/app/1".into(),
            listen: "127.0.0.1:8001".parse().unwrap(),
        }],
        health: HealthPlan::default(),
        start_within: Duration::from_secs(30),
        stop_within: Duration::from_secs(10),
    }
}

fn surroundings() -> Surroundings {
    Surroundings {
        site: "www.foobar.com".into(),
        server: "web-01".into(),
        releases: "/srv".into(),
        state: "/var/lib/terrace".into(),
    }
}

fn secrets() -> Secrets {
    Secrets {
        variables: BTreeMap::from([("TOKEN".into(), Secret::new("t0k".into()))]),
        password: Some(Secret::new("p@ss/word".into())),
    }
}

fn spawn(run: &str) -> Spawn {
    let plan = plan(run);
    copy(&plan, &plan.copies[0], RELEASE, &surroundings(), &secrets())
}

#[test]
fn a_copy_gets_a_clean_environment_and_its_own_user() {
    let spawn = spawn(".venv/bin/granian --host $HOST --port $PORT foobar:app");
    assert_eq!(spawn.program, Program::File("/bin/sh".into()));
    assert_eq!(
        spawn.arguments,
        [
            "-c",
            "exec .venv/bin/granian --host $HOST --port $PORT foobar:app"
        ]
    );
    assert_eq!(
        spawn.directory.as_deref(),
        Some(Path::new("/srv/foobar/4f2c19a0123456789abcdef0"))
    );
    assert_eq!(spawn.user, Some(users::app(1)));
    let environment: Vec<String> = spawn
        .environment
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(
        environment,
        [
            "DATABASE_URL=mysql://app:p%40ss%2Fword@127.0.0.1:3307/foo%20bar",
            "DEBUG=1",
            "HOME=/var/lib/terrace/home/foobar",
            "HOST=127.0.0.1",
            "LANG=C.UTF-8",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "PORT=8001",
            "RELEASE=4f2c19a",
            "SERVER=web-01",
            "SITE=www.foobar.com",
            "TMPDIR=/tmp",
            "TOKEN=t0k",
            "TZ=Europe/Paris",
        ]
    );
}

#[test]
fn what_is_more_than_one_command_keeps_its_shell() {
    for (run, shell) in [
        ("node server.js", "exec node server.js"),
        ("exec node server.js", "exec node server.js"),
        ("NODE_ENV=x node server.js", "NODE_ENV=x node server.js"),
        ("./prepare && ./serve", "./prepare && ./serve"),
    ] {
        assert_eq!(spawn(run).arguments, ["-c", shell]);
    }
}

#[test]
fn the_revision_follows_everything_that_a_copy_is_started_with() {
    let first = revision(&spawn("./serve"));
    assert_eq!(first, revision(&spawn("./serve")));
    assert_ne!(first, revision(&spawn("./serve --fast")));
    let plan = plan("./serve");
    let other = Secrets {
        password: Some(Secret::new("new".into())),
        ..secrets()
    };
    let changed = copy(&plan, &plan.copies[0], RELEASE, &surroundings(), &other);
    assert_ne!(first, revision(&changed));
}

#[test]
fn a_migration_has_the_database_and_no_port() {
    let plan = plan("./serve");
    let command = plan.migrate.as_deref().unwrap();
    let id = "web-01/app/migrate";
    let spawn = migration(&plan, command, id, RELEASE, &surroundings(), &secrets());
    assert_eq!(spawn.arguments, ["-c", "exec python migrate.py"]);
    let has = |wanted: &str| spawn.environment.iter().any(|(name, _)| name == wanted);
    assert!(has("DATABASE_URL") && !has("PORT") && !has("HOST"));
}

#[test]
fn home_and_kept_directories_lie_in_the_servers_state() {
    assert_eq!(
        directories(&plan("./serve"), &surroundings()),
        [
            Path::new("/var/lib/terrace/home/foobar"),
            Path::new("/var/lib/terrace/keep/foobar/uploads")
        ]
    );
}

#[test]
fn secrets_that_are_missing_are_made_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = SecretStore::new(directory.path());
    let of = || {
        Secrets::of(&plan("./serve"), &store)
            .unwrap_or_else(|error| panic!("{error}"))
            .password
            .map(|password| password.expose().len())
    };
    assert_eq!(
        (of(), of()),
        (
            Some(terrace_service::secret::LENGTH),
            Some(terrace_service::secret::LENGTH)
        )
    );
    assert!(directory.path().join("app/token").exists());
}
