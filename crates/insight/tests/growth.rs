//! A file that is four times as long takes about four times as long: nothing looks at all pairs of its lines.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::{Duration, Instant};

use terrace_insight::{Design, sentence};
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
        let (one, four) = (shape(250), shape(1_000));
        // Others share the machine: what is fast once is fast.
        let ratios = (0..6).map(|_| {
            let short = time(&one).max(Duration::from_micros(500));
            time(&four).as_secs_f64() / short.as_secs_f64()
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
