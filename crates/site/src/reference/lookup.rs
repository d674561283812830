//! Words are found by name, and stand where the stage files have them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Answer, Entry, answer};

#[test]
fn a_word_belongs_to_the_first_stage_that_has_it() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../stacks");
    let mut files: Vec<PathBuf> = std::fs::read_dir(root)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.retain(|file| file.extension().is_some_and(|kdl| kdl == "kdl"));
    files.sort();
    let mut first: BTreeMap<String, u8> = BTreeMap::new();
    for (stage, file) in (0..).zip(&files) {
        let reading = crate::read::read(&std::fs::read_to_string(file).unwrap());
        for node in reading.document.nodes[0].children() {
            first.entry(node.name.value.clone()).or_insert(stage);
        }
    }
    for entry in Entry::all().iter().filter(|entry| entry.path.len() == 1) {
        assert_eq!(
            entry.stage(),
            first.get(entry.word().name).copied(),
            "{}",
            entry.title()
        );
    }
}

#[test]
fn a_word_is_found_by_its_name_its_place_and_its_settings() {
    let known = |names: &[&str]| match answer(names) {
        Answer::Known(text) => text,
        Answer::Unknown(near) => panic!("{names:?}: {near:?}"),
    };
    assert!(known(&["load-balancer"]).contains("balance"));
    // It stands in two words, and both are shown.
    let health = known(&["health"]);
    assert!(
        health.contains("web health\n") && health.contains("app health\n"),
        "{health}"
    );
    assert!(!known(&["app", "health"]).contains("web health\n"));
    assert!(known(&["balance"]).contains("a setting of `load-balancer`"));
    assert!(known(&["web", "weight"]).contains("a setting of one server of `web`"));
    for (names, near) in [
        (vec!["balanser"], Some("balance")),
        (vec!["load-balencer"], Some("load-balancer")),
        (vec!["kubernetes"], None),
        (vec![], None),
    ] {
        match answer(&names) {
            Answer::Unknown(found) => assert_eq!(found.as_deref(), near),
            Answer::Known(text) => panic!("{names:?}: {text}"),
        }
    }
}
