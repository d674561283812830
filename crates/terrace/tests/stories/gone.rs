//! Files and directories that go while a site runs: whoever started it can still look at it, use it and stop it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use crate::harness::{self, Site, both, finish};

fn text(name: &str, address: &str) -> String {
    format!(
        "site \"{name}\" {{\n    server web-01 \"{address}\"\n    web web-01 static=\"foobar/public\"\n}}\n"
    )
}

/// A call from this directory, which may not be the file's.
fn call(site: &Site, directory: &Path, arguments: &[&str]) -> Command {
    let mut command = site.program();
    command.args(arguments).current_dir(directory);
    command
}

/// What succeeds from this directory, and says these words.
fn does(site: &Site, directory: &Path, arguments: &[&str], words: &[&str]) {
    let output = finish(call(site, directory, arguments));
    let said = both(&output);
    assert!(
        output.status.success(),
        "{arguments:?} in {}: {said}",
        directory.display()
    );
    for word in words {
        assert!(
            said.contains(word),
            "{arguments:?} did not say {word:?}: {said}"
        );
    }
}

/// Two sites that run: one whose file goes, and one from a file beside it.
fn two(name: &str) -> (Site, Beside) {
    let site = Site::with_file(name, &text("www.foobar.com", "8.8.8.8"));
    let file = site.directory.join("stacks/other.kdl");
    fs::write(&file, text("www.other.org", "192.0.2.10")).unwrap();
    site.up();
    let beside = Beside(call(
        &site,
        &site.directory,
        &["down", file.to_str().unwrap()],
    ));
    does(
        &site,
        &site.directory,
        &["up", "--detach", file.to_str().unwrap()],
        &[],
    );
    (site, beside)
}

/// Stops the other site.
struct Beside(Command);

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.0.status();
    }
}

/// Every command about a site that runs reaches it, by the file's name or from its directory, with this note.
fn reaches(site: &Site, note: &str) {
    let (here, elsewhere) = (
        site.file.parent().unwrap().join("foobar"),
        std::env::temp_dir(),
    );
    let file = site.file.to_str().unwrap();
    let note = &[note, "this is about www.foobar.com, started from it"];
    does(site, &elsewhere, &["status", file], note);
    does(site, &here, &["status"], note);
    does(site, &here, &["logs"], note);
    does(
        site,
        &elsewhere,
        &["logs", "web-01/web", "--file", file],
        note,
    );
    does(site, &here, &["exec", "web-01", "--", "true"], note);
    does(
        site,
        &elsewhere,
        &["exec", "internet", "--file", file, "--", "true"],
        note,
    );
    does(site, &elsewhere, &["fault", "mend", "--file", file], note);
    does(site, &here, &["secret", "set", "KEY"], note);
    does(site, &here, &["explain"], note);
    does(site, &here, &["draw"], note);
    does(site, &elsewhere, &["records", file], note);
}

#[test]
fn a_file_that_is_gone_or_half_edited_locks_nobody_out() {
    if !harness::is_root() {
        return;
    }
    let (site, _other) = two("lost-file");
    let good = fs::read_to_string(&site.file).unwrap();
    let code = |arguments: &[&str]| site.terrace(arguments).status.code();

    fs::write(&site.file, good.replace("web web-01", "web web-1 statik=x")).unwrap();
    reaches(&site, "site.kdl has 2 mistakes");
    for command in ["apply", "check", "up"] {
        assert_eq!(code(&[command]), Some(2), "{command}");
    }

    fs::write(&site.file, good.replace("www.foobar.com", "www.later.org")).unwrap();
    does(
        &site,
        &site.directory,
        &["status", site.file.to_str().unwrap()],
        &["site.kdl describes another site now; this is about www.foobar.com"],
    );

    fs::remove_file(&site.file).unwrap();
    fs::create_dir(&site.file).unwrap();
    reaches(&site, "site.kdl is a directory now");
    fs::remove_dir(&site.file).unwrap();
    reaches(&site, "site.kdl is gone");
    for command in ["apply", "check", "up"] {
        assert_eq!(code(&[command]), Some(2), "{command}");
    }
    // What was never started from is not found by its neighbours.
    let beside = site.file.with_file_name("nosuch.kdl");
    let output = finish(call(
        &site,
        &site.directory,
        &["down", beside.to_str().unwrap()],
    ));
    assert_eq!(output.status.code(), Some(2), "{}", both(&output));

    let here = site.file.parent().unwrap();
    does(
        &site,
        here,
        &["down", "site.kdl"],
        &["site.kdl is gone", "www.foobar.com is down"],
    );
    does(&site, here, &["status", "other.kdl"], &["www.other.org"]);
}

/// Removes a directory that a running site still writes into, as somebody does who says `rm -rf` until it is gone.
fn remove(directory: &Path) {
    harness::wait_until("the directory is gone", || {
        match fs::remove_dir_all(directory) {
            Err(error) => error.kind() == ErrorKind::NotFound,
            Ok(()) => true,
        }
    });
}

#[test]
fn a_state_that_is_removed_under_a_site_is_said_and_the_site_can_be_stopped() {
    if !harness::is_root() {
        return;
    }
    let site = Site::with_file("lost-state", &text("www.foobar.com", "8.8.8.8"));
    site.up();
    let traces = site.traces();
    let state = site.file.with_file_name(".terrace");
    remove(&state);
    let says = |arguments: &[&str], code, words: &[&str]| {
        let output = site.terrace(arguments);
        let said = both(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        for word in words {
            assert!(
                said.contains(word),
                "{arguments:?} did not say {word:?}: {said}"
            );
        }
    };
    says(
        &["status"],
        1,
        &[
            "its state was removed",
            "terrace down",
            ".terrace/www.foobar.com",
        ],
    );
    says(&["up", "--detach"], 1, &["was removed", "terrace down"]);
    says(
        &[
            "exec",
            "internet",
            "--",
            "curl",
            "-sf",
            "http://www.foobar.com/style.css",
        ],
        0,
        &["body"],
    );
    says(&["logs"], 1, &["was removed"]);
    says(&["down"], 0, &["www.foobar.com is down"]);
    assert_eq!(
        (traces.processes(), traces.mounts()),
        (Vec::new(), Vec::new())
    );
    site.up();
}
