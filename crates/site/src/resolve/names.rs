//! Names: the site's own, its aliases and redirects, and the records of `dns`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::model::{Dns, DomainName, FromText, Name, Origin, Plain, Record};
use crate::plan::RecordData;
use crate::problem::Problem;
use crate::read::tree::{Argument, Node};

use super::context::Context;
use super::values::children;
use super::vocabulary::Word;

const TTL: Duration = Duration::from_secs(300);
const TYPES: [&str; 8] = ["A", "AAAA", "CNAME", "NS", "MX", "TXT", "CAA", "SRV"];

impl Context<'_> {
    /// The site's name and its zone.
    pub(super) fn site_name(&mut self, node: &Node) -> Option<(DomainName, DomainName)> {
        let argument = node.arguments.first()?;
        let name = self.argument::<DomainName>(argument)?;
        let zone = match node.property("zone") {
            Some(_) => self.property::<DomainName>(node, "zone")?,
            None => name.parent().unwrap_or_else(|| name.clone()),
        };
        if !name.is_within(&zone) {
            let message = format!("`{name}` is not within the zone `{zone}`");
            let span = node
                .property("zone")
                .map_or(argument.span, |zone| zone.value_span);
            let parent = name.parent().unwrap_or_else(|| name.clone());
            let label = format!("write \"{parent}\", or leave `zone` out");
            self.report(
                Problem::error("outside-zone", message, span, label)
                    .and(argument.span, "the site's name"),
            );
            return None;
        }
        Some((name, zone))
    }

    /// All names behind `alias`, or behind `redirect`; each stands once, within the zone.
    pub(super) fn other_names(
        &mut self,
        site: &Node,
        word: &str,
        name: &DomainName,
        zone: &DomainName,
        taken: &mut HashMap<DomainName, Origin>,
    ) -> Vec<Name> {
        let mut found = Vec::new();
        for argument in children(site, word).flat_map(|node| &node.arguments) {
            let Some(other) = self.argument::<DomainName>(argument) else {
                continue;
            };
            let span = argument.span;
            if other == *name {
                let message = format!("`{other}` is the site's own name");
                self.report(Problem::error("name-twice", message, span, "take it out"));
            } else if let Some(first) = taken.get(&other).copied() {
                let message = format!("`{other}` stands twice");
                let problem = Problem::error("name-twice", message, span, "once is enough");
                self.report(problem.and(first.span, "here first"));
            } else if !other.is_within(zone) {
                let message = format!("`{other}` is not within the zone `{zone}`");
                let problem = Problem::error(
                    "outside-zone",
                    message,
                    span,
                    format!("a name that ends in `.{zone}` is expected"),
                );
                self.report(
                    problem
                        .help("a name of another zone is a site of its own, in a file of its own"),
                );
            } else {
                let other = Name {
                    name: other,
                    origin: self.origin(span),
                };
                taken.insert(other.name.clone(), other.origin);
                found.push(other);
            }
        }
        found
    }

    pub(super) fn dns(&mut self, node: &Node, word: &Word, zone: &DomainName) -> Dns {
        let records: Vec<Record> = match word.child("record") {
            Some(word) => children(node, "record")
                .filter_map(|record| self.record(record, word, zone))
                .collect(),
            None => Vec::new(),
        };
        Dns {
            servers: self.named_servers(node),
            records,
            origin: self.origin(node.span),
        }
    }

    /// `record "mail.foobar.com" A "10.0.0.9" ttl="1h"`.
    fn record(&mut self, node: &Node, word: &Word, zone: &DomainName) -> Option<Record> {
        let [name, kind, value, surplus @ ..] = node.arguments.as_slice() else {
            let message = "`record` takes a name, a type and a value";
            self.report(Problem::error(
                "missing",
                message,
                node.name.span,
                format!("write {}", word.example),
            ));
            return None;
        };
        if let Some(surplus) = surplus.first() {
            let message = "`record` takes a name, a type and a value";
            let problem = Problem::error("surplus", message, surplus.span, "one too many");
            self.report(problem.help(
                "a value of several parts stands in one pair of quotes: \"10 mail.foobar.com\"",
            ));
        }
        let ttl = self.property(node, "ttl").unwrap_or(TTL);
        let data = self.record_data(kind, value);
        let owner = self.argument::<DomainName>(name)?;
        if !owner.is_within(zone) {
            let message = format!("`{owner}` is not within the zone `{zone}`");
            let label = format!("a name that ends in `.{zone}` is expected");
            self.report(Problem::error("outside-zone", message, name.span, label));
            return None;
        }
        Some(Record {
            name: owner,
            data: data?,
            ttl,
            origin: self.origin(node.span),
        })
    }

    fn record_data(&mut self, kind: &Argument, value: &Argument) -> Option<RecordData> {
        let known = kind.value.text().unwrap_or_default();
        if !TYPES.contains(&known) {
            let written = self.slice(kind.span).to_owned();
            let message = format!("`{written}` is not a type of record");
            let upper = known.to_uppercase();
            let label = match TYPES.iter().find(|kind| **kind == upper) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("write {}", TYPES.join(", ")),
            };
            self.report(Problem::error("wrong-value", message, kind.span, label));
            return None;
        }
        let text = self.argument::<Plain>(value)?;
        match record_value(known, text.as_str()) {
            Ok(data) => Some(data),
            Err(why) => {
                let message = format!("`{text}` cannot be the value of {known}");
                self.report(Problem::error("wrong-value", message, value.span, why));
                None
            }
        }
    }
}

/// The value of a record, as a zone file writes it.
fn record_value(kind: &str, text: &str) -> Result<RecordData, String> {
    let name = |text: &str| DomainName::from_text(text).map(|name| name.to_string());
    let parts: Vec<&str> = text.split_whitespace().collect();
    let number = |part: &str| {
        part.parse::<u16>()
            .map_err(|_| format!("`{part}` is no number from 0 to 65535"))
    };
    match (kind, parts.as_slice()) {
        ("A", [one]) => match IpAddr::from_text(one)? {
            IpAddr::V4(address) => Ok(RecordData::A(address)),
            IpAddr::V6(_) => Err("that is IPv6: the type is AAAA".to_owned()),
        },
        ("AAAA", [one]) => match IpAddr::from_text(one)? {
            IpAddr::V6(address) => Ok(RecordData::Aaaa(address)),
            IpAddr::V4(_) => Err("that is IPv4: the type is A".to_owned()),
        },
        ("CNAME", [one]) => name(one).map(RecordData::Cname),
        ("NS", [one]) => name(one).map(RecordData::Ns),
        ("MX", [preference, exchanger]) => {
            Ok(RecordData::Mx(number(preference)?, name(exchanger)?))
        }
        ("TXT", _) => Ok(RecordData::Txt(text.to_owned())),
        ("CAA", [flags, tag, value]) => {
            let flags = flags
                .parse()
                .map_err(|_| format!("`{flags}` is no number from 0 to 255"))?;
            Ok(RecordData::Caa(
                flags,
                (*tag).to_owned(),
                value.trim_matches('"').to_owned(),
            ))
        }
        ("SRV", [priority, weight, port, target]) => Ok(RecordData::Srv(
            number(priority)?,
            number(weight)?,
            number(port)?,
            name(target)?,
        )),
        ("MX", _) => Err("a preference and a name are expected: \"10 mail.foobar.com\"".to_owned()),
        ("CAA", _) => {
            Err("flags, tag and value are expected: \"0 issue letsencrypt.org\"".to_owned())
        }
        ("SRV", _) => Err(
            "priority, weight, port and name are expected: \"10 5 443 api.foobar.com\"".to_owned(),
        ),
        _ => Err("one value is expected".to_owned()),
    }
}
