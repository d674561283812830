use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::plan::{Change, Inputs, difference, plan};
use crate::reference::{samples, words_inside};

use super::{FileChange, changes};

const STAGE: &str = r#"site "www.foobar.com" {
    server lb-01  "10.0.0.10" { public "8.8.8.8"; }
    server web-01 "10.0.0.21"
    server web-02 "10.0.0.22"

    load-balancer lb-01 balance=round-robin
    web      web-01 web-02 static="foobar/public"
    app      web-01 web-02 code="foobar" health="/health" {
        run "serve"
        env A="1" B="2"
    }
    database web-01 web-02
}"#;

fn told(after: &str) -> Vec<String> {
    changes(STAGE, after)
        .iter()
        .map(FileChange::to_string)
        .collect()
}

#[test]
fn changes_are_told_in_the_words_of_the_file() {
    for (from, to, wanted) in [
        (
            "balance=round-robin",
            "balance=least-connections",
            "~ load-balancer lb-01 balance: round-robin → least-connections",
        ),
        (
            " balance=round-robin",
            " balance=least-connections",
            "~ load-balancer lb-01 balance: round-robin → least-connections",
        ),
        (
            "run \"serve\"",
            "run \"serve\"; timeouts idle=\"20s\"",
            "~ app timeouts idle: \"60s\" (default) → \"20s\"",
        ),
        (
            "health=\"/health\"",
            "health=\"/ready\"",
            "~ app health: \"/health\" → \"/ready\"",
        ),
        (" health=\"/health\"", "", "- app health: \"/health\""),
        (
            "B=\"2\"",
            "B=\"3\" C=4",
            "~ app env B: \"2\" → \"3\"\n+ app env C: 4",
        ),
        (
            "static=\"foobar/public\"",
            "static=\"foobar/public\" { web-02 weight=2; }",
            "~ web web-02 weight: 1 (default) → 2",
        ),
        (
            "run \"serve\"",
            "run \"serve\"; secret KEY TOKEN",
            "+ app secret: KEY TOKEN",
        ),
        (
            "balance=round-robin",
            "balance=round-robin { queue in-flight=50; }",
            "+ load-balancer lb-01 queue in-flight: 50",
        ),
        (
            "    server web-02 \"10.0.0.22\"\n",
            "    server web-02 \"10.0.0.23\"\n",
            "~ server web-02: \"10.0.0.22\" → \"10.0.0.23\"",
        ),
        (
            "database web-01 web-02",
            "database web-01 web-02\n    monitor",
            "+ monitor",
        ),
        (
            "database web-01 web-02",
            "database web-01",
            "~ database web-01 servers: web-01 web-02 → web-01",
        ),
    ] {
        let after = STAGE.replacen(from, to, 1);
        assert_eq!(told(&after).join("\n"), wanted, "{from} → {to}");
        let said = changes(STAGE, &after).iter().any(|change| change.at_birth);
        let at_birth = planned(STAGE, &after).iter().any(Change::is_at_birth);
        assert_eq!(said, at_birth, "{from} → {to}");
    }
}

#[test]
fn what_means_the_same_is_no_change() {
    for (from, to) in [
        ("site", "// A comment.\nsite"),
        ("web      web-01", "web web-01"),
        (" balance=round-robin", ""),
        ("health=\"/health\" {", "{\nhealth \"/health\""),
        (
            "run \"serve\"",
            "run \"serve\"; timeouts idle=\"1m\" connect=\"2000ms\"",
        ),
        ("env A=\"1\" B=\"2\"", "env B=\"2\"\nenv A=\"1\""),
    ] {
        let after = STAGE.replacen(from, to, 1);
        assert!(crate::load(&after).site.is_some(), "{after}");
        assert_eq!(told(&after), [""; 0], "{from} → {to}");
    }
}

/// How the plans of two files differ.
fn planned(before: &str, after: &str) -> Vec<Change> {
    let inputs = Inputs {
        generation: 1,
        base: PathBuf::from("/here"),
        releases: BTreeMap::from([("foobar".to_owned(), "4f2c19a".to_owned())]),
        server_ids: BTreeMap::new(),
        workers: 1,
        lab: true,
    };
    let plans = |source: &str| {
        let site = crate::load(source)
            .site
            .unwrap_or_else(|| panic!("{source}"));
        plan(&site, &inputs)
    };
    difference(&plans(before), &plans(after))
}

/// Every setting and every word, from the vocabulary: without it, and with it.
#[test]
fn every_setting_that_may_differ_is_told_by_its_own_words() {
    let mut seen = BTreeSet::new();
    for (title, before, after) in samples() {
        let found = changes(&before, &after);
        let name = title.rsplit(' ').next().unwrap_or_default();
        let [change] = found.as_slice() else {
            panic!("{title}: one change is expected: {found:?}\n{before}\n{after}")
        };
        let said = change.to_string();
        let words: Vec<&str> = change.path.split(' ').collect();
        assert!(words.contains(&name), "{title}: {said}");
        for internal in ['_', '{', '}'] {
            assert!(!change.path.contains(internal), "{title}: {said}");
        }
        for internal in ["null", "Some(", "None", "micros", "routes", "tiers"] {
            assert!(!said.contains(internal), "{title}: {said}");
        }
        // What the plans say and what the words say agree.
        let at_birth = planned(&before, &after).iter().any(Change::is_at_birth);
        assert_eq!(
            change.at_birth, at_birth,
            "{title}: {said}\n{before}\n{after}"
        );
        seen.insert(title);
    }
    assert!(seen.len() > 60, "{seen:?}");
}

#[test]
fn every_word_that_comes_or_goes_is_told_and_so_is_whether_a_running_site_can_take_it() {
    for (title, without, with) in words_inside() {
        let name = title.rsplit(' ').next().unwrap_or_default();
        for (before, after) in [(&without, &with), (&with, &without)] {
            let (found, planned) = (changes(before, after), planned(before, after));
            let named = |change: &FileChange| change.path.split(' ').any(|word| word == name);
            assert!(
                found.iter().all(named),
                "{title}: {found:?}\n{before}\n{after}"
            );
            let silent = found.is_empty() && planned.is_empty();
            assert!(
                silent || !found.is_empty(),
                "{title}: {planned:?}\n{before}\n{after}"
            );
            let at_birth = planned.iter().any(Change::is_at_birth);
            let said = found.iter().any(|change| change.at_birth);
            assert_eq!(said, at_birth, "{title}: {found:?}\n{planned:?}");
        }
    }
}
