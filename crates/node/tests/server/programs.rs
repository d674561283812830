//! What this test binary is when a server under test starts it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::ExitCode;

use nix::sched::CloneFlags;
use terrace_protocol::report::{RoleReport, State};
use terrace_service::{Order, Role};

fn finish(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}

/// The keeper. An ordinary user becomes root of a user namespace first, as in the lab.
pub fn keeper(home: &str) -> ExitCode {
    let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
    if !user.is_root() {
        nix::sched::unshare(CloneFlags::CLONE_NEWUSER).unwrap();
        fs::write("/proc/self/setgroups", "deny").unwrap();
        fs::write("/proc/self/uid_map", format!("0 {user} 1\n")).unwrap();
        fs::write("/proc/self/gid_map", format!("0 {group} 1\n")).unwrap();
    }
    finish(terrace_node::keeper::run(
        &serde_json::from_str(home).unwrap(),
    ))
}

/// The node.
pub fn node(home: &str) -> ExitCode {
    finish(terrace_node::node::run(serde_json::from_str(home).unwrap()))
}

/// A role that answers every request with its process number, and says in its reports what it is, and which servers it
/// was told to empty, each time.
pub fn role(id: &str) -> ExitCode {
    let privilege = privilege();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut role = Role::inherited(id.to_owned()).unwrap();
        for (_, listener) in role.descriptors.take_all("listen ") {
            let listener = TcpListener::from(listener);
            listener.set_nonblocking(false).unwrap();
            std::thread::spawn(move || answer(&listener, &std::process::id().to_string()));
        }
        let mut report = RoleReport {
            reason: privilege,
            ..RoleReport::default()
        };
        loop {
            match role.control.next().await {
                Order::Configure { generation, .. } => {
                    report.state = State::Serving;
                    report.generation = generation;
                }
                Order::Divert(servers) => {
                    let servers: Vec<_> = servers.into_iter().map(|one| one.server).collect();
                    report.what += &format!("[{}]", servers.join(" "));
                }
                Order::Facts(_) | Order::Log(_) => {}
                Order::Drain(_) => return ExitCode::SUCCESS,
            }
            role.control.report(report.clone());
        }
    })
}

/// What this process may do, and which descriptors it has beside those that it was given.
fn privilege() -> String {
    let given = std::env::var("TERRACE_DESCRIPTORS").unwrap_or_default();
    let given: BTreeSet<&str> = given
        .split(';')
        .filter_map(|part| Some(part.rsplit_once('=')?.1))
        .collect();
    let open = fs::read_dir("/proc/self/fd").unwrap();
    let numbers: Vec<String> = open
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    // The directory that was just read is closed by now.
    let is_strange = |number: &&String| {
        number.parse::<i32>().unwrap() > 2
            && !given.contains(number.as_str())
            && fs::read_link(format!("/proc/self/fd/{number}")).is_ok()
    };
    let strange = numbers.iter().filter(is_strange).count();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap()
            .trim()
            .to_owned()
    };
    let (capabilities, locked) = (field("CapEff:"), field("NoNewPrivs:"));
    let user = nix::unistd::getuid();
    format!(
        "uid {user}, capabilities {capabilities}, no new {locked}, strange descriptors {strange}"
    )
}

/// An app that answers every request with its release, except `/exit`.
pub fn app() -> ExitCode {
    let variable = |name: &str| std::env::var(name).unwrap();
    let listener = TcpListener::bind(format!("{}:{}", variable("HOST"), variable("PORT"))).unwrap();
    println!("listening");
    answer(&listener, &variable("RELEASE"));
    ExitCode::SUCCESS
}

fn answer(listener: &TcpListener, body: &str) {
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut head = [0; 4096];
        let read = stream.read(&mut head).unwrap_or(0);
        if head[..read].starts_with(b"GET /exit ") {
            println!("was asked to exit");
            std::process::exit(3);
        }
        let length = body.len();
        let text = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        // A visitor that has gone is no reason to stop.
        let _ = stream.write_all(text.as_bytes());
    }
}
