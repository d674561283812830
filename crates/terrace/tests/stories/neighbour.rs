//! Somebody else's site on the same machine, of the same name and with the same addresses, is neither seen nor disturbed.

use crate::harness::{self, Site};
use crate::{changes, leftovers, visitor};

/// With a database, so that its processes are those that a story might take for its own.
const THEIRS: &str = r#"site "www.foobar.com" {
    server web-01 "8.8.8.8"
    web      web-01 static="foobar/public"
    app      web-01 code="foobar" { run "python3 -m http.server --bind $HOST $PORT"; }
    database web-01
}
"#;

#[test]
fn another_site_on_this_machine_neither_disturbs_ours_nor_is_disturbed() {
    if !harness::is_root() {
        return;
    }
    let theirs = Site::neighbour(THEIRS);
    theirs.up();
    let pids = || -> Vec<_> {
        theirs
            .roles()
            .iter()
            .map(|role| role["pid"].clone())
            .collect()
    };
    let before = (theirs.keeper("web-01"), pids());

    visitor::without_a_file_the_running_site_is_meant();
    changes::a_changed_setting_is_taken_over_and_a_bad_file_changes_nothing();
    leftovers::a_killed_coordinator_takes_everything_along();

    assert_eq!((theirs.keeper("web-01"), pids()), before);
    let curl = ["curl", "-sf", "http://www.foobar.com/style.css"];
    assert!(!theirs.on("internet", &curl).is_empty());
}
