use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use terrace_protocol::build::Link;

use super::*;

fn tree() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    fs::create_dir_all(at("templates")).unwrap();
    fs::create_dir_all(at("node_modules/left-pad")).unwrap();
    fs::create_dir_all(at(".git")).unwrap();
    fs::write(at(".gitignore"), "node_modules/\n*.log\n").unwrap();
    fs::write(at("app.py"), "print(1)").unwrap();
    fs::write(at("run.sh"), "#!/bin/sh").unwrap();
    fs::set_permissions(at("run.sh"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(at("templates/page.html"), "<p>").unwrap();
    fs::write(at("debug.log"), "noise").unwrap();
    fs::write(at("node_modules/left-pad/index.js"), "").unwrap();
    fs::write(at(".git/HEAD"), "ref: refs/heads/main").unwrap();
    symlink("app.py", at("main.py")).unwrap();
    root
}

fn digest(root: &tempfile::TempDir) -> blake3::Hash {
    Code::list(root.path()).unwrap().digest().unwrap()
}

fn files(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else {
                let path = entry.path();
                found.push(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_copy_has_all_but_what_git_ignores_and_everyone_can_read_it() {
    let root = tree();
    let copy = tempfile::tempdir().unwrap();
    let code = Code::list(root.path()).unwrap();
    assert_eq!(code.copy(copy.path()).unwrap(), code.digest().unwrap());
    assert_eq!(
        files(copy.path()),
        [
            ".gitignore",
            "app.py",
            "main.py",
            "run.sh",
            "templates/page.html"
        ]
    );
    let mode = |name: &str| {
        fs::metadata(copy.path().join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(
        (mode("app.py"), mode("run.sh"), mode("templates")),
        (0o644, 0o755, 0o755)
    );
    assert_eq!(
        fs::read_link(copy.path().join("main.py")).unwrap(),
        Path::new("app.py")
    );
    assert_eq!(
        digest_of(copy.path()),
        digest(&root),
        "a copy is the same code"
    );
}

#[test]
fn empty_directories_are_code_and_those_with_what_is_ignored_are_not() {
    let root = tree();
    let at = |name: &str| root.path().join(name);
    let before = digest(&root);
    for name in ["cache", ".venv"] {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join(".gitignore"), "*").unwrap();
    }
    assert_eq!(digest(&root), before, "what git ignores");
    fs::create_dir_all(at("data/uploads")).unwrap();
    fs::create_dir(at("node_modules/empty")).unwrap();
    assert_ne!(digest(&root), before);
    let copy = tempfile::tempdir().unwrap();
    let code = Code::list(root.path()).unwrap();
    assert_eq!(code.copy(copy.path()).unwrap(), code.digest().unwrap());
    let uploads = fs::metadata(copy.path().join("data/uploads")).unwrap();
    assert_eq!(uploads.permissions().mode() & 0o777, 0o755);
    for name in ["cache", ".venv", "node_modules"] {
        assert!(!copy.path().join(name).exists(), "{name}");
    }
    let nothing = tempfile::tempdir().unwrap();
    fs::create_dir(nothing.path().join("uploads")).unwrap();
    assert!(matches!(Code::list(nothing.path()), Err(Error::Empty(_))));
}

fn digest_of(path: &Path) -> blake3::Hash {
    Code::list(path).unwrap().digest().unwrap()
}

#[test]
fn the_hash_follows_names_modes_and_contents_and_nothing_else() {
    let root = tree();
    let at = |name: &str| root.path().join(name);
    let before = digest(&root);
    fs::write(at("debug.log"), "more noise").unwrap();
    fs::write(at(".git/HEAD"), "ref: refs/heads/other").unwrap();
    fs::write(at("app.py"), "print(1)").unwrap();
    assert_eq!(digest(&root), before);

    let mut seen = vec![before];
    let mut changed = |what: &str| {
        let now = digest(&root);
        assert!(!seen.contains(&now), "{what}");
        seen.push(now);
    };
    fs::write(at("app.py"), "print(2)").unwrap();
    changed("content");
    fs::set_permissions(at("app.py"), fs::Permissions::from_mode(0o755)).unwrap();
    changed("mode");
    fs::rename(at("app.py"), at("app2.py")).unwrap();
    changed("name");
    fs::remove_file(at("main.py")).unwrap();
    changed("fewer files");
    symlink("app2.py", at("main.py")).unwrap();
    changed("a link");
    fs::write(at(".gitignore"), "").unwrap();
    changed("what is ignored");
}

#[test]
fn code_that_is_not_there_or_ignored_as_a_whole_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let missing = Code::list(&root.path().join("nowhere")).unwrap_err();
    assert!(matches!(missing, Error::Missing(..)), "{missing}");
    fs::write(root.path().join(".gitignore"), "*\n").unwrap();
    let empty = Code::list(root.path()).unwrap_err();
    assert!(matches!(empty, Error::Empty(_)), "{empty}");
}

#[test]
fn the_id_follows_commands_links_and_programs() {
    let path = |tools: &Path| SearchPath::new(tools.as_os_str(), false);
    let tools = tempfile::tempdir().unwrap();
    let content = blake3::hash(b"code");
    let order = Order {
        build: vec!["tool make".into()],
        ..Order::default()
    };
    let first = id(&order, &content, &path(tools.path()));
    assert_eq!(first.len(), ID_LENGTH);
    assert_eq!(first, id(&order, &content, &path(tools.path())));

    let tool = tools.path().join("tool");
    fs::write(&tool, "").unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    let with_tool = id(&order, &content, &path(tools.path()));
    let other_code = id(&order, &blake3::hash(b"other"), &path(tools.path()));
    let more = |change: fn(&mut Order)| {
        let mut order = order.clone();
        change(&mut order);
        id(&order, &content, &path(tools.path()))
    };
    let other_command = more(|order| order.build.push("true".into()));
    let other_link = more(|order| {
        order.keep.push(Link {
            at: "uploads".into(),
            to: "/var".into(),
        });
    });
    let all = [&first, &with_tool, &other_code, &other_command, &other_link];
    let distinct: std::collections::BTreeSet<_> = all.into_iter().collect();
    assert_eq!(distinct.len(), all.len());
    let other_place = more(|order| order.releases = "/elsewhere".into());
    assert_eq!(other_place, with_tool);
}
