//! Roles of our own: web servers and name servers. The node makes their sockets, the keeper keeps them, and
//! a role that dies is started again on the same sockets, so connections wait and none is refused.

use std::fs::File;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::value::RawValue;
use terrace_protocol::Channel;
use terrace_protocol::keeper::{Exit, Program, Spawn, User};
use terrace_protocol::report::{RoleReport, State};
use terrace_protocol::role::{Configure, FromRole, ToRole};
use terrace_service::{Backoff, clock, socket, users};
use terrace_site::plan::{Part as Kind, RolePlan};
use tokio::net::UnixStream;

use super::{Part, ended, seconds};

/// How long a role may finish what is in flight.
const DRAIN: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const CALM: Duration = Duration::from_secs(10);
/// So many ends in a row are no accident.
const LOOP: u32 = 3;

const SIGKILL: i32 = nix::sys::signal::Signal::SIGKILL as i32;

type Connection = Channel<ToRole, FromRole>;

/// Runs the role until it is to end.
pub(crate) async fn run(part: Part) -> String {
    let word = part.plans.borrow().part.word();
    let mut role = Own {
        backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, CALM),
        restarts: 0,
        failures: 0,
        report: RoleReport {
            id: part.id.clone(),
            role: word.to_owned(),
            state: State::Starting,
            since: clock::unix_millis(),
            ..RoleReport::default()
        },
        part,
    };
    let begun = Instant::now();
    loop {
        let started = Instant::now();
        match role.live().await {
            Ok(Life::Drained(took)) => return format!("{word} (drained {})", seconds(took)),
            Ok(Life::Exited(exit)) => role.failed(exit.to_string(), started),
            Err(error) => role.failed(format!("{error:#}"), started),
        }
        let pause = role.backoff.pause(started.elapsed());
        let mut stopped = role.part.stopped.clone();
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = ended(&mut stopped) => return format!("{word} (down, after {})", seconds(begun.elapsed())),
        }
        role.restarts += 1;
    }
}

/// How one life of the process ended.
enum Life {
    Drained(Duration),
    Exited(Exit),
}

struct Own {
    part: Part,
    backoff: Backoff,
    restarts: u32,
    /// Ends in a row that nobody asked for.
    failures: u32,
    report: RoleReport,
}

impl Own {
    /// One life: sockets, process, connection, until it ends or is to end.
    async fn live(&mut self) -> anyhow::Result<Life> {
        let (id, keeper) = (self.part.id.clone(), self.part.context.keeper.clone());
        let plan = self.part.plans.borrow_and_update().clone();
        let control = self.control_path();
        let pid = match keeper.process(&id).await? {
            // The node was restarted, the role was not.
            Some(kept) => kept.pid,
            None => {
                let descriptors = self.descriptors(&plan).await?;
                keeper.spawn(self.spawn(&plan, descriptors).await?).await?
            }
        };
        self.report.pid = pid;
        let exited = keeper.exited(&id);
        tokio::pin!(exited);
        let connection = tokio::select! {
            connection = connect(&control) => connection?,
            exit = &mut exited => return Ok(Life::Exited(exit)),
        };
        let mut connection = connection;
        self.configure(&connection, &plan).await?;
        let mut stopped = self.part.stopped.clone();
        loop {
            tokio::select! {
                exit = &mut exited => return Ok(Life::Exited(exit)),
                heard = connection.receiver.receive() => match heard {
                    Ok(heard) => self.heard(heard.message),
                    // The process is about to be seen dead; if it is not, it is dialled again.
                    Err(_) => connection = tokio::select! {
                        connection = connect(&control) => connection?,
                        exit = &mut exited => return Ok(Life::Exited(exit)),
                    },
                },
                changed = self.part.plans.changed() => if changed.is_ok() {
                    let plan = self.part.plans.borrow_and_update().clone();
                    self.configure(&connection, &plan).await?;
                },
                () = ended(&mut stopped) => break,
            }
        }
        let begun = Instant::now();
        self.show(State::Draining, "finishes what is in flight".to_owned());
        let within = u64::try_from(DRAIN.as_millis()).unwrap_or(u64::MAX);
        let told = connection.sender.send(&ToRole::Drain { within }).await;
        if told.is_err()
            || tokio::time::timeout(DRAIN + Duration::from_secs(1), &mut exited)
                .await
                .is_err()
        {
            keeper.signal(&id, SIGKILL, true).await?;
            exited.await;
        }
        self.release_sockets().await;
        Ok(Life::Drained(begun.elapsed()))
    }

    async fn configure(&self, connection: &Connection, plan: &RolePlan) -> anyhow::Result<()> {
        let text = match &plan.part {
            Kind::Web(plan) => serde_json::to_string(plan)?,
            Kind::Dns(plan) => serde_json::to_string(plan)?,
            Kind::App(_) | Kind::Database(_) => anyhow::bail!("{} is no role of ours", plan.id),
        };
        // Generations are the server's; a role only tells equal plans from others.
        let configure = Configure {
            generation: 0,
            plan: RawValue::from_string(text)?,
        };
        connection
            .sender
            .send(&ToRole::Configure(configure))
            .await
            .context("the role cannot be told its plan")
    }

    fn heard(&mut self, message: FromRole) {
        match message {
            FromRole::Report(report) => {
                if report.state == State::Serving {
                    self.failures = 0;
                }
                let (id, role) = (self.report.id.clone(), self.report.role.clone());
                self.report = RoleReport {
                    id,
                    role,
                    pid: self.report.pid,
                    restarts: self.restarts,
                    ..report
                };
                self.part.reports.tell(vec![self.report.clone()]);
            }
            FromRole::Refused { reason, .. } => {
                tracing::error!(id = self.part.id, reason, "the role refused its plan");
                self.report.reason = format!("refused its plan: {reason}");
                self.part.reports.tell(vec![self.report.clone()]);
            }
        }
    }

    fn failed(&mut self, cause: String, started: Instant) {
        self.failures = if started.elapsed() >= CALM {
            1
        } else {
            self.failures + 1
        };
        let last = crate::logs::since(&self.part.context.log(&self.part.id), 0);
        let last = last.lines().next_back().unwrap_or_default();
        tracing::warn!(id = self.part.id, cause, "the role ended");
        let state = if self.failures >= LOOP {
            State::Failing
        } else {
            State::Restarting
        };
        self.report.pid = 0;
        self.show(
            state,
            if last.is_empty() {
                cause
            } else {
                format!("{cause}: {last}")
            },
        );
    }

    fn show(&mut self, state: State, reason: String) {
        if self.report.state != state {
            self.report.since = clock::unix_millis();
        }
        self.report.state = state;
        self.report.reason = reason;
        self.report.restarts = self.restarts;
        self.part.reports.tell(vec![self.report.clone()]);
    }

    async fn spawn(&self, plan: &RolePlan, descriptors: Vec<String>) -> anyhow::Result<Spawn> {
        let word = plan.part.word();
        Ok(Spawn {
            id: plan.id.clone(),
            program: Program::Own,
            arguments: vec![
                "internal".into(),
                "role".into(),
                word.into(),
                plan.id.clone(),
            ],
            environment: crate::environment(),
            user: Some(user(plan)),
            descriptors,
            output: Some(self.part.context.keep_log(&plan.id).await?),
            open_files: Some(20_000),
            ..Spawn::default()
        })
    }

    fn control_path(&self) -> PathBuf {
        self.part
            .context
            .home
            .run
            .join(format!("{}.control", self.part.id.replace('/', ".")))
    }

    /// The names of the role's descriptors, each of which the keeper now has. Those that it had stay: connections
    /// may wait in them.
    async fn descriptors(&self, plan: &RolePlan) -> anyhow::Result<Vec<String>> {
        let id = &plan.id;
        let keeper = &self.part.context.keeper;
        let (_, mut kept) = keeper.list().await?;
        kept.retain(|name| name.starts_with(&format!("{id} ")));
        let wanted = sockets(plan);
        let mut names = Vec::new();
        for (name, address, transport) in wanted {
            let name = format!("{id} {name}");
            if !kept.contains(&name) {
                keeper.store(&name, open(address, transport)?).await?;
            }
            names.push(name);
        }
        let control = format!("{id} control");
        let path = self.control_path();
        if !kept.contains(&control) || !path.exists() {
            let _ = std::fs::remove_file(&path);
            let listener = std::os::unix::net::UnixListener::bind(&path)
                .with_context(|| format!("cannot listen on {}", path.display()))?;
            keeper.store(&control, listener.into()).await?;
        }
        names.push(control);
        if let Kind::Web(plan) = &plan.part {
            let access = crate::logs::open(&self.part.context.home.logs.join("access.log"))?;
            keeper.store(&format!("{id} access"), access.into()).await?;
            names.push(format!("{id} access"));
            if let Some(files) = &plan.files {
                let directory = directory(files)?;
                keeper.store(&format!("{id} files"), directory).await?;
                names.push(format!("{id} files"));
            }
        }
        Ok(names)
    }

    /// A role that has ended for good leaves no socket behind in which connections would wait in vain.
    async fn release_sockets(&self) {
        let keeper = &self.part.context.keeper;
        let Ok((_, kept)) = keeper.list().await else {
            return;
        };
        for name in kept
            .iter()
            .filter(|name| name.starts_with(&format!("{} ", self.part.id)))
        {
            let _ = keeper.forget(name).await;
        }
    }
}

fn user(plan: &RolePlan) -> User {
    match plan.part {
        Kind::Dns(_) => users::DNS,
        _ => users::WEB,
    }
}

#[derive(Clone, Copy)]
enum Transport {
    Tcp,
    Udp,
}

/// Every socket that a role listens on, with its name.
fn sockets(plan: &RolePlan) -> Vec<(String, SocketAddr, Transport)> {
    let mut all = Vec::new();
    let (listen, workers) = match &plan.part {
        Kind::Web(plan) => (&plan.listen, plan.workers),
        Kind::Dns(plan) => (&plan.listen, 1),
        Kind::App(_) | Kind::Database(_) => return all,
    };
    for address in listen {
        for worker in 0..workers.max(1) {
            all.push((
                format!("listen {address} #{worker}"),
                *address,
                Transport::Tcp,
            ));
        }
        if matches!(plan.part, Kind::Dns(_)) {
            all.push((format!("udp {address} #0"), *address, Transport::Udp));
        }
    }
    all
}

fn open(address: SocketAddr, transport: Transport) -> anyhow::Result<OwnedFd> {
    let opened = match transport {
        Transport::Tcp => socket::listen(address).map(OwnedFd::from),
        Transport::Udp => socket::bind_udp(address).map(OwnedFd::from),
    };
    opened.with_context(|| {
        format!(
            "cannot listen on {address}: see what does with `ss -lntup` on this server, and stop it"
        )
    })
}

fn directory(path: &std::path::Path) -> anyhow::Result<OwnedFd> {
    let flags = rustix::fs::OFlags::DIRECTORY.bits().cast_signed();
    let opened = File::options().read(true).custom_flags(flags).open(path);
    let opened = opened.with_context(|| {
        format!(
            "the files of `static=` cannot be opened: {}",
            path.display()
        )
    })?;
    Ok(opened.into())
}

/// Dials until the role listens: the socket was made before the process, so this is a matter of milliseconds.
async fn connect(path: &std::path::Path) -> anyhow::Result<Connection> {
    let begun = Instant::now();
    loop {
        let tried = async {
            let stream = UnixStream::connect(path)
                .await
                .map_err(terrace_protocol::Error::Socket)?;
            Channel::open_own(stream).await
        };
        match tokio::time::timeout(Duration::from_secs(2), tried).await {
            Ok(Ok(connection)) => return Ok(connection),
            _ if begun.elapsed() > Duration::from_secs(10) => {
                anyhow::bail!("the role does not answer on its control socket")
            }
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
