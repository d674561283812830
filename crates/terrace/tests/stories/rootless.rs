//! The same as an ordinary user, in a user namespace.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::harness::{self, both, finish};

/// A user that this machine does not know, who owns a directory and nothing else.
const NOBODY_IN_PARTICULAR: u32 = 61_234;

#[test]
fn an_ordinary_user_has_the_same_site() {
    if !harness::is_root() {
        return;
    }
    let home = tempfile::Builder::new()
        .prefix("terrace-home")
        .tempdir_in("/tmp")
        .unwrap();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../../stacks");
    let user = NOBODY_IN_PARTICULAR.to_string();
    let script = format!(
        "cp -r {source} '{0}/stacks' && rm -rf '{0}/stacks/.terrace' && chown -R {user}:{user} '{0}'",
        home.path().display()
    );
    assert!(
        Command::new("sh")
            .args(["-c", &script])
            .status()
            .unwrap()
            .success()
    );
    // The binary stands where the user can reach it.
    let binary = home.path().join("terrace");
    fs::copy(harness::binary(), &binary).unwrap();
    let runtime = home.path().join("run");
    assert!(
        Command::new("install")
            .args(["-d", "-m", "700", "-o", &user, "-g", &user])
            .arg(&runtime)
            .status()
            .unwrap()
            .success()
    );

    let file = home.path().join("stacks/0-simple_web_stack.kdl");
    let call = |arguments: &[&str]| {
        let mut command = Command::new(&binary);
        command
            .args(arguments)
            .env_clear()
            .env("HOME", home.path())
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("XDG_RUNTIME_DIR", &runtime)
            .envs(std::env::vars().filter(|(name, _)| name.starts_with("PIP_")))
            .current_dir(home.path())
            .uid(NOBODY_IN_PARTICULAR)
            .gid(NOBODY_IN_PARTICULAR);
        finish(command)
    };
    let file = file.to_str().unwrap();
    let up = call(&["up", "--detach", file]);
    let seen = std::panic::catch_unwind(|| {
        assert!(up.status.success(), "{}", both(&up));
        assert!(both(&up).contains("user namespace"), "{}", both(&up));
        let dig = call(&[
            "exec",
            "internet",
            "--file",
            file,
            "--",
            "dig",
            "+short",
            "www.foobar.com",
        ]);
        assert_eq!(both(&dig), "8.8.8.8\n");
        let page = call(&[
            "exec",
            "internet",
            "--file",
            file,
            "--",
            "curl",
            "-s",
            "http://www.foobar.com/",
        ]);
        assert!(both(&page).contains("<form"), "{}", both(&page));
    });
    let down = call(&["down", file]);
    assert!(down.status.success(), "{}", both(&down));
    if let Err(panic) = seen {
        std::panic::resume_unwind(panic);
    }
}
