//! From a plan to what can be answered. Pure.
//!
//! A zone is taken whole or not at all: a record that contradicts another, or that does not belong here, refuses
//! the plan, and the zones before it stay.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, NS, SOA, SRV, TXT};
use hickory_proto::rr::{LowerName, Name, RData, Record, RecordSet, RecordType, RrKey};
use hickory_server::net::runtime::TokioRuntimeProvider;
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};
use terrace_site::plan::{DnsPlan, RecordData, RecordPlan, ZonePlan};

/// How often a secondary asks whether the zone has changed, how soon again after a failure, and how long it
/// answers without having heard from us: in seconds (RFC 1912 §2.2). Ours have no secondaries; others may look.
const REFRESH: i32 = 3_600;
const RETRY: i32 = 600;
const EXPIRE: i32 = 1_209_600;
/// A character-string of a TXT record holds this many bytes (RFC 1035 §3.3).
const STRING_LENGTH: usize = 255;

/// Why a plan cannot be answered from.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What should be a name is none.
    #[error("`{0}` is not a domain name")]
    Name(String),
    /// Two zones of the same name.
    #[error("the zone `{0}` stands twice in the plan")]
    Twice(String),
    /// A record of another zone.
    #[error("`{name}` is not in the zone `{zone}`")]
    Stranger {
        /// The record's name.
        name: String,
        /// The zone that it was listed in.
        zone: String,
    },
    /// An alias allows nothing beside it (RFC 1034 §3.6.2).
    #[error("`{0}` has a CNAME record, which allows no other record of that name")]
    Alias(String),
    /// A value that its type does not allow.
    #[error("the value of a record of `{name}` is not allowed: {why}")]
    Value {
        /// The record's name.
        name: String,
        /// Why not.
        why: String,
    },
}

/// All zones of a plan.
///
/// # Errors
/// When one of them contradicts itself.
pub fn catalog(plan: &DnsPlan) -> Result<Catalog, Error> {
    let mut catalog = Catalog::new();
    for zone in &plan.zones {
        let origin = LowerName::from(name(&zone.name)?);
        if catalog.contains(&origin) {
            return Err(Error::Twice(zone.name.clone()));
        }
        catalog.upsert(origin, vec![Arc::new(handler(zone)?)]);
    }
    Ok(catalog)
}

fn handler(zone: &ZonePlan) -> Result<InMemoryZoneHandler<TokioRuntimeProvider>, Error> {
    let origin = name(&zone.name)?;
    let sets = record_sets(zone, &origin)?;
    InMemoryZoneHandler::new(origin, sets, ZoneType::Primary, AxfrPolicy::Deny).map_err(|why| {
        Error::Value {
            name: zone.name.clone(),
            why,
        }
    })
}

/// The zone's records, those that every zone has among them, by name and type.
fn record_sets(zone: &ZonePlan, origin: &Name) -> Result<BTreeMap<RrKey, RecordSet>, Error> {
    let mut records = vec![start_of_authority(zone, origin)?];
    for plan in &zone.records {
        records.push(record(plan, zone, origin)?);
    }
    let has_name_server = records
        .iter()
        .any(|record| record.record_type() == RecordType::NS && record.name == *origin);
    if !has_name_server {
        let data = RData::NS(NS(name(&zone.primary)?));
        records.push(Record::from_rdata(origin.clone(), zone.negative_ttl, data));
    }
    refuse_company(&records)?;
    let mut sets = BTreeMap::new();
    for record in records {
        let key = RrKey::new(LowerName::new(&record.name), record.record_type());
        sets.entry(key)
            .or_insert_with(|| {
                RecordSet::new(record.name.clone(), record.record_type(), zone.serial)
            })
            .insert(record, zone.serial);
    }
    Ok(sets)
}

/// Its own lifetime bounds that of negative answers too (RFC 2308 §5).
fn start_of_authority(zone: &ZonePlan, origin: &Name) -> Result<Record, Error> {
    let data = SOA::new(
        name(&zone.primary)?,
        name(&zone.mailbox)?,
        zone.serial,
        REFRESH,
        RETRY,
        EXPIRE,
        zone.negative_ttl,
    );
    Ok(Record::from_rdata(
        origin.clone(),
        zone.negative_ttl,
        RData::SOA(data),
    ))
}

fn record(plan: &RecordPlan, zone: &ZonePlan, origin: &Name) -> Result<Record, Error> {
    let owner = name(&plan.name)?;
    if !origin.zone_of(&owner) {
        return Err(Error::Stranger {
            name: plan.name.clone(),
            zone: zone.name.clone(),
        });
    }
    let data = data(&plan.data).map_err(|error| match error {
        Error::Value { why, .. } => Error::Value {
            name: plan.name.clone(),
            why,
        },
        other => other,
    })?;
    Ok(Record::from_rdata(owner, plan.ttl, data))
}

fn data(plan: &RecordData) -> Result<RData, Error> {
    Ok(match plan {
        RecordData::A(address) => RData::A(A(*address)),
        RecordData::Aaaa(address) => RData::AAAA(AAAA(*address)),
        RecordData::Cname(target) => RData::CNAME(CNAME(name(target)?)),
        RecordData::Ns(server) => RData::NS(NS(name(server)?)),
        RecordData::Mx(preference, exchange) => RData::MX(MX::new(*preference, name(exchange)?)),
        RecordData::Txt(text) => {
            let strings = match text.as_bytes() {
                [] => vec![&[][..]],
                bytes => bytes.chunks(STRING_LENGTH).collect(),
            };
            RData::TXT(TXT::from_bytes(strings))
        }
        RecordData::Caa(flags, tag, value) => authorization(*flags, tag, value)?,
        RecordData::Srv(priority, weight, port, target) => {
            RData::SRV(SRV::new(*priority, *weight, *port, name(target)?))
        }
    })
}

/// Who may issue certificates, read as a zone file has it (RFC 8659 §4.1.1).
fn authorization(flags: u8, tag: &str, value: &str) -> Result<RData, Error> {
    let refuse = |why: String| Error::Value {
        name: String::new(),
        why,
    };
    if value.contains(['"', '\\']) || value.chars().any(char::is_control) {
        return Err(refuse(
            "a CAA value holds no quotes and no backslash".to_owned(),
        ));
    }
    RData::try_from_str(RecordType::CAA, &format!("{flags} {tag} \"{value}\""))
        .map_err(|error| refuse(error.to_string()))
}

fn refuse_company(records: &[Record]) -> Result<(), Error> {
    let mut types: BTreeMap<LowerName, BTreeSet<RecordType>> = BTreeMap::new();
    let mut aliases = BTreeSet::new();
    for record in records {
        let owner = LowerName::new(&record.name);
        let alias = record.record_type() == RecordType::CNAME;
        // A second CNAME is company as well.
        if alias && !aliases.insert(owner.clone()) {
            return Err(Error::Alias(shown(&record.name)));
        }
        types.entry(owner).or_default().insert(record.record_type());
    }
    let crowded = |owner: &&LowerName| types[*owner].len() > 1;
    match aliases.iter().find(crowded) {
        Some(owner) => Err(Error::Alias(shown(owner))),
        None => Ok(()),
    }
}

/// As plans have names: without the last dot.
fn shown(name: &Name) -> String {
    name.to_string().trim_end_matches('.').to_owned()
}

fn name(text: &str) -> Result<Name, Error> {
    let mut name = Name::from_ascii(text).map_err(|_| Error::Name(text.to_owned()))?;
    if name.is_root() {
        return Err(Error::Name(text.to_owned()));
    }
    name.set_fqdn(true);
    Ok(name)
}

#[cfg(test)]
mod tests;
