mod layout;
mod oracle;

use super::read;
use super::tree::{Span, Value};
use crate::problem::{Lines, Report};

/// Code, line and column of each problem.
fn problems(source: &str) -> Vec<(&'static str, usize, usize)> {
    let place = |span: Span| Lines::of(source).position(span.start);
    let one = |problem: &crate::problem::Problem| {
        let (line, column) = place(problem.span());
        (problem.code, line, column)
    };
    read(source).problems.iter().map(one).collect()
}

/// What people write by slip, and the one problem that each must give.
const SLIPS: &[(&str, (&str, usize, usize))] = &[
    ("server web-01 10.0.0.1", ("unquoted", 1, 15)),
    ("health every=1s", ("unquoted", 1, 14)),
    ("health /health", ("unquoted", 1, 8)),
    ("allow 10.0.0.0/24", ("unquoted", 1, 7)),
    ("ssh deploy@web-01", ("unquoted", 1, 5)),
    ("reaches mail.foobar.com:25", ("unquoted", 1, 9)),
    ("certificate email=ops@foobar.com", ("unquoted", 1, 19)),
    ("allow 8080/tcp", ("unquoted", 1, 7)),
    ("send https://hooks.foobar.com/x", ("unquoted", 1, 6)),
    ("# a comment", ("comment", 1, 1)),
    ("web web-01 # a comment, with { and \"", ("comment", 1, 12)),
    ("web 'web-01'", ("quotes", 1, 5)),
    ("web “web-01”", ("quotes", 1, 5)),
    ("web: web-01", ("colon", 1, 4)),
    ("web web-01, web-02", ("comma", 1, 11)),
    ("app web-01 code = \"foobar\"", ("spaces", 1, 17)),
    ("app web-01 code= \"foobar\"", ("spaces", 1, 16)),
    ("app web-01 code=", ("no-value", 1, 16)),
    ("site {\n    web web-01", ("unclosed-brace", 1, 6)),
    ("web web-01\n}", ("surplus-brace", 2, 1)),
    (
        "server web-01 \"10.0.0.1\nweb web-01",
        ("unclosed-quote", 1, 15),
    ),
    (
        "site \"www.foobar.com {\n    web web-01\n}",
        ("unclosed-quote", 1, 6),
    ),
    ("app web-01 code: \"foobar\"", ("colon", 1, 12)),
    ("app code=a code=b", ("twice", 1, 12)),
    ("certificate hsts=true", ("unmarked", 1, 18)),
    ("(u8)web web-01", ("brackets", 1, 1)),
    ("\u{feff}server web-01 10.0.0.1\r\n", ("unquoted", 1, 15)),
    ("\tserver web-01 10.0.0.1", ("unquoted", 1, 16)),
    ("zürich web-01 10.0.0.1", ("unquoted", 1, 15)),
    ("app [web-01", ("brackets", 1, 5)),
    ("web \"a\"\"b\"", ("space", 1, 8)),
    ("web \"a\\qb\"", ("escape", 1, 7)),
    ("web /* not closed", ("unclosed-comment", 1, 5)),
    ("address fd00::/64", ("unquoted", 1, 9)),
    ("server web-01 2001:db8::1", ("unquoted", 1, 15)),
    ("memory 512M/* at most */ 1", ("unquoted", 1, 8)),
    ("web web-01;;", ("stray", 1, 12)),
    ("{ web web-01 }", ("stray", 1, 1)),
    ("app code=../foobar", ("unquoted", 1, 10)),
    ("app code=#foobar", ("keyword", 1, 10)),
    ("web \\ web-01", ("backslash", 1, 5)),
    ("web \"\"\"\nweb-01\n\"\"\"", ("several-lines", 1, 5)),
    ("web { health } { health }", ("two-blocks", 1, 16)),
    ("web { health } web-01", ("after-braces", 1, 16)),
    ("web web-01 /-", ("slashdash", 1, 12)),
    ("web =web-01", ("stray", 1, 5)),
    ("web [web-01 web-02]", ("brackets", 1, 5)),
    ("run (\"./serve\")", ("brackets", 1, 5)),
    ("web web-01)", ("brackets", 1, 11)),
    (
        "run python3 app.py --port=$PORT -- x // y",
        ("unquoted", 1, 5),
    ),
    (
        "app { build ./make && ./test \"a b\"; }",
        ("unquoted", 1, 13),
    ),
    (
        "worker mailer \"./mail\"; run $HOME/serve",
        ("unquoted", 1, 29),
    ),
    ("server web-01 10.0.0.256", ("unquoted", 1, 15)),
    ("web \u{200e}", ("character", 1, 5)),
];

#[test]
fn the_likeliest_slips_get_one_precise_problem_each() {
    for (source, expected) in SLIPS {
        assert_eq!(problems(source), [*expected], "{source:?}");
    }
}

#[test]
fn a_slip_keeps_its_value_so_that_its_meaning_is_checked_too() {
    let reading = read("server web-01 10.0.0.1 every=1s");
    let node = &reading.document.nodes[0];
    assert_eq!(node.arguments[1].value, Value::Text("10.0.0.1".into()));
    assert_eq!(
        node.property("every").unwrap().value,
        Value::Text("1s".into())
    );
}

#[test]
fn a_command_without_quotes_is_one_value() {
    let reading = read("run ./serve --port $PORT  // x\nrun \"./serve\" --fast");
    let of = |node: usize| {
        let arguments = reading.document.nodes[node].arguments.iter();
        arguments
            .map(|argument| argument.value.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(of(0), [Value::Text("./serve --port $PORT".into())]);
    let two = ["./serve", "--fast"].map(|text| Value::Text(text.into()));
    assert_eq!(of(1), two);
}

#[test]
fn a_forgotten_brace_is_found_by_indentation() {
    let source = "site \"x\" {\n    app web-01 {\n        run \"x\"\n    database web-01\n    web web-01 10.0.0.1\n}\n";
    assert_eq!(
        problems(source),
        [("unclosed-brace", 2, 16), ("unquoted", 5, 16)]
    );
    let site = &read(source).document.nodes[0];
    let words: Vec<&str> = site
        .children()
        .iter()
        .map(|node| node.name.value.as_str())
        .collect();
    assert_eq!(words, ["app", "database", "web"]);
}

#[test]
fn a_brace_too_many_is_found_by_indentation() {
    let source = "site \"x\" {\n    app web-01 {\n        run \"x\"\n        }\n    }\n    database web-01\n}\n";
    assert_eq!(problems(source), [("surplus-brace", 4, 9)]);
    assert_eq!(read(source).document.nodes[0].children().len(), 2);
}

#[test]
fn what_is_switched_off_is_not_in_the_tree() {
    let reading = read(
        "/-kdl-version 2\nweb web-01 /-web-02 /-weight=2 {\n    /-health \"/x\"\n    timeouts\n}\n/-app web-01 {\n}\n",
    );
    assert_eq!(reading.problems, []);
    let [web] = reading.document.nodes.as_slice() else {
        panic!("{:?}", reading.document)
    };
    assert_eq!(
        (
            web.arguments.len(),
            web.properties.len(),
            web.children().len()
        ),
        (1, 0, 1)
    );
}

#[test]
fn a_file_without_indentation_is_judged_by_its_braces_alone() {
    let source = "site \"x\" {\napp web-01 {\nrun \"x\"\nweb web-01\n}\n";
    assert_eq!(problems(source), [("unclosed-brace", 1, 10)]);
}

#[test]
fn the_place_of_a_forgotten_brace_may_begin_with_any_letter() {
    let source = "site \"x\" {\n    app web-01 {\n        run \"x\"\n    übung\n}\n";
    let reading = read(source);
    assert_eq!(reading.problems.len(), 1);
    let report = Report::new("site.kdl", source, &reading.problems).render(false);
    assert!(report.contains("add a } on a line before this"), "{report}");
}

#[test]
fn blocks_too_deep_to_read_are_a_problem_and_no_crash() {
    let deep = "a {".repeat(100_000);
    assert_eq!(problems(&deep).len(), 1);
    assert_eq!(problems(&deep)[0].0, "too-deep");
    assert_eq!(problems(&"}".repeat(10_000)).len(), 10_000);
}

#[test]
fn every_kind_of_line_end_ends_a_line() {
    for end in [
        "\n", "\r\n", "\r", "\u{85}", "\u{b}", "\u{c}", "\u{2028}", "\u{2029}",
    ] {
        let source = format!("site x {{{end}web a{end}web b{end}}}{end}");
        let reading = read(&source);
        assert_eq!(reading.problems, [], "{end:?}");
        assert_eq!(reading.document.nodes[0].children().len(), 2, "{end:?}");
    }
}

#[test]
fn spans_name_exactly_what_they_are_about() {
    let source = "\u{feff}// über\r\nweb web-01 static=\"a\" { health; } // end";
    let node = &read(source).document.nodes[0];
    let slice = |span: Span| &source[span.start..span.end];
    assert_eq!(slice(node.name.span), "web");
    assert_eq!(slice(node.arguments[0].span), "web-01");
    let property = &node.properties[0];
    assert_eq!(slice(property.name.span), "static");
    assert_eq!(slice(property.value_span), "\"a\"");
    assert_eq!(slice(property.span), "static=\"a\"");
    assert_eq!(slice(node.children.as_ref().unwrap().span), "{ health; }");
    assert_eq!(slice(node.span), "web web-01 static=\"a\" { health; }");
}

#[test]
fn an_unclosed_text_with_an_unknown_escape_is_read_to_its_end() {
    // The escape is in the file and not in the text: a place in one is none in the other.
    for source in ["\"\u{feff}{\\λ\t", "a \" {\\λ \nb", "a \"x\\λ {\n}"] {
        assert!(!super::read(source).problems.is_empty(), "{source:?}");
    }
}
