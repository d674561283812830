//! What keeps the path safe and in sight: certificate, firewall, monitor.

use std::time::Duration;

use serde::Serialize;

use super::{Email, FilePath, FromText, Inside, Network, Plain, ServerName, Url, part};

part! {
    /// Where the site's certificate comes from.
    Certificate {
        /// Who issues it.
        one issuer: Issuer,
        /// How our own servers talk to each other.
        copy inside: Inside,
        /// How long browsers are told to insist on HTTPS.
        maybe hsts: Duration,
    }
}

/// Who issues a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Issuer {
    /// Our own authority.
    Own,
    /// A public authority, by ACME (RFC 8555).
    Acme {
        /// Whom it writes to.
        email: Option<Email>,
        /// Its directory; `None`: Let's Encrypt's.
        directory: Option<Url>,
    },
    /// Nobody: it is there.
    Files {
        /// The certificate and its chain, PEM.
        certificate: FilePath,
        /// Its key, PEM.
        key: FilePath,
    },
}

part! {
    /// What may come in beside what the wiring needs.
    Firewall {
        /// Who may come in by SSH. Empty: nobody.
        list ssh: SshAccess,
        /// What else may come in.
        list allow: Allow,
    }
}

part! {
    /// Who may come in by SSH.
    SshAccess {
        /// From where; never empty.
        list networks: Network,
        /// The port.
        copy port: u16,
    }
}

part! {
    /// What else may come in.
    Allow {
        /// The servers; never empty.
        list servers: ServerName,
        /// The ports; never empty.
        list ports: Port,
        /// From where; `None`: from everywhere.
        maybe from: Network,
    }
}

/// A port of a transport: `"8080/tcp"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Port {
    /// The number.
    pub number: u16,
    /// The transport.
    pub transport: Transport,
}

/// What carries a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl FromText for Port {
    const WHAT: &'static str = "a port and its transport";
    const LIKE: &'static str = "\"8080/tcp\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let (number, transport) = text
            .split_once('/')
            .ok_or("after the number stands `/tcp` or `/udp`")?;
        let number = number.parse::<u16>().ok().filter(|number| *number > 0);
        let number = number.ok_or("before the `/` stands a number from 1 to 65535")?;
        let transport = match transport {
            "tcp" => Transport::Tcp,
            "udp" => Transport::Udp,
            other => return Err(format!("`{other}` is neither `tcp` nor `udp`")),
        };
        Ok(Self { number, transport })
    }
}

part! {
    /// Who watches.
    Monitor {
        /// From one measurement to the next.
        copy every: Duration,
        /// How long measurements are kept.
        copy keep: Duration,
        /// The servers that collect; never empty.
        list collectors: ServerName,
        /// When somebody is told.
        list alerts: Alert,
        /// Where alerts are sent.
        list sends: Url,
        /// Where measurements are sent, by Prometheus' remote write.
        list remote_writes: Url,
    }
}

part! {
    /// When somebody is told.
    Alert {
        /// The condition.
        one condition: Plain,
        /// How long it must hold.
        copy lasting: Duration,
    }
}
