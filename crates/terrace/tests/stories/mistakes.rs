//! What is wrong is said with its cause and the next step, and the rest of the site runs on.

use std::fs;

use crate::harness::{self, Site, both, finish, wait_until};

/// A site whose app is this command.
fn with_app(name: &str, build: &str, run: &str) -> Site {
    let text = format!(
        "site \"www.foobar.com\" {{\n    server web-01 \"8.8.8.8\"\n    web web-01 static=\"foobar/public\"\n    \
         app web-01 code=\"foobar\" health=\"/health\" start-within=\"3s\" {{\n        build \"{build}\"\n        run \"{run}\"\n    }}\n}}\n"
    );
    Site::with_file(name, &text)
}

/// `up` says all of `words`, does not call it a success, and files are served all the same.
fn is_told(site: &Site, words: &[&str]) {
    let output = site.terrace(&["up", "--detach"]);
    let said = both(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for word in words {
        assert!(said.contains(word), "`up` did not say {word:?}: {said}");
    }
    let style = site.on(
        "internet",
        &[
            "curl",
            "-s",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "http://www.foobar.com/style.css",
        ],
    );
    assert_eq!(style, "200");
    let page = site.on("internet", &["curl", "-si", "http://www.foobar.com/"]);
    assert!(page.starts_with("HTTP/1.1 50"), "{page}");
}

#[test]
fn a_build_that_fails_is_shown_with_its_last_lines() {
    if !harness::is_root() {
        return;
    }
    let site = with_app(
        "failing-build",
        "echo no such module: stripe >&2; exit 3",
        "sleep 1000",
    );
    is_told(&site, &["no such module: stripe", "3", "foobar"]);
}

#[test]
fn an_app_that_never_listens_is_named() {
    if !harness::is_root() {
        return;
    }
    let site = with_app("silent-app", "true", "sleep 1000");
    is_told(
        &site,
        &[
            "web-01/app",
            "/health",
            "start-within=",
            "terrace logs web-01/app",
        ],
    );
}

#[test]
fn an_app_that_crashes_again_and_again_is_shown_with_its_last_words() {
    if !harness::is_root() {
        return;
    }
    let site = with_app(
        "crashing-app",
        "true",
        "sh -c 'echo No module named stripe >&2; exit 9'",
    );
    is_told(
        &site,
        &["web-01/app", "exit code 9", "No module named stripe"],
    );
    wait_until("the crash loop is seen in `status`", || {
        both(&site.terrace(&["status"])).contains("failing")
    });
}

#[test]
fn a_bad_file_changes_nothing_and_every_mistake_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("site.kdl");
    fs::write(&file, "site \"www.foobar.com\" {\n    server web-01 10.0.0.21\n    web web-1 static=\"public\"\n}\n").unwrap();
    for command in ["check", "up"] {
        let mut call = harness::program();
        call.args([command, file.to_str().unwrap()]);
        let output = finish(call);
        let said = both(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.contains(":2:19") && said.contains(":3:9") && said.contains("web-01"),
            "{said}"
        );
    }
    assert!(!directory.path().join(".terrace").exists());
}

#[test]
fn what_the_file_names_and_is_not_there_is_named_before_anything_is_started() {
    let directory = tempfile::tempdir().unwrap();
    let call = |command: &[&str]| {
        let mut call = std::process::Command::new(harness::binary());
        call.args(command).current_dir(directory.path());
        finish(call)
    };
    assert!(call(&["init"]).status.success());
    let missing = |command: &[&str], code: i32, what: &[&str]| {
        let output = call(command);
        let said = both(&output);
        assert_eq!(output.status.code(), Some(code), "{command:?}: {said}");
        for word in what {
            assert!(
                said.contains(word),
                "{command:?} did not say {word:?}: {said}"
            );
        }
    };
    let both_missing = [
        "site.kdl:5:23",
        "`public` is not there",
        "site.kdl:6:21",
        "`app` is not there",
    ];
    missing(&["check"], 0, &both_missing);
    missing(
        &["check", "--json"],
        0,
        &["\"not-there\"", "\"line\": 5", "\"severity\": \"warning\""],
    );
    missing(&["up"], 2, &both_missing);
    missing(&["up", "--detach"], 2, &["mkdir ", "Nothing was started"]);
    assert!(!directory.path().join(".terrace").exists());
    fs::create_dir(directory.path().join("public")).unwrap();
    fs::write(directory.path().join("app"), "").unwrap();
    missing(&["up"], 2, &["`app` is a file, not a directory"]);
}

#[test]
fn no_cause_is_said_twice() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let good = "site \"www.foobar.com\" {\n    server web-01 \"8.8.8.8\"\n    web web-01 static=\".\"\n}\n";
    for place in ["state", "lock", "log"] {
        fs::create_dir(path(place)).unwrap();
        fs::write(path(place).join("site.kdl"), good).unwrap();
    }
    fs::write(path("state/.terrace"), "").unwrap();
    for occupied in [
        "lock/.terrace/www.foobar.com/lock",
        "log/.terrace/www.foobar.com/coordinator.log",
    ] {
        fs::create_dir_all(path(occupied)).unwrap();
    }
    fs::write(path("file"), "").unwrap();
    fs::write(path("binary.kdl"), b"\xff\0").unwrap();
    let calls: [&[&str]; 10] = [
        &["check", "nosuch.kdl"],
        &["check", "lock"],
        &["check", "binary.kdl"],
        &["check", "file/site.kdl"],
        &["up", "--detach", "state/site.kdl"],
        &["up", "--detach", "lock/site.kdl"],
        &["down", "lock/site.kdl"],
        &["status", "lock/site.kdl"],
        &["init", "--file", "file"],
        &["draw", "log/site.kdl", "--svg", "lock"],
    ];
    for call in calls {
        let mut command = harness::program();
        command.args(call).current_dir(directory.path());
        let output = finish(command);
        let said = both(&output);
        assert!(
            matches!(output.status.code(), Some(1 | 2)),
            "{call:?}: {said}"
        );
        assert!(!said.contains("panicked"), "{call:?}: {said}");
        for line in said.lines() {
            let causes: Vec<&str> = line
                .split(": ")
                .filter(|cause| cause.contains(' '))
                .collect();
            let unique: std::collections::BTreeSet<&str> = causes.iter().copied().collect();
            assert_eq!(unique.len(), causes.len(), "{call:?}: {said}");
        }
    }
}

#[test]
fn what_cannot_run_yet_is_refused_with_its_line() {
    let stacks = concat!(env!("CARGO_MANIFEST_DIR"), "/../../stacks");
    for (stack, word) in [
        ("2-secured_and_monitored_web_infrastructure.kdl", "firewall"),
        ("3-scale_up.kdl", "quorum"),
    ] {
        let file = format!("{stacks}/{stack}");
        let call = |command: &str| {
            let mut call = harness::program();
            call.args([command, &file]);
            finish(call)
        };
        assert_eq!(
            call("check").status.code(),
            Some(0),
            "{}",
            both(&call("check"))
        );
        let refused = call("up");
        assert_eq!(refused.status.code(), Some(2), "{}", both(&refused));
        assert!(
            both(&refused).contains(word) && both(&refused).contains(&format!("{stack}:")),
            "{}",
            both(&refused)
        );
    }
}

#[test]
fn an_app_that_needs_its_time_gets_it_and_says_how_much_is_left() {
    if !harness::is_root() {
        return;
    }
    let serve = "sleep 4; exec python3 -m http.server --bind $HOST $PORT";
    let text = format!(
        "site \"www.foobar.com\" {{\n    server web-01 \"8.8.8.8\"\n    web web-01 static=\"foobar/public\"\n    \
         app web-01 code=\"foobar\" start-within=\"90s\" {{\n        run \"{serve}\"\n    }}\n}}\n"
    );
    let site = Site::with_file("slow-app", &text);
    let mut up = site.command(&["up", "--detach"]).spawn().unwrap();
    wait_until("how much of its time has passed is shown", || {
        let shown = both(&site.terrace(&["status"]));
        shown.contains("starting") && shown.contains(" s of 90 s")
    });
    let came = harness::wait(&mut up, std::time::Duration::from_secs(60));
    assert!(came.success());
}

/// Two apps that run, and not where they should: the one on another port, the other on IPv6 alone.
#[test]
fn an_app_that_listens_elsewhere_is_told_so_and_every_command_that_status_prints_works() {
    if !harness::is_root() {
        return;
    }
    let app = |more: &str, at: &str| {
        format!(
            "    app web-01 code=\"foobar\" {more} start-within=\"3s\" {{\n        run \"exec python3 -m http.server {at}\"\n    }}\n"
        )
    };
    let text = format!(
        "site \"www.foobar.com\" {{\n    server web-01 \"8.8.8.8\"\n    web web-01 static=\"foobar/public\"\n{}{}}}\n",
        app("name=shop", "9999"),
        app("name=api path=\"/api\"", "--bind ::1 $PORT"),
    );
    let site = Site::with_file("elsewhere", &text);
    let said = both(&site.terrace(&["up", "--detach"]));
    for word in [
        "web-01/app/1 is not reached: it listens on 9999, not on $PORT (8001)",
        "web-01/app-api/1 is not reached: it listens on [::1]:8101, not on $HOST:$PORT (127.0.0.1:8101)",
    ] {
        assert!(said.contains(word), "`up` did not say {word:?}: {said}");
    }
    wait_until("status says it, by the names of the apps", || {
        let shown = both(&site.terrace(&["status"]));
        let rows = |name: &str| {
            shown
                .lines()
                .find(|line| line.contains(name))
                .map(str::to_owned)
        };
        rows("app/1 (shop)").is_some_and(|row| row.contains("it listens on 9999"))
            && rows("app-api/1 (api)").is_some_and(|row| row.contains("it listens on [::1]:8101"))
    });
    let shown = both(&site.terrace(&["status"]));
    let hints: Vec<&str> = shown
        .lines()
        .filter(|line| line.contains(" logs web-01/"))
        .collect();
    assert!(hints.len() >= 2, "{shown}");
    for hint in hints {
        let mut call = harness::program();
        call.args(hint.split_whitespace().skip(1))
            .current_dir(&site.directory);
        let output = finish(call);
        assert!(output.status.success(), "{hint}: {}", both(&output));
    }
}

#[test]
fn a_port_that_another_program_has_is_named() {
    if !harness::is_root() {
        return;
    }
    let site = with_app(
        "taken-port",
        "true",
        "exec python3 -m http.server --bind 127.0.0.1 9100",
    );
    // It is the agent's. The app's own words say what is wrong.
    is_told(
        &site,
        &["Address already in use", "terrace logs web-01/app"],
    );
}

#[test]
fn a_database_that_is_not_installed_is_named_with_its_package() {
    if !harness::is_root() {
        return;
    }
    let text = "site \"www.foobar.com\" {\n    server web-01 \"8.8.8.8\"\n    web web-01 static=\"foobar/public\"\n    \
                app web-01 code=\"foobar\" health=\"/health\" {\n        run \"sleep 1000\"\n    }\n    \
                database web-01 engine=mysql\n}\n";
    let site = Site::with_file("no-database", text);
    is_told(
        &site,
        &["web-01/database", "no MySQL server on PATH", "install"],
    );
}
