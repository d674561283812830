//! Every stage file: the drawing can be read, the questions have answers, and the page in docs/ is current.

#![allow(
    clippy::unwrap_used,
    reason = "a test says what went wrong by panicking"
)]

use std::fs;
use std::path::Path;

use terrace_insight::{Design, draw, explain, failures, findings, page};

const STAGES: [(&str, &str); 4] = [
    ("0-simple_web_stack", "Stage 0: simple web stack"),
    (
        "1-distributed_web_infrastructure",
        "Stage 1: distributed web infrastructure",
    ),
    (
        "2-secured_and_monitored_web_infrastructure",
        "Stage 2: secured and monitored web infrastructure",
    ),
    ("3-scale_up", "Stage 3: scale up"),
];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn design(stage: &str) -> Design {
    let source = fs::read_to_string(root().join(format!("stacks/{stage}.kdl"))).unwrap();
    Design::of(&terrace_site::load(&source).site.unwrap())
}

#[test]
fn no_drawing_has_overlaps() {
    for (stage, _) in STAGES {
        let scene = draw::scene(&design(stage));
        assert_eq!(scene.overlaps(), [""; 0], "{stage}");
        assert!(
            scene.shapes.len() > 3 && scene.lines.len() > 2,
            "{stage}: an empty drawing overlaps nothing"
        );
    }
}

#[test]
fn the_drawings_as_text() {
    let all: Vec<String> = STAGES
        .iter()
        .map(|(stage, _)| format!("{stage}\n\n{}", draw::text(&design(stage))))
        .collect();
    insta::assert_snapshot!(all.join("\n"));
}

/// A golden answer for each question that stage 0 is asked.
#[test]
fn stage_0_answers_every_question() {
    let design = design("0-simple_web_stack");
    for topic in explain::topics(&design) {
        let answer = explain::answer(&design, &topic.name).unwrap();
        insta::assert_snapshot!(format!("stage_0_{}", topic.name), answer);
    }
    for asked in [
        "request",
        "server",
        "domain",
        "record",
        "web",
        "app",
        "database",
        "network",
        "issues",
        "spof",
        "round-robin",
        "primary-replica",
        "tls",
        "qps",
        "web-01",
    ] {
        assert!(explain::answer(&design, asked).is_some(), "{asked}");
    }
    assert_eq!(explain::answer(&design, "kubernetes"), None);
    insta::assert_snapshot!("stage_0_overview", explain::overview(&design));
}

#[test]
fn what_fails_when_it_fails() {
    let points = |stage| failures::single_points(&design(stage));
    assert_eq!(points("0-simple_web_stack"), ["web-01"]);
    assert_eq!(
        points("1-distributed_web_infrastructure"),
        ["lb-01", "web-01"]
    );
    assert_eq!(points("3-scale_up"), [""; 0]);
}

#[test]
fn findings_name_their_line() {
    let stage_0 = findings::findings(&design("0-simple_web_stack"));
    let codes: Vec<_> = stage_0
        .iter()
        .map(|finding| (finding.code, finding.line.is_some()))
        .collect();
    assert_eq!(
        codes,
        [
            ("single-point-of-failure", true),
            ("downtime-when-maintained", true),
            ("cannot-scale", true),
            ("no-firewall", false),
            ("no-https", false),
            ("no-monitoring", false),
        ]
    );
}

/// `TERRACE_BLESS=1 cargo test -p terrace-insight` writes the page anew.
#[test]
fn the_page_of_stage_0_is_current() {
    let (stage, title) = STAGES[0];
    let design = design(stage);
    let picture = format!("{stage}.svg");
    let text = page(&design, title, &format!("stacks/{stage}.kdl"), &picture);
    for (name, wanted) in [(format!("{stage}.md"), text), (picture, draw::svg(&design))] {
        let path = root().join("docs").join(&name);
        if std::env::var_os("TERRACE_BLESS").is_some() {
            fs::write(&path, &wanted).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == wanted,
            "docs/{name} is stale: TERRACE_BLESS=1 cargo test -p terrace-insight"
        );
    }
}
