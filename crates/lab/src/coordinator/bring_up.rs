//! From a file to hosts with nodes that know their plans.

use std::net::IpAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use futures_util::future::try_join_all;
use terrace_protocol::control::Reply;
use terrace_protocol::keeper::Exit;
use terrace_service::kept;
use terrace_site::plan::{INTERNET, Inputs, REGISTRAR, ServerPlan, plan};

use super::{Coordinator, Event, Server, nodes};
use crate::hosts::network::Wire;
use crate::hosts::{Host, keeper};
use crate::state::{Memory, unused_data};

/// An answer that says why not, and what to do next.
pub(super) fn refused(cause: impl std::fmt::Display, remedy: Option<&str>) -> Reply {
    Reply::Failed {
        cause: cause.to_string(),
        remedy: remedy.map(str::to_owned),
    }
}

impl Coordinator {
    /// Makes the hosts and begins the builds; what comes of it is heard later. The reply of an error says why
    /// nothing was begun.
    pub(super) async fn bring_up(&mut self) -> Result<(), Reply> {
        let path = self.location.file().to_owned();
        let source = std::fs::read_to_string(&path)
            .map_err(|error| refused(format!("{}: {error}", path.display()), None))?;
        let site = terrace_site::load(&source).site;
        let site = site.ok_or_else(|| refused("the file has mistakes", Some("terrace check")))?;
        let unused = unused_data(&self.location, &site);
        if !unused.is_empty() {
            let cause = format!(
                "the data of {} would lie unused: the file gives it no database",
                unused.join(", ")
            );
            return Err(refused(
                cause,
                Some(
                    "give it back its place in `database`, or remove all data with `terrace down --wipe`",
                ),
            ));
        }
        let mut memory = Memory::load(&self.location).map_err(|damaged| refused(damaged, None))?;
        memory.allot(&site);
        let plans = plan(&site, &self.inputs_with(&memory));
        memory
            .check(&self.location, &site, &plans)
            .map_err(|error| refused(error, None))?;
        self.memory = Some(memory);
        self.site = Some(site);
        self.source = source;
        self.say_where();
        self.make_hosts()
            .await
            .map_err(|error| refused(format!("the hosts cannot be made: {error:#}"), None))?;
        let states = self
            .servers
            .values()
            .map(|server| server.host.state.clone());
        let all = states.chain([self.location.state(), self.location.secrets()]);
        self.ground.remember(all);
        self.start_builds(|_| true);
        Ok(())
    }

    fn say_where(&self) {
        let count = self.site.as_ref().map_or(0, |site| site.servers().len());
        let servers = match count {
            1 => "1 server, its real address".to_owned(),
            many => format!("{many} servers, their real addresses"),
        };
        self.step(
            "hosts",
            format!("{}: {servers}, no way out", self.mode.title()),
            None,
            true,
        );
        if let Some(loss) = self.mode.loss() {
            self.step("hosts", loss.to_owned(), None, true);
        }
    }

    /// A new generation of plans, from what is known now.
    pub(super) fn replan(&mut self) {
        for plan in self.plans() {
            if let Some(server) = self.servers.get_mut(&plan.server) {
                server.plan = plan;
            }
        }
        self.keep();
    }

    fn plans(&mut self) -> Vec<ServerPlan> {
        if let Some(memory) = &mut self.memory {
            memory.generation += 1;
        }
        self.kept.is_due();
        let plans = match (&self.site, self.inputs()) {
            (Some(site), Some(inputs)) => plan(site, &inputs),
            _ => Vec::new(),
        };
        if let Some(memory) = &mut self.memory
            && let Err(error) = memory.make_secrets(&self.location, &plans)
        {
            let error = anyhow::Error::from(error);
            tracing::error!(error = format!("{error:#}"), "a secret cannot be made");
        }
        plans
    }

    /// What plans need to know beside the site; `None`: it was never brought up.
    pub(super) fn inputs(&self) -> Option<Inputs> {
        self.memory.as_ref().map(|memory| self.inputs_with(memory))
    }

    fn inputs_with(&self, memory: &Memory) -> Inputs {
        Inputs {
            generation: memory.generation,
            base: self.location.base().to_owned(),
            releases: self.releases.clone(),
            server_ids: memory.server_ids.clone(),
            workers: 1,
            lab: true,
        }
    }

    async fn make_hosts(&mut self) -> anyhow::Result<()> {
        let plans = self.plans();
        self.order = plans.iter().map(|plan| plan.server.clone()).collect();
        let wire = Wire::new().await?;
        let made = plans.iter().enumerate().map(|(number, plan)| {
            let wire = &wire;
            async move {
                let begun = Instant::now();
                let network = wire.plug(number, &plan.addresses).await?;
                anyhow::Ok((network, begun.elapsed()))
            }
        });
        let networks = try_join_all(made).await?;
        self.wire = Some(wire);
        let neighbours = neighbours(&plans);
        let resolver = self.resolver();
        for (plan, (network, took)) in plans.into_iter().zip(networks) {
            let host = self.host(&plan.server, resolver, &neighbours);
            let name = plan.server.clone();
            let addresses: Vec<String> = plan.addresses.iter().map(ToString::to_string).collect();
            let server = Server {
                host,
                given: plan.clone(),
                plan,
                ready: None,
                network,
                keeper: None,
                node: None,
                report: None,
                stopped: false,
                fault: None,
            };
            self.servers.insert(name.clone(), server);
            self.kept.is_due();
            let begun = Instant::now();
            self.start_keeper(&name).await?;
            if name != INTERNET {
                self.step(
                    &name,
                    addresses.join(" "),
                    Some(took + begun.elapsed()),
                    true,
                );
            }
        }
        Ok(())
    }

    fn resolver(&self) -> IpAddr {
        let own = self.site.as_ref().and_then(|site| {
            let first = site.dns()?.servers().first()?;
            Some(site.server(first)?.address())
        });
        own.unwrap_or(REGISTRAR)
    }

    fn host(&self, name: &str, resolver: IpAddr, neighbours: &[(IpAddr, String)]) -> Host {
        let state = self.location.state();
        Host {
            name: name.to_owned(),
            state: state.join("servers").join(name),
            secrets: self.location.secrets(),
            releases: state.join("releases"),
            cache: cache(&state),
            base: self.location.base().to_owned(),
            resolver,
            neighbours: neighbours.to_vec(),
            search: search(),
            had_data: self
                .memory
                .as_ref()
                .is_some_and(|memory| memory.databases.contains(name)),
        }
    }

    async fn start_keeper(&mut self, name: &str) -> anyhow::Result<()> {
        let Some(server) = self.servers.get_mut(name) else {
            return Ok(());
        };
        let host = &server.host;
        let (run, logs) = (host.state.join("run"), host.state.join("logs"));
        let shared = [&host.releases, &host.cache];
        let own = [
            &run,
            &logs,
            &host.state.join("secrets"),
            &host.state.join("templates"),
        ];
        for directory in shared.into_iter().chain(own) {
            kept::directory(directory)?;
        }
        if host.secrets.exists() {
            // The host makes it, for its owner alone.
            kept::directory(&host.secrets)?;
        }
        // A socket of a node before this one would be dialled in vain.
        let _ = std::fs::remove_file(run.join(terrace_protocol::node::SOCKET));
        // Without a log it is silent until it has one of its own.
        let log = terrace_service::log::open(&logs.join("keeper.log")).ok();
        let mut keeper = keeper::start(&server.host, server.network.try_clone()?, log).await?;
        let (_, never) = tokio::sync::oneshot::channel();
        let ended = std::mem::replace(&mut keeper.ended, never);
        server.keeper = Some(keeper);
        let (events, server) = (self.events.clone(), name.to_owned());
        let conversation = tokio::spawn(nodes::converse(server.clone(), run, events.clone()));
        tokio::spawn(async move {
            let exit = match ended.await {
                Ok(Ok(status)) => status
                    .code()
                    .map(Exit::Code)
                    .or_else(|| status.signal().map(Exit::Signal)),
                _ => None,
            };
            // What it said last is heard before its end.
            conversation.abort();
            let _ = conversation.await;
            let _ = events.send(Event::HostEnded {
                server,
                exit: exit.unwrap_or(Exit::Code(-1)),
            });
        });
        Ok(())
    }

    /// A host that ended comes back: same addresses, same data. Not beside one that still dies, and not while a fault lasts:
    /// nobody is there to switch it on.
    pub(super) async fn revive(&mut self, name: &str) {
        let server = self.servers.get(name);
        if server.is_none_or(|server| server.keeper.is_some() || server.fault.is_some()) {
            return;
        }
        if let Err(error) = self.start_keeper(name).await {
            tracing::error!(
                server = name,
                error = format!("{error:#}"),
                "the host cannot be made anew"
            );
            self.host_ended(name, Exit::Code(-1));
        }
    }
}

/// Every server by its first address.
fn neighbours(plans: &[ServerPlan]) -> Vec<(IpAddr, String)> {
    plans
        .iter()
        .filter_map(|plan| Some((*plan.addresses.first()?, plan.server.clone())))
        .collect()
}

/// Where empty databases to copy are kept: the user's cache, or the site's own state where there is none.
fn cache(state: &Path) -> PathBuf {
    let own = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    own.or(home).filter(|path| path.is_absolute()).map_or_else(
        || state.join("templates"),
        |path| path.join("terrace/templates"),
    )
}

/// Where programs are sought: the caller's PATH, and where Debian has servers.
fn search() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut search: Vec<PathBuf> = std::env::split_paths(&path)
        .filter(|path| path.is_absolute())
        .collect();
    for always in ["/usr/local/sbin", "/usr/sbin", "/usr/bin"] {
        if !search.iter().any(|path| path == Path::new(always)) {
            search.push(always.into());
        }
    }
    search
}
