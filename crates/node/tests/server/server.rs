//! A server under test, and what can be asked of it.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::value::RawValue;
use terrace_protocol::Channel;
use terrace_protocol::node::{FromNode, Home, SOCKET, Step, ToNode};
use terrace_protocol::report::{RoleReport, ServerReport, State};
use terrace_service::descriptors::{VARIABLE, listing};
use terrace_site::plan::{FORMAT, Limits, Part, RolePlan, ServerPlan, Timeouts, WebPlan};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;

/// Long enough for a machine that does something else.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A keeper with everything that it keeps. Ends with this value, all of it.
pub struct Server {
    pub home: Home,
    keeper: Child,
    _lifeline: OwnedFd,
    _directory: tempfile::TempDir,
}

impl Server {
    /// Starts a keeper as the user of this test.
    pub fn start() -> Self {
        Self::start_as(None)
    }

    /// Starts a keeper as this user.
    pub fn start_as(user: Option<u32>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let under = |name: &str| {
            let path = directory.path().join(name);
            fs::create_dir(&path).unwrap();
            if user.is_some() {
                chown(&path, user, user).unwrap();
            }
            path
        };
        let home = Home {
            server: "web-01".to_owned(),
            state: under("state"),
            run: under("run"),
            logs: under("logs"),
            releases: under("srv"),
            secrets: under("secrets"),
            templates: under("templates"),
            search: std::env::split_paths(&std::env::var("PATH").unwrap()).collect(),
            had_data: false,
            makes_secrets: true,
        };
        let (read, lifeline) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        rustix::io::fcntl_setfd(&read, rustix::io::FdFlags::empty()).unwrap();
        let mut command = Command::new("/proc/self/exe");
        command
            .args(["internal", "keeper"])
            .arg(serde_json::to_string(&home).unwrap());
        command.env(VARIABLE, listing([("lifeline", read.as_raw_fd())]));
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        let keeper = command.spawn().unwrap();
        Self {
            home,
            keeper,
            _lifeline: lifeline,
            _directory: directory,
        }
    }

    /// The process number of the node that runs now.
    pub fn node(&self) -> u32 {
        let keeper = self.keeper.id();
        until("the node runs", || {
            let children =
                fs::read_to_string(format!("/proc/{keeper}/task/{keeper}/children")).ok()?;
            let is_node = |pid: &&str| {
                let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                String::from_utf8_lossy(&line).contains("internal\0node\0")
            };
            children.split_whitespace().find(is_node)?.parse().ok()
        })
    }

    pub fn log(&self, name: &str) -> PathBuf {
        self.home.logs.join(name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.keeper.id().cast_signed());
        // Told to end, it ends everything first.
        let _ = kill(pid, Signal::SIGTERM);
        let begun = Instant::now();
        while matches!(self.keeper.try_wait(), Ok(None)) {
            if begun.elapsed() > Duration::from_secs(5) {
                let _ = self.keeper.kill();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        if std::thread::panicking() {
            for log in fs::read_dir(&self.home.logs)
                .into_iter()
                .flatten()
                .flatten()
            {
                let text = fs::read_to_string(log.path()).unwrap_or_default();
                eprintln!("--- {}\n{text}", log.file_name().to_string_lossy());
            }
        }
    }
}

/// Kills a process outright.
pub fn kill_9(pid: u32) {
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).unwrap();
}

/// Whether a process of this number runs.
pub fn runs(pid: u32) -> bool {
    kill(Pid::from_raw(pid.cast_signed()), None).is_ok()
}

/// Looks until there is something.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The coordinator's side.
pub struct Coordinator {
    runtime: Runtime,
    channel: Channel<ToNode, FromNode>,
    pub steps: Vec<Step>,
}

impl Coordinator {
    /// Dials the node until it listens.
    pub fn dial(server: &Server) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let path = server.home.run.join(SOCKET);
        let channel = until("the node listens", || {
            runtime.block_on(async {
                let stream = UnixStream::connect(&path).await.ok()?;
                Channel::open(stream).await.ok()
            })
        });
        Self {
            runtime,
            channel,
            steps: Vec::new(),
        }
    }

    pub fn reconcile(&mut self, plan: &ServerPlan) {
        let plan = RawValue::from_string(serde_json::to_string(plan).unwrap()).unwrap();
        self.tell(&ToNode::Reconcile { plan });
    }

    pub fn tell(&mut self, message: &ToNode) {
        self.runtime
            .block_on(self.channel.sender.send(message))
            .unwrap();
    }

    /// Asks this often what is answered at once, and hears none of the answers; `false`: it can ask no more.
    pub fn asks_and_never_listens(&mut self, times: u64) -> bool {
        let asking = async {
            for number in 0..times {
                let text = "x".to_owned();
                let find = ToNode::Find { number, text };
                self.channel.sender.send(&find).await.ok()?;
            }
            Some(())
        };
        let asked = async { tokio::time::timeout(PATIENCE, asking).await };
        self.runtime.block_on(asked).is_ok_and(|all| all.is_some())
    }

    /// Hears until a message is the one that is waited for.
    pub fn hear<T>(&mut self, what: &str, mut wanted: impl FnMut(&FromNode) -> Option<T>) -> T {
        let begun = Instant::now();
        let mut last = None;
        loop {
            let left = PATIENCE.saturating_sub(begun.elapsed());
            let heard = self.runtime.block_on(async {
                tokio::time::timeout(left, self.channel.receiver.receive()).await
            });
            let Ok(heard) = heard else {
                panic!("waited in vain for {what}; last heard: {last:#?}")
            };
            let message = heard.unwrap().message;
            if let FromNode::Step(step) = &message {
                self.steps.push(step.clone());
            }
            if let Some(found) = wanted(&message) {
                return found;
            }
            last = Some(message);
        }
    }

    /// Waits for a report like this.
    pub fn report(&mut self, what: &str, wanted: impl Fn(&ServerReport) -> bool) -> ServerReport {
        self.hear(what, |message| match message {
            FromNode::Report(report) if wanted(report) => Some(report.clone()),
            _ => None,
        })
    }

    /// Waits until a role serves, under another process than `not`.
    pub fn serving(&mut self, id: &str, not: u32) -> RoleReport {
        let found = |report: &ServerReport| {
            let role = report.roles.iter().find(|role| role.id == id);
            role.filter(|role| role.state == State::Serving && role.pid != not && role.pid != 0)
                .cloned()
        };
        let report = self.report(&format!("{id} to serve"), |report| found(report).is_some());
        found(&report).unwrap()
    }

    /// Stops everything and returns how each role ended.
    pub fn stop(&mut self) -> Vec<String> {
        self.tell(&ToNode::Stop);
        self.hear("the end of all roles", |message| match message {
            FromNode::Stopped { roles } => Some(roles.clone()),
            _ => None,
        })
    }
}

/// A port that nobody listens on.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

pub fn plan(generation: u64, roles: Vec<RolePlan>) -> ServerPlan {
    ServerPlan {
        format: FORMAT,
        site: "www.foobar.com".into(),
        server: "web-01".into(),
        generation,
        hash: String::new(),
        addresses: Vec::new(),
        roles,
    }
}

pub fn web(listen: SocketAddr) -> RolePlan {
    let part = WebPlan {
        listen: vec![listen],
        workers: 1,
        name: "www.foobar.com".into(),
        names: vec!["www.foobar.com".into()],
        redirects: Vec::new(),
        localhost: false,
        files: None,
        routes: Vec::new(),
        trust: Vec::new(),
        limits: Limits::default(),
        timeouts: Timeouts::default(),
    };
    RolePlan {
        id: "web-01/web".into(),
        part: Part::Web(part),
    }
}

/// One request, and the body of its answer.
pub fn request(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // In one piece: the toy that answers reads once.
    let text = format!("GET {path} HTTP/1.1\r\nHost: www.foobar.com\r\n\r\n");
    stream.write_all(text.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer
        .split_once("\r\n\r\n")
        .ok_or_else(|| std::io::Error::other("no whole answer"))?;
    Ok(body.to_owned())
}
