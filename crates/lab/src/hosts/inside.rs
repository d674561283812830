//! What the first process of a host does before it becomes the keeper: the mounts and the name that make it a
//! server of its own. Nothing of it is seen outside, and all of it goes with the host.
//!
//! The machine's programs and libraries are the host's too. What is the host's own: `/proc`, `/run`, `/tmp`,
//! `/srv`, `/var/lib/terrace`, and the three files of `/etc` that say who it is and whom it asks.

use std::fs::{self, File, OpenOptions};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::Context;
use nix::mount::{MsFlags, mount};
use nix::unistd::sethostname;

use super::Host;

/// The server's state, as its processes see it.
pub(super) const STATE: &str = "/var/lib/terrace";
/// Control and database sockets.
pub(super) const RUN: &str = "/run/terrace";
/// Releases.
pub(super) const RELEASES: &str = "/srv";

const NOTHING: Option<&str> = None;

/// Makes this process the first of a host. To be called while it has a single thread.
///
/// # Errors
/// When a mount is refused: the error says which.
pub fn become_host(host: &Host) -> anyhow::Result<()> {
    private()?;
    sethostname(&host.name).context("the host cannot be named")?;
    let sources = Sources::open(host)?;
    proc()?;
    sources.mount(host)?;
    etc(host)?.mount()
}

/// Directories of the machine, opened before anything is mounted over them.
struct Sources {
    state: OwnedFd,
    secrets: OwnedFd,
    releases: OwnedFd,
    cache: OwnedFd,
    base: OwnedFd,
}

impl Sources {
    fn open(host: &Host) -> anyhow::Result<Self> {
        for directory in ["run", "logs", "secrets", "templates"] {
            make(&host.state.join(directory), 0o755)?;
        }
        make(&host.releases, 0o755)?;
        make(&host.secrets, 0o700)?;
        make(&host.cache, 0o755)?;
        Ok(Self {
            state: path_only(&host.state)?,
            secrets: path_only(&host.secrets)?,
            releases: path_only(&host.releases)?,
            cache: path_only(&host.cache)?,
            base: path_only(&host.base)?,
        })
    }

    fn mount(&self, host: &Host) -> anyhow::Result<()> {
        tmpfs("/run", "mode=755")?;
        tmpfs("/tmp", "mode=1777")?;
        let state = Path::new(STATE);
        beside(state.parent().unwrap_or(Path::new("/")))?;
        make(state, 0o755)?;
        bind(&self.state, state)?;
        make(Path::new(RUN), 0o755)?;
        bind(&path_only(&state.join("run"))?, Path::new(RUN))?;
        bind(&self.secrets, &state.join("secrets"))?;
        bind(&self.cache, &state.join("templates"))?;
        bind(&self.releases, Path::new(RELEASES))?;
        // The site's own directory, where something of the host's was mounted over it.
        if !host.base.is_dir() {
            make(&host.base, 0o755)?;
            bind(&self.base, &host.base)?;
        }
        Ok(())
    }
}

/// The files of /etc that are the host's own.
struct Etc {
    /// Each with the path that it takes the place of.
    files: Vec<(OwnedFd, PathBuf)>,
}

fn etc(host: &Host) -> anyhow::Result<Etc> {
    // Not on the site's disk, which may be full.
    let directory = PathBuf::from("/run/etc");
    make(&directory, 0o755)?;
    let mut hosts = "127.0.0.1 localhost\n::1 localhost ip6-localhost\n".to_owned();
    for (address, name) in &host.neighbours {
        hosts += &format!("{address} {name}\n");
    }
    let texts = [
        ("hostname", format!("{}\n", host.name)),
        ("hosts", hosts),
        (
            "resolv.conf",
            format!(
                "nameserver {}\noptions timeout:2 attempts:2\n",
                host.resolver
            ),
        ),
    ];
    let mut files = Vec::new();
    for (name, text) in texts {
        let path = directory.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        // Often a link to somewhere in /run, which the host does not have.
        let target = Path::new("/etc").join(name);
        let target = fs::canonicalize(&target)
            .or_else(|_| fs::read_link(&target))
            .unwrap_or(target);
        files.push((path_only(&path)?, target));
    }
    Ok(Etc { files })
}

impl Etc {
    fn mount(&self) -> anyhow::Result<()> {
        for (file, target) in &self.files {
            let target = if target.is_relative() {
                Path::new("/etc").join(target)
            } else {
                target.clone()
            };
            if !target.exists() {
                let Some(parent) = target.parent() else {
                    continue;
                };
                // Where it cannot be made the machine has no such file, and nobody will look for it.
                if make(parent, 0o755).is_err() || File::create(&target).is_err() {
                    continue;
                }
            }
            bind(file, &target)?;
        }
        Ok(())
    }
}

/// Makes room in a directory of the machine: what is in it stays, and more can be put beside.
fn beside(directory: &Path) -> anyhow::Result<()> {
    let mut entries = Vec::new();
    for entry in
        fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?
    {
        let entry = entry?;
        let link = fs::read_link(entry.path()).ok();
        // What this user may not see stays unseen.
        if let Ok(opened) = path_only(&entry.path()) {
            entries.push((entry.path(), opened, entry.file_type()?.is_dir(), link));
        }
    }
    tmpfs(directory, "mode=755")?;
    for (path, opened, is_directory, link) in entries {
        if let Some(link) = link {
            symlink(link, &path)?;
        } else if is_directory {
            make(&path, 0o755)?;
            bind(&opened, &path)?;
        } else {
            File::create(&path)?;
            bind(&opened, &path)?;
        }
    }
    Ok(())
}

fn make(path: &Path, mode: u32) -> anyhow::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path).with_context(|| format!("{} cannot be made", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .with_context(|| format!("{}", path.display()))
}

fn path_only(path: &Path) -> anyhow::Result<OwnedFd> {
    let flags = nix::libc::O_PATH;
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    Ok(opened
        .with_context(|| format!("{} cannot be opened", path.display()))?
        .into())
}

/// What is mounted from now on is seen here alone.
fn private() -> anyhow::Result<()> {
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NOTHING, "/", NOTHING, flags, NOTHING).context("mounts cannot be made private")
}

/// The processes of this namespace.
fn proc() -> anyhow::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, NOTHING).context(
        "/proc cannot be mounted: this environment forbids it to containers within containers",
    )
}

fn tmpfs(path: impl AsRef<Path>, options: &str) -> anyhow::Result<()> {
    let path = path.as_ref();
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("terrace"), path, Some("tmpfs"), flags, Some(options))
        .with_context(|| format!("{} cannot be mounted", path.display()))
}

fn bind(source: &OwnedFd, target: &Path) -> anyhow::Result<()> {
    let source = format!("/proc/self/fd/{}", source.as_raw_fd());
    mount(
        Some(source.as_str()),
        target,
        NOTHING,
        MsFlags::MS_BIND | MsFlags::MS_REC,
        NOTHING,
    )
    .with_context(|| format!("{} cannot be mounted", target.display()))
}

/// Makes this process, the first of a pid namespace, a builder: it sees the site's releases where the hosts see them, because
/// what is built knows its own path, and no other processes than those that it starts.
///
/// # Errors
/// When a mount is refused.
pub fn become_builder(releases: &Path) -> anyhow::Result<()> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS)
        .context("a mount namespace cannot be made")?;
    private()?;
    proc()?;
    make(releases, 0o755)?;
    bind(&path_only(releases)?, Path::new(RELEASES))
}

/// Ends every other process of the namespace whose first process this is, and waits until they have ended. Does nothing in any
/// other process.
pub fn end_all_others() {
    if std::process::id() != 1 {
        return;
    }
    let all = nix::unistd::Pid::from_raw(-1);
    let _ = nix::sys::signal::kill(all, nix::sys::signal::Signal::SIGKILL);
    // Orphans are children of the first process.
    while nix::sys::wait::wait().is_ok() {}
}
