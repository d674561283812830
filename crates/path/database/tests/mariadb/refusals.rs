//! What stands in the way, said with its name and remedy.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;

use terrace_database::instance::failure::Cause;
use terrace_database::{Error, Processes};
use terrace_site::plan::Engine;

use crate::support::{Bench, ID, flavour};

#[tokio::test]
async fn data_of_others_is_left_alone() {
    let Some(bench) = Bench::warm().await else {
        return;
    };
    let data = bench.settings.directories.data();
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("ibdata1"), "precious").unwrap();
    let refused = bench.prepare().await.err().unwrap();
    assert!(matches!(refused, Error::Foreign(_)), "{refused}");
    assert_eq!(
        fs::read_to_string(data.join("ibdata1")).unwrap(),
        "precious"
    );
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let Some(mut bench) = Bench::warm().await else {
        return;
    };
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    bench.plan.port = taken.local_addr().unwrap().port();
    let error = bench.prepare().await.unwrap().start().await.unwrap_err();
    assert_cause(&bench, &error, Cause::PortTaken).await;
    assert!(!bench.settings.directories.init().exists());
}

#[tokio::test]
async fn a_file_that_is_not_its_own_is_named() {
    let Some(bench) = Bench::warm().await else {
        return;
    };
    let mut instance = bench.prepare().await.unwrap();
    let file = bench.settings.directories.data().join("ibdata1");
    fs::set_permissions(&file, PermissionsExt::from_mode(0o000)).unwrap();
    let error = instance.start().await.unwrap_err();
    assert_cause(&bench, &error, Cause::Permission).await;
}

#[tokio::test]
async fn damaged_data_is_named() {
    let Some(bench) = Bench::warm().await else {
        return;
    };
    let mut instance = bench.prepare().await.unwrap();
    let file = bench.settings.directories.data().join("ibdata1");
    let mut bytes = fs::read(&file).unwrap();
    // The pages of the dictionary, without the head of the file that says what it is.
    bytes[16 << 10..1 << 20].fill(0xA5);
    fs::write(&file, bytes).unwrap();
    let error = instance.start().await.unwrap_err();
    assert_cause(&bench, &error, Cause::Corrupted).await;
}

#[tokio::test]
async fn data_is_opened_by_the_engine_of_its_birth_alone() {
    let Some(mut bench) = Bench::warm().await else {
        return;
    };
    drop(bench.prepare().await.unwrap());
    let (own, other) = match flavour() {
        Engine::Mariadb => (Engine::Mariadb, Engine::Mysql),
        Engine::Mysql => (Engine::Mysql, Engine::Mariadb),
    };
    bench.plan.engine = Some(other);
    let refused = bench.prepare().await.err().unwrap();
    assert!(matches!(refused, Error::OtherEngine { .. }), "{refused}");
    bench.plan.engine = Some(own);
    assert!(bench.prepare().await.is_ok());
}

#[tokio::test]
async fn a_missing_engine_comes_with_its_package() {
    let Some(mut bench) = Bench::warm().await else {
        return;
    };
    let offers = bench.place.path().join("bin");
    fs::create_dir(&offers).unwrap();
    bench.settings.search = vec![offers.clone()];
    let none = bench.prepare().await.err().unwrap();
    assert!(
        none.to_string()
            .contains("apt-get install mariadb-server-core"),
        "{none}"
    );

    let program = offers.join("mysqld");
    let says = |text: &str| {
        fs::write(&program, format!("#!/bin/sh\necho '{text}'\n")).unwrap();
        fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    };
    says("mysqld  Ver 5.7.44 for Linux on x86_64 (MySQL Community Server (GPL))");
    let old = bench.prepare().await.err().unwrap();
    assert_eq!(
        old.to_string(),
        "MySQL 5.7.44 is too old: install MySQL 8.0.30 or newer"
    );
    says("no server at all");
    let strange = bench.prepare().await.err().unwrap();
    assert!(
        strange.to_string().contains("said: no server at all"),
        "{strange}"
    );
}
async fn assert_cause(bench: &Bench, error: &Error, expected: Cause) {
    let found = match error {
        Error::Died { failure, .. } => Some(failure.cause),
        _ => None,
    };
    let log = bench.processes.output(ID).await;
    assert_eq!(found, Some(expected), "{error}\n{log}");
}
