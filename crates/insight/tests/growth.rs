//! A file that is four times as long takes about four times as long: nothing looks at all pairs of its lines.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::{Duration, Instant};

use terrace_insight::{Design, draw, explain, findings, sentence};
use terrace_site::problem::Report;

/// What `check` does.
fn check(source: &str) -> String {
    let loaded = terrace_site::load(source);
    let report = Report::new("site.kdl", source, &loaded.problems).render(false);
    let facts = Report::new("site.kdl", source, &loaded.problems);
    let facts = serde_json::to_string(&facts.facts()).unwrap();
    let site = loaded.site.map(|site| {
        let refused = terrace_site::not_yet(&site);
        format!(
            "{} {}",
            sentence(&Design::without_flows(&site)),
            refused.len()
        )
    });
    format!("{report}{facts}{}", site.unwrap_or_default())
}

fn servers(count: usize) -> String {
    let line = |n: usize| {
        format!(
            "    server s-{n} \"10.{}.{}.{}\"\n",
            n >> 16,
            n >> 8 & 255,
            n & 255
        )
    };
    (1..=count).map(line).collect()
}

fn names(count: usize) -> String {
    (1..=count).map(|n| format!(" s-{n}")).collect()
}

fn site(inside: &str) -> String {
    format!("site \"www.foobar.com\" {{\n{inside}}}\n")
}

type Shape = (&'static str, fn(usize) -> String);

/// Files of about so many lines, or words in a line.
const SHAPES: [Shape; 11] = [
    ("every tier on every server", |n| {
        site(&format!(
            "{}    load-balancer s-1\n    web static=\"p\"\n    app code=\"a\" {{ run \"r\"; }}\n    database s-1\n",
            servers(n)
        ))
    }),
    ("servers by name, each with a weight", |n| {
        let weights: String = (1..=n).map(|n| format!(" s-{n} weight=2;")).collect();
        site(&format!(
            "{}    load-balancer s-1\n    web{} static=\"p\" {{{weights} }}\n",
            servers(n),
            names(n)
        ))
    }),
    ("databases, name servers and records", |n| {
        let records: String = (1..=n)
            .map(|n| format!("        record \"r{n}.foobar.com\" A \"10.9.0.1\"\n"))
            .collect();
        site(&format!(
            "{}    database\n    dns {{\n{records}    }}\n    web static=\"p\"\n",
            servers(n)
        ))
    }),
    ("aliases and variables", |n| {
        let aliases: String = (1..=n)
            .map(|n| format!("    alias \"a{n}.foobar.com\"\n"))
            .collect();
        let env: String = (1..=n).map(|n| format!(" V{n}=1")).collect();
        site(&format!(
            "{}{aliases}    web static=\"p\"\n    app code=\"a\" {{ run \"r\"; env{env}; }}\n",
            servers(1)
        ))
    }),
    ("servers that are all called the same", |n| {
        site(&format!(
            "{}    web static=\"p\"\n",
            "    server s-1 \"10.0.0.1\"\n".repeat(n)
        ))
    }),
    ("a mistake on every line", |n| {
        let wrong: String = (1..=n)
            .map(|n| format!("    web-{n} s-{n} x=1.2.3\n"))
            .collect();
        site(&format!("{}{wrong}", servers(n)))
    }),
    ("names that no server has", |n| {
        let wrong: String = (1..=n).map(|n| format!(" web-{n}")).collect();
        site(&format!("{}    web{wrong} static=\"p\"\n", servers(n)))
    }),
    ("apps that answer for the same", |n| {
        site(&format!(
            "{}{}",
            servers(1),
            "    app code=\"a\" { run \"r\"; }\n".repeat(n)
        ))
    }),
    ("one line with very many mistakes", |n| {
        site(&format!("web {}\n", "x=1 y='1' ".repeat(n)))
    }),
    ("one line with very many braces", |n| {
        site(&"web { } ".repeat(n))
    }),
    ("braces that are never closed, and closed too often", |n| {
        format!("{}{}", "a {\n".repeat(n), "}\n".repeat(2 * n))
    }),
];

fn time(source: &str) -> Duration {
    let begun = Instant::now();
    assert!(!check(source).is_empty());
    begun.elapsed()
}

#[test]
fn four_times_the_file_is_about_four_times_the_work() {
    for (name, shape) in SHAPES {
        grows_evenly(name, &shape(250), &shape(1_000));
    }
}

fn grows_evenly(name: &str, one: &str, four: &str) {
    // Others share the machine: what is fast once is fast.
    let ratios = (0..6).map(|_| {
        let short = time(one).max(Duration::from_micros(500));
        time(four).as_secs_f64() / short.as_secs_f64()
    });
    let mut tried = Vec::new();
    let fine = ratios.into_iter().any(|ratio| {
        tried.push(format!("{ratio:.1}"));
        ratio < 7.0
    });
    assert!(
        fine,
        "{name}: four times as long takes so many times as long: {}",
        tried.join(", ")
    );
}

/// What is done for each name looks at none before it.
#[test]
fn a_long_line_of_names_is_read_in_time_that_grows_with_it() {
    let tiers = |n: usize| {
        let names = |range: std::ops::Range<usize>| -> String {
            range.map(|n| format!(" s-{n}")).collect()
        };
        site(&format!(
            "{}    load-balancer s-1\n    web{} static=\"p\"\n    app{} code=\"a\" {{ run \"r\"; }}\n    database s-1 s-2\n",
            servers(n),
            names(2..n + 1),
            names(2..n + 1)
        ))
    };
    grows_evenly("names on one line", &tiers(2_500), &tiers(10_000));
}

/// A person looks at what comes out, and nothing is done for each pair of servers.
#[test]
fn very_many_servers_are_explained_and_drawn_as_few() {
    let everywhere = |n: usize| {
        site(&format!(
            "{}    load-balancer s-1\n    web static=\"p\"\n    app code=\"a\" {{ run \"r\"; }}\n    database s-1 s-2\n",
            servers(n)
        ))
    };
    let source = everywhere(20_000);
    let loaded = terrace_site::load(&source);
    let design = Design::excerpt(&loaded.site.unwrap(), Some("s-17000"));
    assert!(design.servers.len() < 10 && design.flows.len() < 100);
    let others: usize = design.stands_for.values().sum();
    assert_eq!(design.servers.len() + others, 20_000);
    let overview = explain::overview(&design);
    assert!(overview.len() < 20_000, "{}", overview.len());
    assert!(
        overview.starts_with("This site has 20000 servers."),
        "{overview}"
    );
    assert!(
        explain::answer(&design, "s-17000")
            .unwrap()
            .contains("s-17000")
    );
    assert!(findings::findings(&design).len() < 50);
    let (text, svg) = (draw::text(&design), draw::svg(&design));
    assert!(
        text.len() < 10_000 && svg.len() < 40_000,
        "{} {}",
        text.len(),
        svg.len()
    );
    for picture in [text, svg] {
        assert!(picture.contains(" more that carry the same"), "{picture}");
    }
    let small = terrace_site::load(&everywhere(30)).site.unwrap();
    assert_eq!(
        draw::text(&Design::excerpt(&small, None)),
        draw::text(&Design::of(&small))
    );
}

#[test]
fn what_is_deep_or_long_is_read_to_its_end() {
    let deep = [
        "a {".repeat(100_000),
        "[".repeat(5_000),
        "/*".repeat(100_000),
        "/- ".repeat(5_000),
        "{".repeat(100_000),
        format!("site \"{}\"", "x".repeat(1_000_000)),
        format!(
            "site \"www.foobar.com\" {{ web static=\"{}\"; server s-1 \"10.0.0.1\"; }}",
            "é".repeat(500_000)
        ),
    ];
    for source in deep {
        let report = check(&source);
        assert!(
            report.len() < 1_000 * source.len(),
            "{} of {}",
            report.len(),
            source.len()
        );
    }
}
