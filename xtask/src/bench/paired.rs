//! This tree's binary beside another of ours, such as the one before a change: the same plans, the same load, rounds
//! in turn. Nothing is written down: it answers whether a change costs the path of a request anything.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::balancer::{origins_configuration, our_plan as balancer_plan};
use super::servers::{Server, answers, free_port, our_plan as web_plan, round};
use super::{PAIRS, Round};
use crate::statistics::{self, median};

/// What a change may cost: the ratio of the CPU time per request after it to that before.
const TARGET: f64 = 1.03;

/// A request, and the role that answers it.
struct Case {
    role: &'static str,
    path: &'static str,
    connections: u32,
}

const CASES: [Case; 6] = [
    Case {
        role: "web",
        path: "/1k.html",
        connections: 64,
    },
    Case {
        role: "web",
        path: "/100k.bin",
        connections: 64,
    },
    Case {
        role: "web",
        path: "/app",
        connections: 64,
    },
    Case {
        role: "balancer",
        path: "/app",
        connections: 64,
    },
    Case {
        role: "balancer",
        path: "/10k",
        connections: 64,
    },
    Case {
        role: "balancer",
        path: "/app",
        connections: 512,
    },
];

/// Measures all cases and prints a line each. To be called in a network of its own.
///
/// # Errors
/// When a server cannot be started, or a round had errors.
pub(crate) fn measure(root: &Path, before: &Path) -> io::Result<()> {
    let after = root.join("target/release/terrace");
    let pair = Pair::start(&[after, before.to_owned()])?;
    for case in &CASES {
        println!("{}", pair.measure(case)?);
    }
    Ok(())
}

/// A role of each binary, and the origins behind all of them. Stopped when dropped.
struct Pair {
    directory: PathBuf,
    web: Vec<Server>,
    balancers: Vec<Server>,
    origins: Server,
}

impl Pair {
    fn start(binaries: &[PathBuf; 2]) -> io::Result<Self> {
        let directory = std::env::temp_dir().join(format!("terrace-pair-{}", std::process::id()));
        fs::create_dir_all(directory.join("files"))?;
        fs::write(directory.join("files/1k.html"), "x".repeat(1024))?;
        fs::write(directory.join("files/100k.bin"), "x".repeat(100 * 1024))?;
        fs::write(directory.join("10k.txt"), "z".repeat(10 * 1024))?;
        let second = free_port()?;
        let origins = Server::nginx(&directory, "origins", "1", |at, first| {
            origins_configuration(at, [first, second])
        })?;
        if !answers(origins.port) {
            let text = "nginx does not listen: `scripts/peers nginx` unpacks it";
            return Err(io::Error::other(text));
        }
        let behind = [origins.port, second];
        let mut pair = Self {
            directory,
            web: Vec::new(),
            balancers: Vec::new(),
            origins,
        };
        for (binary, name) in binaries.iter().zip(["after", "before"]) {
            let web = pair.role(binary, "web", name, |port| web_plan(port, behind[0]))?;
            pair.web.push(web);
            let balancer =
                pair.role(binary, "balancer", name, |port| balancer_plan(port, behind))?;
            pair.balancers.push(balancer);
        }
        Ok(pair)
    }

    fn role(
        &self,
        binary: &Path,
        role: &str,
        name: &str,
        plan: impl Fn(u16) -> String,
    ) -> io::Result<Server> {
        let name = format!("{role}-{name}");
        let server = Server::start(&self.directory, &name, |port| {
            let file = self.directory.join(format!("{name}.json"));
            fs::write(&file, plan(port))?;
            let mut command = Command::new("taskset");
            command.args(["-c", "0"]).arg(binary);
            command.args(["internal", role, "--plan"]).arg(file);
            if role == "web" {
                command.arg("--files").arg(self.directory.join("files"));
            }
            let log = self.directory.join(format!("{name}-access.log"));
            command.arg("--access-log").arg(log);
            Ok(command)
        })?;
        if answers(server.port) {
            return Ok(server);
        }
        let said = fs::read_to_string(self.directory.join(format!("{name}.log")))?;
        let text = format!("{} does not listen: {said}", binary.display());
        Err(io::Error::other(text))
    }

    fn measure(&self, case: &Case) -> io::Result<String> {
        let servers = if case.role == "web" {
            &self.web
        } else {
            &self.balancers
        };
        let mut rounds: [Vec<Round>; 2] = Default::default();
        for number in 0..PAIRS {
            for turn in 0..2 {
                let which = (number + turn) % 2;
                let beside = [&self.origins];
                let seen = round(&servers[which], &beside, case.path, case.connections)?;
                rounds[which].push(seen);
            }
        }
        let cpu = |which: usize| -> Vec<f64> {
            let rounds: &Vec<Round> = &rounds[which];
            rounds.iter().map(|round| round.cpu).collect()
        };
        let (after, before) = (cpu(0), cpu(1));
        let pairs = after.iter().zip(&before);
        let ratios: Vec<f64> = pairs.map(|(after, before)| after / before).collect();
        let ratio = statistics::ratio(&ratios);
        let verdict = match (ratio.median <= TARGET, ratio.low <= TARGET) {
            (true, _) => "met",
            (false, true) => "no difference that this machine can show",
            (false, false) => "falls short",
        };
        Ok(format!(
            "{:8} {:10} {:4} connections  after {:5.1} µs / before {:5.1} µs  ratio {:.3} ({:.3} to {:.3})  aim {TARGET}  {verdict}",
            case.role,
            case.path,
            case.connections,
            median(&after),
            median(&before),
            ratio.median,
            ratio.low,
            ratio.high,
        ))
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let roles = self.web.iter_mut().chain(&mut self.balancers);
        for server in roles.chain([&mut self.origins]) {
            server.stop();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}
