//! From a [`Spawn`] to a process: its descriptors, its user, and nothing else of ours.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use anyhow::Context;
use nix::fcntl::AtFlags;
use nix::sched::CloneFlags;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Uid};
use terrace_protocol::keeper::{Program, Spawn, User};
use terrace_service::descriptors::{VARIABLE, listing};

use super::store::Store;

/// Orphans become children of this process: it is pid 1, or stands in for it.
pub(super) fn become_reaper() -> anyhow::Result<()> {
    nix::sys::prctl::set_child_subreaper(true).context("orphans cannot be adopted")
}

/// Whatever this process was born with stays in it, and it may hold as many descriptors as the system allows.
#[allow(unsafe_code, reason = "close_range has no safe form here")]
pub(super) fn keep_descriptors_from_children() -> anyhow::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    let flag = nix::libc::CLOSE_RANGE_CLOEXEC.cast_signed();
    // SAFETY: with this flag nothing is closed; descriptors are only marked.
    let marked = unsafe { nix::libc::close_range(3, nix::libc::c_uint::MAX, flag) };
    nix::errno::Errno::result(marked).context("descriptors cannot be kept from children")?;
    Ok(())
}

/// Everything that the child does between fork and exec, made ready before: there it may not allocate.
struct Child {
    inherited: Vec<OwnedFd>,
    open_files: Option<u64>,
    user: Option<Switch>,
    own: Option<Own>,
}

/// How the child becomes another user.
enum Switch {
    To(Uid, Gid),
    /// Only one uid is mapped here: the child gets a user namespace of its own, in which it is this one.
    Nested {
        uid_map: Vec<u8>,
        gid_map: Vec<u8>,
    },
}

/// Our own binary, executed by descriptor.
struct Own {
    binary: RawFd,
    arguments: Vec<CString>,
    environment: Vec<CString>,
}

/// Starts the process and returns its number.
pub(super) fn spawn(spawn: &Spawn, own: &OwnedFd, store: &Store) -> anyhow::Result<u32> {
    let mut inherited = Vec::new();
    for name in &spawn.descriptors {
        inherited.push(store.copy(name).map_err(anyhow::Error::msg)?);
    }
    let mut environment = spawn.environment.clone();
    if !inherited.is_empty() {
        let parts = spawn.descriptors.iter().zip(&inherited);
        // A role knows its descriptors by what they are, not by whose they are.
        let local = |name: &String| {
            name.strip_prefix(&format!("{} ", spawn.id))
                .unwrap_or(name)
                .to_owned()
        };
        let names: Vec<(String, RawFd)> = parts
            .map(|(name, fd)| (local(name), fd.as_raw_fd()))
            .collect();
        let listed = listing(names.iter().map(|(name, number)| (name.as_str(), *number)));
        environment.push((VARIABLE.to_owned(), listed));
    }
    let path = match &spawn.program {
        Program::File(path) => path.clone(),
        Program::Own => "/proc/self/exe".into(),
    };
    let mut command = Command::new(&path);
    command
        .args(&spawn.arguments)
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)));
    command
        .current_dir(spawn.directory.as_deref().unwrap_or("/".as_ref()))
        .process_group(0);
    command.stdin(stdio(spawn.input.as_deref(), store)?.unwrap_or_else(Stdio::null));
    let output = || stdio(spawn.output.as_deref(), store);
    command
        .stdout(output()?.unwrap_or_else(Stdio::inherit))
        .stderr(output()?.unwrap_or_else(Stdio::inherit));
    let child = Child {
        inherited,
        open_files: spawn.open_files,
        user: spawn.user.map(switch).transpose()?,
        own: match spawn.program {
            Program::Own => Some(Own::new(own, spawn, &environment)?),
            Program::File(_) => None,
        },
    };
    start(command, child)
        .with_context(|| format!("{} cannot be started ({})", spawn.id, path.display()))
}

fn stdio(name: Option<&str>, store: &Store) -> anyhow::Result<Option<Stdio>> {
    let copy = |name| {
        store
            .copy(name)
            .map(Stdio::from)
            .map_err(anyhow::Error::msg)
    };
    name.map(copy).transpose()
}

impl Own {
    fn new(
        binary: &OwnedFd,
        spawn: &Spawn,
        environment: &[(String, String)],
    ) -> anyhow::Result<Self> {
        let name = std::iter::once("terrace".to_owned());
        let arguments = name
            .chain(spawn.arguments.iter().cloned())
            .map(CString::new);
        let environment = environment
            .iter()
            .map(|(name, value)| CString::new(format!("{name}={value}")));
        Ok(Self {
            binary: binary.as_raw_fd(),
            arguments: arguments.collect::<Result<_, _>>()?,
            environment: environment.collect::<Result<_, _>>()?,
        })
    }
}

fn switch(user: User) -> anyhow::Result<Switch> {
    if !is_single_user()? {
        return Ok(Switch::To(Uid::from_raw(user.id), Gid::from_raw(user.id)));
    }
    let line = |ours: u32| format!("{} {ours} 1\n", user.id).into_bytes();
    let (uid, gid) = (
        nix::unistd::geteuid().as_raw(),
        nix::unistd::getegid().as_raw(),
    );
    Ok(Switch::Nested {
        uid_map: line(uid),
        gid_map: line(gid),
    })
}

/// Whether only one uid is mapped into our user namespace: then nobody can be anybody else.
fn is_single_user() -> anyhow::Result<bool> {
    let map = std::fs::read_to_string("/proc/self/uid_map").context("/proc is not mounted")?;
    let count = |line: &str| {
        line.split_whitespace()
            .nth(2)
            .and_then(|count| count.parse::<u64>().ok())
    };
    Ok(map.lines().filter_map(count).sum::<u64>() <= 1)
}

#[allow(
    unsafe_code,
    reason = "what the child does between fork and exec has no safe form"
)]
fn start(mut command: Command, child: Child) -> io::Result<u32> {
    // SAFETY: another thread writes the log, so the child may not allocate between fork and exec; `prepare` only makes system
    // calls on values that were made before the fork.
    unsafe { command.pre_exec(move || child.prepare()) };
    Ok(command.spawn()?.id())
}

impl Child {
    /// Runs in the child.
    fn prepare(&self) -> io::Result<()> {
        for descriptor in &self.inherited {
            rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::empty())?;
        }
        if let Some(wanted) = self.open_files {
            let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
            setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard)?;
        }
        if let Some(user) = &self.user {
            user.become_it()?;
            nix::sys::prctl::set_no_new_privs()?;
        }
        if let Some(own) = &self.own {
            own.execute()?;
        }
        Ok(())
    }
}

impl Switch {
    fn become_it(&self) -> io::Result<()> {
        match self {
            Switch::To(uid, gid) => {
                nix::unistd::setgroups(&[])?;
                nix::unistd::setresgid(*gid, *gid, *gid)?;
                nix::unistd::setresuid(*uid, *uid, *uid)?;
            }
            Switch::Nested { uid_map, gid_map } => {
                nix::sched::unshare(CloneFlags::CLONE_NEWUSER)?;
                put("/proc/self/setgroups", b"deny")?;
                put("/proc/self/gid_map", gid_map)?;
                put("/proc/self/uid_map", uid_map)?;
            }
        }
        Ok(())
    }
}

fn put(path: &str, text: &[u8]) -> io::Result<()> {
    io::Write::write_all(&mut File::options().write(true).open(path)?, text)
}

impl Own {
    /// By descriptor, not by path: after the change of user /proc/self is not ours to look into.
    #[allow(
        unsafe_code,
        reason = "the descriptor is known by its number, so that it can be prepared before the fork"
    )]
    fn execute(&self) -> io::Result<()> {
        // SAFETY: the keeper holds the descriptor for its whole life, and this is a copy of the keeper.
        let binary = unsafe { std::os::fd::BorrowedFd::borrow_raw(self.binary) };
        let never = nix::unistd::execveat(
            binary,
            c"",
            &self.arguments,
            &self.environment,
            AtFlags::AT_EMPTY_PATH,
        );
        match never {
            Ok(never) => match never {},
            Err(error) => Err(error.into()),
        }
    }
}
