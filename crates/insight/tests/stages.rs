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

/// A golden answer for each question; the questions that a newcomer must find an answer to are among them.
fn answers(number: usize, asked: &[&str]) {
    let design = design(STAGES[number].0);
    for topic in explain::topics(&design) {
        let answer = explain::answer(&design, &topic.name).unwrap();
        insta::assert_snapshot!(format!("stage_{number}_{}", topic.name), answer);
    }
    for topic in asked {
        assert!(explain::answer(&design, topic).is_some(), "{topic}");
    }
    assert_eq!(explain::answer(&design, "kubernetes"), None);
    insta::assert_snapshot!(
        format!("stage_{number}_overview"),
        explain::overview(&design)
    );
}

#[test]
fn stage_0_answers_every_question() {
    answers(
        0,
        &[
            "request",
            "elements",
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
        ],
    );
}

#[test]
fn stage_1_answers_every_question() {
    answers(
        1,
        &[
            "request",
            "elements",
            "load-balancer",
            "algorithm",
            "round-robin",
            "active-active",
            "active-passive",
            "primary-replica",
            "router",
            "database-url",
            "issues",
            "spof",
            "security",
            "monitoring",
            "lb-01",
            "web-01",
            "web-02",
        ],
    );
}

/// No answer of any stage is empty, or says something that only a program would.
#[test]
fn every_answer_is_written_for_people() {
    for (stage, _) in STAGES {
        let design = design(stage);
        for topic in explain::topics(&design) {
            let answer = explain::answer(&design, &topic.name).unwrap();
            let body = answer.split_once("\n\n").unwrap().1;
            assert!(body.len() > 40, "{stage} {}: {body}", topic.name);
            for wrong in ["Some(", "None", "  ,", " .", "()", ", ,", ". .", ".."] {
                assert!(!body.contains(wrong), "{stage} {}: {body}", topic.name);
            }
        }
    }
}

#[test]
fn the_predictions_of_each_stage() {
    for number in [0, 1, 3] {
        let table = failures::table(&design(STAGES[number].0));
        insta::assert_snapshot!(format!("stage_{number}_predictions"), table);
    }
}

#[test]
fn single_points_of_failure() {
    let points = |number: usize| failures::single_points(&design(STAGES[number].0));
    assert_eq!(points(0), ["web-01"]);
    assert_eq!(points(1), ["lb-01", "web-01"]);
    assert_eq!(points(2), ["lb-01", "web-01"]);
    assert_eq!(points(3), [""; 0]);
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

#[test]
fn stage_1_has_these_weaknesses() {
    let found = findings::findings(&design(STAGES[1].0));
    let found: Vec<_> = found
        .iter()
        .map(|finding| (finding.code, finding.line))
        .collect();
    assert_eq!(
        found,
        [
            ("single-point-of-failure", Some(4)),
            ("single-point-of-failure", Some(5)),
            ("one-writer", Some(14)),
            ("same-components", Some(5)),
            ("no-firewall", None),
            ("no-https", None),
            ("no-monitoring", None),
        ]
    );
}

/// `Mended by … (stage 1)`: that stage does not have it any more.
#[test]
fn what_mends_a_weakness_stands_in_the_stage_that_is_named() {
    let mut named = 0;
    for (number, (stage, _)) in STAGES.iter().enumerate() {
        let before = design(stage);
        for finding in findings::findings(&before) {
            let Some((what, later)) = finding.remedy.split_once(" (stage ") else {
                continue;
            };
            let later: usize = later.trim_end_matches(')').parse().unwrap();
            assert!(later > number, "{stage}: {}", finding.title);
            if !what.starts_with("Mended by ") {
                continue;
            }
            named += 1;
            let after = design(STAGES[later].0);
            let still = |other: &findings::Finding| {
                other.code == finding.code && other.title == finding.title
            };
            let found = findings::findings(&after).into_iter().find(still);
            // A server that took everything along may still take something along.
            let lost = |design: &Design| {
                let (_, server) = finding.title.split_once(": ").unwrap();
                let off = failures::Fault::PowerOff(server.to_owned());
                failures::predict(design, off).lost().len()
            };
            let is_point = finding.code == "single-point-of-failure";
            let gone = found.is_none() || (is_point && lost(&after) < lost(&before));
            assert!(gone, "{stage}: {} stays in stage {later}", finding.title);
        }
    }
    assert!(named >= 12, "{named}");
}

/// What a stage does is asked of the model and of the times that the parts act by, and not written down twice.
#[test]
fn figures_in_answers_are_those_that_the_parts_act_by() {
    let one = design(STAGES[1].0);
    let says = |topic: &str, what: &str| {
        let answer = explain::answer(&one, topic).unwrap();
        let line = answer.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(line.contains(what), "{topic}: {what}: {answer}");
    };
    let seconds = |time: std::time::Duration| format!("{} s", time.as_secs_f64());
    let alone = failures::Recovery::Alone.within(&one).unwrap();
    says(
        "primary-replica",
        &format!("waits for up to {}", seconds(alone)),
    );
    let away = seconds(terrace_site::times::DATABASE_AWAY);
    says("router", &format!("waits up to {away} for a primary"));
    let changes = seconds(terrace_site::times::PRIMARY_CHANGES);
    says("router", &format!("up to {changes} while another one"));
    says(
        "algorithm",
        &format!("silence within {}", seconds(one.notice)),
    );
}

#[test]
fn answers_follow_what_the_file_says() {
    let with = |from: &str, to: &str| {
        let source = fs::read_to_string(root().join("stacks/0-simple_web_stack.kdl")).unwrap();
        assert!(source.contains(from), "{from}");
        Design::of(&terrace_site::load(&source.replace(from, to)).site.unwrap())
    };
    let answer = |design: &Design, topic: &str| explain::answer(design, topic).unwrap();
    let engine = with("database web-01", "database web-01 engine=mysql");
    let text = answer(&engine, "database");
    assert!(
        text.contains("MySQL") && !text.contains("MariaDB"),
        "{text}"
    );
    let usual = answer(&with("foobar", "foobar"), "issues");
    assert!(usual.contains("new code restarts it"), "{usual}");
    let copies = answer(&with("health=", "copies=2 health="), "issues");
    assert!(!copies.contains("new code"), "{copies}");
}

/// `TERRACE_BLESS=1 cargo test -p terrace-insight` writes the pages anew.
#[test]
fn the_pages_are_current() {
    for (stage, title) in &STAGES[..2] {
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
}
