//! Names: of domains, servers, databases, variables, networks.

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;

use super::text::{FromText, checked_text};

checked_text! {
    /// A domain name in lower case, without the last dot: `www.foobar.com`.
    DomainName
}

checked_text! {
    /// A server's name: `web-01`.
    ServerName
}

checked_text! {
    /// The name of an app, a worker, a directory that is kept: `api`.
    Label
}

checked_text! {
    /// The name of a database or of one of its users: `foobar`.
    Identifier
}

checked_text! {
    /// The name of an environment variable: `MAIL_FROM`.
    VariableName
}

checked_text! {
    /// A mailbox: `ops@foobar.com`.
    Email
}

checked_text! {
    /// A host and a port: `api.stripe.com:443`.
    HostPort
}

/// A network: `203.0.113.0/24`. A single address is the network that holds it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Its first address.
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// How many bits its addresses share.
    pub fn prefix(self) -> u8 {
        self.prefix
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Serialize for Network {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl DomainName {
    /// Its labels, from the left.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('.')
    }

    /// The name without its first label; `None` when only one label would be left.
    pub fn parent(&self) -> Option<Self> {
        let (_, rest) = self.0.split_once('.')?;
        rest.contains('.').then(|| Self(rest.to_owned()))
    }

    /// It is `zone` or below it.
    pub fn is_within(&self, zone: &Self) -> bool {
        let above = self.0.strip_suffix(zone.as_str());
        above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
    }
}

impl FromText for DomainName {
    const WHAT: &'static str = "a domain name";
    const LIKE: &'static str = "\"www.foobar.com\"";

    fn from_text(text: &str) -> Result<Self, String> {
        if text.contains("://") {
            return Err("it is the name alone, without `https://`".to_owned());
        }
        if text.contains('/') || text.contains(':') {
            return Err("it is the name alone, without path and port".to_owned());
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if name.parse::<IpAddr>().is_ok() {
            return Err("that is an address".to_owned());
        }
        if !name.contains('.') {
            return Err("it has at least two parts with a dot between them".to_owned());
        }
        if name.len() > 253 {
            return Err("it has at most 253 characters".to_owned());
        }
        for label in name.split('.') {
            // Names of records may begin with `_` (`_acme-challenge`) or be `*`.
            let plain = label.strip_prefix('_').unwrap_or(label);
            if label != "*" {
                host_label(plain).map_err(|why| format!("in `{label}`: {why}"))?;
            }
        }
        Ok(Self(name))
    }
}

impl FromText for ServerName {
    const WHAT: &'static str = "a server's name";
    const LIKE: &'static str = "web-01";

    fn from_text(text: &str) -> Result<Self, String> {
        host_label(text)?;
        if text.chars().all(|c| c.is_ascii_digit()) {
            return Err("it has at least one letter".to_owned());
        }
        if text == "internet" {
            return Err("`internet` is what a rehearsal calls the world outside".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromText for Label {
    const WHAT: &'static str = "a name";
    const LIKE: &'static str = "api";

    fn from_text(text: &str) -> Result<Self, String> {
        host_label(&text.replace('_', "-"))?;
        Ok(Self(text.to_owned()))
    }
}

impl FromText for Identifier {
    const WHAT: &'static str = "a name for the database";
    const LIKE: &'static str = "foobar";

    fn from_text(text: &str) -> Result<Self, String> {
        // MySQL: a user's name has at most 32 characters; a database's 64.
        let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let reserved = [
            "mysql",
            "sys",
            "information_schema",
            "performance_schema",
            "root",
        ];
        if text.is_empty() || text.len() > 32 || !plain {
            Err("it has 1 to 32 letters, digits and `_`".to_owned())
        } else if reserved.contains(&text.to_ascii_lowercase().as_str())
            || text.starts_with("terrace")
        {
            Err(format!("`{text}` is the database server's own"))
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl FromText for VariableName {
    const WHAT: &'static str = "the name of a variable";
    const LIKE: &'static str = "MAIL_PASSWORD";

    fn from_text(text: &str) -> Result<Self, String> {
        let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if text.is_empty() || !plain || text.starts_with(|c: char| c.is_ascii_digit()) {
            return Err("it has letters, digits and `_`, and begins with no digit".to_owned());
        }
        let ours = ["HOST", "PORT", "DATABASE_URL", "SITE", "SERVER", "RELEASE"];
        if ours.contains(&text) {
            return Err(format!("every copy gets `{text}` already"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromText for Email {
    const WHAT: &'static str = "a mailbox";
    const LIKE: &'static str = "\"ops@foobar.com\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let (user, host) = text.split_once('@').ok_or("it has an `@`")?;
        if user.is_empty()
            || !user
                .chars()
                .all(|c| c.is_ascii_graphic() && !"<>()@,;:\\\"".contains(c))
        {
            return Err("before the `@` stands a name without spaces".to_owned());
        }
        let host = DomainName::from_text(host).map_err(|why| format!("after the `@`: {why}"))?;
        Ok(Self(format!("{user}@{host}")))
    }
}

impl FromText for HostPort {
    const WHAT: &'static str = "a host and a port";
    const LIKE: &'static str = "\"api.stripe.com:443\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let (host, port) = text
            .rsplit_once(':')
            .ok_or("a port follows the host after `:`")?;
        if port.parse::<u16>().ok().filter(|port| *port > 0).is_none() {
            return Err(format!("`{port}` is no port from 1 to 65535"));
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if bare.parse::<IpAddr>().is_err() {
            DomainName::from_text(host)?;
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromText for Network {
    const WHAT: &'static str = "a network";
    const LIKE: &'static str = "\"203.0.113.0/24\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let (address, prefix) = text.split_once('/').unwrap_or((text, ""));
        let address = IpAddr::from_text(address)?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = if text.contains('/') {
            prefix.parse::<u8>().ok().filter(|prefix| *prefix <= bits)
        } else {
            Some(bits)
        };
        let prefix = prefix.ok_or(format!("after the `/` stands a number from 0 to {bits}"))?;
        let first = first_address(address, prefix);
        if first != address {
            return Err(format!("the network is called \"{first}/{prefix}\""));
        }
        Ok(Self { address, prefix })
    }
}

/// The address whose last bits are 0.
fn first_address(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

/// RFC 1123 §2.1, in lower case.
fn host_label(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if text.len() > 63 {
        return Err("it has at most 63 characters".to_owned());
    }
    if let Some(wrong) = text
        .chars()
        .find(|c| !c.is_ascii_lowercase() && !c.is_ascii_digit() && *c != '-')
    {
        return Err(format!(
            "`{wrong}` cannot stand in it: it has lower-case letters, digits and `-`"
        ));
    }
    if text.starts_with('-') || text.ends_with('-') {
        return Err("it begins and ends with a letter or a digit".to_owned());
    }
    Ok(())
}
