//! A server that stands still while visitors write: what was sent there must not be sent twice, and nobody waits for longer than
//! `explain` says.

use std::time::{Duration, Instant};

use crate::harness::{self, both, wait_until};
use crate::people::{Outside, Person};
use crate::primary::{open_book, other, primary, wait_until_well};

/// What is told, and what a busy machine adds.
const TOLD: &str = "some requests (writing) fail for up to 5 s, until its silence is noticed";
const WITHIN: Duration = Duration::from_secs(8);

#[test]
fn a_form_at_a_server_that_stands_still_ends_as_soon_as_that_is_noticed() {
    if !harness::is_root() {
        return;
    }
    let site = open_book();
    wait_until_well(&site);
    let told = both(&site.terrace(&["explain", "failures"]));
    let words: Vec<&str> = told.split_whitespace().collect();
    assert!(words.join(" ").contains(TOLD), "{told}");
    let replica = other(&primary(&site).unwrap());
    site.does(&["fault", "freeze", replica]);
    let outside = Outside::of(&site);
    let people: Vec<_> = (0..8)
        .map(|number| {
            outside.spawn(move || {
                let begun = Instant::now();
                let answer = Person::default().post(&format!("frozen-{number}"));
                (answer.map_or(0, |answer| answer.status), begun.elapsed())
            })
        })
        .collect();
    let came: Vec<_> = people.into_iter().map(|one| one.join().unwrap()).collect();
    let ends = |(status, took): &(u16, Duration)| matches!(*status, 303 | 504) && *took < WITHIN;
    assert!(came.iter().all(ends), "{came:?}");
    assert!(came.iter().any(|(status, _)| *status == 504), "{came:?}");
    let log = site.state().join("servers/lb-01/logs/access.log");
    wait_until("the log says why", || {
        std::fs::read_to_string(&log).is_ok_and(|log| log.contains(" 1 silent\n"))
    });
    site.does(&["fault", "mend"]);
}
