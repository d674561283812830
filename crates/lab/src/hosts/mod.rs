//! Servers made of namespaces: network, processes, mounts and name of their own.
//!
//! Namespaces are held by descriptor, so nothing is left when the coordinator ends. [`network`] joins them by
//! one bridge without an uplink; [`first`] starts pid 1 of a namespace of processes, and [`keeper`] the keeper as that of
//! its host; [`inside`] is what that process does first: the mounts that make it a server; [`user`] makes an ordinary user
//! enough. A build has processes and mounts of its own too.

pub(crate) mod first;
pub(crate) mod inside;
pub(crate) mod keeper;
pub(crate) mod network;
pub(crate) mod user;

use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use terrace_protocol::node::Home;

pub use inside::{become_builder, become_host, end_all_others};

/// What the first process of a host is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Host {
    /// Its name: `web-01`.
    pub name: String,
    /// Where its state is on the machine: `.terrace/<site>/servers/web-01`.
    pub state: PathBuf,
    /// The secrets of the site, on the machine.
    pub secrets: PathBuf,
    /// The releases of the site, on the machine.
    pub releases: PathBuf,
    /// A cache of the user, on the machine.
    pub cache: PathBuf,
    /// The directory of the file: the node opens static files in it.
    pub base: PathBuf,
    /// Whom it asks for names.
    pub resolver: IpAddr,
    /// Every host by name and address: /etc/hosts.
    pub neighbours: Vec<(IpAddr, String)>,
    /// Where programs are sought: the caller's PATH.
    pub search: Vec<PathBuf>,
    /// A database was born here once.
    pub had_data: bool,
}

impl Host {
    /// The paths of the host, as its processes see them.
    pub fn home(&self) -> Home {
        Home {
            server: self.name.clone(),
            state: inside::STATE.into(),
            run: inside::RUN.into(),
            logs: PathBuf::from(inside::STATE).join("logs"),
            releases: inside::RELEASES.into(),
            secrets: PathBuf::from(inside::STATE).join("secrets"),
            templates: PathBuf::from(inside::STATE).join("templates"),
            search: self.search.clone(),
            had_data: self.had_data,
            makes_secrets: false,
        }
    }

    /// A text of this host, with the paths of its state as they are on the machine.
    pub fn as_seen_outside(&self, text: &str) -> String {
        let own = |directory: &str| format!("{}/{directory}", inside::STATE);
        let places = [
            (own("secrets"), &self.secrets),
            (own("templates"), &self.cache),
            (inside::STATE.to_owned(), &self.state),
        ];
        let mut seen = text.to_owned();
        for (inside, outside) in places {
            seen = seen.replace(&inside, &outside.display().to_string());
        }
        seen
    }
}
