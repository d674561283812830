//! Properties of the whole way from text to plan, and reports as a person sees them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;
use terrace_site::plan::{Inputs, Part, ServerPlan, plan};
use terrace_site::problem::Report;
use terrace_site::{Summary, load};

const WORDS: [&str; 12] = [
    "alias \"foobar.com\"",
    "redirect \"old.foobar.com\"",
    "load-balancer lb-01 balance=least-connections { trust \"203.0.113.0/24\"; queue in-flight=50 within=\"2s\"; }",
    "web web-01 web-02 static=\"public\" { web-02 weight=2 state=backup; }",
    "app web-01 web-02 code=\"shop\" copies=2 { run \"shop\"; env A=1 B=\"2\"; keep uploads; }",
    "app web-01 code=\"api\" path=\"/api\" { run \"api\"; secret KEY; timeouts total=\"5s\"; }",
    "database web-01 web-02 ack=always { user shop report; }",
    "quorum web-01 web-02 lb-01",
    "dns lb-01 { record \"mail.foobar.com\" MX \"10 mail.foobar.com\" ttl=\"1h\"; }",
    "certificate hsts=\"365d\"",
    "firewall { ssh \"203.0.113.0/24\"; allow web-01 \"8125/udp\" from=\"10.0.0.0/8\"; }",
    "monitor { collect lb-01; }",
];

fn file(words: &[&str]) -> String {
    let servers = [
        "server lb-01 \"10.0.0.10\" { public \"8.8.8.8\"; }",
        "server web-01 \"10.0.0.21\"",
        "server web-02 \"10.0.0.22\"",
    ];
    let lines: Vec<&str> = servers.iter().chain(words).copied().collect();
    format!(
        "site \"www.foobar.com\" {{\n    {}\n}}\n",
        lines.join("\n    ")
    )
}

fn plans(source: &str) -> Vec<ServerPlan> {
    let loaded = load(source);
    assert_eq!(loaded.problems, [], "{source}");
    let inputs = Inputs {
        generation: 7,
        base: PathBuf::from("/stacks"),
        releases: BTreeMap::new(),
        server_ids: BTreeMap::new(),
        workers: 2,
        lab: false,
    };
    plan(&loaded.site.unwrap(), &inputs)
}

#[test]
fn a_queue_bounds_what_each_server_gets() {
    let source = file(&WORDS);
    let plans = plans(&source);
    let roles = plans.iter().flat_map(|plan| &plan.roles);
    let queues: Vec<_> = roles
        .filter_map(|role| match &role.part {
            Part::LoadBalancer(plan) => Some(&plan.tiers[0].queue),
            _ => None,
        })
        .collect();
    let [queue] = queues[..] else {
        panic!("one load balancer is expected: {queues:?}")
    };
    assert_eq!((queue.in_flight, queue.waiting), (Some(50), 1024));
    assert_eq!(queue.within, Duration::from_secs(2));
}

/// All words but the apps, whose order gives each its ports.
fn shuffled() -> impl Strategy<Value = Vec<&'static str>> {
    Just(WORDS.to_vec()).prop_shuffle().prop_map(|mut words| {
        let mut apps: Vec<&str> = WORDS
            .iter()
            .copied()
            .filter(|word| word.starts_with("app"))
            .rev()
            .collect();
        for word in words.iter_mut().filter(|word| word.starts_with("app")) {
            *word = apps.pop().unwrap();
        }
        words
    })
}

proptest! {
    #[test]
    fn the_order_of_the_words_does_not_matter(words in shuffled()) {
        let (found, wanted) = (file(&words), file(&WORDS));
        prop_assert_eq!(plans(&found), plans(&wanted));
        let summary = |source: &str| serde_json::to_value(Summary::of(&load(source).site.unwrap())).unwrap();
        prop_assert_eq!(summary(&found), summary(&wanted));
    }

    /// A damaged file is never a panic, and never both wrong and usable.
    #[test]
    fn a_damaged_file_is_refused_or_planned(at in 0usize..1400, cut in 0usize..40, put in "[ \\PC]{0,6}") {
        let mut source: Vec<char> = file(&WORDS).chars().collect();
        let from = at.min(source.len());
        let to = (from + cut).min(source.len());
        source.splice(from..to, put.chars());
        let source: String = source.into_iter().collect();
        let loaded = load(&source);
        let errors = loaded.problems.iter().filter(|problem| problem.severity == terrace_site::problem::Severity::Error).count();
        prop_assert_eq!(loaded.site.is_some(), errors == 0);
        for problem in &loaded.problems {
            prop_assert!(!problem.message.is_empty());
            prop_assert!(problem.labels.iter().all(|label| source.get(label.span.start..label.span.end).is_some()));
        }
        Report::new("site.kdl", &source, &loaded.problems).render(false);
        if loaded.problems.is_empty() {
            plans(&source);
        }
    }
}

#[test]
fn mistakes_of_spelling_and_of_meaning_in_one_report() {
    let source = r#"site "www.foobar.com" {
    server web-01 10.0.0.21
    server web-02 "10.0.0.22"
    server lb-01 "10.0.0.10"
    load-balancer lb-01 balanse=round-robin
    web web-01 web-2 static="foobar/public"
}
"#;
    insta::assert_snapshot!(Report::new("site.kdl", source, &load(source).problems).render(false));
}

#[test]
fn mistakes_of_every_kind_in_one_report() {
    let source = r#"web web-01
site "www.foobar.com" {
    server web-01 "10.0.0.300" public="8.8.8.8"
    server web-02
    server web-02 "10.0.0.1"
    alias "www.foobar.com" "foobar.org"
    web web-01 { web-02 weight=0; }
    app web-01 health="health" copies="2" {
        run "serve"
        php "index.php"
        timeouts total=30
    }
    database web-01 { engine mysql; user root; }
    certificate email="ops@foobar.com"
    monitor every="1 s" { collect; colect web-01; }
    databse web-01
}
"#;
    insta::assert_snapshot!(Report::new("site.kdl", source, &load(source).problems).render(false));
}
