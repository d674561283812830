//! The load balancer beside HAProxy and nginx, each before the same two origins: checks and logs on everywhere.
//!
//! The figure is CPU per request, as for the web server; the peer that counts is the better of the two. Latency is
//! measured apart, with an open loop at a rate that all three can serve: what waits counts from when it was due.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::servers::{Server, answers, head, round};
use super::steady::{self, Waits};
use super::{PAIRS, Round};
use crate::machine::{first_line, peer};
use crate::statistics::{self, Ratio, median};

/// Whose turn it is, in the order of the report.
const NAMES: [&str; 3] = ["ours", "HAProxy", "nginx"];
/// The latency is measured at this share of what the slowest can serve.
const SHARE: f64 = 0.7;
/// Rounds of the latency.
const LATENCIES: usize = 9;

/// What is compared.
struct Case {
    name: &'static str,
    path: &'static str,
    connections: u32,
    target: f64,
}

const CASES: [Case; 3] = [
    Case {
        name: "128 B, 64 connections",
        path: "/app",
        connections: 64,
        target: 0.55,
    },
    Case {
        name: "10 KB, 64 connections",
        path: "/10k",
        connections: 64,
        target: 0.65,
    },
    Case {
        name: "128 B, 512 connections",
        path: "/app",
        connections: 512,
        target: 0.60,
    },
];

/// One case, measured.
struct Outcome {
    case: &'static Case,
    cpu: Vec<f64>,
    rate: Vec<f64>,
    /// Ours by the better of the two.
    ratio: Ratio,
    better: usize,
}

/// All cases, and what a visitor waits at a steady rate.
pub(crate) struct Measured {
    outcomes: Vec<Outcome>,
    /// Requests a second.
    steady: f64,
    /// Medians over rounds, of each.
    waits: Vec<Waits>,
    /// Our 99th percentile by the better of the two peers', round by round.
    ratio: Ratio,
}

/// Measures all. To be called in a network of its own.
///
/// # Errors
/// When a server cannot be started, or a round had errors.
pub(crate) fn measure(root: &Path) -> io::Result<Measured> {
    let trio = Trio::start(root)?;
    let mut outcomes = Vec::new();
    for case in &CASES {
        let outcome = trio.case(case)?;
        println!("{}", line(&outcome));
        outcomes.push(outcome);
    }
    let slowest = outcomes[0].rate.iter().copied().fold(f64::MAX, f64::min);
    let steady = slowest * SHARE;
    let (waits, ratio) = trio.waits(steady)?;
    for (name, Waits { p50, p99 }) in NAMES.iter().zip(&waits) {
        println!("{name} at {steady:.0} a second: p50 {p50:.2} ms, p99 {p99:.2} ms");
    }
    Ok(Measured {
        outcomes,
        steady,
        waits,
        ratio,
    })
}

/// All three, running, and their origins.
struct Trio {
    directory: PathBuf,
    servers: Vec<Server>,
    origins: Server,
}

impl Trio {
    fn start(root: &Path) -> io::Result<Self> {
        let directory = std::env::temp_dir().join(format!("terrace-trio-{}", std::process::id()));
        fs::create_dir_all(&directory)?;
        fs::write(directory.join("10k.txt"), "z".repeat(10 * 1024))?;
        let second = super::servers::free_port()?;
        let origins = Server::nginx(&directory, "origins", "1", |at, first| {
            origins_configuration(at, [first, second])
        })?;
        let behind = [origins.port, second];
        let plan = directory.join("plan.json");
        let ours = Server::start(&directory, "terrace", |port| {
            fs::write(&plan, our_plan(port, behind))?;
            let mut command = Command::new("taskset");
            command
                .args(["-c", "0"])
                .arg(root.join("target/release/terrace"))
                .args(["internal", "balancer", "--plan"])
                .arg(&plan)
                .arg("--access-log")
                .arg(directory.join("terrace-access.log"));
            Ok(command)
        })?;
        let haproxy = Server::start(&directory, "haproxy", |port| {
            let file = directory.join("haproxy.cfg");
            fs::write(&file, haproxy_configuration(port, behind))?;
            let mut command = Command::new("taskset");
            command.args(["-c", "0"]).arg(peer("haproxy"));
            command.args(["-db", "-f"]).arg(file);
            Ok(command)
        })?;
        let nginx = Server::nginx(&directory, "nginx", "0", |at, own| {
            nginx_configuration(at, own, behind)
        })?;
        let trio = Self {
            directory,
            servers: vec![ours, haproxy, nginx],
            origins,
        };
        let names = ["terrace", "haproxy", "nginx", "origins"];
        for (server, name) in trio.servers.iter().chain([&trio.origins]).zip(names) {
            if !answers(server.port) {
                let said = fs::read_to_string(trio.directory.join(format!("{name}.log")));
                let said = said.unwrap_or_default();
                let text = format!("{name} does not listen: {said}");
                return Err(io::Error::other(text));
            }
        }
        Ok(trio)
    }

    fn case(&self, case: &'static Case) -> io::Result<Outcome> {
        let mut rounds: Vec<Vec<Round>> = NAMES.iter().map(|_| Vec::new()).collect();
        for number in 0..PAIRS {
            for turn in 0..NAMES.len() {
                let who = (number + turn) % NAMES.len();
                let seen = round(
                    &self.servers[who],
                    &[&self.origins],
                    case.path,
                    case.connections,
                )?;
                rounds[who].push(seen);
            }
        }
        let of = |who: usize, field: fn(&Round) -> f64| -> Vec<f64> {
            rounds[who].iter().map(field).collect()
        };
        let cpu: Vec<f64> = (0..NAMES.len())
            .map(|who| median(&of(who, |round| round.cpu)))
            .collect();
        let better = if cpu[1] <= cpu[2] { 1 } else { 2 };
        let theirs = of(better, |round| round.cpu);
        let ratios: Vec<f64> = of(0, |round| round.cpu)
            .iter()
            .zip(theirs)
            .map(|(ours, theirs)| ours / theirs)
            .collect();
        Ok(Outcome {
            case,
            rate: (0..NAMES.len())
                .map(|who| median(&of(who, |round| round.rate)))
                .collect(),
            cpu,
            ratio: statistics::ratio(&ratios),
            better,
        })
    }

    /// What visitors wait at a steady rate.
    fn waits(&self, rate: f64) -> io::Result<(Vec<Waits>, Ratio)> {
        let mut each: Vec<Vec<Waits>> = NAMES.iter().map(|_| Vec::new()).collect();
        for number in 0..LATENCIES {
            for turn in 0..NAMES.len() {
                let who = (number + turn) % NAMES.len();
                each[who].push(steady::round(self.servers[who].port, "/app", rate)?);
            }
        }
        let of = |who: usize, field: fn(&Waits) -> f64| -> Vec<f64> {
            each[who].iter().map(field).collect()
        };
        let waits: Vec<Waits> = (0..NAMES.len())
            .map(|who| Waits {
                p50: median(&of(who, |one| one.p50)),
                p99: median(&of(who, |one| one.p99)),
            })
            .collect();
        let better = if waits[1].p99 <= waits[2].p99 { 1 } else { 2 };
        let ours = of(0, |one| one.p99);
        let pairs = ours.iter().zip(of(better, |one| one.p99));
        let ratios: Vec<f64> = pairs.map(|(ours, theirs)| ours / theirs).collect();
        Ok((waits, statistics::ratio(&ratios)))
    }
}

impl Drop for Trio {
    fn drop(&mut self) {
        for server in self.servers.iter_mut().chain([&mut self.origins]) {
            server.stop();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn verdict(outcome: &Outcome) -> &'static str {
    if outcome.ratio.median <= outcome.case.target {
        "met"
    } else {
        "falls short"
    }
}

fn line(outcome: &Outcome) -> String {
    format!(
        "balancer {:24} {:5.1} µs / HAProxy {:5.1} µs / nginx {:5.1} µs  ratio {:.2} ({:.2} to {:.2})  aim {:.2}  {}",
        outcome.case.name,
        outcome.cpu[0],
        outcome.cpu[1],
        outcome.cpu[2],
        outcome.ratio.median,
        outcome.ratio.low,
        outcome.ratio.high,
        outcome.case.target,
        verdict(outcome)
    )
}

/// The section of the page.
pub(crate) fn section(measured: &Measured) -> String {
    let mut text = format!(
        "\n## The load balancer\n\nBefore two origins, checks and access logs on everywhere, the same fields passed on; {PAIRS} rounds of 3 s each in \
         turn. {}. {}. The ratio is ours by the better of the two.\n\n\
         | case | ours, µs | HAProxy, µs | nginx, µs | ratio | 95 % | aim | | requests/s ours, HAProxy, nginx |\n|---|---|---|---|---|---|---|---|---|\n",
        first_line(peer("haproxy"), &["-v"])
            .split(" - ")
            .next()
            .unwrap_or("HAProxy"),
        first_line(peer("nginx"), &["-v"]),
    );
    for one in &measured.outcomes {
        text += &format!(
            "| {} | {:.1} | {:.1} | {:.1} | **{:.2}** of {} | {:.2} to {:.2} | {:.2} | {} | {:.0}, {:.0}, {:.0} |\n",
            one.case.name,
            one.cpu[0],
            one.cpu[1],
            one.cpu[2],
            one.ratio.median,
            NAMES[one.better],
            one.ratio.low,
            one.ratio.high,
            one.case.target,
            verdict(one),
            one.rate[0],
            one.rate[1],
            one.rate[2],
        );
    }
    let Ratio { median, low, high } = measured.ratio;
    text += &format!(
        "\nAt a steady {:.0} requests a second ({SHARE} of what the slowest serves), {LATENCIES} rounds each in turn, from when a request was \
         due. Our p99 is **{median:.2}** ({low:.2} to {high:.2}) of the better peer's; aim: no worse, {}.\n\n| | p50 | p99 |\n|---|---|---|\n",
        measured.steady,
        measured.ratio.no_more()
    );
    for (name, Waits { p50, p99 }) in NAMES.iter().zip(&measured.waits) {
        text += &format!("| {name} | {p50:.2} ms | {p99:.2} ms |\n");
    }
    text + SETTINGS
}

const SETTINGS: &str = "\nHAProxy: `nbthread 1`, `mode http`, `option httplog` in a format with the facts that we log, to a file; `option httpchk`; \
forwards the same fields. nginx: as above, with two servers in its upstream.\n";

pub(crate) fn origins_configuration(directory: &Path, ports: [u16; 2]) -> String {
    let (small, at) = ("y".repeat(128), directory.display());
    let server = |port: u16| {
        format!(
            "server {{ listen 127.0.0.1:{port}; root {at}; default_type text/plain; location / {{ return 200 \"{small}\"; }} \
             location /10k {{ try_files /10k.txt =404; }} }}\n"
        )
    };
    format!(
        "{}access_log off;\n{}{}}}\n",
        head(directory, "origins"),
        server(ports[0]),
        server(ports[1])
    )
}

pub(crate) fn haproxy_configuration(port: u16, origins: [u16; 2]) -> String {
    format!(
        "global\n  nbthread 1\n  maxconn 4096\n  log stdout len 4096 format raw local0 info\ndefaults\n  mode http\n  log global\n\
         \x20 timeout connect 2s\n  timeout client 60s\n  timeout server 30s\n  timeout http-keep-alive 60s\n\
         frontend site\n  bind 127.0.0.1:{port}\n  unique-id-format %{{+X}}o%Ts%rt%pid\n  unique-id-header X-Request-Id\n\
         \x20 log-format \"%Ts%ms %ci %ID %HM %HU %ST %B %Ta %s %Tr %rc %ts\"\n  option forwardfor\n\
         \x20 http-request set-header X-Forwarded-Proto http\n  http-request set-header X-Forwarded-Host %[req.hdr(Host)]\n\
         \x20 default_backend web\nbackend web\n  balance roundrobin\n  option httpchk GET /health\n\
         \x20 server web-01 127.0.0.1:{} check inter 1s\n  server web-02 127.0.0.1:{} check inter 1s\n",
        origins[0], origins[1]
    )
}

pub(crate) fn nginx_configuration(directory: &Path, port: u16, origins: [u16; 2]) -> String {
    let at = directory.display();
    format!(
        "{}log_format same '$msec $remote_addr $request_id $request_method $host $request_uri $status $bytes_sent \
         $request_time $upstream_addr $upstream_header_time $request_completion';\n\
         access_log {at}/nginx-access.log same buffer=64k flush=1s;\nupstream web {{ server 127.0.0.1:{}; server 127.0.0.1:{}; \
         keepalive 512; keepalive_requests 10000000; }}\nserver {{\nlisten 127.0.0.1:{port};\nlocation / {{\n\
         proxy_pass http://web;\nproxy_http_version 1.1;\nproxy_set_header Connection \"\";\nproxy_set_header Host $host;\n\
         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\nproxy_set_header X-Forwarded-Proto $scheme;\n\
         proxy_set_header X-Forwarded-Host $host;\nproxy_set_header X-Request-Id $request_id;\n}}\n}}\n}}\n",
        head(directory, "nginx"),
        origins[0],
        origins[1]
    )
}

pub(super) fn our_plan(port: u16, origins: [u16; 2]) -> String {
    let member = |number: usize| {
        serde_json::json!({
            "instance": format!("web-0{}/web", number + 1),
            "address": format!("127.0.0.1:{}", origins[number]),
            "weight": 1,
            "backup": false,
        })
    };
    let timeouts = |first_byte: u32| serde_json::json!({ "connect": 2000, "first_byte": first_byte, "idle": 60000, "total": 300000 });
    let plan = serde_json::json!({
        "listen": [format!("127.0.0.1:{port}")],
        "workers": 1,
        "name": "www.foobar.com",
        "tiers": [{
            "prefix": "/",
            "name": "web",
            "algorithm": "round-robin",
            "members": [member(0), member(1)],
            "health": { "path": "/health", "expect": null, "every": 1000, "within": 1000, "rise": 2, "fall": 2 },
            "ejection": { "in_a_row": 5, "first": 1000, "longest": 30000 },
            "queue": { "in_flight": null, "waiting": 1024, "within": 5000 },
            "slow_start": 0,
            "timeouts": timeouts(31_000),
        }],
        "trust": [],
        "limits": { "head": 65536, "body": 67108864, "connections": 8192 },
        "timeouts": timeouts(30_000),
    });
    plan.to_string()
}
