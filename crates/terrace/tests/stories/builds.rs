//! Releases and migrations that fail, or do not come to their end: it is said at once, kept, and tried again.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{self, Site, both, wait, wait_until};

/// Nothing here may wait for what cannot happen.
const AT_ONCE: Duration = Duration::from_secs(20);

fn text(app: &str) -> String {
    format!(
        "site \"www.foobar.com\" {{\n    server web-01 \"8.8.8.8\"\n    web web-01 static=\"foobar/public\"\n    \
         app web-01 code=\"foobar\" {{\n{app}        run \"exec python3 -m http.server --bind $HOST $PORT\"\n    }}\n}}\n"
    )
}

/// How many processes of the machine have this among their arguments.
pub(crate) fn running(mark: &str) -> usize {
    let all = fs::read_dir("/proc").unwrap().flatten();
    let lines = all.map(|entry| fs::read(entry.path().join("cmdline")).unwrap_or_default());
    lines
        .filter(|line| String::from_utf8_lossy(line).contains(mark))
        .count()
}

/// Runs a command, and returns its exit code with what it said.
fn says(site: &Site, arguments: &[&str], words: &[&str]) -> Option<i32> {
    let begun = Instant::now();
    let output = site.terrace(arguments);
    let said = both(&output);
    assert!(
        begun.elapsed() < AT_ONCE,
        "{arguments:?} took {:?}: {said}",
        begun.elapsed()
    );
    for word in words {
        assert!(
            said.contains(word),
            "{arguments:?} did not say {word:?}: {said}"
        );
    }
    output.status.code()
}

#[test]
fn a_build_that_fails_is_remembered_with_its_log_and_tried_again() {
    if !harness::is_root() {
        return;
    }
    let build =
        "        build \"echo first; (test -f fixed || (echo no such module >&2; exit 3))\"\n";
    let site = Site::with_file("failed-build", &text(build));
    let fixed = site.directory.join("stacks/foobar/fixed");
    let _ = fs::remove_file(&fixed);
    let log = site.state().join("builds/foobar.log").display().to_string();
    let failed = [
        "exit code 3",
        "no such module",
        "terrace logs --build foobar",
    ];
    assert_eq!(says(&site, &["up", "--detach"], &failed), Some(1));
    let mut remembered = failed.to_vec();
    remembered.extend(["its build failed", "`terrace up` tries again", log.as_str()]);
    assert_eq!(says(&site, &["status"], &remembered), Some(1));
    let build = &site.status()["builds"][0];
    assert_eq!(
        (&build["app"], &build["state"]),
        (&"foobar".into(), &"failed".into())
    );
    assert_eq!(build["failure"]["lines"][1], "no such module");
    assert_eq!(
        says(
            &site,
            &["logs", "--build", "foobar"],
            &["first\nno such module\n"]
        ),
        Some(0)
    );
    assert_eq!(
        says(&site, &["logs", "--build", "nosuch"], &["foobar"]),
        Some(2)
    );
    assert_eq!(
        says(&site, &["up", "--detach"], &failed),
        Some(1),
        "it fails again"
    );
    fs::write(&fixed, "").unwrap();
    assert_eq!(says(&site, &["up", "--detach"], &["release "]), Some(0));
    assert_eq!(says(&site, &["status"], &["serving"]), Some(0));
    for again in [&["up", "--detach"][..], &["up"]] {
        assert_eq!(says(&site, again, &["runs already"]), Some(1), "{again:?}");
    }
    fs::remove_file(fixed).unwrap();
}

#[test]
fn a_build_that_was_mended_in_the_file_is_made_by_apply_and_by_up() {
    if !harness::is_root() {
        return;
    }
    let broken = text("        build \"(exit 4)\"\n");
    let site = Site::with_file("mended-build", &broken);
    for (command, usual) in [(&["apply"][..], 0), (&["up", "--detach"], 0)] {
        fs::write(&site.file, &broken).unwrap();
        assert_eq!(says(&site, &["up", "--detach"], &["exit code 4"]), Some(1));
        fs::write(&site.file, text("        build \"true\"\n")).unwrap();
        assert_eq!(says(&site, command, &[]), Some(usual), "{command:?}");
        wait_until("the site serves", || {
            site.terrace(&["status"]).status.success()
        });
        site.does(&["down"]);
    }
}

#[test]
fn a_build_that_hangs_is_shown_and_ended_with_all_that_it_started() {
    if !harness::is_root() {
        return;
    }
    let site = Site::with_file(
        "hanging-build",
        &text("        build \"echo begun; sleep 171717 & sleep 171717\"\n"),
    );
    let mut up = site.command(&["up"]).spawn().unwrap();
    wait_until("the build is shown", || {
        let shown = both(&site.terrace(&["status"]));
        shown.contains("its release is being built, for")
            && shown.contains("terrace logs --build foobar")
    });
    assert_eq!(
        says(&site, &["apply"], &["a release of foobar is being built"]),
        Some(1)
    );
    wait_until("what it writes can be read", || {
        both(&site.terrace(&["logs", "--build", "foobar"])).contains("begun")
    });
    kill(Pid::from_raw(up.id().cast_signed()), Signal::SIGINT).unwrap();
    assert!(wait(&mut up, AT_ONCE).success());
    assert_eq!(running("171717"), 0, "something of the build runs");
}

#[test]
fn what_a_build_leaves_running_ends_with_it() {
    if !harness::is_root() {
        return;
    }
    let begun = "        build \"(setsid sleep 717171 &); echo begun; sleep 717171\"\n";
    let site = Site::with_file("leaving-build", &text(begun));
    for silent in ["", " >/dev/null 2>&1 </dev/null"] {
        let first = format!("(setsid sleep 717171{silent} &); echo done");
        let leaving = format!("        build \"{first}\"\n        build \"! pgrep -f 71717[1]\"\n");
        fs::write(&site.file, text(&leaving)).unwrap();
        assert_eq!(says(&site, &["up", "--detach"], &[]), Some(0), "{silent}");
        assert_eq!(running("717171"), 0, "{silent}");
        site.does(&["down"]);
    }
    fs::write(&site.file, text(begun)).unwrap();
    let mut up = site.command(&["up"]).spawn().unwrap();
    wait_until("the build has begun", || running("sleep\x00717171") == 2);
    site.does(&["down", "--wipe"]);
    assert_eq!(running("717171"), 0, "`down` leaves something running");
    wait(&mut up, AT_ONCE);
}

#[test]
fn a_migration_that_fails_is_told_at_once_and_tried_again() {
    if !harness::is_root() {
        return;
    }
    let migrate = "        migrate \"test -f migrated || (echo no such table >&2; exit 5)\"\n";
    let site = Site::with_file("failed-migration", &text(migrate));
    let ready = site.directory.join("stacks/foobar/migrated");
    let _ = fs::remove_file(&ready);
    let failed = [
        "the migration",
        "exit code 5",
        "no such table",
        "terrace logs web-01/app/migrate",
    ];
    assert_eq!(says(&site, &["up", "--detach"], &failed), Some(1));
    assert_eq!(
        says(
            &site,
            &["status"],
            &["failing", "exit code 5", "no such table"]
        ),
        Some(1)
    );
    assert_eq!(
        says(&site, &["logs", "web-01/app/migrate"], &["no such table"]),
        Some(0)
    );
    fs::write(&ready, "").unwrap();
    // It is tried again in any case; whoever asks does not wait for the next time.
    says(&site, &["up", "--detach"], &[]);
    wait_until("the migration has run", || {
        site.terrace(&["status"]).status.success()
    });
    fs::remove_file(ready).unwrap();
}

#[test]
fn an_up_whose_coordinator_dies_says_where_its_log_is() {
    if !harness::is_root() {
        return;
    }
    let text = "site \"www.foobar.com\" {\n    server web-01 \"8.8.8.8\"\n    web web-01 static=\"foobar/public\"\n}\n";
    let site = Site::with_file("orphaned-up", text);
    let said = tempfile::NamedTempFile::new().unwrap();
    let mut command = site.command(&["up"]);
    command.stderr(said.reopen().unwrap());
    let mut up = command.spawn().unwrap();
    wait_until("it is up", || site.terrace(&["status"]).status.success());
    let coordinator = site.process(&[" internal coordinator "]).unwrap();
    kill(Pid::from_raw(coordinator.cast_signed()), Signal::SIGKILL).unwrap();
    assert_eq!(wait(&mut up, AT_ONCE).code(), Some(1));
    let said = fs::read_to_string(said.path()).unwrap();
    let log = site.state().join("coordinator.log").display().to_string();
    assert!(
        said.contains("the coordinator has ended") && said.contains(&log),
        "{said}"
    );
}
