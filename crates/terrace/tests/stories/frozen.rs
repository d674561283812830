//! A server that stands still under requests that must not be sent twice: nobody waits for longer than `explain` says.

use std::time::{Duration, Instant};

use crate::harness::{self, Site, both, wait_until};
use crate::people::{Outside, Person};

const FILE: &str = r#"site "www.foobar.com" {
    server lb-01  "10.0.0.10" { public "8.8.8.8"; }
    server web-01 "10.0.0.21"
    server web-02 "10.0.0.22"
    load-balancer lb-01
    web      web-01 web-02 static="foobar/public"
    app      web-01 web-02 code="foobar" { run "exec python3 -m http.server --bind $HOST $PORT"; }
}
"#;
const TOLD: &str = "some requests (writing) fail for up to 3 s, until its silence is noticed";
/// What is told, and what a busy machine adds.
const WITHIN: Duration = Duration::from_secs(5);
/// Of that app's: it takes no forms, and says so.
const ANSWERED: u16 = 501;

#[test]
fn a_form_at_a_server_that_stands_still_ends_as_soon_as_that_is_noticed() {
    if !harness::is_root() {
        return;
    }
    let site = Site::with_file("frozen", FILE);
    site.up();
    let told = both(&site.terrace(&["explain", "failures"]));
    let words: Vec<&str> = told.split_whitespace().collect();
    assert!(words.join(" ").contains(TOLD), "{told}");
    wait_until("both are well", || {
        let balancer = site.roles().into_iter();
        let upstreams = balancer.filter(|role| role["id"] == "lb-01/load-balancer");
        let mut all = upstreams.flat_map(|role| role["upstreams"].as_array().unwrap().clone());
        all.all(|one| one["healthy"] == true)
    });
    site.does(&["fault", "freeze", "web-02"]);
    let outside = Outside::of(&site);
    let people: Vec<_> = (0..8)
        .map(|number| {
            outside.spawn(move || {
                let begun = Instant::now();
                let answer = Person::default().post(&format!("form-{number}"));
                (answer.map_or(0, |answer| answer.status), begun.elapsed())
            })
        })
        .collect();
    let came: Vec<_> = people.into_iter().map(|one| one.join().unwrap()).collect();
    let ends =
        |(status, took): &(u16, Duration)| matches!(*status, ANSWERED | 504) && *took < WITHIN;
    assert!(came.iter().all(ends), "{came:?}");
    let silent = came.iter().filter(|(status, _)| *status == 504);
    assert!(silent.count() > 0, "{came:?}");
    let log = site.state().join("servers/lb-01/logs/access.log");
    wait_until("the log says why", || {
        std::fs::read_to_string(&log).is_ok_and(|log| log.contains(" 1 silent\n"))
    });
    site.does(&["fault", "mend"]);
}
