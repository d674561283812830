//! What is kept of a site is damaged while it is down: it is refused by name with a remedy, or made anew and said so. Nothing hangs,
//! and neither data nor a secret is silently another one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::{self, Site, both, wait_until};

/// No command may take longer, whatever it finds.
const BOUND: Duration = Duration::from_secs(20);
/// What is refused is refused before anything is started.
const AT_ONCE: Duration = Duration::from_secs(3);

const FILE: &str = r#"site "www.foobar.com" {
    server lb-01  "10.0.0.10" { public "8.8.8.8"; }
    server web-01 "10.0.0.21"
    server web-02 "10.0.0.22"

    load-balancer lb-01
    web      web-01 web-02 static="foobar/public"
    app      web-01 web-02 code="foobar" {
        build   "true"
        migrate "true"
        run     "exec python3 -m http.server --bind $HOST $PORT"
    }
    database web-01 web-02
}
"#;

/// A site that was up and is down, and a copy of all that was kept of it.
struct Kept {
    site: Site,
    state: PathBuf,
    good: tempfile::TempDir,
}

impl Kept {
    fn new() -> Self {
        let site = Site::with_file("damaged", FILE);
        let state = site.file.with_file_name(".terrace");
        let _ = fs::remove_dir_all(&state);
        site.up();
        is_whole(&site, "web-01");
        site.does(&["down"]);
        let good = tempfile::tempdir_in(&site.directory).unwrap();
        let kept = Self { site, state, good };
        copy(&kept.state, &kept.good.path().join("state"));
        kept
    }

    fn restore(&self) {
        remove(&self.state);
        copy(&self.good.path().join("state"), &self.state);
    }

    fn path(&self, name: &str) -> PathBuf {
        match name {
            "" => self.state.clone(),
            name => self.state.join("www.foobar.com").join(name),
        }
    }

    /// Runs a command within the bound; what it said, with its exit code.
    fn runs(&self, arguments: &[&str]) -> (Option<i32>, String, Duration) {
        let begun = Instant::now();
        let output = self.site.terrace(arguments);
        let (said, took) = (both(&output), begun.elapsed());
        assert!(took < BOUND, "{arguments:?} took {took:?}: {said}");
        assert!(!said.contains("panic"), "{said}");
        (output.status.code(), said, took)
    }

    /// `up` refuses at once and names this path and what to do; the other commands end too, and nothing was made in its place.
    fn is_refused(&self, damaged: &str, named: &str, words: &[&str]) {
        let (code, said, took) = self.runs(&["up", "--detach"]);
        assert_eq!(code, Some(1), "{damaged}: {said}");
        assert!(took < AT_ONCE, "{damaged}: {took:?}: {said}");
        let path = self.path(named).display().to_string();
        assert!(
            said.contains(&path),
            "{damaged}: {path} is not named: {said}"
        );
        assert_eq!(said.matches(&path).count(), 1, "{damaged}: {said}");
        for word in words {
            assert!(said.contains(word), "{damaged}: no {word:?}: {said}");
        }
        let (code, said, _) = self.runs(&["status"]);
        assert_eq!(code, Some(1), "{damaged}: {said}");
        self.runs(&["down"]);
    }

    /// `up` comes as far as it can, and names this path and what to do.
    fn is_told(&self, damaged: &str, words: &[&str]) {
        let (code, said, _) = self.runs(&["up", "--detach"]);
        assert_eq!(code, Some(1), "{damaged}: {said}");
        let path = self.path(damaged).display().to_string();
        for word in words.iter().chain([&path.as_str()]) {
            assert!(said.contains(word), "{damaged}: no {word:?}: {said}");
        }
        let (_, status, _) = self.runs(&["status"]);
        assert!(status.contains(&path), "{damaged}: {status}");
    }
}

/// Both databases serve, and this one takes writes.
fn is_whole(site: &Site, primary: &str) {
    wait_until("both databases serve", || {
        let roles = site.roles();
        let databases = || roles.iter().filter(|role| role["role"] == "database");
        let writes = |role: &&serde_json::Value| role["database"]["writable"] == true;
        let writing: Vec<_> = databases()
            .filter(writes)
            .map(|role| role["id"].clone())
            .collect();
        databases().all(|role| role["state"] == "serving" || role["state"] == "replica")
            && site.terrace(&["status"]).status.success()
            && writing == [format!("{primary}/database")]
    });
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp")
        .arg("-a")
        .args([from, to])
        .status()
        .unwrap();
    assert!(copied.success());
}

fn remove(path: &Path) {
    let removed = match path.symlink_metadata() {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => return,
    };
    removed.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// How a file may be found.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Gone,
    Emptied,
    Truncated,
    Random,
    Other,
    Directory,
}

const ALL: [Damage; 6] = [
    Damage::Gone,
    Damage::Emptied,
    Damage::Truncated,
    Damage::Random,
    Damage::Other,
    Damage::Directory,
];

impl Damage {
    fn is_done_to(self, path: &Path) {
        let before = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let after = match self {
            Damage::Gone => return remove(path),
            Damage::Directory => {
                remove(path);
                return fs::create_dir(path).unwrap();
            }
            Damage::Emptied => Vec::new(),
            Damage::Truncated => before[..before.len() / 2].to_vec(),
            Damage::Random => b"\xff\xfe{\0\x9d\xc3(".to_vec(),
            Damage::Other => b"[{\"another\":\"shape\"}]".to_vec(),
        };
        fs::write(path, after).unwrap();
    }
}

/// Every file below a directory, by its path in it.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => found.extend(files(&entry.path())),
            kind if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found
}

/// What is no more than a copy of what is known otherwise, or is for people to read.
fn is_derived(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or_default();
    let is_notes = name.contains("/copies/") || name.starts_with("plans/");
    is_notes
        || ["plan.json", "my.cnf", "lock", "primary.lock", ".lock"].contains(&last)
        || last.ends_with(".log")
        || last == ".terrace-release"
}

#[test]
fn what_is_damaged_is_named_with_its_remedy_or_made_anew() {
    if !harness::is_root() {
        return;
    }
    let kept = Kept::new();
    refused_at_once(&kept);
    made_anew(&kept);
    told(&kept);
    lost_data(&kept);
}

fn refused_at_once(kept: &Kept) {
    let restore = "restore it from a copy";
    for damage in ALL {
        let path = kept.path("site.json");
        let good = fs::read(&path).unwrap();
        damage.is_done_to(&path);
        kept.is_refused(
            &format!("site.json {damage:?}"),
            "site.json",
            &[restore, "--wipe"],
        );
        remove(&path);
        fs::write(&path, good).unwrap();
    }
    refused_without_secrets(kept);
    refused_without_directories(kept);
}

fn refused_without_secrets(kept: &Kept) {
    let restore = "restore it from a copy";
    let secrets = kept.path("secrets");
    let names = files(&secrets);
    assert_eq!(names.len(), 4, "{names:?}");
    for (number, path) in names.iter().enumerate() {
        let good = fs::read(path).unwrap();
        // One that was cut is another one, which nobody can tell.
        let damages = [
            Damage::Gone,
            Damage::Emptied,
            Damage::Random,
            Damage::Directory,
        ];
        // All of them for the first, one of them for each other.
        let some = if number == 0 {
            &damages[..]
        } else {
            &damages[number..=number]
        };
        for damage in some {
            damage.is_done_to(path);
            let name = path
                .strip_prefix(kept.path(""))
                .unwrap()
                .display()
                .to_string();
            let named = name.strip_prefix("www.foobar.com/").unwrap();
            kept.is_refused(&format!("{named} {damage:?}"), named, &[restore]);
            remove(path);
            fs::write(path, &good).unwrap();
        }
    }
}

fn refused_without_directories(kept: &Kept) {
    let restore = "restore it from a copy";
    for (directory, named, words) in [
        ("secrets", "secrets/database", [restore, "is gone"]),
        ("lock", "lock", ["remove it", "directory"]),
        (
            "servers",
            "servers/web-01/database/data",
            [restore, "the data of web-01 and web-02 is gone"],
        ),
    ] {
        let path = kept.path(directory);
        let hidden = kept.good.path().join("hidden");
        fs::rename(&path, &hidden).unwrap();
        if directory == "lock" {
            fs::create_dir(&path).unwrap();
        }
        kept.is_refused(directory, named, &words);
        remove(&path);
        fs::rename(&hidden, &path).unwrap();
    }
    for directory in ["", "servers", "secrets"] {
        let path = kept.path(directory);
        let hidden = kept.site.directory.join("hidden");
        fs::rename(&path, &hidden).unwrap();
        fs::write(&path, "").unwrap();
        let (code, said, took) = kept.runs(&["up", "--detach"]);
        assert_eq!(code, Some(1), "{directory}: {said}");
        assert!(
            took < AT_ONCE && said.contains(&path.display().to_string()),
            "{directory}: {said}"
        );
        kept.runs(&["down"]);
        remove(&path);
        fs::rename(&hidden, &path).unwrap();
    }
}

/// All at once what follows from something else, in one way and then in another.
fn made_anew(kept: &Kept) {
    for damages in [&ALL[1..4], &ALL[..1]] {
        let state = kept.path("");
        let mut count = 0;
        for path in files(&state) {
            let name = path.strip_prefix(&state).unwrap().display().to_string();
            let name = name.strip_prefix("www.foobar.com/").unwrap_or(&name);
            if is_derived(name) {
                damages[count % damages.len()].is_done_to(&path);
                count += 1;
            }
        }
        assert!(count > 15, "{count}");
        if damages.len() == 1 {
            for lost in [
                "plans",
                "releases",
                "builds",
                "servers/lb-01/primary.json",
                "servers/web-01/migrated",
                "servers/web-01/logs",
            ] {
                remove(&kept.path(lost));
            }
        }
        kept.site.up();
        is_whole(&kept.site, "web-01");
        kept.site.does(&["down"]);
    }
    kept.restore();
}

fn told(kept: &Kept) {
    let record = "servers/lb-01/primary.json";
    let data = "servers/web-01/database/data/terrace.json";
    let migrated = "servers/web-01/migrated/foobar";
    for (damaged, damage, words) in [
        (
            record,
            Damage::Truncated,
            ["who is primary is not known", "remove it"],
        ),
        (
            data,
            Damage::Random,
            ["restore it from a copy", "left alone"],
        ),
        (migrated, Damage::Other, ["or remove it", "once more"]),
    ] {
        let path = kept.path(damaged);
        let good = fs::read(&path).unwrap();
        damage.is_done_to(&path);
        kept.is_told(damaged, &words);
        // What was restored is found without anything else to do.
        remove(&path);
        fs::write(&path, good).unwrap();
        is_whole(&kept.site, "web-01");
        kept.site.does(&["down"]);
    }
}

fn lost_data(kept: &Kept) {
    let data = |server: &str| kept.path(&format!("servers/{server}/database/data"));
    // The replica's is copied from the primary.
    remove(&data("web-02"));
    kept.site.terrace(&["up", "--detach"]);
    is_whole(&kept.site, "web-01");
    kept.site.does(&["down"]);
    // The primary's is not made anew.
    remove(&data("web-01"));
    kept.is_told(
        "servers/web-01/database/data",
        &["restore it from a copy", "terrace failover"],
    );
    assert!(!data("web-01").exists());
    // Another one becomes the primary, and gives it a copy.
    let moved = kept
        .site
        .terrace(&["failover", "web-02", "--accept-data-loss"]);
    assert!(moved.status.success(), "{}", both(&moved));
    is_whole(&kept.site, "web-02");
    assert!(data("web-01").join("terrace.json").is_file());
}
