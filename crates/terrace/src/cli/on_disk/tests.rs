use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

/// A directory with a file of a site, and what is found about it: `code (line): message`, errors with a `!`.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        for directory in ["public", "app"] {
            fs::create_dir(place.path(directory)).unwrap();
            open(&place.path(directory), 0o755);
        }
        fs::write(place.path("app/app.py"), "").unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The one problem that is found.
    fn problem(&self, lines: &str) -> Problem {
        let mut found = self.problems(lines);
        assert_eq!(found.len(), 1, "{lines}: {found:?}");
        found.remove(0)
    }

    /// What is said at the place of the one problem.
    fn label(&self, lines: &str) -> String {
        self.problem(lines).labels[0].text.clone()
    }

    fn problems(&self, lines: &str) -> Vec<Problem> {
        let source =
            format!("site \"www.foobar.com\" {{\n    server web-01 \"8.8.8.8\"\n{lines}\n}}\n");
        let loaded = terrace_site::load(&source);
        assert!(loaded.site.is_some(), "{:?}", loaded.problems);
        let path = self.path("site.kdl");
        fs::write(&path, &source).unwrap();
        look(&SiteFile { path, source })
    }

    fn finds(&self, lines: &str) -> Vec<(bool, &'static str, String)> {
        let found = self.problems(lines);
        let one = |problem: Problem| {
            let fatal = problem.severity == Severity::Error;
            let help = problem.help.unwrap_or_default();
            (fatal, problem.code, format!("{} {help}", problem.message))
        };
        found.into_iter().map(one).collect()
    }

    /// The one thing that is found.
    fn finds_one(&self, lines: &str, fatal: bool, code: &str) -> String {
        let found = self.finds(lines);
        let [(is_fatal, is_code, text)] = &found[..] else {
            panic!("{lines}: {found:?}");
        };
        assert_eq!((*is_fatal, *is_code), (fatal, code), "{lines}: {text}");
        text.clone()
    }
}

fn open(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn app(settings: &str) -> String {
    format!("    web web-01\n    app web-01 code=\"app\" {{\n{settings}\n    }}")
}

#[test]
fn what_is_there_is_not_spoken_of() {
    let place = Place::new();
    let lines = "    web web-01 static=\"public\"\n    app web-01 code=\"app\" {\n        build \"true && sh -c true\"\n        \
                 run \"sh app.py\"\n        keep \"uploads\"\n    }";
    assert_eq!(place.finds(lines), []);
}

#[test]
fn directories_that_cannot_serve_are_refused() {
    let place = Place::new();
    symlink("nowhere", place.path("dangling")).unwrap();
    fs::create_dir(place.path("empty")).unwrap();
    let run = "{ run \"sh app.py\"; }";
    let files =
        |path: &str| format!("    web web-01 static=\"{path}\"\n    app web-01 code=\"app\" {run}");
    let code =
        |path: &str| format!("    web web-01\n    app web-01 code=\"{path}\" name=app {run}");
    for lines in [&files as &dyn Fn(&str) -> String, &code] {
        place.finds_one(&lines("nosuch"), true, "not-there");
        place.finds_one(&lines("dangling"), true, "not-there");
        place.finds_one(&lines("app/app.py"), true, "not-a-directory");
        place.finds_one(&lines("/dev/null"), true, "not-a-directory");
        place.finds_one(&lines("app/app.py/x"), true, "not-readable");
    }
    place.finds_one(&code("empty"), true, "empty");
    let built = place.finds_one(&files("app/dist"), true, "not-there");
    assert!(built.contains("in the release"), "{built}");
    let elsewhere = tempfile::tempdir().unwrap();
    open(elsewhere.path(), 0o755);
    if elsewhere.path().starts_with("/tmp") {
        let path = elsewhere.path().display().to_string();
        place.finds_one(&files(&path), true, "not-seen");
    }
}

#[test]
fn a_directory_that_holds_the_site_is_a_warning_and_never_proposed() {
    let place = Place::new();
    let run = "{ run \"sh app.py\"; }";
    for text in [".", "./", "public/..", "..", "/"] {
        let files = place.finds(&format!("    web web-01 static=\"{text}\""));
        let code = place.finds(&format!(
            "    web web-01\n    app web-01 name=app code=\"{text}\" {run}"
        ));
        for found in [files, code] {
            let found: Vec<_> = found
                .iter()
                .filter(|one| one.1 == "holds-the-site")
                .collect();
            // In /tmp, where tests have their files, hosts have something of their own.
            let [(false, _, said)] = found[..] else {
                assert!(
                    text.len() > 1 && text != "./" && text != "public/..",
                    "{text}: {found:?}"
                );
                continue;
            };
            assert!(
                said.contains("holds the file of the site"),
                "{text}: {said}"
            );
        }
    }
    for text in ["site.kdl", "./site.kdl"] {
        let label = place.label(&format!("    web web-01 static=\"{text}\""));
        assert_eq!(
            label, "name a directory of its own, such as public",
            "{text}"
        );
    }
}

#[test]
fn what_is_no_directory_is_called_what_it_is() {
    let place = Place::new();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        place.path("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    symlink("nowhere", place.path("dangling")).unwrap();
    symlink("loop", place.path("loop")).unwrap();
    let here = place.0.path().canonicalize().unwrap();
    let here = here.display();
    let cases = [
        (
            "fifo",
            "`fifo` is a pipe, not a directory",
            "such as public".to_owned(),
        ),
        (
            "/dev/null",
            "`/dev/null` is a device, not a directory",
            "such as /dev".to_owned(),
        ),
        (
            "public/../app/app.py",
            "is a file, not a directory",
            "such as public/../app".to_owned(),
        ),
        (
            "dangling",
            "is a link to `nowhere`, and there is no such thing",
            format!("ls -l {here}/dangling"),
        ),
        (
            "loop",
            "leads through links that lead to each other",
            format!("ls -l {here}/loop"),
        ),
        (
            "loop/x",
            "leads through links that lead to each other",
            format!("ls -l {here}/loop/x"),
        ),
        (
            "./public//../nosuch/./x",
            "is not there",
            format!("mkdir {here}/nosuch/x, or"),
        ),
    ];
    for (text, message, label) in cases {
        let lines = format!("    web web-01 static=\"{text}\"");
        let said = place.problem(&lines);
        assert!(said.message.contains(message), "{text}: {}", said.message);
        let shown = place.label(&lines);
        assert!(shown.contains(&label), "{text}: {shown}");
    }
}

#[test]
fn files_that_the_web_server_cannot_read_are_a_warning() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let place = Place::new();
    open(&place.path("public"), 0o750);
    place.finds_one("    web web-01 static=\"public\"", false, "not-readable");
}

#[test]
fn programs_that_are_not_there_are_refused_where_nothing_can_bring_them() {
    let place = Place::new();
    for command in [
        "nosuch-program --serve",
        "A=1 nosuch-program",
        "./nosuch",
        "/opt/nosuch/bin/x",
    ] {
        let lines = app(&format!("        run \"{command}\""));
        let found = place.finds(&lines);
        assert!(found.len() == 1 && found[0].0, "{command}: {found:?}");
        assert!(found[0].2.contains("nosuch"), "{command}: {found:?}");
    }
    place.finds_one(&app("        run \"./app.py\""), true, "no-such-program");
    place.finds_one(
        &app("        build \"nosuch-program x\"\n        run \"sh app.py\""),
        true,
        "no-such-program",
    );
    // What a build may bring, and what the file finds elsewhere, is not judged.
    for settings in [
        "        build \"true\"\n        run \".venv/bin/python app.py\"",
        "        run \"nosuch-program\"\n        env PATH=\"/opt/bin\"",
        "        run \"nosuch-program || sh app.py\"",
    ] {
        assert_eq!(place.finds(&app(settings)), [], "{settings}");
    }
}

#[test]
fn other_paths_are_looked_at_too() {
    let place = Place::new();
    let lines = |text: &str| format!("    web web-01 static=\"public\"\n    {text}");
    let found = place.finds(&lines("certificate cert=\"cert.pem\" key=\"public\""));
    let codes: Vec<&str> = found.iter().map(|(_, code, _)| *code).collect();
    assert_eq!(codes, ["not-there", "not-a-file"]);
    place.finds_one(&app("        php \"index.php\""), true, "not-there");
    place.finds_one(
        &app("        build \"true\"\n        php \"public/index.php\""),
        false,
        "not-there",
    );
    let kept = app("        run \"sh app.py\"\n        keep \"data\"");
    assert_eq!(place.finds(&kept), []);
    fs::create_dir(place.path("app/data")).unwrap();
    fs::write(place.path("app/data/.gitkeep"), "").unwrap();
    assert_eq!(place.finds(&kept), []);
    fs::write(place.path("app/data/one"), "").unwrap();
    place.finds_one(&kept, false, "place-taken");
}
