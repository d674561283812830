use std::fs;
use std::path::{Path, PathBuf};

use terrace_protocol::build::{Built, Link};

use super::*;

struct Place {
    root: tempfile::TempDir,
    order: Order,
}

fn place(build: &[&str]) -> Place {
    let root = tempfile::tempdir().unwrap();
    let code = root.path().join("code");
    fs::create_dir(&code).unwrap();
    fs::write(code.join("app.sh"), "echo hello").unwrap();
    let order = Order {
        app: "foobar".into(),
        code,
        releases: root.path().join("releases"),
        build: build.iter().map(|&command| command.to_owned()).collect(),
        ..Order::default()
    };
    Place { root, order }
}

impl Place {
    fn prepare(&self) -> Result<Built, Error> {
        prepare(&self.order, &|| (), &mut |_| {})
    }

    fn path(&self, release: &str) -> PathBuf {
        self.order.releases.join("foobar").join(release)
    }

    fn releases(&self) -> usize {
        let all = fs::read_dir(self.order.releases.join("foobar")).unwrap();
        all.filter(|entry| entry.as_ref().unwrap().file_type().unwrap().is_dir())
            .count()
    }

    fn change(&self, content: &str) {
        fs::write(self.order.code.join("app.sh"), content).unwrap();
    }
}

#[test]
fn a_release_is_built_once_where_it_runs() {
    let place = place(&["pwd > where; date +%N > when", "cat app.sh where > both"]);
    let first = place.prepare().unwrap();
    assert!(first.fresh);
    let at = place.path(&first.release);
    let read = |name: &str| fs::read_to_string(at.join(name)).unwrap();
    assert_eq!(
        Path::new(read("where").trim()),
        at.canonicalize().unwrap(),
        "built at the path that it runs from"
    );
    assert!(read("both").starts_with("echo hello"));
    let when = read("when");

    let second = place.prepare().unwrap();
    assert!(!second.fresh);
    assert_eq!(
        (second.release, read("when")),
        (first.release, when),
        "nothing ran again"
    );
}

#[test]
fn progress_tells_the_release_each_command_and_each_line() {
    let place = place(&["echo one; echo two >&2", "true"]);
    let mut told = Vec::new();
    let built = prepare(&place.order, &|| (), &mut |progress| told.push(progress)).unwrap();
    assert_eq!(
        told,
        [
            Progress::Building {
                release: built.release
            },
            Progress::Command("echo one; echo two >&2".into()),
            Progress::Line("one".into()),
            Progress::Line("two".into()),
            Progress::Command("true".into()),
        ]
    );
}

#[test]
fn a_failed_command_is_named_with_its_exit_code_and_last_lines_and_leaves_nothing_whole() {
    let mut place = place(&["echo built > part", "seq 1 100; exit 3"]);
    let failure = place.prepare().unwrap_err().failure();
    assert_eq!(
        failure.cause,
        "the build command `seq 1 100; exit 3` ended with exit code 3"
    );
    let expected: Vec<String> = (81..=100).map(|line: u32| line.to_string()).collect();
    assert_eq!(failure.lines, expected);

    // The half-built release has no claim to its directory: the next build starts from the code alone.
    place.order.build = vec!["echo built > part".into(), "test -e broken".into()];
    place.prepare().unwrap_err();
    fs::write(place.order.code.join("broken"), "").unwrap();
    let built = place.prepare().unwrap();
    assert!(place.path(&built.release).join("part").exists());
    assert_eq!(place.releases(), 1, "what was half-built is gone");
}

#[test]
fn an_interrupted_build_is_made_anew() {
    let place = place(&["test ! -e stale && echo built > part"]);
    let built = place.prepare().unwrap();
    let at = place.path(&built.release);
    fs::remove_file(at.join(".terrace-release")).unwrap();
    fs::write(at.join("stale"), "").unwrap();
    let again = place.prepare().unwrap();
    assert!(again.fresh && again.release == built.release);
    assert!(!at.join("stale").exists() && at.join("part").exists());
}

#[test]
fn a_missing_program_says_what_to_do() {
    let failure = place(&["no-such-program-here --version"])
        .prepare()
        .unwrap_err()
        .failure();
    assert!(
        failure.cause.ends_with("exit code 127"),
        "{}",
        failure.cause
    );
    assert!(failure.remedy.unwrap().starts_with("install the program"));
}

#[test]
fn three_releases_are_kept_and_those_in_use() {
    let mut place = place(&[]);
    let first = place.prepare().unwrap().release;
    place.order.in_use = vec![first.clone()];
    let mut last = String::new();
    for version in 1..6 {
        place.change(&format!("version {version}"));
        last = place.prepare().unwrap().release;
    }
    assert!(place.path(&first).exists() && place.path(&last).exists());
    assert_eq!(place.releases(), 3);
    place.order.in_use.clear();
    place.change("version 6");
    place.prepare().unwrap();
    assert_eq!(place.releases(), 3);
    assert!(!place.path(&first).exists(), "the one used longest ago");
}

#[test]
fn kept_directories_are_links_out_of_the_release() {
    let mut place = place(&["echo file > uploads/picture"]);
    let kept = place.root.path().join("kept");
    fs::create_dir(&kept).unwrap();
    fs::create_dir(place.order.code.join("uploads")).unwrap();
    fs::write(place.order.code.join("uploads/.gitkeep"), "").unwrap();
    place.order.keep = vec![Link {
        at: "uploads".into(),
        to: kept.clone(),
    }];
    place.prepare().unwrap();
    assert!(kept.join("picture").exists());

    fs::write(place.order.code.join("uploads/mine"), "").unwrap();
    let error = place.prepare().unwrap_err().to_string();
    assert!(error.contains("uploads/mine"), "{error}");
    place.order.keep[0].at = "../outside".into();
    let error = place.prepare().unwrap_err().to_string();
    assert!(error.contains("within the code"), "{error}");
}

/// What a command has left running, known by the file that it wrote its number to. Ended when the test is.
struct Left(PathBuf);

impl Drop for Left {
    fn drop(&mut self) {
        let number = fs::read_to_string(&self.0).unwrap();
        let number = rustix::process::Pid::from_raw(number.trim().parse().unwrap()).unwrap();
        let _ = rustix::process::kill_process(number, rustix::process::Signal::KILL);
    }
}

#[test]
fn a_command_ends_with_its_program_whatever_it_has_left_running() {
    for left in ["sleep 711", "yes"] {
        let pid = tempfile::NamedTempFile::new().unwrap();
        let command = format!("{left} & echo $! > '{}'; echo done", pid.path().display());
        let place = place(&[&command]);
        let (order, (heard, told)) = (place.order.clone(), std::sync::mpsc::channel());
        std::thread::spawn(move || {
            let mut lines = Vec::new();
            let built = prepare(&order, &|| (), &mut |progress| match progress {
                Progress::Line(line) if line != "y" => lines.push(line),
                _ => {}
            });
            let _ = heard.send((built.is_ok(), lines));
        });
        let ended = told.recv_timeout(std::time::Duration::from_secs(20));
        drop(Left(pid.path().to_owned()));
        assert_eq!(ended.unwrap(), (true, vec!["done".to_owned()]), "{left}");
    }
}

#[test]
fn all_that_a_command_wrote_is_heard() {
    let place = place(&["seq 20000; printf 'no end'", "exec >&- 2>&-; sleep 0.01"]);
    let (mut lines, cleared) = (Vec::new(), std::cell::Cell::new(0));
    let clear = || cleared.set(cleared.get() + 1);
    let built = prepare(&place.order, &clear, &mut |progress| {
        if let Progress::Line(line) = progress {
            lines.push(line);
        }
    });
    assert!(built.is_ok());
    let mut expected: Vec<String> = (1..=20_000).map(|number| number.to_string()).collect();
    expected.push("no end".to_owned());
    assert!(lines == expected, "{} lines", lines.len());
    assert_eq!(cleared.get(), 2, "after each command");
}
