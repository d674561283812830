//! What the zone says: addresses for the site's names, and the file's own records.

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;

use crate::model::{DomainName, ServerName, Site};
use crate::plan::{RecordData, RecordPlan};

/// Seconds that an address may be remembered: short, since addresses move. One for all, since the records of
/// a name and a type share it (RFC 2181 §5.2).
const TTL: u32 = 300;
/// Seconds that a name server may be remembered.
const NAME_SERVER_TTL: u32 = 3600;
/// The name server that stands for the registrar's, in a rehearsal.
pub(crate) const NAME_SERVER: &str = "ns";

/// The records of a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Records {
    /// The zone.
    pub zone: String,
    /// Its records, in the order of names and types.
    pub records: Vec<RecordPlan>,
}

/// What the zone must say, whoever runs its name servers.
pub fn records(site: &Site) -> Records {
    Records {
        zone: site.zone().to_string(),
        records: zone_records(site),
    }
}

/// Addresses of the site, its aliases and redirects, the file's own records, and where the site has name
/// servers of its own, theirs. Each once, sorted.
pub fn zone_records(site: &Site) -> Vec<RecordPlan> {
    let addresses = super::addresses(site);
    let others = site
        .aliases()
        .iter()
        .chain(site.redirects())
        .map(|other| other.name());
    let mut found: Vec<RecordPlan> = std::iter::once(site.name())
        .chain(others)
        .flat_map(|name| {
            addresses
                .iter()
                .map(|address| address_record(name.as_str(), *address))
        })
        .collect();
    if let Some(dns) = site.dns() {
        for server in dns.servers() {
            let name = name_server(server.as_str(), site.zone());
            let public = site
                .server(server)
                .map(|server| server.public())
                .unwrap_or_default();
            found.extend(public.iter().map(|address| address_record(&name, *address)));
            found.push(name_server_record(site.zone(), name));
        }
        found.extend(dns.records().iter().map(|record| {
            RecordPlan {
                name: record.name().to_string(),
                ttl: u32::try_from(record.ttl().as_secs())
                    .unwrap_or(u32::MAX)
                    .max(1),
                data: record.data().clone(),
            }
        }));
    }
    found.sort();
    found.dedup();
    found
}

/// The name of a name server: its server's, in the zone.
pub(crate) fn name_server(server: &str, zone: &DomainName) -> String {
    format!("{server}.{zone}")
}

/// The record that names a name server.
pub(crate) fn name_server_record(zone: &DomainName, name: String) -> RecordPlan {
    RecordPlan {
        name: zone.to_string(),
        ttl: NAME_SERVER_TTL,
        data: RecordData::Ns(name),
    }
}

/// The record of an address.
pub(crate) fn address_record(name: &str, address: IpAddr) -> RecordPlan {
    let data = match address {
        IpAddr::V4(address) => RecordData::A(address),
        IpAddr::V6(address) => RecordData::Aaaa(address),
    };
    RecordPlan {
        name: name.to_owned(),
        ttl: TTL,
        data,
    }
}

/// Lines of a zone file.
impl fmt::Display for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self
            .records
            .iter()
            .map(|record| record.name.len() + 1)
            .max()
            .unwrap_or(0);
        for record in &self.records {
            let name = format!("{}.", record.name);
            let (kind, value) = kind_and_value(&record.data);
            writeln!(f, "{name:<width$} {:>5} IN {kind:<5} {value}", record.ttl)?;
        }
        Ok(())
    }
}

/// The type and the value, as a zone file writes them (RFC 1035 §5.1).
fn kind_and_value(data: &RecordData) -> (&'static str, String) {
    match data {
        RecordData::A(address) => ("A", address.to_string()),
        RecordData::Aaaa(address) => ("AAAA", address.to_string()),
        RecordData::Cname(name) => ("CNAME", format!("{name}.")),
        RecordData::Ns(name) => ("NS", format!("{name}.")),
        RecordData::Mx(preference, name) => ("MX", format!("{preference} {name}.")),
        RecordData::Txt(text) => ("TXT", text_value(text)),
        RecordData::Caa(flags, tag, value) => ("CAA", format!("{flags} {tag} {}", quoted(value))),
        RecordData::Srv(priority, weight, port, target) => {
            ("SRV", format!("{priority} {weight} {port} {target}."))
        }
    }
}

/// A text of any length: strings of at most 255 bytes.
fn text_value(text: &str) -> String {
    let mut strings = vec![String::new()];
    for c in text.chars() {
        if strings
            .last()
            .is_some_and(|last| last.len() + c.len_utf8() > 255)
        {
            strings.push(String::new());
        }
        if let Some(last) = strings.last_mut() {
            last.push(c);
        }
    }
    strings
        .iter()
        .map(|string| quoted(string))
        .collect::<Vec<_>>()
        .join(" ")
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The primary name server of a zone with name servers of its own.
pub(crate) fn primary(servers: &[ServerName], zone: &DomainName) -> String {
    name_server(
        servers.first().map_or(NAME_SERVER, ServerName::as_str),
        zone,
    )
}
