//! The builder as a process: what it says on its standard output, and that it does not outlive its caller.
//! This program is both: started with `builder` it is one.

#![allow(clippy::unwrap_used, reason = "a test that is a program of its own")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use terrace_protocol::build::{Order, Progress};

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("builder") {
        return terrace_app::build::main(&|| ());
    }
    a_build_ends_with_a_release_that_others_can_read();
    a_failure_is_the_last_word();
    what_is_no_order_is_refused();
    a_builder_whose_caller_is_gone_ends_with_all_that_it_started();
    println!("builder: 4 passed");
    ExitCode::SUCCESS
}

fn start() -> Child {
    Command::new(std::env::current_exe().unwrap())
        .arg("builder")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn order(root: &Path, command: &str) -> Order {
    let code = root.join("code");
    fs::create_dir_all(&code).unwrap();
    fs::write(code.join("app"), "code").unwrap();
    Order {
        app: "foobar".into(),
        code,
        releases: root.join("releases"),
        build: vec![command.into()],
        ..Order::default()
    }
}

fn say(child: &mut Child, order: &Order) {
    let mut line = serde_json::to_string(order).unwrap();
    line.push('\n');
    let input = child.stdin.as_mut().unwrap();
    input.write_all(line.as_bytes()).unwrap();
}

fn hear(child: &mut Child) -> impl Iterator<Item = Progress> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap())
}

fn a_build_ends_with_a_release_that_others_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let mut child = start();
    say(&mut child, &order(root.path(), "umask; echo built > part"));
    let told: Vec<Progress> = hear(&mut child).collect();
    assert!(child.wait().unwrap().success());
    assert!(told.contains(&Progress::Line("0022".into())), "{told:?}");
    let Some(Progress::Done(built)) = told.last() else {
        panic!("{told:?}");
    };
    let part = root
        .path()
        .join("releases/foobar")
        .join(&built.release)
        .join("part");
    assert_eq!(
        fs::metadata(part).unwrap().permissions().mode() & 0o777,
        0o644
    );
}

fn a_failure_is_the_last_word() {
    let root = tempfile::tempdir().unwrap();
    let mut child = start();
    say(&mut child, &order(root.path(), "echo no; exit 9"));
    let told: Vec<Progress> = hear(&mut child).collect();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let Some(Progress::Failed(failure)) = told.last() else {
        panic!("{told:?}");
    };
    assert!(failure.cause.ends_with("exit code 9") && failure.lines == ["no"]);
}

fn what_is_no_order_is_refused() {
    let mut child = start();
    drop(child.stdin.take());
    let told: Vec<Progress> = hear(&mut child).collect();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    assert!(matches!(told.as_slice(), [Progress::Failed(_)]), "{told:?}");
}

fn a_builder_whose_caller_is_gone_ends_with_all_that_it_started() {
    let root = tempfile::tempdir().unwrap();
    let mut child = start();
    say(&mut child, &order(root.path(), "sleep 300 & echo $!; wait"));
    let sleeper = hear(&mut child).find_map(|progress| match progress {
        Progress::Line(line) => Some(PathBuf::from(format!("/proc/{line}"))),
        _ => None,
    });
    let sleeper = sleeper.unwrap();
    assert!(sleeper.exists());
    drop(child.stdin.take());
    assert!(!child.wait().unwrap().success());
    let deadline = Instant::now() + Duration::from_secs(10);
    while lives(&sleeper) {
        assert!(Instant::now() < deadline, "it lives on");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether the process runs; one that nobody has waited for yet does not.
fn lives(process: &Path) -> bool {
    let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, state)| !state.starts_with('Z'))
}
