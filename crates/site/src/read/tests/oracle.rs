//! What we accept, the `kdl` crate accepts with equal values.

use kdl::{KdlDocument, KdlNode, KdlValue};
use proptest::prelude::*;

use crate::problem::Report;
use crate::read::tree::{Node, Value};
use crate::read::{fmt, read};

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
    // KDL ends any node with `;`; the oracle (6.7) refuses it behind a node that is switched off.
    let oracle_errs = source.contains("/-") && source.contains(';');
    if oracle_errs || !reading.problems.is_empty() {
        return;
    }
    let theirs: KdlDocument = source
        .parse()
        .unwrap_or_else(|error| panic!("we accept {source:?}: {error:?}"));
    equal_documents(&reading.document.nodes, &theirs);
}

/// A value as a file may hold it.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "w[a-z_.-]{0,6}",
        "[ -~äλ]{0,8}".prop_map(|text| format!("{text:?}")),
        any::<i32>().prop_map(|number| number.to_string()),
        (any::<i32>(), 0..1000).prop_map(|(whole, part)| format!("{whole}.{part}")),
        (1..99, -20..20).prop_map(|(number, power)| format!("{number}e{power}")),
        any::<u32>().prop_map(|number| format!("0x{number:x}")),
        prop::sample::select(vec!["#true", "#false", "#null", "1_000", "-0o17", "+0b1_1"])
            .prop_map(str::to_owned),
        "[ -!#-~]{0,6}".prop_map(|text| format!("##\"{text}\"##")),
        Just(r#""\u{e9}\t\s\"\\\b/""#.to_owned()),
    ]
}

fn space() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        " ",
        " ",
        "  ",
        "\t",
        "   ",
        " /* x */ ",
        " \\\n",
        " \\ // on\n\t",
    ])
}

/// A word with what belongs to it, in one line or several.
fn head() -> BoxedStrategy<String> {
    let part = (
        space(),
        prop::sample::select(vec!["", "", "p=", "\"a b\"=", "/-"]),
        value(),
    );
    ("w[a-z-]{0,5}", prop::collection::vec(part, 0..4))
        .prop_map(|(name, parts)| {
            let mut out = name;
            for (index, (space, before, value)) in parts.into_iter().enumerate() {
                // Each setting once: its number makes it another.
                let before = before
                    .replace("p=", &format!("p{index}="))
                    .replace("a b", &format!("a {index}"));
                out += &format!("{space}{before}{value}");
            }
            out
        })
        .boxed()
}

fn line_end() -> BoxedStrategy<String> {
    prop_oneof![
        Just("\n".to_owned()),
        Just("\r\n\n  \n".to_owned()),
        Just(";".to_owned()),
        Just(" ; ".to_owned()),
        "[ -~]{0,9}".prop_map(|text| format!("   // {text}\n")),
        "[a-z \n]{0,9}".prop_map(|text| format!(" /* {text} */\n")),
    ]
    .boxed()
}

/// A file in our part of the language.
fn document() -> impl Strategy<Value = String> {
    let line = (
        prop::sample::select(vec!["", "  ", "\t", "    ", "/-", "/- "]),
        head(),
        line_end(),
    );
    let leaf = line
        .clone()
        .prop_map(|(before, head, end)| format!("{before}{head}{end}"));
    let node = leaf.prop_recursive(3, 16, 4, move |inner| {
        let open = prop::sample::select(vec!["{", " {", " { ", " {\n", "   { // x\n"]);
        let block = (line.clone(), open, prop::collection::vec(inner, 0..4));
        block.prop_map(|((before, head, end), open, nodes)| {
            format!("{before}{head}{open}{}}}{end}", nodes.concat())
        })
    });
    let mark = prop::sample::select(vec!["", "\u{feff}", "// first\n"]);
    (mark, prop::collection::vec(node, 0..5))
        .prop_map(|(mark, nodes)| mark.to_owned() + &nodes.concat())
}

fn values(source: &str) -> Vec<Value> {
    fn all(nodes: &[Node], out: &mut Vec<Value>) {
        for node in nodes {
            out.push(Value::Word(node.name.value.clone()));
            out.extend(node.arguments.iter().map(|argument| argument.value.clone()));
            for property in &node.properties {
                out.push(Value::Word(property.name.value.clone()));
                out.push(property.value.clone());
            }
            all(node.children(), out);
            out.push(Value::Null);
        }
    }
    let mut out = Vec::new();
    all(&read(source).document.nodes, &mut out);
    out
}

/// What a text holds besides space, line ends and the `;` among them.
fn ink(source: &str) -> String {
    let source = source.trim_start_matches('\u{feff}');
    source.chars().filter(|c| !c.is_whitespace()).collect()
}

proptest! {
    #[test]
    fn the_oracle_reads_our_part_of_the_language_alike(source in document()) {
        prop_assert_eq!(&read(&source).problems, &[], "{}", source);
        agrees(&source);
    }

    #[test]
    fn what_we_accept_the_oracle_accepts(
        source in document(),
        at in any::<prop::sample::Index>(),
        with in "[ -~\n\t\u{feff}\u{85}äλ“]{0,3}",
        cut in 0..3_usize,
    ) {
        let mut chars: Vec<char> = source.chars().collect();
        let at = if chars.is_empty() { 0 } else { at.index(chars.len()) };
        let end = (at + cut).min(chars.len());
        chars.splice(at..end, with.chars());
        agrees(&chars.into_iter().collect::<String>());
    }

    #[test]
    fn any_text_is_read_to_its_end(
        source in "[ -~\n\r\t\u{85}\u{2028}\u{a0}{}\"#/\\\\;=äλ\u{0}\u{feff}“*-]{0,80}",
    ) {
        let reading = read(&source);
        for label in reading.problems.iter().flat_map(|problem| &problem.labels) {
            prop_assert!(source.get(label.span.start..label.span.end).is_some(), "{:?}", label);
        }
        for problem in &reading.problems {
            prop_assert_eq!(problem.labels.iter().filter(|label| label.primary).count(), 1);
        }
        let report = Report::new("site.kdl", &source, &reading.problems).render(false);
        prop_assert_eq!(report.is_empty(), reading.problems.is_empty());
        agrees(&source);
    }

    #[test]
    fn laying_out_twice_is_laying_out_once_and_loses_nothing(source in document()) {
        let once = fmt(&source).unwrap();
        prop_assert_eq!(fmt(&once).unwrap(), once.clone());
        prop_assert_eq!(ink(&once), ink(&source));
        prop_assert_eq!(values(&once), values(&source));
    }
}
