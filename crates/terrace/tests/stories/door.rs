//! Through the front door: by which names, and with how many at a time.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use terrace_protocol::Channel;
use terrace_protocol::control::{Reply, Request};

use crate::harness::{self, Site, both, finish, wait_until};

/// Files alone: what is asked for here is the door.
const FILE: &str = r#"site "www.foobar.com" {
    server web-01 "8.8.8.8"
    web web-01 static="foobar/public"
}
"#;

/// Where on this machine the door is.
fn port(site: &Site) -> u16 {
    let address = site.status()["front_door"].as_str().unwrap().to_owned();
    let (_, port) = address.trim_end_matches('/').rsplit_once(':').unwrap();
    port.parse().unwrap()
}

fn ask(address: &str, port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect((address, port)).unwrap();
    let patience = Some(Duration::from_secs(20));
    stream.set_read_timeout(patience).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn style(address: &str, port: u16, host: &str) -> String {
    let request = format!("GET /style.css HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    ask(address, port, &request)
}

#[test]
fn the_door_answers_to_the_names_that_a_newcomer_types() {
    if !harness::is_root() {
        return;
    }
    let site = Site::with_file("door", FILE);
    site.up();
    let port = port(&site);
    let mut addresses = vec!["127.0.0.1"];
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        addresses.push("::1");
    }
    for address in addresses {
        for host in [
            "127.0.0.1",
            "localhost",
            "[::1]",
            "www.foobar.com.localhost",
        ] {
            let answer = style(address, port, &format!("{host}:{port}"));
            assert!(answer.starts_with("HTTP/1.1 200"), "{host}: {answer}");
        }
        for other in ["8.8.8.8", "another.example"] {
            let answer = style(address, port, other);
            assert!(answer.starts_with("HTTP/1.1 421"), "{other}: {answer}");
        }
        let old = ask(address, port, "GET /style.css HTTP/1.0\r\n\r\n");
        assert!(old.contains(" 200 "), "{old}");
    }
}

/// More than are heard at once.
const SILENT: usize = 200;

#[test]
fn commands_that_never_ask_keep_no_other_from_its_answer() {
    if !harness::is_root() {
        return;
    }
    let site = Site::with_file("door", FILE);
    site.up();
    let socket = site.state().join("control.sock");
    // By way of the directory: a socket's path has at most 107 bytes.
    let directory = std::fs::File::open(socket.parent().unwrap()).unwrap();
    let path = format!("/proc/self/fd/{}/control.sock", directory.as_raw_fd());
    let silent: Vec<UnixStream> = (0..SILENT)
        .map(|_| UnixStream::connect(&path).unwrap())
        .collect();
    let answered = site.terrace(&["status"]);
    assert!(answered.status.success(), "{}", both(&answered));
    drop(silent);
}

/// Descriptors that the coordinator may have in this story.
const DESCRIPTORS: usize = 1_024;
/// More than have room with those.
const CROWD: usize = 600;

#[test]
fn a_crowd_at_the_door_leaves_commands_and_newcomers_alone() {
    if !harness::is_root() {
        return;
    }
    let site = Site::with_file("door", FILE);
    let up = site.command(&["up", "--detach"]);
    let mut limited = Command::new("prlimit");
    limited
        .arg(format!("--nofile={DESCRIPTORS}"))
        .arg(up.get_program())
        .args(up.get_args())
        .envs(
            up.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
    limited.current_dir(&site.directory);
    let came = finish(limited);
    assert!(came.status.success(), "{}", both(&came));
    let port = port(&site);
    let crowd: Vec<TcpStream> = (0..CROWD)
        .map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap())
        .collect();

    let newcomer = style("127.0.0.1", port, "localhost");
    assert!(newcomer.starts_with("HTTP/1.1 200"), "{newcomer}");
    wait_until("all of the crowd had their turn", || {
        let door = &site.status()["door"];
        let count = |what: &str| door[what].as_u64().unwrap() as usize;
        assert!(
            count("open") <= count("most") && 2 * count("most") < DESCRIPTORS,
            "{door}"
        );
        // The newcomer may still be counted, or have been.
        count("open") + count("closed") >= CROWD
    });
    let told = both(&site.terrace(&["status"]));
    assert!(
        told.contains("idle ones were closed to make room"),
        "{told}"
    );
    assert_eq!(site.on("web-01", &["hostname"]), "web-01\n");

    drop(crowd);
    wait_until("the crowd is gone", || site.status()["door"]["open"] == 0);
    let newcomer = style("127.0.0.1", port, "localhost");
    assert!(newcomer.starts_with("HTTP/1.1 200"), "{newcomer}");
}

#[test]
fn a_command_that_never_listens_holds_up_no_other() {
    if !harness::is_root() {
        return;
    }
    let site = Site::with_file("deaf", FILE);
    site.up();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let directory = std::fs::File::open(site.state()).unwrap();
    let socket = format!("/proc/self/fd/{}/control.sock", directory.as_raw_fd());
    let deaf = runtime.block_on(async {
        let stream = tokio::net::UnixStream::connect(socket).await.unwrap();
        Channel::<Request, Reply>::open(stream).await.unwrap()
    });
    // More answers than any socket takes, and than may wait.
    let asking = async {
        for _ in 0..2_000 {
            if deaf.sender.send(&Request::Status).await.is_err() {
                return;
            }
        }
    };
    let asked = async { tokio::time::timeout(Duration::from_secs(20), asking).await };
    runtime.block_on(asked).unwrap();
    assert!(site.terrace(&["status"]).status.success());
    assert!(style("127.0.0.1", port(&site), "localhost").starts_with("HTTP/1.1 200"));
    drop(deaf);
}
