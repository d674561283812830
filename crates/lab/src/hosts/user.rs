//! Making an ordinary user enough: a user namespace, entered as the first act of a process.

use std::fs;
use std::io;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

/// How hosts are made here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// We are root.
    Root,
    /// We are root in a user namespace, in which nobody else exists.
    UserNamespace,
}

impl Mode {
    /// As `status` and the first line of `up` say it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Mode::Root => "root namespaces",
            Mode::UserNamespace => "user namespace",
        }
    }

    /// What is lost, compared with the best.
    pub(crate) fn loss(self) -> Option<&'static str> {
        match self {
            Mode::Root => None,
            Mode::UserNamespace => {
                Some("everything runs as you: roles and apps are kept apart by namespaces alone")
            }
        }
    }
}

/// Makes this process able to make hosts. To be called while it has a single thread.
///
/// # Errors
/// When this kernel, or its administrator, lets only root make namespaces.
pub(crate) fn enable() -> io::Result<Mode> {
    let (user, group) = (geteuid(), getegid());
    if user.is_root() {
        return Ok(Mode::Root);
    }
    unshare(CloneFlags::CLONE_NEWUSER)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {user} 1\n"))?;
    fs::write("/proc/self/gid_map", format!("0 {group} 1\n"))?;
    Ok(Mode::UserNamespace)
}
