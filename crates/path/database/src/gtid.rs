//! Positions in a history of transactions, as MariaDB and MySQL write them.
//!
//! Pure. MariaDB names the last transaction of each domain (`0-11-57`), MySQL the set of all of them
//! (`3e11fa47-…:1-57:60`). Both answer the one question that failover asks: does this server hold
//! everything that was there?

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use terrace_site::plan::Engine;

/// Where a server stands in the history of transactions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Position {
    /// For each domain the last transaction: who wrote it, and its number.
    Mariadb(BTreeMap<u32, (u32, u64)>),
    /// For each source the numbers of its transactions, as intervals with both ends in.
    Mysql(BTreeMap<String, Vec<(u64, u64)>>),
}

/// A text that is no position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no position of {}: the server and its recorded engine differ", engine.title())]
pub struct NoPosition {
    text: String,
    engine: Engine,
}

impl Position {
    /// The position of a server that has no transaction yet.
    pub fn start(engine: Engine) -> Self {
        match engine {
            Engine::Mariadb => Self::Mariadb(BTreeMap::new()),
            Engine::Mysql => Self::Mysql(BTreeMap::new()),
        }
    }

    /// Reads what the server says of itself.
    ///
    /// # Errors
    /// When it is not in the engine's form.
    pub fn parse(engine: Engine, text: &str) -> Result<Self, NoPosition> {
        let position = match engine {
            Engine::Mariadb => parse_mariadb(text).map(Self::Mariadb),
            Engine::Mysql => parse_mysql(text).map(Self::Mysql),
        };
        position.ok_or_else(|| NoPosition {
            text: text.to_owned(),
            engine,
        })
    }

    /// The same of the bytes of a packet; `None`: they are not in the engine's form.
    pub fn read(engine: Engine, text: &[u8]) -> Option<Self> {
        Self::parse(engine, std::str::from_utf8(text).ok()?).ok()
    }

    /// Everything of the other is here too. Positions of different engines never hold each other.
    pub fn holds(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Mariadb(mine), Self::Mariadb(theirs)) => theirs
                .iter()
                .all(|(domain, (_, number))| mine.get(domain).is_some_and(|(_, m)| m >= number)),
            (Self::Mysql(mine), Self::Mysql(theirs)) => theirs.iter().all(|(source, wanted)| {
                let there = mine.get(source).map_or(&[][..], Vec::as_slice);
                wanted.iter().all(|(from, to)| {
                    there
                        .iter()
                        .any(|(first, last)| first <= from && to <= last)
                })
            }),
            _ => false,
        }
    }

    /// What is here or there.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        match (self, other) {
            (Self::Mariadb(mut mine), Self::Mariadb(theirs)) => {
                for (domain, last) in theirs {
                    let entry = mine.entry(domain).or_insert(last);
                    if last.1 > entry.1 {
                        *entry = last;
                    }
                }
                Self::Mariadb(mine)
            }
            (Self::Mysql(mut mine), Self::Mysql(theirs)) => {
                for (source, intervals) in theirs {
                    mine.entry(source).or_default().extend(intervals);
                }
                for intervals in mine.values_mut() {
                    merge(intervals);
                }
                Self::Mysql(mine)
            }
            (mine, _) => mine,
        }
    }

    /// How many transactions of the other are missing here; a measure, not a proof.
    pub fn behind(&self, other: &Self) -> u64 {
        match (self, other) {
            (Self::Mariadb(mine), Self::Mariadb(theirs)) => theirs
                .iter()
                .map(|(domain, (_, number))| {
                    number.saturating_sub(mine.get(domain).map_or(0, |(_, m)| *m))
                })
                .sum(),
            (Self::Mysql(mine), Self::Mysql(theirs)) => {
                let count = |set: &BTreeMap<String, Vec<(u64, u64)>>| -> u64 {
                    set.values().flatten().map(|(from, to)| to - from + 1).sum()
                };
                let union = Self::Mysql(mine.clone()).union(Self::Mysql(theirs.clone()));
                match &union {
                    Self::Mysql(all) => count(all) - count(mine),
                    Self::Mariadb(_) => 0,
                }
            }
            _ => u64::MAX,
        }
    }
}

/// All that a server has, for the question whether another one has transactions of its own. On MariaDB two positions do
/// not answer it: whoever wrote more has the higher number, and would seem to hold what the other wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum History {
    /// For each domain and writer the last number.
    Mariadb(BTreeMap<(u32, u32), u64>),
    /// The set of all.
    Mysql(Position),
}

impl History {
    /// Of a MariaDB: whatever it names of its past, in any order (`gtid_binlog_state`, `gtid_slave_pos`).
    ///
    /// # Errors
    /// When the text is not in MariaDB's form.
    pub fn mariadb(text: &str) -> Result<Self, NoPosition> {
        let parts = mariadb_parts(text).ok_or_else(|| NoPosition {
            text: text.to_owned(),
            engine: Engine::Mariadb,
        })?;
        let mut last = BTreeMap::new();
        for (domain, (server, number)) in parts {
            let entry = last.entry((domain, server)).or_insert(number);
            *entry = number.max(*entry);
        }
        Ok(Self::Mariadb(last))
    }

    /// What stands there is here, too: on MySQL each transaction; on MariaDB whoever wrote the last has come as far here, which
    /// tells a server with writes of its own unless that server has written on since.
    pub fn contains(&self, position: &Position) -> bool {
        match (self, position) {
            (Self::Mariadb(last), Position::Mariadb(domains)) => {
                domains.iter().all(|(domain, (server, number))| {
                    let there = last.get(&(*domain, *server));
                    there.is_some_and(|last| last >= number)
                })
            }
            (Self::Mysql(all), position) => all.holds(position),
            _ => false,
        }
    }
}

fn parse_mariadb(text: &str) -> Option<BTreeMap<u32, (u32, u64)>> {
    Some(mariadb_parts(text)?.into_iter().collect())
}

/// `0-11-57,0-12-60`: domain, writer and number.
fn mariadb_parts(text: &str) -> Option<Vec<(u32, (u32, u64))>> {
    let parts = text.split(',').map(str::trim).filter(|one| !one.is_empty());
    parts
        .map(|one| {
            let mut fields = one.splitn(3, '-');
            let domain = fields.next()?.parse().ok()?;
            let server = fields.next()?.parse().ok()?;
            let number = fields.next()?.parse().ok()?;
            Some((domain, (server, number)))
        })
        .collect()
}

/// `UUID:1-5:7,UUID:tag:1-3`: a tag stays with its source.
fn parse_mysql(text: &str) -> Option<BTreeMap<String, Vec<(u64, u64)>>> {
    let mut set: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
    let parts = text.split(',').map(str::trim).filter(|one| !one.is_empty());
    for one in parts {
        let mut fields = one.split(':').map(str::trim);
        let uuid = fields.next().filter(|uuid| is_uuid(uuid))?;
        let mut source = uuid.to_ascii_lowercase();
        for field in fields {
            if field.starts_with(|c: char| c.is_ascii_digit()) {
                let (from, to) = field.split_once('-').unwrap_or((field, field));
                let interval: (u64, u64) = (from.parse().ok()?, to.parse().ok()?);
                (0 < interval.0 && interval.0 <= interval.1).then_some(())?;
                set.entry(source.clone()).or_default().push(interval);
            } else {
                // A position is written into statements: nothing else may pass for a part of it.
                let is_tag = |c: char| c.is_ascii_alphanumeric() || c == '_';
                (!field.is_empty() && field.chars().all(is_tag)).then_some(())?;
                source = format!("{}:{field}", uuid.to_ascii_lowercase());
            }
        }
    }
    for intervals in set.values_mut() {
        merge(intervals);
    }
    Some(set)
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36 && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

fn merge(intervals: &mut Vec<(u64, u64)>) {
    intervals.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::with_capacity(intervals.len());
    for (from, to) in intervals.drain(..) {
        match merged.last_mut() {
            Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    *intervals = merged;
}

impl fmt::Display for Position {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = match self {
            Self::Mariadb(domains) => domains
                .iter()
                .map(|(domain, (server, number))| format!("{domain}-{server}-{number}"))
                .collect(),
            Self::Mysql(sources) => sources
                .iter()
                .map(|(source, intervals)| {
                    let intervals: Vec<String> = intervals
                        .iter()
                        .map(|(from, to)| match from == to {
                            true => from.to_string(),
                            false => format!("{from}-{to}"),
                        })
                        .collect();
                    format!("{source}:{}", intervals.join(":"))
                })
                .collect(),
        };
        out.write_str(&parts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    const B: &str = "4e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn mariadb(text: &str) -> Position {
        Position::parse(Engine::Mariadb, text).unwrap()
    }

    fn mysql(text: &str) -> Position {
        Position::parse(Engine::Mysql, text).unwrap()
    }

    #[test]
    fn mariadb_holds_by_domain() {
        assert!(mariadb("0-11-57").holds(&mariadb("0-12-57")));
        assert!(mariadb("0-11-57,1-1-3").holds(&mariadb("0-12-9")));
        assert!(!mariadb("0-11-57").holds(&mariadb("0-11-58")));
        assert!(!mariadb("0-11-57").holds(&mariadb("0-11-1,1-1-1")));
        assert!(mariadb("").holds(&mariadb("")));
        assert_eq!(mariadb("0-11-57").behind(&mariadb("0-11-60")), 3);
        let union = mariadb("0-11-57").union(mariadb("0-12-60,2-1-1"));
        assert_eq!(union.to_string(), "0-12-60,2-1-1");
    }

    #[test]
    fn who_wrote_more_does_not_contain_what_the_other_wrote() {
        let history = |text: &str| History::mariadb(text).unwrap();
        let promoted = history("0-11-57,0-12-58");
        for held in ["", "0-11-57", "0-12-58"] {
            assert!(promoted.contains(&mariadb(held)), "{held}");
        }
        for errant in ["0-11-58", "0-11-60", "0-11-57,1-11-1", "0-13-1"] {
            assert!(!promoted.contains(&mariadb(errant)), "{errant}");
        }
        let ahead = history("0-11-57,0-12-90");
        assert!(
            !ahead.contains(&mariadb("0-11-58")),
            "the higher number is another's"
        );
        // A copy has logged nothing of the time before, and knows where it began.
        let copy = history("0-12-58,0-11-57,0-12-58");
        assert!(copy.contains(&mariadb("0-11-57")) && !copy.contains(&mariadb("0-11-58")));
        assert!(History::mariadb("0-11").is_err());
        let all = History::Mysql(mysql(&format!("{A}:1-9")));
        assert!(all.contains(&mysql(&format!("{A}:1-3"))) && !all.contains(&mariadb("")));
    }

    #[test]
    fn mysql_holds_by_set() {
        let gap = mysql(&format!("{A}:1-5:7-9"));
        assert!(gap.holds(&mysql(&format!("{A}:2-4:8"))));
        assert!(!gap.holds(&mysql(&format!("{A}:5-7"))));
        assert!(!gap.holds(&mysql(&format!("{B}:1"))));
        assert_eq!(gap.behind(&mysql(&format!("{A}:1-10,{B}:1-2"))), 4);
        let whole = gap.union(mysql(&format!("{A}:6,\n{B}:1")));
        assert_eq!(whole.to_string(), format!("{A}:1-9,{B}:1"));
    }

    #[test]
    fn mysql_tags_are_sources_of_their_own() {
        let tagged = mysql(&format!("{A}:1-3:batch:1-2"));
        assert_eq!(tagged.to_string(), format!("{A}:1-3,{A}:batch:1-2"));
        assert!(!mysql(&format!("{A}:1-9")).holds(&tagged));
    }

    #[test]
    fn what_is_no_position_is_refused() {
        for text in ["0-11", "0-11-x", "1", "a-b-c"] {
            assert!(Position::parse(Engine::Mariadb, text).is_err(), "{text}");
        }
        let quoted = A.replace('3', "'");
        for text in [
            "0-11-57",
            "x:1-2",
            &format!("{A}:5-2"),
            &format!("{A}:0"),
            &format!("{A}:a'b:1"),
            &format!("{quoted}:1"),
        ] {
            assert!(Position::parse(Engine::Mysql, text).is_err(), "{text}");
        }
        assert!(!mariadb("0-1-1").holds(&mysql("")));
    }
}
