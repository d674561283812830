//! The descriptors of a role of ours: made by the node, held by the keeper, inherited by the role.

use std::fs::File;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use terrace_protocol::keeper::User;
use terrace_service::socket;
use terrace_site::plan::{Part as Kind, RolePlan};

use crate::node::Context;

/// What a role must be born with: when it changes, the role is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Birth {
    listen: Vec<(String, SocketAddr, Transport)>,
    files: Option<PathBuf>,
    /// Bodies of requests and answers wait in files of its own.
    spools: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Tcp,
    Udp,
}

impl Birth {
    /// Every socket with its name, `listen 8.8.8.8:80 #0`, and the directory of static files.
    pub(super) fn of(plan: &RolePlan) -> Self {
        let (addresses, workers, is_dns, files) = match &plan.part {
            Kind::Web(plan) => (
                &*plan.listen,
                plan.workers.max(1),
                false,
                plan.files.clone(),
            ),
            Kind::LoadBalancer(plan) => (&*plan.listen, plan.workers.max(1), false, None),
            Kind::Dns(plan) => (&*plan.listen, 1, true, None),
            Kind::Agent(plan) => (&*plan.listen, 1, false, None),
            Kind::Router(plan) => (&*plan.listen, 1, false, None),
            Kind::App(_) | Kind::Database(_) | Kind::Controller(_) => (&[][..], 0, false, None),
        };
        let mut listen = Vec::new();
        for address in addresses {
            for worker in 0..workers {
                listen.push((
                    format!("listen {address} #{worker}"),
                    *address,
                    Transport::Tcp,
                ));
            }
            if is_dns {
                listen.push((format!("udp {address} #0"), *address, Transport::Udp));
            }
        }
        let spools = matches!(plan.part, Kind::Web(_) | Kind::LoadBalancer(_));
        Self {
            listen,
            files,
            spools,
        }
    }

    /// Has the keeper hold all of them for the role `id`; returns their names. A socket that it holds already
    /// stays, because connections may wait in it; one that is no longer wanted is closed.
    pub(super) async fn store(
        &self,
        context: &Context,
        id: &str,
        control: &Path,
        user: User,
    ) -> anyhow::Result<Vec<String>> {
        let keeper = &context.keeper;
        let full = |name: &str| format!("{id} {name}");
        let (_, held) = keeper.list().await?;
        let mut names = vec![full("control")];
        for (name, address, transport) in &self.listen {
            let name = full(name);
            if !held.contains(&name) {
                keeper.store(&name, open(*address, *transport)?).await?;
            }
            names.push(name);
        }
        if !held.contains(&names[0]) || !control.exists() {
            let _ = std::fs::remove_file(control);
            let listener = std::os::unix::net::UnixListener::bind(control)
                .with_context(|| format!("cannot listen on {}", control.display()))?;
            keeper.store(&names[0], listener.into()).await?;
        }
        if let Some(files) = &self.files {
            keeper.store(&full("files"), directory(files)?).await?;
            names.push(full("files"));
        }
        if self.spools {
            match spool(&context.home.state, id, user) {
                Ok(spool) => {
                    keeper.store(&full("spool"), spool).await?;
                    names.push(full("spool"));
                }
                // All but the largest bodies pass without.
                Err(error) => tracing::warn!(id, error = format!("{error:#}"), "it has no spool"),
            }
        }
        for name in held
            .iter()
            .filter(|name| is_socket(id, name) && !names.contains(name))
        {
            keeper.forget(name).await?;
        }
        Ok(names)
    }
}

fn is_socket(id: &str, name: &str) -> bool {
    let local = name
        .strip_prefix(id)
        .and_then(|rest| rest.strip_prefix(' '));
    local.is_some_and(|local| local.starts_with("listen ") || local.starts_with("udp "))
}

/// A role that has ended for good leaves no socket behind in which connections would wait in vain.
pub(super) async fn release(context: &Context, id: &str) -> anyhow::Result<()> {
    let (_, held) = context.keeper.list().await?;
    for name in held
        .iter()
        .filter(|name| name.starts_with(&format!("{id} ")))
    {
        context.keeper.forget(name).await?;
    }
    Ok(())
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

/// The role's own directory for what is too large for its memory: nobody else can look into it.
fn spool(state: &Path, id: &str, user: User) -> anyhow::Result<OwnedFd> {
    let path = state.join("spool").join(id.replace('/', "."));
    let made = || {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&path)?;
        match chown(&path, Some(user.id), Some(user.id)) {
            // Only one user is mapped here: everything is its own.
            Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => Ok(()),
            owned => owned,
        }?;
        File::open(&path)
    };
    let opened = made();
    let opened = opened.with_context(|| format!("no body can wait in {}", path.display()))?;
    Ok(opened.into())
}

fn directory(path: &Path) -> anyhow::Result<OwnedFd> {
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
