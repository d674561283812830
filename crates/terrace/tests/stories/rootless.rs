//! The same as an ordinary user, in a user namespace.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

use crate::builds::running;
use crate::harness::{self, both, finish};

/// A user that this machine does not know, who owns a directory and nothing else.
const NOBODY_IN_PARTICULAR: u32 = 61_234;

/// A home with a copy of the stacks and of the binary, where the user can reach them.
fn home() -> tempfile::TempDir {
    let home = tempfile::Builder::new()
        .prefix("terrace-home")
        .tempdir_in("/tmp")
        .unwrap();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../../stacks");
    let (user, path) = (NOBODY_IN_PARTICULAR, home.path().display());
    let binary = harness::binary().display();
    let script = format!(
        "cp -r '{source}' '{path}/stacks' && rm -rf '{path}/stacks/.terrace' && cp '{binary}' '{path}/terrace' && \
         mkdir -m 700 '{path}/run' && chown -R {user}:{user} '{path}'"
    );
    assert!(
        Command::new("sh")
            .args(["-c", &script])
            .status()
            .unwrap()
            .success()
    );
    home
}

fn call(home: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(home.join("terrace"));
    command
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .env("XDG_RUNTIME_DIR", home.join("run"))
        .envs(std::env::vars().filter(|(name, _)| name.starts_with("PIP_")))
        .current_dir(home)
        .uid(NOBODY_IN_PARTICULAR)
        .gid(NOBODY_IN_PARTICULAR);
    finish(command)
}

#[test]
fn an_ordinary_user_has_the_same_site() {
    if !harness::is_root() {
        return;
    }
    let home = home();
    let file = home.path().join("stacks/0-simple_web_stack.kdl");
    let file = file.to_str().unwrap();
    let up = call(home.path(), &["up", "--detach", file]);
    let seen = std::panic::catch_unwind(|| {
        assert!(up.status.success(), "{}", both(&up));
        assert!(both(&up).contains("user namespace"), "{}", both(&up));
        let on_internet = |command: &[&str]| {
            let exec = [&["exec", "internet", "--file", file, "--"], command].concat();
            both(&call(home.path(), &exec))
        };
        assert_eq!(
            on_internet(&["dig", "+short", "www.foobar.com"]),
            "8.8.8.8\n"
        );
        let page = on_internet(&["curl", "-s", "http://www.foobar.com/"]);
        assert!(page.contains("<form"), "{page}");
    });
    let down = call(home.path(), &["down", file]);
    assert!(down.status.success(), "{}", both(&down));
    if let Err(panic) = seen {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn what_an_ordinary_users_build_leaves_running_ends_with_it() {
    if !harness::is_root() {
        return;
    }
    let home = home();
    let path = home.path().join("stacks/site.kdl");
    let text = "site \"www.foobar.com\" {\n    server web-01 \"8.8.8.8\"\n    web web-01 static=\"foobar/public\"\n    \
                app web-01 code=\"foobar\" {\n        build \"(setsid sleep 727272 &); echo done\"\n        \
                run \"exec python3 -m http.server --bind $HOST $PORT\"\n    }\n}\n";
    std::fs::write(&path, text).unwrap();
    let file = path.to_str().unwrap();
    let up = call(home.path(), &["up", "--detach", file]);
    let left = running("727272");
    let down = call(home.path(), &["down", file]);
    assert!(up.status.success(), "{}", both(&up));
    assert!(down.status.success(), "{}", both(&down));
    assert_eq!(left, 0, "the build has left something running");
}
