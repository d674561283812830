use crate::problem::Severity;

use super::{Loaded, load, not_yet};

/// The codes and lines of all problems of a site with these lines inside.
fn problems(inside: &str) -> Vec<(&'static str, usize)> {
    let source = format!("site \"www.foobar.com\" {{\n{inside}\n}}\n");
    let Loaded { problems, .. } = load(&source);
    problems
        .iter()
        .map(|problem| (problem.code, problem.line(&source)))
        .collect()
}

/// The one problem of a site with these lines inside, as message and label.
fn problem(inside: &str) -> (String, String) {
    let source = format!("site \"www.foobar.com\" {{\n{inside}\n}}\n");
    let problems = load(&source).problems;
    let [problem] = problems.as_slice() else {
        panic!("one problem is expected: {problems:?}")
    };
    (problem.message.clone(), problem.labels[0].text.clone())
}

const SERVERS: &str = "server web-01 \"10.0.0.21\"\nserver web-02 \"10.0.0.22\"\n";

fn on_two(inside: &str) -> (String, String) {
    problem(&format!("{SERVERS}{inside}"))
}

#[test]
fn words_and_settings_that_are_not_known() {
    let (message, label) = on_two("wep static=\"public\"\nweb static=\"public\"");
    assert_eq!(
        (message.as_str(), label.as_str()),
        ("there is no word `wep`", "did you mean `web`?")
    );
    let (message, label) = on_two("web stattic=\"public\" static=\"public\"");
    assert_eq!(
        (message.as_str(), label.as_str()),
        ("`web` has no setting `stattic`", "did you mean `static`?")
    );
    let (_, label) = on_two("web static=\"public\" { web-02 wieght=2; }");
    assert_eq!(label, "did you mean `weight`?");
}

#[test]
fn a_server_that_is_not_known_points_at_the_nearest() {
    let source =
        "site \"www.foobar.com\" {\nserver web-02 \"10.0.0.22\"\nweb web-2 static=\"public\"\n}";
    let problems = load(source).problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].message, "no server is called `web-2`");
    assert_eq!(
        &source[problems[0].labels[1].span.start..problems[0].labels[1].span.end],
        "web-02"
    );
}

#[test]
fn a_setting_on_the_wrong_side_of_the_braces() {
    let (_, label) =
        problem("server web-01 \"10.0.0.21\" public=\"8.8.8.8\"\nweb static=\"public\"");
    assert_eq!(label, "write { public \"8.8.8.8\"; } behind the line");
    let (_, label) = on_two("web static=\"public\"\nmonitor { every \"1s\"; }");
    assert_eq!(label, "write every=\"1s\" on that line");
}

#[test]
fn values_say_what_they_must_look_like() {
    for (inside, wanted) in [
        ("web static=\"\"", "a path beside the file is expected"),
        ("web static=3", "`3` is not a path beside the file"),
        (
            "web static=\"p\" { web-01 weight=0; }",
            "`weight` cannot be 0",
        ),
        (
            "web static=\"p\" { web-01 weight=\"2\"; }",
            "`\"2\"` is not a whole number",
        ),
        (
            "load-balancer web-01 balance=round\nweb static=\"p\"",
            "`round` is not a way to balance",
        ),
        (
            "web static=\"p\" { timeouts total=\"1 minute\"; }",
            "`1 minute` is not a duration",
        ),
        (
            "app code=\"a\" health=\"health\" { run \"x\"; }",
            "`health` is not a path of the site",
        ),
        (
            "app code=\"a\" copies=65 { run \"x\"; }",
            "`copies` cannot be 65",
        ),
        (
            "app code=\"a\" { run \"x\"; env PORT=80; }",
            "`PORT` is not the name of a variable",
        ),
        (
            "web static=\"p\"\nfirewall { ssh \"203.0.113.7/24\"; }",
            "`203.0.113.7/24` is not a network",
        ),
        (
            "web static=\"p\"\ncertificate issuer=acne",
            "`acne` is not an issuer",
        ),
        (
            "dns { record \"x.foobar.com\" A \"::1\"; }",
            "`::1` cannot be the value of A",
        ),
    ] {
        assert_eq!(on_two(inside).0, wanted, "{inside}");
    }
}

#[test]
fn what_is_missing_is_named() {
    for (inside, wanted) in [
        ("app health=\"/\" { run \"x\"; }", "`app` needs `code`"),
        ("app code=\"a\"", "`app` needs `run`"),
        (
            "server web-03\nweb static=\"p\"",
            "`server` needs an address",
        ),
        ("web", "`web` has nothing to serve"),
        (
            "web static=\"p\" { health every=\"1s\"; }",
            "something is missing behind `health`",
        ),
        (
            "web static=\"p\"\ncertificate cert=\"c.pem\"",
            "`cert` stands without `key`",
        ),
        (
            "load-balancer web-01\ndatabase",
            "`load-balancer` has nothing to balance over",
        ),
        ("web static=\"p\"\nquorum", "`quorum` has nothing to decide"),
    ] {
        assert_eq!(on_two(inside).0, wanted, "{inside}");
    }
}

#[test]
fn nothing_stands_twice_that_may_stand_once() {
    for (inside, wanted) in [
        ("web static=\"p\"\nweb static=\"q\"", "`web` stands twice"),
        (
            "web web-01 web-02 web-01 static=\"p\"",
            "`web` names web-01 twice",
        ),
        (
            "server web-01 \"10.0.0.9\"\nweb static=\"p\"",
            "two servers are called `web-01`",
        ),
        (
            "server web-03 \"10.0.0.22\"\nweb static=\"p\"",
            "web-02 and web-03 have the same address 10.0.0.22",
        ),
        (
            "alias \"www.foobar.com\"\nweb static=\"p\"",
            "`www.foobar.com` is the site's own name",
        ),
        (
            "alias \"foobar.com\"\nredirect \"foobar.com\"\nweb static=\"p\"",
            "`foobar.com` stands twice",
        ),
        (
            "app code=\"a\" { run \"x\"; }\napp code=\"b\" { run \"x\"; }",
            "two apps answer for every path",
        ),
        (
            "app code=\"a\" health=\"/\" { run \"x\"; health \"/\"; }",
            "`health` is given twice",
        ),
        (
            "app code=\"a\" { run \"x\"; php \"index.php\"; }",
            "an app is started by `run` or by `php`",
        ),
    ] {
        assert_eq!(on_two(inside).0, wanted, "{inside}");
    }
}

#[test]
fn a_cname_stands_alone() {
    let (message, _) = on_two(
        "dns { record \"a.foobar.com\" CNAME \"b.foobar.com\"; record \"a.foobar.com\" TXT \"x\"; }",
    );
    assert_eq!(message, "`a.foobar.com` has a CNAME and other records");
}

#[test]
fn the_database_is_named_after_the_site() {
    for (site, wanted) in [
        ("www.foobar.com", "foobar"),
        ("foobar.com", "foobar"),
        ("www.foo-bar.co.uk", "foo_bar"),
        ("www.abc.com", "abc"),
        ("www.mysql.com", "site"),
    ] {
        let site = load(&format!(
            "site \"{site}\" {{\nserver a \"10.0.0.1\"\ndatabase\n}}"
        ))
        .site
        .unwrap();
        assert_eq!(site.database().unwrap().name().as_str(), wanted);
    }
}

#[test]
fn names_stay_within_the_zone() {
    assert_eq!(
        on_two("alias \"foobar.org\"\nweb static=\"p\"").0,
        "`foobar.org` is not within the zone `foobar.com`"
    );
    let loaded = load(
        "site \"www.foobar.com\" zone=\"foobar.org\" {\n server a \"10.0.0.1\"\n web static=\"p\"\n}",
    );
    assert_eq!(loaded.problems.len(), 1, "{:?}", loaded.problems);
    assert_eq!(loaded.problems[0].code, "outside-zone");
}

#[test]
fn warnings_leave_the_site_usable() {
    let source = format!("site \"www.foobar.com\" {{\n{SERVERS}web web-01 static=\"p\"\n}}");
    let loaded = load(&source);
    let codes: Vec<_> = loaded
        .problems
        .iter()
        .map(|problem| (problem.code, problem.severity))
        .collect();
    assert_eq!(codes, [("idle-server", Severity::Warning)]);
    assert!(loaded.site.is_some());
}

#[test]
fn every_mistake_is_found_at_once() {
    let inside = "server web-01 \"10.0.0.300\" plaice=\"x\"\nweb web-1 statik=\"p\"\napp copies=0 { run \"\"; }\nmonitor every=1";
    let found = problems(inside);
    let wanted = [
        ("wrong-value", 2),
        ("unknown-setting", 2),
        ("unknown-server", 3),
        ("unknown-setting", 3),
        ("missing", 4),
        ("out-of-range", 4),
        ("wrong-value", 4),
        ("wrong-type", 5),
    ];
    assert_eq!(found, wanted);
}

#[test]
fn what_cannot_run_yet_is_refused_by_its_line() {
    let source = format!(
        "site \"www.foobar.com\" {{\n{SERVERS}load-balancer web-01 balance=random\nweb static=\"p\"\ncertificate\npromise\n}}"
    );
    let site = load(&source).site.unwrap();
    let refused: Vec<_> = not_yet(&site)
        .iter()
        .map(|problem| (problem.message.clone(), problem.line(&source)))
        .collect();
    let lines: Vec<usize> = refused.iter().map(|(_, line)| *line).collect();
    assert_eq!(lines, [4, 6, 7]);
    assert_eq!(
        refused[1].0,
        "`certificate` passes `check`, but `up` cannot run it yet"
    );
}

#[test]
fn a_queue_needs_a_bound_to_wait_at() {
    let balancer = |queue: &str| {
        format!(
            "{SERVERS}server lb-01 \"10.0.0.10\"\nweb web-01 web-02 static=\"public\"\nload-balancer lb-01 {{ queue {queue}; }}"
        )
    };
    let (message, label) = problem(&balancer("waiting=10"));
    assert_eq!(
        (message.as_str(), label.as_str()),
        (
            "`queue` does not say how many requests a server gets at a time",
            "add in-flight=100"
        )
    );
    assert_eq!(problems(&balancer("in-flight=100 within=\"2s\"")), []);
    assert_eq!(problems(&balancer("in-flight=0")), [("out-of-range", 6)]);
}
