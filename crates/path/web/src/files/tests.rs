use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use terrace_http::head::RequestHead;

use super::*;

/// A root with a secret beside it.
fn tree() -> (tempfile::TempDir, Root) {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("public");
    fs::create_dir_all(root.join("docs")).unwrap();
    fs::create_dir_all(root.join("empty")).unwrap();
    fs::create_dir_all(root.join(".well-known")).unwrap();
    fs::write(directory.path().join("secret.txt"), "secret").unwrap();
    for (name, text) in [
        ("index.html", "home"),
        ("docs/index.html", "docs"),
        ("a b.txt", "0123456789"),
        ("app.3f9a1c2e.js", "js"),
        (".env", "secret"),
        ("code.php", "secret"),
        ("backup.sql", "secret"),
        ("page.html~", "secret"),
        (".well-known/security.txt", "contact"),
    ] {
        fs::write(root.join(name), text).unwrap();
    }
    fs::write(root.join("large.bin"), vec![b'x'; 200_000]).unwrap();
    symlink("../secret.txt", root.join("out.txt")).unwrap();
    symlink("a b.txt", root.join("in.txt")).unwrap();
    let opened = Root::new(fs::File::open(&root).unwrap().into());
    (directory, opened)
}

/// Status and body, or nothing where there is no file.
fn get(root: &Root, target: &str, fields: &str) -> Option<(u16, String)> {
    at(root, target, fields, Instant::now())
}

fn at(root: &Root, target: &str, fields: &str, now: Instant) -> Option<(u16, String)> {
    asked(root, "GET", target, fields, now)
}

fn asked(
    root: &Root,
    method: &str,
    target: &str,
    fields: &str,
    now: Instant,
) -> Option<(u16, String)> {
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes();
    let mut head = RequestHead::default();
    head.parse(&mut text).ok()?;
    let request = Request {
        head: &head,
        buffer: &text,
        now,
    };
    let Found::Answer(answer) = root.find(&request, now) else {
        return None;
    };
    let body = match answer.body {
        Body::Empty => String::new(),
        Body::Memory(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Body::File { offset, length, .. } => format!("file {offset}+{length}"),
    };
    Some((
        answer.status,
        format!("{}|{body}", String::from_utf8_lossy(&answer.head)),
    ))
}

fn body(root: &Root, target: &str, fields: &str) -> Option<(u16, String)> {
    get(root, target, fields)
        .map(|(status, text)| (status, text.rsplit('|').next().unwrap().to_owned()))
}

#[test]
fn paths_mean_the_files_below_the_root_and_no_others() {
    let (_directory, root) = tree();
    let found = |target| body(&root, target, "");
    assert_eq!(found("/"), Some((200, "home".into())));
    assert_eq!(found("/docs/"), Some((200, "docs".into())));
    assert_eq!(found("/a%20b.txt?x=1"), Some((200, "0123456789".into())));
    assert_eq!(found("/in.txt"), Some((200, "0123456789".into())));
    assert_eq!(found("/large.bin"), Some((200, "file 0+200000".into())));
    assert_eq!(
        found("/.well-known/security.txt"),
        Some((200, "contact".into()))
    );
    for missing in [
        "/nothing",
        "/empty/",
        "/empty",
        "/.env",
        "/code.php",
        "/backup.sql",
        "/page.html~",
        "/out.txt",
        "/../secret.txt",
        "/docs/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/docs/..%2f..%2fsecret.txt",
        "/a%20b.txt/",
        "/a%00b",
        "/%zz",
        "//etc/passwd",
    ] {
        assert_eq!(found(missing), None, "{missing}");
    }
    let (status, head) = get(&root, "/docs?x=1", "").unwrap();
    assert!(
        status == 308 && head.contains("Location: /docs/?x=1\r\n"),
        "{head}"
    );
    let (_, head) = get(&root, "//docs", "").unwrap();
    assert!(
        head.contains("Location: /docs/\r\n"),
        "a redirect to another host: {head}"
    );
}

/// Asks for a file with each of these fields, `TAG` and `DATE` being the file's own, and says which status is not as it should be.
fn hold(method: &str, cases: &[(&str, u16)]) {
    let (_directory, root) = tree();
    let (_, head) = get(&root, "/a%20b.txt", "").unwrap();
    let field = |name: &str| {
        let mut lines = head.lines();
        lines.find_map(|line| line.strip_prefix(name)).unwrap()
    };
    for (fields, expected) in cases {
        let lines = fields.replace(" | ", "\r\n") + "\r\n";
        let lines = lines
            .replace("TAG", field("ETag: "))
            .replace("DATE", field("Last-Modified: "));
        let found = asked(&root, method, "/a%20b.txt", &lines, Instant::now());
        assert_eq!(found.unwrap().0, *expected, "{method} {fields}");
    }
}

#[test]
fn tags_are_compared_as_the_standard_says() {
    let cases = [
        ("If-None-Match: TAG", 304),
        ("If-None-Match: \"x\", W/TAG", 304),
        ("If-None-Match: *", 304),
        ("If-None-Match: \"x\"", 200),
        ("If-None-Match: \"x\" | If-Modified-Since: DATE", 200),
        ("If-None-Match: \"x\" | If-None-Match: TAG", 304),
        ("If-None-Match: TAG | If-None-Match: \"x\"", 304),
        ("If-None-Match: \"x\", *", 200),
        ("If-Match: \"x\"", 412),
        ("If-Match: TAG", 200),
        ("If-Match: \"x\" | If-Match: \"y\", TAG", 200),
        ("If-Match: W/TAG", 412),
        ("If-Match: *", 200),
    ];
    hold("GET", &cases);
}

#[test]
fn dates_are_compared_as_the_standard_says() {
    let year = |year: &str| format!("If-Modified-Since: Sun, 06 Nov {year} 08:49:37 GMT");
    for beyond in ["18446744073709551616", "18446744073709551615", "999999"] {
        hold("GET", &[(&year(beyond), 200)]);
    }
    let cases = [
        ("If-Modified-Since: DATE", 304),
        ("If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT", 200),
        ("If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT", 304),
        ("If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT", 200),
        ("If-Modified-Since: Sun Nov  6 08:49:37 1994", 200),
        ("If-Modified-Since: Fri Dec 31 23:59:59 9999", 304),
        ("If-Modified-Since: DATE | If-Modified-Since: DATE", 200),
        ("If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT", 412),
        ("If-Unmodified-Since: Sunday, 06-Nov-94 08:49:37 GMT", 412),
        ("If-Unmodified-Since: Sun Nov  6 08:49:37 1994", 412),
        ("If-Unmodified-Since: Fri, 01 Jan 1960 00:00:00 GMT", 412),
        ("If-Unmodified-Since: x", 200),
    ];
    hold("GET", &cases);
}

#[test]
fn ranges_are_answered_as_the_standard_says() {
    let cases = [
        ("Range: bytes=20-", 416),
        ("Range: bytes=2-4 | If-Range: \"x\"", 200),
        ("Range: bytes=2-4 | If-Range: TAG", 206),
        ("Range: bytes=2-4 | If-Range: W/TAG", 200),
        ("Range: bytes=2-4 | If-Range: DATE", 206),
        ("Range: bytes=2-4 | If-Range: TAG | If-Range: TAG", 200),
        ("Range: bytes=0-0 | Range: bytes=2-2", 200),
        ("Range: bytes=0-99999999999999999999", 206),
        ("Range: bytes=99999999999999999999-", 416),
    ];
    hold("GET", &cases);
    let of_a_get_alone = [
        ("Range: bytes=2-4", 200),
        ("Range: bytes=20-", 200),
        ("If-None-Match: TAG | Range: bytes=2-4", 304),
    ];
    hold("HEAD", &of_a_get_alone);
    let (_directory, root) = tree();
    let (status, text) = get(&root, "/large.bin", "Range: bytes=-5\r\n").unwrap();
    assert!(
        status == 206
            && text.ends_with("|file 199995+5")
            && text.contains("bytes 199995-199999/200000"),
        "{text}"
    );
    let (_, head) = get(&root, "/app.3f9a1c2e.js", "").unwrap();
    assert!(
        head.contains("immutable") && head.contains("text/javascript"),
        "{head}"
    );
}

#[test]
fn a_changed_file_is_served_anew_within_a_second_and_a_deleted_one_is_gone() {
    let (directory, root) = tree();
    let file = directory.path().join("public/a b.txt");
    let now = Instant::now();
    let text = |now| {
        at(&root, "/a%20b.txt", "", now)
            .map(|(_, text)| text.rsplit('|').next().unwrap().to_owned())
    };
    assert_eq!(text(now).as_deref(), Some("0123456789"));
    fs::write(&file, "changed").unwrap();
    assert_eq!(
        text(now + Duration::from_secs(1)).as_deref(),
        Some("changed")
    );
    fs::remove_file(&file).unwrap();
    assert_eq!(text(now + Duration::from_secs(2)), None);
}

#[test]
fn a_fifo_is_no_file_and_nobody_waits_for_it() {
    let (directory, root) = tree();
    let made = std::process::Command::new("mkfifo")
        .arg(directory.path().join("public/pipe.txt"))
        .status()
        .unwrap();
    assert!(made.success());
    assert_eq!(get(&root, "/pipe.txt", ""), None);
}

proptest! {
    /// Whatever is asked for, the secret beside the root is not sent.
    #[test]
    fn no_path_leaves_the_root(parts in prop::collection::vec("(\\.|%2e|%2E|/|%2f|%5c|secret.txt|docs|out.txt|%00|//)", 0..12)) {
        let (_directory, root) = tree();
        if let Some((_, text)) = get(&root, &format!("/{}", parts.concat()), "") {
            prop_assert!(!text.contains("|secret"), "{text}");
        }
    }
}
