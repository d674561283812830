//! One life of a role's process: from its start, or from finding it, to its end.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::value::RawValue;
use terrace_protocol::keeper::{Exit, Program, Spawn, User};
use terrace_protocol::report::ServerReport;
use terrace_protocol::role::{Configure, Divert, FromRole, ToRole};
use terrace_protocol::{Channel, Incoming};
use terrace_service::users;
use terrace_site::plan::{Part as Kind, RolePlan};
use tokio::net::UnixStream;

use super::sockets::Birth;
use crate::logs::Writer;
use crate::node::Context;

/// A role has a socket before it has a process, so it answers within milliseconds or not at all.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

type Connection = Channel<ToRole, FromRole>;

/// A role's process and the connection to it.
pub(super) struct Process {
    context: Context,
    id: String,
    pub(super) pid: u32,
    control: PathBuf,
    connection: Option<Connection>,
    /// It writes the access log.
    logs_access: bool,
}

impl Process {
    /// Starts the process; or finds it: the node was restarted, the role was not.
    pub(super) async fn start(context: &Context, plan: &RolePlan) -> anyhow::Result<Self> {
        let control = context
            .home
            .run
            .join(format!("{}.control", plan.id.replace('/', ".")));
        let pid = match context.keeper.process(&plan.id).await? {
            Some(kept) => kept.pid,
            None => {
                let descriptors = Birth::of(plan)
                    .store(context, &plan.id, &control, user(plan))
                    .await?;
                let output = context.keep_log(&plan.id, Writer::Own).await?;
                context
                    .keeper
                    .spawn(spawn(plan, descriptors, output))
                    .await?
            }
        };
        Ok(Self {
            context: context.clone(),
            id: plan.id.clone(),
            pid,
            control,
            connection: None,
            logs_access: matches!(plan.part, Kind::LoadBalancer(_) | Kind::Web(_)),
        })
    }

    /// Waits for its end.
    pub(super) async fn ended(&self) -> Exit {
        self.context.keeper.exited(&self.id).await
    }

    /// Waits until it has been told its plan; before that, which servers to empty: those get nothing even at first.
    pub(super) async fn configure(
        &mut self,
        diverted: Option<Vec<Divert>>,
        plan: Box<RawValue>,
        generation: u64,
    ) -> anyhow::Result<()> {
        let configure = ToRole::Configure(Configure { generation, plan });
        if self.connection.is_none() {
            self.connection = Some(connect(&self.control).await?);
        }
        self.divert(diverted).await;
        self.give_access_log().await;
        let told = match &self.connection {
            Some(connection) => connection.sender.send(&configure).await,
            None => Ok(()),
        };
        if told.is_err() {
            self.connection = None;
        }
        told.context("the role cannot be told its plan")
    }

    /// Tells it which servers to empty: all others are used. `None`: nobody knows, so it goes on as it does.
    pub(super) async fn divert(&self, servers: Option<Vec<Divert>>) {
        let (Some(connection), Some(servers)) = (&self.connection, servers) else {
            return;
        };
        // What is lost is heard of where it is listened to, and all is told again.
        if let Err(error) = connection.sender.send(&ToRole::Divert(servers)).await {
            tracing::debug!(id = self.id, %error, "it was not told which servers to empty");
        }
    }

    /// Hands it the access log that is written now.
    pub(super) async fn give_access_log(&self) {
        let current = self.context.access.borrow().clone();
        let (Some(connection), Some(file), true) = (&self.connection, current, self.logs_access)
        else {
            return;
        };
        // What is lost is heard of where it is listened to, and handed over again.
        let beside = [file.as_fd()];
        if let Err(error) = connection.sender.send_with(&ToRole::Log, &beside).await {
            tracing::debug!(id = self.id, %error, "it was not handed the access log");
        }
    }

    /// Tells an agent how the server stands.
    pub(super) async fn inform(&mut self, facts: ServerReport) {
        let Some(connection) = &self.connection else {
            return;
        };
        let facts = ToRole::Facts(Box::new(facts));
        // What is lost is heard of where it is listened to, and dialled again.
        if let Err(error) = connection.sender.send(&facts).await {
            tracing::debug!(id = self.id, %error, "the agent was not told");
        }
    }

    /// Waits for what it says next; `None`: the connection is lost.
    pub(super) async fn hear(&mut self) -> Option<FromRole> {
        match self.connection.as_mut()?.receiver.receive().await {
            Ok(Incoming { message, .. }) => Some(message),
            Err(_) => {
                self.connection = None;
                None
            }
        }
    }

    /// Asks it to finish what is in flight and to end; ends it when it does not.
    pub(super) async fn drain(&mut self, within: Duration) -> anyhow::Result<()> {
        if let Some(connection) = &self.connection {
            let within_millis = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
            let told = connection
                .sender
                .send(&ToRole::Drain {
                    within: within_millis,
                })
                .await;
            let grace = within + Duration::from_secs(1);
            if told.is_ok() && tokio::time::timeout(grace, self.ended()).await.is_ok() {
                return Ok(());
            }
        }
        self.kill().await?;
        self.ended().await;
        Ok(())
    }

    /// Ends it at once.
    pub(super) async fn kill(&self) -> anyhow::Result<()> {
        self.context
            .keeper
            .signal(&self.id, nix::libc::SIGKILL, true)
            .await
    }
}

fn spawn(plan: &RolePlan, descriptors: Vec<String>, output: String) -> Spawn {
    let words = ["internal", "role", plan.part.word(), &plan.id];
    Spawn {
        id: plan.id.clone(),
        program: Program::Own,
        arguments: words.map(str::to_owned).to_vec(),
        environment: crate::environment(),
        user: Some(user(plan)),
        descriptors,
        output: Some(output),
        // As many as the keeper may have: what a role takes in is bounded by itself.
        open_files: None,
        ..Spawn::default()
    }
}

fn user(plan: &RolePlan) -> User {
    match plan.part {
        Kind::LoadBalancer(_) => users::BALANCER,
        Kind::Dns(_) => users::DNS,
        Kind::Agent(_) => users::AGENT,
        Kind::Router(_) => users::ROUTER,
        _ => users::WEB,
    }
}

async fn connect(path: &Path) -> anyhow::Result<Connection> {
    let begun = Instant::now();
    loop {
        let tried = async {
            let stream = UnixStream::connect(path)
                .await
                .map_err(terrace_protocol::Error::Socket)?;
            Channel::open_own(stream).await
        };
        match tokio::time::timeout(ANSWERS_WITHIN, tried).await {
            Ok(Ok(connection)) => return Ok(connection),
            _ if begun.elapsed() >= ANSWERS_WITHIN => {
                anyhow::bail!("the role does not answer on its control socket")
            }
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
