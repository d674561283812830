//! The plan of a database server.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::SecretName;
use crate::model::Ack;

/// One MariaDB or MySQL server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabasePlan {
    /// What the file asks for; `None`: what the data directory was born with, else what PATH offers.
    pub engine: Option<Engine>,
    /// The addresses to listen on: loopback while only its own server uses it; never a wildcard.
    pub listen: Vec<IpAddr>,
    /// 3307: 3306 belongs to the SQL router.
    pub port: u16,
    /// The port of the door that is for Terrace's own account: 3308, on loopback alone where the server can do that.
    pub own_port: u16,
    /// MySQL's server-id: allotted once per server, never an index.
    pub server_id: u32,
    /// What other servers and people call it: `report_host`, the server's name.
    pub report_host: String,
    /// The database that the app uses.
    pub database: String,
    /// Accounts, each with all rights on `database` and none elsewhere.
    pub users: Vec<DatabaseUser>,
    /// It is the primary of a site at its birth; afterwards the recorded state knows.
    pub primary_at_birth: bool,
    /// The others, where there are several; `None`: it stands alone, and opens itself.
    pub cluster: Option<ClusterPlan>,
}

impl DatabasePlan {
    /// Where the server's own node comes in when all other places are taken; `None`: it listens nowhere on loopback.
    pub fn own_door(&self) -> Option<SocketAddr> {
        let own = |address: &&IpAddr| **address == IpAddr::V4(Ipv4Addr::LOCALHOST);
        let address = self.listen.iter().find(own)?;
        Some(SocketAddr::new(*address, self.own_port))
    }
}

/// What one of several database servers knows of the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterPlan {
    /// The server whose controller says who takes writes.
    pub controller: String,
    /// The other database servers.
    pub peers: Vec<PeerPlan>,
}

/// Another database server of the site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerPlan {
    /// Its name: `web-02`.
    pub server: String,
    /// Where it listens, as other servers dial it.
    pub address: SocketAddr,
    /// Its MySQL server-id.
    pub server_id: u32,
}

/// Who decides which of several databases takes writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControllerPlan {
    /// The servers that carry the database, the primary at birth first.
    pub members: Vec<String>,
    /// When a write is acknowledged.
    pub ack: Ack,
    /// The servers whose SQL routers are to hear of it.
    pub routers: Vec<String>,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseUser {
    /// Its name.
    pub name: String,
    /// Its password.
    pub password: SecretName,
}

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// MariaDB Server.
    Mariadb,
    /// MySQL Server.
    Mysql,
}

impl Engine {
    /// As people write it: `MariaDB`, `MySQL`.
    pub fn title(self) -> &'static str {
        match self {
            Engine::Mariadb => "MariaDB",
            Engine::Mysql => "MySQL",
        }
    }
}
