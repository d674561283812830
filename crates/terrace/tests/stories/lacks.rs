//! What runs out in a process of ours is told as what it is, and never held against those that it asks.

use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{self, Site, both, finish, wait_until};
use crate::people::{Outside, Person};

const FILE: &str = r#"site "www.foobar.com" {
    server lb-01  "10.0.0.10" { public "8.8.8.8"; }
    server web-01 "10.0.0.21"
    load-balancer lb-01
    web      web-01 static="foobar/public"
    app      web-01 code="foobar" { run "exec python3 -m http.server --bind $HOST $PORT"; }
}
"#;
const WEB: &str = "web-01/web";
const BALANCER: &str = "lb-01/load-balancer";
const WHY: &str = "this process has no file descriptor left";

/// Lets a process open no more than it has, or as many as before. As its own user: root may do without the right to limit others.
fn descriptors(pid: u32, soft: u32) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let id = |name: &str| -> u32 {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap()
            .split_whitespace()
            .next()
            .unwrap()
            .parse()
            .unwrap()
    };
    let mut command = Command::new("prlimit");
    command.args([format!("--pid={pid}"), format!("--nofile={soft}:")]);
    command.uid(id("Uid:")).gid(id("Gid:"));
    let output = finish(command);
    assert!(output.status.success(), "{}", both(&output));
}

fn role(site: &Site, id: &str) -> serde_json::Value {
    let roles = site.roles();
    let found = roles.into_iter().find(|role| role["id"] == id);
    found.unwrap_or_else(|| panic!("no role {id}"))
}

/// So many times it had no descriptor left.
fn times(role: &serde_json::Value) -> u64 {
    let lack = &role["lacks"][0];
    assert!(lack.is_null() || lack["what"] == "descriptors", "{lack}");
    lack["times"].as_u64().unwrap_or(0)
}

/// It has met its lack in its checks too, and holds it against nobody: so many errors of those that it asks are their own.
fn blames_nobody(site: &Site, id: &str, errors: u64) {
    let before = times(&role(site, id));
    wait_until("checks have met it too", || {
        times(&role(site, id)) > before + 1
    });
    let role = role(site, id);
    let upstream = &role["upstreams"][0];
    assert!(
        upstream["healthy"] == true && upstream["errors"] == errors,
        "{role:#}"
    );
    let told = both(&site.terrace(&["status"]));
    assert!(told.contains(&format!("! {id}  {WHY}")), "{told}");
}

#[test]
fn a_role_without_descriptors_says_so_and_blames_nobody() {
    if !harness::is_root() {
        return;
    }
    let site = Site::with_file("lacks", FILE);
    site.up();
    // The connection stays: nothing new has to be accepted for what follows.
    let came = Outside::of(&site).spawn(|| {
        let mut person = Person::default();
        (person.get("/style.css").unwrap().status, person)
    });
    let (status, mut visitor) = came.join().unwrap();
    assert_eq!(status, 200);

    let web = site.pid("web-01", WEB);
    descriptors(web, 4);
    let answer = visitor.get("/another-path").unwrap();
    assert!(
        answer.status == 503 && answer.body.contains(WHY),
        "{}",
        answer.body
    );
    // What it has open it still serves.
    assert_eq!(visitor.get("/style.css").unwrap().status, 200);
    blames_nobody(&site, WEB, 0);
    let metrics = ["curl", "-sf", "http://127.0.0.1:9100/metrics"];
    let line = format!(
        "terrace_web_lacks_total{{server=\"web-01\",role=\"web\",instance=\"{WEB}\",resource=\"descriptors\"}}"
    );
    wait_until("the agent shows it", || {
        site.on("web-01", &metrics).contains(&line)
    });
    descriptors(web, 1_024);
    wait_until("the app is asked again", || {
        visitor.get("/").unwrap().status == 200
    });

    wait_until("the balancer finds it well", || {
        role(&site, BALANCER)["upstreams"][0]["healthy"] == true
    });

    // Its connections to the web server end with that, and it can make no other.
    let balancer = site.pid("lb-01", BALANCER);
    descriptors(balancer, 4);
    kill(Pid::from_raw(web.cast_signed()), Signal::SIGKILL).unwrap();
    wait_until("the web server is back", || {
        role(&site, WEB)["restarts"] == 1 && role(&site, WEB)["state"] == "serving"
    });
    let answer = visitor.get("/style.css").unwrap();
    assert!(
        answer.status == 503 && answer.body.contains(WHY),
        "{}",
        answer.body
    );
    // The web server's own, when it had none left.
    blames_nobody(&site, BALANCER, 1);
    let log = site.state().join("servers/lb-01/logs/access.log");
    wait_until("the log says it", || {
        std::fs::read_to_string(&log).is_ok_and(|log| log.contains(" lack-descriptors\n"))
    });
    descriptors(balancer, 1_024);
    wait_until("the web server is asked again", || {
        visitor.get("/style.css").unwrap().status == 200
    });
}
