//! Outputs that take nothing: no command panics, and each says what it can where it can.

use std::fs::File;
use std::io::Read;
use std::process::{ExitStatus, Stdio};

use crate::harness::{self, Site, wait};

const FILE: &str = "site \"www.foobar.com\" {\n    server web-01 \"8.8.8.8\"\n    web web-01 static=\"foobar/public\"\n}\n";

/// Every command of the overview, and a call of each that ends by itself. `down` is the last: it ends the site.
fn calls() -> Vec<Vec<&'static str>> {
    let calls: Vec<Vec<&str>> = vec![
        vec!["init", "www.example.org", "--file", "written.kdl"],
        vec!["check"],
        vec!["up", "--detach"],
        vec!["status"],
        vec!["explain"],
        vec!["help", "app"],
        vec!["apply"],
        vec!["drain", "web-01", "--deadline", "100ms"],
        vec!["undrain", "web-01"],
        vec!["switchover", "web-01"],
        vec!["failover", "web-01"],
        vec!["secret", "set", "KEY"],
        vec!["logs"],
        vec!["exec", "internet", "--", "true"],
        vec!["draw"],
        vec!["records"],
        vec!["fmt"],
        vec!["prove", "--fault", "no such fault"],
        vec!["fault", "mend"],
        vec!["down"],
    ];
    let overview = harness::program().output().unwrap().stdout;
    let overview = String::from_utf8(overview).unwrap();
    let words = overview
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| {
            let help = harness::program().args([word, "--help"]).output();
            help.unwrap().status.success()
        });
    for word in words {
        assert!(
            word == "terrace" || calls.iter().any(|call| call[0] == word),
            "`{word}` has no call here"
        );
    }
    calls
}

/// Runs a command with these outputs; what it wrote to standard error where that is not one of them.
fn ends(
    site: &Site,
    call: &[&str],
    standard: Stdio,
    errors: Option<Stdio>,
) -> (ExitStatus, String) {
    let captured = tempfile::tempfile().unwrap();
    let mut command = site.command(call);
    command.stdin(Stdio::null()).stdout(standard);
    command.stderr(errors.unwrap_or_else(|| captured.try_clone().unwrap().into()));
    let status = wait(&mut command.spawn().unwrap(), harness::PATIENCE);
    let mut said = String::new();
    let mut captured = captured;
    std::io::Seek::rewind(&mut captured).unwrap();
    captured.read_to_string(&mut said).unwrap();
    (status, said)
}

fn full() -> Stdio {
    File::options()
        .write(true)
        .open("/dev/full")
        .unwrap()
        .into()
}

/// A pipe without a reader.
fn broken() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn no_command_panics_when_its_output_is_closed_broken_or_full() {
    if !harness::is_root() {
        return;
    }
    let site = Site::with_file("outputs", FILE);
    for call in calls() {
        // Each with a site that is up, and to be up afterwards.
        let again = || {
            let _ = std::fs::remove_file(site.directory.join("written.kdl"));
            if call[0] != "up" {
                site.terrace(&["up", "--detach"]);
            }
        };
        again();
        let (usual, said) = ends(&site, &call, Stdio::null(), None);
        again();
        let (of_broken, quiet) = ends(&site, &call, broken(), None);
        assert_eq!(of_broken.code(), usual.code(), "{call:?}: {said} {quiet}");
        assert!(
            !said.contains("panicked") && !quiet.contains("panicked"),
            "{call:?}: {quiet}"
        );
        again();
        let (both, _) = ends(&site, &call, broken(), Some(broken()));
        assert_eq!(both.code(), usual.code(), "{call:?}");
        again();
        let (of_full, said) = ends(&site, &call, full(), None);
        assert!(matches!(of_full.code(), Some(0..=2)), "{call:?}: {said}");
        if of_full.code() != usual.code() {
            let told = said.contains("cannot write to standard output: No space left");
            assert!(told && of_full.code() == Some(1), "{call:?}: {said}");
        }
        again();
        let (all_full, _) = ends(&site, &call, full(), Some(full()));
        assert_eq!(all_full.code(), of_full.code(), "{call:?}");
    }
}

#[test]
fn help_that_cannot_be_written_is_a_failure() {
    for call in [&[][..], &["--help"], &["--version"], &["status", "--help"]] {
        let mut command = harness::program();
        let output = command.args(call).stdout(full()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{call:?}: {said}");
        assert_eq!(
            said,
            "terrace: cannot write to standard output: No space left on device (os error 28)\n",
            "{call:?}"
        );
        let mut command = harness::program();
        let output = command.args(call).stdout(broken()).output().unwrap();
        assert_eq!(
            (output.status.code(), output.stderr.len()),
            (Some(0), 0),
            "{call:?}"
        );
    }
}

#[test]
fn what_was_written_before_it_could_not_be_said_is_said_and_not_written_again() {
    let directory = tempfile::tempdir().unwrap();
    let call = |arguments: &[&str], output: Stdio| {
        let mut command = harness::program();
        command.args(arguments).current_dir(directory.path());
        let output = command.stdout(output).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    let (code, said) = call(&["init"], full());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("site.kdl is written all the same"), "{said}");
    let written = std::fs::read(directory.path().join("site.kdl")).unwrap();
    let (code, said) = call(&["init"], Stdio::null());
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("site.kdl is there already") && said.contains("--file"),
        "{said}"
    );
    assert_eq!(
        std::fs::read(directory.path().join("site.kdl")).unwrap(),
        written
    );
    for arguments in [&["logs"][..], &["logs", "web-01"]] {
        let (code, said) = call(arguments, Stdio::null());
        assert_eq!(code, Some(2), "{said}");
        assert!(
            said.contains("has written no log yet") && said.contains("terrace up"),
            "{said}"
        );
    }
}
