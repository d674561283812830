//! What a site has on this machine, told apart from what others have: processes by their directory and their
//! namespaces, mounts by their directory.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every process of the machine with its arguments.
fn all() -> Vec<(u32, String)> {
    let entry = |entry: fs::DirEntry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        (!line.is_empty()).then_some((pid, line))
    };
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(entry)
        .collect()
}

/// Those of ours that were started for a site in this directory: coordinator and hosts name it.
pub(crate) fn of_directory(directory: &Path) -> Vec<(u32, String)> {
    let mark = format!("{}/", directory.display());
    let mut found = all();
    found.retain(|(_, line)| line.contains(" internal ") && line.contains(&mark));
    found
}

/// Those on the host of this keeper.
pub(crate) fn within(keeper: u32) -> Vec<(u32, String)> {
    let space = |pid: u32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let host = space(keeper);
    assert!(host.is_some(), "process {keeper} is gone");
    let mut found = all();
    found.retain(|(pid, _)| space(*pid) == host);
    found
}

/// The number that a process has within its innermost namespace.
pub(crate) fn inner_number(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("NSpid:"))?;
    line.split_whitespace().last()?.parse().ok()
}

/// The namespaces that a process is in: `net:[4026532008]`.
fn namespaces(pid: &str) -> BTreeSet<PathBuf> {
    let links = ["mnt", "net", "pid", "uts"].map(|kind| format!("/proc/{pid}/ns/{kind}"));
    let read = links.iter().filter_map(|link| fs::read_link(link).ok());
    read.collect()
}

/// What a site had on this machine while it was up.
pub(crate) struct Traces {
    directory: PathBuf,
    namespaces: BTreeSet<PathBuf>,
}

impl Traces {
    /// Those of the site in this directory, which must be up.
    pub(crate) fn of(directory: &Path) -> Self {
        let machine = namespaces("self");
        let own = of_directory(directory).into_iter();
        let namespaces: BTreeSet<PathBuf> = own
            .flat_map(|(pid, _)| namespaces(&pid.to_string()))
            .filter(|namespace| !machine.contains(namespace))
            .collect();
        assert!(
            !namespaces.is_empty(),
            "it has no hosts: {}",
            directory.display()
        );
        Self {
            directory: directory.to_owned(),
            namespaces,
        }
    }

    /// The processes that are left of it.
    pub(crate) fn processes(&self) -> Vec<(u32, String)> {
        let mut left = all();
        left.retain(|(pid, _)| !namespaces(&pid.to_string()).is_disjoint(&self.namespaces));
        left.extend(of_directory(&self.directory));
        left
    }

    /// The mounts that are left of it.
    pub(crate) fn mounts(&self) -> Vec<String> {
        let mark = self.directory.display().to_string();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let left = mounts.lines().filter(|line| line.contains(&mark));
        left.map(str::to_owned).collect()
    }
}
