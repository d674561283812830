//! Who is primary of a site of which nothing is recorded yet. Pure.
//!
//! That is so when a site is born, when one server becomes two, and when the record is lost. What each database
//! remembers of itself decides, and where that leaves a doubt nobody takes writes: a wrong guess would throw away data.

use std::collections::BTreeMap;

use crate::node::letters::Member;

/// The primary; else why it is not known yet, in words for a person.
pub(super) fn primary(
    members: &[String],
    heard: &BTreeMap<String, Member>,
) -> Result<String, String> {
    let silent: Vec<&str> = members
        .iter()
        .filter(|name| !heard.contains_key(*name))
        .map(String::as_str)
        .collect();
    if !silent.is_empty() {
        return Err(format!("waits for word from {}", silent.join(" and ")));
    }
    let with_data = |name: &&String| heard.get(*name).is_some_and(|one| !one.newborn);
    let claims = |name: &&String| heard.get(*name).is_some_and(|one| one.claims);
    let old: Vec<&String> = members.iter().filter(with_data).collect();
    let all: Vec<&String> = members.iter().collect();
    let candidates = if old.is_empty() { &all } else { &old };
    let named: Vec<&str> = candidates
        .iter()
        .copied()
        .filter(claims)
        .map(String::as_str)
        .collect();
    match named[..] {
        [one] => Ok(one.to_owned()),
        [] => Err(format!(
            "{} holds data and was a replica; whose, is not recorded: bring back the server that was primary, or \
             fail over to one whose data you trust with --accept-data-loss",
            join(candidates.iter().map(|name| name.as_str()))
        )),
        _ => Err(format!(
            "{} each hold data of their own and were primary: keep the data of one, and move that of the others \
             (servers/NAME/database/data) away",
            join(named.iter().copied())
        )),
    }
}

fn join<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use terrace_database::failover::Report;

    use super::*;

    fn members() -> Vec<String> {
        vec!["web-01".into(), "web-02".into()]
    }

    fn heard(each: &[(&str, bool, bool)]) -> BTreeMap<String, Member> {
        let member = |claims, newborn| Member {
            report: Report::Silent,
            claims,
            newborn,
            lost: false,
        };
        each.iter()
            .map(|(name, claims, newborn)| ((*name).to_owned(), member(*claims, *newborn)))
            .collect()
    }

    #[test]
    fn a_new_site_begins_with_the_first() {
        let all = heard(&[("web-01", true, true), ("web-02", false, true)]);
        assert_eq!(primary(&members(), &all), Ok("web-01".into()));
    }

    #[test]
    fn the_one_that_has_data_stays_primary_whatever_the_files_order() {
        let all = heard(&[("web-01", true, true), ("web-02", true, false)]);
        assert_eq!(primary(&members(), &all), Ok("web-02".into()));
    }

    #[test]
    fn nothing_is_decided_before_all_have_spoken() {
        let one = heard(&[("web-01", true, false)]);
        let why = primary(&members(), &one).unwrap_err();
        assert_eq!(why, "waits for word from web-02");
    }

    #[test]
    fn a_doubt_opens_nobody() {
        let two = heard(&[("web-01", true, false), ("web-02", true, false)]);
        assert!(
            primary(&members(), &two)
                .unwrap_err()
                .contains("were primary")
        );
        let lost = heard(&[("web-01", true, true), ("web-02", false, false)]);
        assert!(
            primary(&members(), &lost)
                .unwrap_err()
                .contains("was a replica")
        );
    }
}
