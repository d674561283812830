//! Breaking a server or a process of the rehearsal, and mending it.

use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use terrace_protocol::control::{Broken, Fault, Lasting, Reply};
use terrace_protocol::report::State;
use terrace_service::clock;

use super::Coordinator;
use super::bring_up::refused;
use crate::fault;

/// A process that was killed is gone by then.
const GONE_WITHIN: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

impl Coordinator {
    /// Injects a fault; the answer says when it was there.
    pub(super) async fn break_down(&mut self, wanted: &Fault) -> Reply {
        let broken = match wanted {
            Fault::Kill { role } => self.kill_role(role).await,
            Fault::Crash { server } => self.crash(server),
            Fault::PowerOff { server } => self.last(server, Lasting::Off).await,
            Fault::Partition { server } => self.last(server, Lasting::Cut).await,
            Fault::Freeze { server } => self.last(server, Lasting::Frozen).await,
        };
        match broken {
            Ok(()) => Reply::Broken {
                at: clock::unix_micros(),
            },
            Err(error) => refused(format!("the fault was not injected: {error:#}"), None),
        }
    }

    /// Kills it, and waits until it is gone: what it still takes meanwhile dies with it.
    async fn kill_role(&self, id: &str) -> anyhow::Result<()> {
        let name = id.split('/').next().unwrap_or_default();
        let server = self
            .servers
            .get(name)
            .ok_or_else(|| anyhow::anyhow!("there is no server {name}"))?;
        let roles = server.report.iter().flat_map(|(report, _)| &report.roles);
        let number = roles
            .into_iter()
            .find(|role| role.id == id)
            .map(|role| role.pid);
        // What is a part of the node, as the controller is, has no process to kill.
        if number == Some(0)
            && server
                .report
                .iter()
                .flat_map(|(report, _)| &report.roles)
                .any(|role| role.id == id && role.state == State::Serving)
        {
            anyhow::bail!(
                "{id} is a part of the node of {name}, and no process of its own: `terrace fault crash {name}` takes both"
            );
        }
        let keeper = server.keeper.as_ref().map(|keeper| keeper.pid);
        let pid = keeper.zip(number).filter(|(_, number)| *number != 0);
        let pid = pid.and_then(|(keeper, number)| fault::named(keeper, number));
        let pid = pid.ok_or_else(|| anyhow::anyhow!("{id} does not run"))?;
        let pid = Pid::from_raw(pid.cast_signed());
        let pid = pid.ok_or_else(|| anyhow::anyhow!("{id} does not run"))?;
        let process = pidfd_open(pid, PidfdFlags::NONBLOCK)?;
        pidfd_send_signal(&process, Signal::KILL)?;
        let gone = move || {
            poll(
                &mut [PollFd::new(&process, PollFlags::IN)],
                Some(&GONE_WITHIN),
            )
        };
        // One that hangs in the kernel is as good as gone.
        tokio::task::spawn_blocking(gone).await??;
        Ok(())
    }

    fn crash(&mut self, name: &str) -> anyhow::Result<()> {
        let server = self.servers.get_mut(name).filter(|server| server.is_up());
        server
            .ok_or_else(|| anyhow::anyhow!("{name} is not up"))?
            .kill();
        Ok(())
    }

    async fn last(&mut self, name: &str, lasting: Lasting) -> anyhow::Result<()> {
        let server = self
            .servers
            .get(name)
            .ok_or_else(|| anyhow::anyhow!("there is no server {name}"))?;
        if server.fault.is_some() {
            anyhow::bail!("{name} is broken already");
        }
        let running = server.running();
        let running = running.ok_or_else(|| anyhow::anyhow!("{name} is not up"));
        match lasting {
            Lasting::Frozen => fault::freeze(running?.pid, true)?,
            Lasting::Cut => {
                running?;
                self.cable(name, false).await?;
            }
            // One that is just coming back can be switched off all the same.
            Lasting::Off => self.cable(name, false).await?,
        }
        if let Some(server) = self.servers.get_mut(name) {
            server.fault = Some(Broken {
                how: lasting,
                since: clock::unix_millis(),
            });
            if lasting == Lasting::Off {
                server.kill();
            }
        }
        Ok(())
    }

    async fn cable(&self, name: &str, up: bool) -> anyhow::Result<()> {
        let number = self.order.iter().position(|server| server == name);
        match (&self.wire, number) {
            (Some(wire), Some(number)) => Ok(wire.cable(number, up).await?),
            _ => anyhow::bail!("there is no network"),
        }
    }

    /// Mends everything that lasts; the answer says when that began: whoever is served after it may owe it to this.
    pub(super) async fn mend(&mut self) -> Reply {
        let at = clock::unix_micros();
        for name in self.order.clone() {
            let lasting = self
                .servers
                .get_mut(&name)
                .and_then(|server| server.fault.take());
            let mended = match lasting.map(|broken| broken.how) {
                None => Ok(()),
                Some(Lasting::Frozen) => self.thaw(&name),
                Some(Lasting::Cut | Lasting::Off) => self.cable(&name, true).await,
            };
            // One that still dies is made anew once its end is heard.
            if lasting.is_some() {
                self.revive(&name).await;
            }
            if let Err(error) = mended {
                return refused(format!("{name} cannot be mended: {error:#}"), None);
            }
        }
        Reply::Broken { at }
    }

    fn thaw(&mut self, name: &str) -> anyhow::Result<()> {
        if let Some(server) = self.servers.get_mut(name) {
            // It has said nothing meanwhile, which is no news of how it stands.
            if let Some((_, at)) = &mut server.report {
                *at = Instant::now();
            }
            if let Some(keeper) = &server.keeper {
                fault::freeze(keeper.pid, false)?;
            }
        }
        Ok(())
    }
}
