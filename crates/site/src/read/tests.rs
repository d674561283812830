use kdl::{KdlDocument, KdlNode, KdlValue};
use proptest::prelude::*;

use super::tree::{Node, Value};
use super::{fmt, read};
use crate::problem::position;

/// Code, line and column of each problem.
fn problems(source: &str) -> Vec<(&'static str, usize, usize)> {
    let place = |span: super::tree::Span| position(source, span.start);
    let one = |problem: &crate::problem::Problem| {
        let (line, column) = place(problem.span());
        (problem.code, line, column)
    };
    read(source).problems.iter().map(one).collect()
}

#[test]
fn the_likeliest_slips_get_one_precise_problem_each() {
    let slips = [
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
        ("app code=a code=b", ("twice", 1, 12)),
        ("certificate hsts=true", ("unmarked", 1, 18)),
        ("(u8)web web-01", ("annotation", 1, 1)),
        ("\u{feff}server web-01 10.0.0.1\r\n", ("unquoted", 1, 15)),
        ("\tserver web-01 10.0.0.1", ("unquoted", 1, 16)),
        ("zürich web-01 10.0.0.1", ("unquoted", 1, 15)),
        ("app [web-01", ("stray", 1, 5)),
        ("web \"a\"\"b\"", ("space", 1, 8)),
        ("web \"a\\qb\"", ("escape", 1, 7)),
        ("web /* not closed", ("unclosed-comment", 1, 5)),
    ];
    for (source, expected) in slips {
        assert_eq!(problems(source), [expected], "{source:?}");
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
fn the_common_layout() {
    let before = "\u{feff}site   \"x\"{\r\n\tserver web-01 \"10.0.0.1\"   // here\r\n\r\n\r\n  web      web-01   static=\"a  b\"  \r\n/* kept\r\n     as it is */\r\n}\r\n\r\n";
    let after = "site   \"x\"{\n    server web-01 \"10.0.0.1\"   // here\n\n    web      web-01 static=\"a  b\"\n    /* kept\n     as it is */\n}\n";
    assert_eq!(fmt(before).unwrap(), after);
}

// The oracle: the kdl crate.

fn equal_documents(ours: &[Node], theirs: &KdlDocument) {
    assert_eq!(ours.len(), theirs.nodes().len(), "{theirs}");
    for (our, their) in ours.iter().zip(theirs.nodes()) {
        equal_nodes(our, their);
    }
}

fn equal_nodes(ours: &Node, theirs: &KdlNode) {
    assert_eq!(ours.name.value, theirs.name().value());
    let arguments: Vec<&KdlValue> = theirs
        .entries()
        .iter()
        .filter(|entry| entry.name().is_none())
        .map(|entry| entry.value())
        .collect();
    assert_eq!(ours.arguments.len(), arguments.len(), "{theirs}");
    for (our, their) in ours.arguments.iter().zip(arguments) {
        equal_values(&our.value, their);
    }
    let properties: Vec<_> = theirs
        .entries()
        .iter()
        .filter_map(|entry| Some((entry.name()?, entry.value())))
        .collect();
    assert_eq!(ours.properties.len(), properties.len(), "{theirs}");
    for (our, (name, value)) in ours.properties.iter().zip(properties) {
        assert_eq!(our.name.value, name.value());
        equal_values(&our.value, value);
    }
    match theirs.children() {
        Some(children) => equal_documents(ours.children(), children),
        None => assert_eq!(ours.children(), []),
    }
}

fn equal_values(ours: &Value, theirs: &KdlValue) {
    let equal = match (ours, theirs) {
        (Value::Word(our) | Value::Text(our), KdlValue::String(their)) => our == their,
        (Value::Integer(our), KdlValue::Integer(their)) => our == their,
        (Value::Decimal(our), KdlValue::Float(their)) => our == their,
        (Value::Bool(our), KdlValue::Bool(their)) => our == their,
        (Value::Null, KdlValue::Null) => true,
        _ => false,
    };
    assert!(equal, "{ours:?} and {theirs:?}");
}

/// What we accept, the oracle accepts, with equal values.
fn agrees(source: &str) {
    let reading = read(source);
    if !reading.problems.is_empty() {
        return;
    }
    let theirs: KdlDocument = source
        .parse()
        .unwrap_or_else(|error| panic!("we accept {source:?}: {error:?}"));
    equal_documents(&reading.document.nodes, &theirs);
}

fn comments(source: &str) -> Vec<&str> {
    source
        .lines()
        .filter_map(|line| line.split_once("//").map(|(_, comment)| comment.trim_end()))
        .collect()
}

prop_compose! {
    fn value()(kind in 0..6, word in "[a-z_][a-z0-9_.-]{0,6}", text in "[ -~äλ]{0,8}", number in any::<i32>(), fraction in 0..1000) -> String {
        match kind {
            0 => format!("w{word}"),
            1 => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
            2 => number.to_string(),
            3 => format!("{number}.{fraction}"),
            4 => ["#true", "#false", "#null"][fraction as usize % 3].to_owned(),
            _ => format!("#\"{}\"#", text.replace('"', "")),
        }
    }
}

fn document() -> impl Strategy<Value = String> {
    let leaf = (
        "node[a-z-]{0,5}",
        prop::collection::vec((any::<bool>(), value()), 0..4),
        prop::option::of("[ -~]{0,9}"),
    );
    let node = leaf.prop_map(|(name, values, comment)| {
        let parts = values.iter().enumerate().map(|(index, (property, value))| {
            if *property {
                format!(" p{index}={value}")
            } else {
                format!(" {value}")
            }
        });
        let comment = comment
            .map(|comment| format!(" // {}", comment.replace("//", "")))
            .unwrap_or_default();
        (name + &parts.collect::<String>(), comment)
    });
    let nodes = prop::collection::vec((node, any::<bool>(), 0..3_usize), 0..6);
    nodes.prop_map(|nodes| {
        let mut out = String::new();
        let mut open = 0;
        for ((head, comment), opens, closes) in nodes {
            if opens {
                out += &format!("{head} {{{comment}\n");
                open += 1;
            } else {
                out += &format!("  {head}{comment}\n\n");
            }
            for _ in 0..closes.min(open) {
                out += "}\n";
                open -= 1;
            }
        }
        out + &"}\n".repeat(open)
    })
}

proptest! {
    #[test]
    fn the_oracle_reads_our_part_of_the_language_alike(source in document()) {
        prop_assert_eq!(&read(&source).problems, &[], "{}", source);
        agrees(&source);
    }

    #[test]
    fn what_we_accept_the_oracle_accepts(source in document(), at in any::<prop::sample::Index>(), with in "[ -~\n\t\u{feff}äλ“]{0,3}", cut in 0..3_usize) {
        let mut chars: Vec<char> = source.chars().collect();
        let at = if chars.is_empty() { 0 } else { at.index(chars.len()) };
        let end = (at + cut).min(chars.len());
        chars.splice(at..end, with.chars());
        agrees(&chars.into_iter().collect::<String>());
    }

    #[test]
    fn any_text_is_read_to_its_end(source in "[ -~\n\r\t{}\"#/\\\\;=äλ\u{0}“]{0,60}") {
        let reading = read(&source);
        for label in reading.problems.iter().flat_map(|problem| &problem.labels) {
            prop_assert!(label.span.start <= label.span.end);
            position(&source, label.span.start);
        }
        agrees(&source);
    }

    #[test]
    fn laying_out_twice_is_laying_out_once_and_loses_nothing(source in document()) {
        let once = fmt(&source).unwrap();
        prop_assert_eq!(fmt(&once).unwrap(), once.clone());
        prop_assert_eq!(comments(&once), comments(&source));
        let shape = |source: &str| format!("{:?}", source.parse::<KdlDocument>().map(|mut document| { document.autoformat(); document.to_string() }).is_ok());
        prop_assert_eq!(shape(&once), shape(&source));
        let values = |source: &str| -> Vec<Value> {
            fn all(nodes: &[Node], out: &mut Vec<Value>) {
                for node in nodes {
                    out.push(Value::Word(node.name.value.clone()));
                    out.extend(node.arguments.iter().map(|argument| argument.value.clone()));
                    out.extend(node.properties.iter().map(|property| property.value.clone()));
                    all(node.children(), out);
                }
            }
            let mut out = Vec::new();
            all(&read(source).document.nodes, &mut out);
            out
        };
        prop_assert_eq!(values(&once), values(&source));
    }
}
